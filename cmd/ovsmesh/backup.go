package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
)

// backupResult is what backup and restore print of a backup for programs.
type backupResult struct {
	File string `json:"file"` // "-" is standard input or output
	store.Manifest
}

func newBackupCommand(g *globals) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "backup FILE|- [--force]",
		Short: "Copy the controller's store to a file, while it serves",
		Long: `Copies the store of a running "ovsmesh serve" as of one moment: the networks, hosts
and ports with their keys and numbers, what hosts last reported, and the UUID that
marks what is ours on the hosts. "ovsmesh restore" puts it back.

The file gets its name only once all of it is there and its checksum is right, and
only its owner can read it. With - it goes to standard output; check the exit code
then, for what a failed backup has written is no backup. "head -n 2" of a backup
shows what it is.`,
		Example: `  ovsmesh backup /var/backups/ovsmesh-$(date +%F).backup
  ovsmesh backup --force /var/backups/ovsmesh.backup
  ovsmesh backup - | gpg --encrypt -r ops > ovsmesh.backup.gpg`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("where to? name one FILE, or - for standard output")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if name == "-" {
				return g.backupToStdout(cmd)
			}
			m, err := backupToFile(cmd.Context(), g.client(), name, force)
			if err != nil {
				return err
			}
			return g.print(cmd, backupResult{name, m}, func(w io.Writer, _ bool) error {
				_, err := fmt.Fprintf(w, "%s: %s\n", name, manifestText(m))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace the file where there is one")
	return cmd
}

// manifestText says what a backup holds.
func manifestText(m store.Manifest) string {
	return fmt.Sprintf("%s, %s and %s as of %s, store %s, %d bytes", count(m.Networks, "network"), count(m.Hosts, "host"), count(m.Ports, "port"),
		m.Time.Format(time.RFC3339), m.StoreID, m.Bytes)
}

func (g *globals) backupToStdout(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	if isTerminal(out) {
		return errors.New("a backup is no text for a terminal: name a file, or redirect the output")
	}
	m, err := receive(cmd.Context(), g.client(), out)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), manifestText(m))
	return nil
}

// backupToFile makes a file of that name, whole or not at all.
func backupToFile(ctx context.Context, c *api.Client, name string, force bool) (m store.Manifest, err error) {
	if st, err := os.Lstat(name); err == nil && (!force || !st.Mode().IsRegular()) {
		if !st.Mode().IsRegular() {
			return m, fmt.Errorf("%s is not a file, but %v", name, st.Mode())
		}
		return m, fmt.Errorf("%s is there already: name another file, or replace it with --force", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".new-*") // mode 0600
	if err != nil {
		return m, err
	}
	defer os.Remove(f.Name()) // by then it has its own name, or is of no use
	m, err = receive(ctx, c, f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return m, err
	}
	if force {
		err = os.Rename(f.Name(), name)
	} else if err = os.Link(f.Name(), name); errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%s has come meanwhile: name another file, or replace it with --force", name)
	}
	if err != nil {
		return m, err
	}
	return m, syncDir(filepath.Dir(name))
}

// syncDir puts a directory's entries on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// receive copies a backup to w and checks on the way that all of it came.
func receive(ctx context.Context, c *api.Client, w io.Writer) (store.Manifest, error) {
	r, in := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := c.Backup(ctx, in)
		in.CloseWithError(err) // nil is the end
		sent <- err
	}()
	m, err := store.ReadBackup(io.TeeReader(r, w), io.Discard)
	r.CloseWithError(io.ErrClosedPipe)
	if e := <-sent; e != nil && !errors.Is(e, io.ErrClosedPipe) {
		err = e // what was read is cut off because of it
	}
	if errors.Is(err, store.ErrNoBackup) {
		err = fmt.Errorf("%s: %w", c.BaseURL, err)
	}
	return m, err
}
