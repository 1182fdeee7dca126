package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

func newAdoptCommand(g *globals) *cobra.Command {
	var req api.AdoptRequest
	var f specFlags
	cmd := &cobra.Command{
		Use:   "adopt [HOST|NETWORK|--all] [--dry-run] [-f FILE ...] [--store UUID] [--force] [--wait[=30s]]",
		Short: "Take over what another ovsmesh store has left on hosts",
		Long: `Every row that ovsmesh makes carries the UUID of its store, and no other store
ever changes it: a controller that starts with an empty data directory leaves all
that stands as it is. adopt makes these rows its own, in place: the mark is
replaced in one transaction a host, ports and their numbers, flows and traffic
stay, and networks and hosts of the spec are what the rows tell.

Without a name it lists what there is. A NETWORK is taken over on all hosts, with
what else is on its bridges; a HOST with all that is on it; host/NAME and
network/NAME tell them apart. Nothing is changed where two hosts tell different
things, or where a tunnel would go or change.

Key pools and ports are told by no row: name them with -f. A spec has the last
word on what it names.

Exit code: 0 where all was adopted, 1 where anything was not.`,
		Example: `  ovsmesh adopt                          # what could be adopted?
  ovsmesh adopt --all --dry-run          # and what would change?
  ovsmesh adopt --all -f spec.yaml --wait
  ovsmesh adopt blue                     # one network, on all hosts
  ovsmesh adopt xen4                     # a host that was away
  ovsmesh audit                          # is all as it was?`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				if err := notWaitTime(args[1]); err != nil {
					return err
				}
				return fmt.Errorf("one host or network at a time, or --all: what is %q?", args[1])
			case len(args) == 1:
				return notWaitTime(args[0])
			}
			return nil
		},
		ValidArgsFunction: g.completeAdoptable,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if req.Name = args[0]; req.All {
					return fmt.Errorf("--all, or %s alone?", args[0])
				}
			}
			c := g.client()
			if req.Name == "" && !req.All {
				if len(f.files) > 0 || req.Force || f.wait > 0 {
					return errors.New("what is to be adopted? name a host or a network, or say --all")
				}
				offer, err := c.Adoptable(cmd.Context())
				if err != nil {
					return err
				}
				return g.printOffer(cmd, offer)
			}
			return f.send(cmd, c, req.DryRun, func(spec []api.File) (uint64, error) {
				req.Files = spec
				result, err := c.Adopt(cmd.Context(), req)
				if err != nil {
					return 0, notAdopted(err)
				}
				if err := g.printAdopted(cmd, result); err != nil || result.Store == "" {
					return 0, err
				}
				return result.Generation, nil
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&req.All, "all", false, "all networks and hosts that the store has left")
	flags.BoolVar(&req.DryRun, "dry-run", false, "print what would change and change nothing")
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "spec with what rows don't tell, or with the last word: file, directory or - for stdin (repeatable)")
	flags.StringVar(&req.Store, "store", "", "UUID of the store, where hosts carry rows of several")
	flags.BoolVar(&req.Force, "force", false, "adopt even where tunnels would go or change")
	addWaitFlag(flags, &f.wait)
	cmd.RegisterFlagCompletionFunc("store", g.completeStores)
	return cmd
}

// notAdopted shortens the error of an adoption whose problems are listed above
// it.
func notAdopted(err error) error {
	var status *api.StatusError
	if errors.As(err, &status) && len(status.Body.Problems) > 0 {
		short := *status
		short.Body.Message = plural(len(status.Body.Problems), "problem") + ": nothing was adopted or changed"
		return &short
	}
	return err
}

func (g *globals) completeAdoptable(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	offer, err := g.client().Adoptable(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, s := range offer.Stores {
		for _, n := range s.Networks {
			names = append(names, n.Name)
		}
		for _, h := range s.Hosts {
			names = append(names, h.Host)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (g *globals) completeStores(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	offer, err := g.client().Adoptable(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, s := range offer.Stores {
		ids = append(ids, s.ID)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// printOffer prints what could be adopted.
func (g *globals) printOffer(cmd *cobra.Command, offer api.AdoptOffer) error {
	return g.print(cmd, offer, func(w io.Writer, wide bool) error {
		if len(offer.Unseen) > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "not connected, or silent, and so not looked at: %s\n", fewNames(offer.Unseen, wide))
		}
		if len(offer.Stores) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "nothing to adopt: no host that is connected carries rows of another store")
			return nil
		}
		for i, s := range offer.Stores {
			if i > 0 {
				fmt.Fprintln(w)
			}
			if err := writeStore(w, s, wide); err != nil {
				return err
			}
		}
		return nil
	})
}

func writeStore(w io.Writer, s api.AdoptStore, wide bool) error {
	fmt.Fprintf(w, "store %s\n\n", s.ID)
	t := newTable("NETWORK", "TENANT", "ENCAP", "KEY", "TOLD", "BRIDGES", "HOSTS", "TUNNELS")
	for _, n := range s.Networks {
		told := "all"
		if !n.Told {
			told = "key only"
		}
		t.add(n.Name, n.Tenant, string(n.Encap), fmt.Sprint(n.Key), told, fewNames(n.Bridges, wide), fewNames(n.Hosts, wide), fmt.Sprint(n.Tunnels))
	}
	if err := t.write(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = newTable("HOST", "CALLED", "ID", "CONNECTED", "BRIDGES", "TUNNELS")
	for _, h := range s.Hosts {
		t.add(h.Host, h.Called, number(h.ID), "yes", fewNames(h.Bridges, wide), fmt.Sprint(h.Tunnels))
	}
	for _, a := range s.Away {
		t.add(a.Host, a.Host, number(a.ID), "no", "", "")
	}
	if err := t.write(w); err != nil {
		return err
	}
	if len(s.Problems) > 0 {
		fmt.Fprintln(w, "\nto be settled by a spec (-f), or on the hosts:")
		for _, p := range s.Problems {
			fmt.Fprintf(w, "  %s\n", p)
		}
	}
	return nil
}

func number(id int) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprint(id)
}

// fewNames joins names; only the first few unless wide.
func fewNames(names []string, wide bool) string {
	const shown = 4
	if wide || len(names) <= shown {
		return strings.Join(names, ",")
	}
	return fmt.Sprintf("%s,+%d", strings.Join(names[:shown], ","), len(names)-shown)
}

// printAdopted prints what was adopted, and returns the exit code that goes with
// it.
func (g *globals) printAdopted(cmd *cobra.Command, r api.AdoptResult) error {
	err := g.print(cmd, r, func(w io.Writer, wide bool) error {
		if r.Store == "" {
			fmt.Fprintln(cmd.ErrOrStderr(), "nothing to adopt")
			return nil
		}
		dry := ""
		if r.DryRun {
			dry = " (dry run)"
		}
		for _, i := range r.Items {
			line := singular(i.Kind) + "/" + i.Name + " " + i.Verb
			if len(i.Fields) > 0 {
				line += " (" + strings.Join(i.Fields, "; ") + ")"
			}
			fmt.Fprintln(w, line+dry)
		}
		for _, h := range r.Hosts {
			what := fmt.Sprintf("%s marked on %s", plural(h.Rows, "row"), fewNames(h.Bridges, wide))
			if h.Error != "" {
				what = "NOT adopted: " + h.Error
			}
			fmt.Fprintf(w, "%s: %s%s\n", h.Host, what, dry)
		}
		for _, text := range r.Warnings {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", text)
		}
		return nil
	})
	if err != nil {
		return err
	}
	failed := 0
	for _, h := range r.Hosts {
		if h.Error != "" {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%s of %d not adopted: see above; run it again when that is settled", plural(failed, "host"), len(r.Hosts))
	}
	return nil
}
