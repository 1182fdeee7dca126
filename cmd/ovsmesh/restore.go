package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ovsmesh/controller/store"
)

// restoreResult is what restore prints for programs.
type restoreResult struct {
	backupResult
	Path     string `json:"path"`           // of the store
	Kept     string `json:"kept,omitempty"` // where the store that was there before is now
	DryRun   bool   `json:"dryRun,omitempty"`
	Accepted bool   `json:"accepted"` // hosts are brought in line with it as soon as it is served
}

// restoreFlags are those of restore.
type restoreFlags struct {
	config                string
	force, accept, dryRun bool
}

func newRestoreCommand(g *globals) *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore FILE|- [--force] [--accept] [--dry-run]",
		Short: "Put a backup in the place of the controller's store",
		Long: `Puts a backup in the place of the store in the data directory of this machine,
while no "ovsmesh serve" uses it. The backup and the store in it are checked whole
first. A store that is there already is replaced only with --force, and is kept
beside the new one.

What hosts got after the backup was taken is not in it: networks made since then
would lose their tunnels and flows, for the store does not know them. So the next
"ovsmesh serve" only looks: hosts dial in, and "ovsmesh audit" shows what differs,
but nothing is written to them. Apply what is missing, and then let it be carried
out with "ovsmesh restore --accept", which talks to the running controller. VMs
that start or move until then are not followed.

With FILE and --accept it is carried out as soon as it is served.`,
		Example: `  ovsmesh restore --dry-run ovsmesh.backup      # is it whole, and what is in it?
  systemctl stop ovsmesh
  ovsmesh restore --force ovsmesh.backup
  systemctl start ovsmesh
  ovsmesh audit                                 # what do hosts hold beyond it?
  ovsmesh audit --repair --dry-run              # what would be done?
  ovsmesh restore --accept                      # do it`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return fmt.Errorf("%d backups: restore one", len(args))
			case len(args) == 0 && !f.accept:
				return errors.New("which backup? name a FILE, - for standard input, or --accept for one that was restored")
			case len(args) == 0 && (f.force || f.dryRun):
				return errors.New("--force and --dry-run are for a FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return g.acceptRestored(cmd)
			}
			return g.restore(cmd, f, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "configuration file of ovsmesh serve, which may name the data directory")
	flags.String("data-dir", "", "directory of the store, as of ovsmesh serve (default /var/lib/ovsmesh)")
	flags.BoolVar(&f.force, "force", false, "replace the store that is there, and keep it beside the new one")
	flags.BoolVar(&f.accept, "accept", false, "let it be carried out on the hosts; without FILE: what was restored before")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only check the backup, and say what is in it")
	return cmd
}

func (g *globals) restore(cmd *cobra.Command, f restoreFlags, name string) error {
	cfg, err := LoadConfig(f.config, os.LookupEnv, cmd.Flags())
	if err != nil {
		return err
	}
	in := cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close() // only read
		in = file
	}
	now := time.Now()
	res, err := store.Restore{Dir: cfg.DataDir, Replace: f.force, Accept: f.accept, DryRun: f.dryRun, Now: now}.Restore(in)
	switch {
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("%w: stop ovsmesh serve first", err)
	case errors.Is(err, store.ErrExists):
		return fmt.Errorf("%w: --force replaces it, and keeps it beside the new one", err)
	case errors.Is(err, store.ErrNoBackup), errors.Is(err, store.ErrCorrupt), errors.Is(err, store.ErrNewer):
		return fmt.Errorf("%s: %w; nothing has changed", name, err)
	case err != nil:
		return err
	}
	out := restoreResult{backupResult: backupResult{name, res.Manifest}, Path: res.Path, Kept: res.Kept, DryRun: f.dryRun, Accepted: f.accept}
	if err := g.print(cmd, out, func(w io.Writer, _ bool) error { return out.write(w, now) }); err != nil {
		return err
	}
	fmt.Fprint(cmd.ErrOrStderr(), out.next())
	return nil
}

// write says what was restored.
func (r *restoreResult) write(w io.Writer, now time.Time) error {
	done := "restored"
	if r.DryRun {
		done = "whole; it would be restored"
	}
	fmt.Fprintf(w, "%s: %s to %s\n", r.File, done, r.Path)
	t := newTable("STORE", "TAKEN", "AGE", "BY", "NETWORKS", "HOSTS", "PORTS")
	t.add(r.StoreID, r.Time.Format(time.RFC3339), age(now.Sub(r.Time)), r.Version, fmt.Sprint(r.Networks), fmt.Sprint(r.Hosts), fmt.Sprint(r.Ports))
	if err := t.write(w); err != nil {
		return err
	}
	if r.Kept != "" {
		fmt.Fprintf(w, "the store that was there is kept as %s\n", r.Kept)
	}
	return nil
}

// age is how long ago something was, in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(max(d, 0)/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d/time.Hour))
	}
	return fmt.Sprintf("%dd", int(d/(24*time.Hour)))
}

// next says what will happen when the store is served.
func (r *restoreResult) next() string {
	const beyond = "What hosts got after it was taken is not in it, and is taken away from them"
	switch {
	case r.DryRun:
		return ""
	case r.Accepted:
		return beyond + " as soon as ovsmesh serve runs.\n"
	}
	return beyond + " once you accept it; until then ovsmesh serve only looks:\n" +
		"  ovsmesh audit                      what differs\n" +
		"  ovsmesh audit --repair --dry-run   what would be done\n" +
		"  ovsmesh restore --accept           do it\n"
}

func (g *globals) acceptRestored(cmd *cobra.Command) error {
	res, err := g.client().Accept(cmd.Context())
	if err != nil {
		return err
	}
	return g.print(cmd, res, func(w io.Writer, _ bool) error {
		text := "nothing to accept: no restored store waits"
		if res.Accepted {
			text = "accepted: hosts are brought in line with the store as of " + res.Restored.Backup
		}
		_, err := fmt.Fprintln(w, text)
		return err
	})
}
