package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"ovsmesh/ovsdb/ovstest"
)

// smallDisk is a file system of its own for the server's store. It is mounted
// outside of the mesh's directory, in one of its own; see ovstest.TempDir.
type smallDisk struct {
	m   *Mesh
	dir string // "" while it is not mounted
}

const smallDiskSize = "24m"

// use moves the store there, while the server is stopped.
func (d *smallDisk) use(ctx context.Context) error {
	outer, err := ovstest.TempDir("store")
	if err != nil {
		return err
	}
	dir := filepath.Join(outer, "disk")
	err = os.Mkdir(dir, 0o755)
	if err == nil {
		err = unix.Mount("om-store", dir, "tmpfs", 0, "size="+smallDiskSize)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("mount: %w", err), os.RemoveAll(outer))
	}
	d.dir = dir
	if err := d.m.Server.Stop(); err != nil {
		return err
	}
	data := d.m.Server.DataDir()
	if err := os.CopyFS(dir, os.DirFS(data)); err != nil {
		return err
	}
	if err := os.RemoveAll(data); err != nil {
		return err
	}
	if err := os.Symlink(dir, data); err != nil {
		return err
	}
	return d.restart(ctx)
}

// leave moves the store back.
func (d *smallDisk) leave(ctx context.Context) error {
	if d.dir == "" {
		return nil
	}
	if err := d.m.Server.Stop(); err != nil {
		return err
	}
	data := d.m.Server.DataDir()
	if to, err := os.Readlink(data); err == nil && to == d.dir {
		if err := os.Remove(data); err != nil {
			return err
		}
		if err := os.CopyFS(data, os.DirFS(d.dir)); err != nil {
			return err
		}
	}
	if err := unix.Unmount(d.dir, 0); err != nil {
		return fmt.Errorf("unmount %s: %w", d.dir, err)
	}
	if err := os.RemoveAll(filepath.Dir(d.dir)); err != nil {
		return err
	}
	d.dir = ""
	return d.restart(ctx)
}

func (d *smallDisk) restart(ctx context.Context) error {
	if err := d.m.Server.Start(ctx); err != nil {
		return err
	}
	return d.m.Settled(ctx)
}

func (d *smallDisk) ballast() string { return filepath.Join(d.dir, "ballast") }

func (d *smallDisk) fill(context.Context) error {
	if err := os.WriteFile(d.ballast(), make([]byte, 32<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the disk is not full: %w", err)
	}
	return nil
}

func (d *smallDisk) empty(context.Context) error { return os.Remove(d.ballast()) }

// lock makes it read-only; the system does so only while nobody has a file of
// it open to write.
func (d *smallDisk) lock(ctx context.Context) error {
	if err := d.m.Server.Stop(); err != nil {
		return err
	}
	if err := d.remount(unix.MS_RDONLY); err != nil {
		return err
	}
	return d.restart(ctx)
}

func (d *smallDisk) unlock(context.Context) error { return d.remount(0) }

func (d *smallDisk) remount(flags uintptr) error {
	if err := unix.Mount("om-store", d.dir, "tmpfs", unix.MS_REMOUNT|flags, "size="+smallDiskSize); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	return nil
}
