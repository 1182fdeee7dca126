package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

func newFlowsCommand(g *globals) *cobra.Command {
	req := api.FlowsRequest{View: api.ViewGot}
	var want, got, diff bool
	cmd := &cobra.Command{
		Use:   "flows HOST BRIDGE [--want|--got|--diff] [--network N] [--with-foreign]",
		Short: "A bridge's flows in the syntax of ovs-ofctl, each with what it is for",
		Long: `Prints the flows of ours that a bridge's switch holds now (--got, the default),
those that are wanted there (--want), or where these differ (--diff: lines that
begin with "-" are wanted and not there, with "+" there and not wanted).

What --want and --got print can be given to ovs-ofctl add-flows: what each flow
is for stands behind it as a comment. ovs-ofctl replace-flows deletes what it
does not find in its file, so that it needs --with-foreign, which adds other
programs' flows as they are now.

Exit code: 0, with --diff 2 where there are differences; 1 where the switch
could not be asked.`,
		Example: `  ovsmesh flows xen1 xapi1
  ovsmesh flows xen1 xapi1 --diff
  ovsmesh flows xen1 xapi1 --want --network blue
  ovsmesh flows xen1 xapi1 --want | ovs-ofctl -O OpenFlow13 add-flows br-test -
  ovsmesh flows xen1 xapi1 --want --with-foreign >flows && ovs-ofctl -O OpenFlow13 replace-flows xapi1 flows`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("want a host and a bridge, as in: ovsmesh flows xen1 xapi1")
			}
			return nil
		},
		ValidArgsFunction: g.completeBridge,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Host, req.Bridge = args[0], args[1]
			switch {
			case want && diff, want && got, got && diff:
				return errors.New("--want, --got and --diff exclude each other")
			case want:
				req.View = api.ViewWant
			case diff:
				req.View = api.ViewDiff
			}
			switch {
			case req.Foreign && req.Network != "":
				return errors.New("--with-foreign is for whole tables: without the other networks' flows, replace-flows would delete them")
			case req.Foreign && diff:
				return errors.New("--with-foreign is not for --diff: nobody wants other programs' flows to be otherwise")
			}
			list, err := g.client().Flows(cmd.Context(), req)
			if err != nil {
				return err
			}
			list.Flows = nonNil(list.Flows)
			if err := g.print(cmd, list, func(w io.Writer, _ bool) error { return writeFlows(w, list, req) }); err != nil {
				return err
			}
			return flowsCode(list, req)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&want, "want", false, "what is wanted there")
	flags.BoolVar(&got, "got", false, "what the switch holds now (the default)")
	flags.BoolVar(&diff, "diff", false, "where these differ")
	flags.StringVar(&req.Network, "network", "", "only this network's flows")
	flags.BoolVar(&req.Foreign, "with-foreign", false, "other programs' flows too, as they are now")
	cmd.RegisterFlagCompletionFunc("network", g.completeNames(api.KindNetworks))
	return cmd
}

// flowsCode returns the exit code that goes with a list.
func flowsCode(list api.FlowList, req api.FlowsRequest) error {
	if req.View == api.ViewDiff {
		if len(list.Flows) > 0 {
			return &codeError{exitDifferences, nil}
		}
		return nil
	}
	lost := 0
	for _, f := range list.Flows {
		if f.Opaque {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("%s of %s/%s can only be shown as comments, as ovs-ofctl has no words for all that they do: replace-flows would delete them",
			plural(lost, "flow"), list.Host, list.Bridge)
	}
	return nil
}

// writeFlows prints flows so that ovs-ofctl reads them: under each table's name
// one a line, with what it is for as a comment.
func writeFlows(w io.Writer, list api.FlowList, req api.FlowsRequest) error {
	table := -1
	for _, f := range list.Flows {
		if f.Table != table && req.View != api.ViewDiff {
			if table = f.Table; f.Purpose != "" {
				fmt.Fprintf(w, "# table %d, %s\n", f.Table, f.Purpose)
			} else {
				fmt.Fprintf(w, "# table %d\n", f.Table)
			}
		}
		line := f.Flow + " # " + flowComment(f)
		switch {
		case req.View == api.ViewDiff:
			line = f.Sign + line
		case f.Opaque:
			line = "# ovs-ofctl has no words for: " + line
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return writeFlowsSum(w, list, req)
}

// writeFlowsSum prints what the flows were, as a comment.
func writeFlowsSum(w io.Writer, list api.FlowList, req api.FlowsRequest) error {
	place := list.Host + "/" + list.Bridge
	var err error
	switch {
	case req.View == api.ViewDiff && len(list.Flows) == 0:
		_, err = fmt.Fprintf(w, "# %s holds what is wanted\n", place)
	case req.View == api.ViewDiff:
	case req.View == api.ViewWant:
		_, err = fmt.Fprintf(w, "# %s: %s wanted\n", place, plural(len(list.Flows), "flow"))
	case list.Foreign > 0 && !req.Foreign:
		_, err = fmt.Fprintf(w, "# %s: %s of ours; %d of other programs left out (--with-foreign)\n", place, plural(len(list.Flows), "flow"), list.Foreign)
	default:
		_, err = fmt.Fprintf(w, "# %s: %s\n", place, plural(len(list.Flows), "flow"))
	}
	return err
}

// flowComment says what a flow is for.
func flowComment(f api.FlowEntry) string {
	if f.Foreign {
		return "another program's"
	}
	text := f.Reason
	if f.Network != "" {
		text = f.Network + ": " + text
	}
	if f.About != "" {
		text += " " + f.About
	}
	return strings.Join(strings.Fields(text), " ")
}

// completeBridge completes "HOST BRIDGE".
func (g *globals) completeBridge(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return g.completeNames(api.KindHosts)(cmd, nil, "")
	case 1:
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		top, err := g.client().Topology(ctx, api.TopologyFilter{Host: args[0], Limit: api.NoTunnels})
		if err != nil || len(top.Hosts) == 0 {
			return nil, cobra.ShellCompDirectiveError
		}
		var names []string
		for _, b := range top.Hosts[0].Bridges {
			names = append(names, b.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
