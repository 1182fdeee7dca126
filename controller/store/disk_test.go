package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ovsmesh/topology"
)

// mountDisk makes a file system of its own of some KiB.
func mountDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("om-store-test", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func bigFacts(n int) *Batch {
	return &Batch{Facts: map[string]topology.HostFacts{"h": {SystemID: "s", Hostname: strings.Repeat("x", n)}}}
}

// A full disk is an error of the commit that meets it; what was there stays,
// and the next commit works once there is space.
func TestDiskFull(t *testing.T) {
	dir := mountDisk(t, "512k")
	s := openStore(t, dir)
	commit(t, s, bigFacts(1000))
	ballast := filepath.Join(dir, "ballast")
	for round := range 3 {
		err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("round %d: the disk is not full: %v", round, err)
		}
		for range 3 {
			if err := s.Commit(bigFacts(100_000)); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("round %d: on a full disk: %v", round, err)
			}
		}
		if got := len(load(t, s).Facts["h"].Hostname); got != 1000+round {
			t.Errorf("round %d: %d bytes are left of what was there", round, got)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		commit(t, s, bigFacts(1001+round))
	}
	closeStore(t, s)
	s = openStore(t, dir)
	if got := len(load(t, s).Facts["h"].Hostname); got != 1003 {
		t.Errorf("%d bytes after all", got)
	}
	closeStore(t, s)
}

// No store comes of a disk that is full from the start, and none is in the way
// when there is space.
func TestCreateOnFullDisk(t *testing.T) {
	dir := mountDisk(t, "64k")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	if _, err := Open(dir); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	closeStore(t, openStore(t, dir))
}

func TestReadOnlyDisk(t *testing.T) {
	dir := mountDisk(t, "512k")
	readOnly := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("om-store-test", dir, "tmpfs", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	readOnly(unix.MS_RDONLY)
	for _, d := range []string{dir, filepath.Join(dir, "new")} {
		if _, err := Open(d); !errors.Is(err, syscall.EROFS) {
			t.Errorf("a new store in %s: %v", d, err)
		}
	}
	readOnly(0)
	closeStore(t, openStore(t, dir))
	s := openStore(t, dir)
	commit(t, s, bigFacts(1000))
	closeStore(t, s)
	before := read(t, filepath.Join(dir, FileName))

	readOnly(unix.MS_RDONLY)
	s = openStore(t, dir)
	if since, err := s.Trouble(); !errors.Is(err, syscall.EROFS) || since.IsZero() {
		t.Errorf("trouble of a store that can't be written: %v since %v", err, since)
	}
	if _, err := s.Backup(time.Now(), "v1"); err != nil {
		t.Error(err)
	}
	for range 2 {
		var refused *WriteError
		err := s.Commit(bigFacts(2000))
		if !errors.As(err, &refused) || !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), filepath.Join(dir, FileName)) || !strings.Contains(err.Error(), "mount its file system for writing again") {
			t.Errorf("a commit: %v", err)
		}
		if got := len(load(t, s).Facts["h"].Hostname); got != 1000 {
			t.Errorf("%d bytes are left of what was there", got)
		}
		if err := s.Probe(); !errors.Is(err, syscall.EROFS) {
			t.Errorf("a probe: %v", err)
		}
	}
	if !bytes.Equal(before, read(t, filepath.Join(dir, FileName))) {
		t.Error("the file was changed")
	}
	readOnly(0)
	if err := s.Probe(); err != nil {
		t.Error(err)
	}
	if _, err := s.Trouble(); err != nil {
		t.Errorf("trouble once it can be written: %v", err)
	}
	if got := len(load(t, s).Facts["h"].Hostname); got != 1000 {
		t.Errorf("%d bytes are left of what was there", got)
	}
	commit(t, s, bigFacts(2000))
	if _, err := Open(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("a second opener: %v", err)
	}
	closeStore(t, s)
	s = openStore(t, dir)
	if got := len(load(t, s).Facts["h"].Hostname); got != 2000 {
		t.Errorf("%d bytes after all", got)
	}
	closeStore(t, s)
}

func TestNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("in a file: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, FileName), 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("a directory in the store's place: %v", err)
	}
}
