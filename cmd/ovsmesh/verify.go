package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/verify"
)

func newVerifyCommand(g *globals) *cobra.Command {
	var req api.VerifyRequest
	var want bool
	cmd := &cobra.Command{
		Use:   "verify [--network N] [--host H] [--want|--got]",
		Short: "Prove that networks are apart, free of loops, and carry what they should",
		Long: `Follows frames of every kind from every VM and out of every tunnel through the
flows of all hosts, and looks at the flows themselves, and says which of these
does not hold:

  isolation       a frame of one network never leaves on a port of another
  loop            what came from a tunnel never leaves on a tunnel
  unicast         arrives exactly once, at the right port only
  broadcast       and what else goes to many: once at every port that the
                  network's options say, and nowhere else
  port-security   a VM can't speak with another's MAC or IP, where that is on
  answers         questions about addresses are answered rightly

By default these are the flows that the switches should hold; with --got they are
read from the switches now, other programs' flows among them. Nothing is sent on
the wire.

Exit code: 0 where all holds; 2 where something does not; 1 where not everything
could be looked at, or the command failed.`,
		Example: `  ovsmesh verify
  ovsmesh verify --network blue
  ovsmesh verify --host xen1 --got        # what xen1 does with frames now
  ovsmesh verify -o json | jq .violations`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := g.verify(cmd.Context(), req, newProgress(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			return g.printVerify(cmd, report)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Network, "network", "", "only this network")
	flags.StringVar(&req.Host, "host", "", "only networks on this host, and frames that come in there")
	flags.BoolVar(&want, "want", false, "the flows that the switches should hold (the default)")
	flags.BoolVar(&req.Got, "got", false, "the flows that the switches hold now")
	cmd.MarkFlagsMutuallyExclusive("want", "got")
	cmd.RegisterFlagCompletionFunc("network", g.completeNames(api.KindNetworks))
	cmd.RegisterFlagCompletionFunc("host", g.completeNames(api.KindHosts))
	return cmd
}

// verifyAtOnce is how many networks one request is about: whoever waits sees how
// far it is.
const verifyAtOnce = 100

// verify asks for one part after the other, and puts the reports together. What
// switches hold is asked for at once: they are read for each request.
func (g *globals) verify(ctx context.Context, req api.VerifyRequest, p *progress) (api.VerifyReport, error) {
	defer p.end()
	if !req.Got {
		req.Limit = verifyAtOnce
	}
	p.show("verifying …")
	var all api.VerifyReport
	for first := true; ; first = false {
		part, err := g.client().Verify(ctx, req)
		if err != nil {
			return all, err
		}
		if first {
			all = part
		} else {
			all.OK, all.Complete = all.OK && part.OK, all.Complete && part.Complete
			all.Checked.Networks += part.Checked.Networks
			all.Checked.Bridges += part.Checked.Bridges
			all.Checked.Flows += part.Checked.Flows
			all.Checked.Frames += part.Checked.Frames
			all.Violations = append(all.Violations, part.Violations...)
			all.Omitted += part.Omitted
			all.Unseen = append(all.Unseen, part.Unseen...)
			all.Networks, all.Next = part.Networks, part.Next
		}
		if part.Next == "" {
			break
		}
		req.After = part.Next
		p.show(fmt.Sprintf("verified %d networks of %d, %d violations", all.Checked.Networks, all.Networks, len(all.Violations)))
	}
	slices.SortFunc(all.Unseen, compareUnseen)
	all.Unseen = slices.Compact(all.Unseen)
	return all, nil
}

func compareUnseen(a, b verify.Unseen) int {
	return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Bridge, b.Bridge), strings.Compare(a.Reason, b.Reason))
}

// printVerify prints a report, and returns the exit code that goes with it.
func (g *globals) printVerify(cmd *cobra.Command, r api.VerifyReport) error {
	r.Violations, r.Unseen = nonNil(r.Violations), nonNil(r.Unseen)
	if err := g.print(cmd, r, func(w io.Writer, wide bool) error { return writeVerify(w, r, wide) }); err != nil {
		return err
	}
	switch {
	case !r.Complete:
		return &codeError{exitError, errors.New("not everything could be looked at: see above")}
	case !r.OK:
		return &codeError{exitDifferences, nil}
	}
	return nil
}

// violationsShown is how many violations are shown, unless all are asked for.
const violationsShown = 20

func writeVerify(w io.Writer, r api.VerifyReport, wide bool) error {
	shown := r.Violations
	if !wide && len(shown) > violationsShown {
		if err := writeViolationCounts(w, r.Violations); err != nil {
			return err
		}
		shown = shown[:violationsShown]
		fmt.Fprintf(w, "\nsome of these:\n\n")
	}
	last := ""
	for _, v := range shown {
		at := fmt.Sprintf("%s on %s, bridge %s", v.Network, v.Host, v.Bridge)
		if at != last {
			fmt.Fprintf(w, "%s\n", at)
			last = at
		}
		writeViolation(w, v)
	}
	if more := len(r.Violations) - len(shown) + r.Omitted; more > 0 {
		fmt.Fprintf(w, "… and %d more: ovsmesh verify -o wide, or --network and --host\n", more)
	}
	for _, u := range r.Unseen {
		fmt.Fprintf(w, "not looked at: %s\n", strings.TrimLeft(strings.TrimSpace(u.Host+" "+u.Bridge)+": "+u.Reason, ": "))
	}
	if len(shown)+len(r.Unseen) > 0 {
		fmt.Fprintln(w)
	}
	tables := "as they should be"
	if r.Tables == api.TraceGot {
		tables = "as the switches hold them now"
	}
	c := r.Checked
	_, err := fmt.Fprintf(w, "%s: verified %s, %s on %s, %s, with %s\n", verifyWord(r), plural(c.Networks, "network"), plural(c.Flows, "flow"),
		plural(c.Bridges, "bridge"), tables, plural(c.Frames, "frame"))
	return err
}

func writeViolation(w io.Writer, v api.Violation) {
	fmt.Fprintf(w, "  %s: %s\n", v.Invariant, v.Effect)
	if v.Frames > 1 {
		fmt.Fprintf(w, "      and %s more like this\n", plural(v.Frames-1, "frame"))
	}
	if v.Flow != "" {
		fmt.Fprintf(w, "      flow   %s\n", v.Flow)
	}
	if v.Frame != "" {
		fmt.Fprintf(w, "      frame  %s\n", v.Frame)
	}
	if v.Trace != "" {
		fmt.Fprintf(w, "      see    %s\n", v.Trace)
	}
}

func verifyWord(r api.VerifyReport) string {
	switch {
	case !r.OK:
		return plural(len(r.Violations)+r.Omitted, "violation")
	case !r.Complete:
		return "nothing violated in what could be looked at"
	}
	return "all invariants hold"
}

// writeViolationCounts prints how many violations there are of each network and
// invariant.
func writeViolationCounts(w io.Writer, list []api.Violation) error {
	type group struct {
		network   string
		invariant verify.Invariant
	}
	counts, hosts := map[group]int{}, map[group]map[string]bool{}
	var groups []group
	for _, v := range list {
		k := group{v.Network, v.Invariant}
		if hosts[k] == nil {
			hosts[k] = map[string]bool{}
			groups = append(groups, k)
		}
		counts[k]++
		hosts[k][v.Host] = true
	}
	more := 0
	if len(groups) > 2*violationsShown {
		more = len(groups) - 2*violationsShown
		groups = groups[:2*violationsShown]
	}
	t := newTable("NETWORK", "INVARIANT", "VIOLATIONS", "HOSTS")
	for _, k := range groups {
		t.add(k.network, string(k.invariant), fmt.Sprint(counts[k]), fmt.Sprint(len(hosts[k])))
	}
	if err := t.write(w); err != nil {
		return err
	}
	if more > 0 {
		fmt.Fprintf(w, "… and %d more lines\n", more)
	}
	return nil
}
