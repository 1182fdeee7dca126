package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovsmesh/controller/api"
)

func newApplyCommand(g *globals) *cobra.Command {
	var f specFlags
	var req api.ApplyRequest
	cmd := &cobra.Command{
		Use:   "apply -f FILE|DIR|- [-f ...] [--prune] [--dry-run] [--wait[=30s]]",
		Short: "Make the objects of a spec what the files say",
		Long: `Creates and changes the objects that the files list and touches nothing else.
A spec that is wrong anywhere is refused as a whole, and nothing changes.

With --wait, the exit code is 1 where a host could not do it in time, or could
not do part of it; hosts that are not connected get it when they come back.`,
		Example: `  ovsmesh apply -f networks.yaml
  ovsmesh apply -f specs/ --dry-run          # what would change
  ovsmesh apply -f networks.yaml --wait=1m   # until it is on every connected host
  ovsmesh export | ssh other ovsmesh apply -f - --prune`,
		Args:              applyArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(f.files) == 0 {
				return errors.New("nothing to apply: name a file, a directory or - for stdin with -f")
			}
			c := g.client()
			return f.send(cmd, c, req.DryRun, func(spec []api.File) (uint64, error) {
				req.Files = spec
				result, err := c.Apply(cmd.Context(), req)
				if err != nil {
					return 0, refused(err)
				}
				return result.Generation, g.printResult(cmd, result)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "file, directory or - for stdin (repeatable)")
	flags.BoolVar(&req.Prune, "prune", false, "delete what no file lists")
	flags.BoolVar(&req.DryRun, "dry-run", false, "print what would change and change nothing")
	addWaitFlag(flags, &f.wait)
	return cmd
}

// specFlags are the flags of commands that send specs.
type specFlags struct {
	files []string
	wait  time.Duration
}

// send reads the files, calls change with them, and waits, if it is to, until the
// generation that change has returned is on all hosts; 0 is that of no change.
func (f *specFlags) send(cmd *cobra.Command, c *api.Client, dryRun bool, change func([]api.File) (uint64, error)) error {
	var spec []api.File
	if len(f.files) > 0 {
		var err error
		if spec, err = readFiles(f.files, cmd.InOrStdin()); err != nil {
			return err
		}
	}
	wait := f.wait
	if dryRun {
		wait = 0
	}
	w, err := newWaiter(cmd.Context(), c, wait, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	generation, err := change(spec)
	if err != nil || generation == 0 {
		return err
	}
	return w.wait(cmd.Context(), generation)
}

// applyArgs refuses words beside the flags, and says what was probably meant.
func applyArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if err := notWaitTime(args[0]); err != nil {
		return err
	}
	return fmt.Errorf("what is %q? files are named with -f: ovsmesh apply -f %s", args[0], args[0])
}

// waitTime is the value of --wait. It implements pflag.Value.
type waitTime time.Duration

// String implements pflag.Value.
func (t *waitTime) String() string { return time.Duration(*t).String() }

// Type implements pflag.Value.
func (t *waitTime) Type() string { return "duration" }

// Set implements pflag.Value.
func (t *waitTime) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return errors.New("want a time like 30s or 2m")
	}
	*t = waitTime(d)
	return nil
}

// addWaitFlag adds --wait[=TIME]; zero is not to wait.
func addWaitFlag(flags *pflag.FlagSet, wait *time.Duration) {
	flags.Var((*waitTime)(wait), "wait", "return when the change is on every connected host, or fail after this time")
	f := flags.Lookup("wait")
	f.NoOptDefVal, f.DefValue = "30s", "0s"
}

// notWaitTime refuses a time that was meant for --wait: a flag whose value may
// be left out takes none from the next word.
func notWaitTime(word string) error {
	if _, err := time.ParseDuration(word); err != nil {
		return nil
	}
	return fmt.Errorf("%q stands by itself: write --wait=%s", word, word)
}

// refused shortens the error of a spec whose problems are listed above it.
func refused(err error) error {
	var status *api.StatusError
	if errors.As(err, &status) && len(status.Body.Problems) > 0 {
		short := *status
		short.Body.Message = plural(len(status.Body.Problems), "problem") + " in the spec: nothing was changed"
		return &short
	}
	return err
}

// printResult prints a line for each object that was touched, as
// "network/blue created".
func (g *globals) printResult(cmd *cobra.Command, result api.ApplyResult) error {
	return g.print(cmd, result, func(w io.Writer, _ bool) error {
		for _, i := range result.Items {
			line := singular(i.Kind) + "/" + i.Name + " " + i.Verb
			if len(i.Fields) > 0 {
				line += " (" + strings.Join(i.Fields, "; ") + ")"
			}
			if result.DryRun {
				line += " (dry run)"
			}
			if _, err := fmt.Fprintln(w, line); err != nil {
				return err
			}
		}
		if len(result.Items) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "nothing to change")
		}
		return nil
	})
}
