package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

func newPlanCommand(g *globals) *cobra.Command {
	var req api.PlanRequest
	limit := rowsShown
	cmd := &cobra.Command{
		Use:   "plan [HOST ...] [--network N] [--flows] [--limit N]",
		Short: "Show what is not done yet on hosts, or would be if serve did not only observe",
		Long: `Shows what of hosts is not yet as it is wanted: which settings of bridges are
written, from what to what; which ports are made, taken over in place, changed or
deleted; which flows go in; and what is wanted but not possible. Nothing is
changed by asking.

While "ovsmesh serve" runs with --observe, or while a restored store waits to be
accepted, that is what would be done. Else it is what is done next, and mostly
nothing. It is worked out by the code that does it, on copies of what the hosts'
databases hold.

A summary comes first, then each bridge; of many only the first. Name hosts to see
theirs, or say -o wide or --limit 0. The flows that a bridge has are read over
OpenFlow, which takes its being managed: of others those that are wanted are told.

Exit code: 0 where nothing is to be done; 2 where something is, or is not
possible; 1 where a host could not be looked at, or the command failed.`,
		Example: `  ovsmesh plan
  ovsmesh plan xen1 xen3
  ovsmesh plan --network blue --flows
  ovsmesh plan -o wide                       # every bridge, every row
  ovsmesh plan -o json | jq '.hosts[].problems[]'`,
		ValidArgsFunction: g.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := wantLimit(limit); err != nil {
				return err
			}
			req.Hosts = args
			p, err := g.plan(cmd.Context(), req, limit)
			if err != nil {
				return err
			}
			return g.printPlan(cmd, p, planText{limit: limit, named: len(args) > 0, flows: req.Flows})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Network, "network", "", "only what serves this network")
	flags.BoolVar(&req.Flows, "flows", false, "list the flows, too")
	flags.IntVar(&limit, "limit", limit, "rows of the summary at most, and what of each bridge is listed; 0: all")
	cmd.RegisterFlagCompletionFunc("network", g.completeNames(api.KindNetworks))
	return cmd
}

// completeHosts completes names of hosts that are not given yet.
func (g *globals) completeHosts(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	names, directive := g.completeNames(api.KindHosts)(cmd, nil, "")
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(args, n) }), directive
}

// plan asks for a plan: programs get all of it, people the figures of all hosts,
// and what it consists of as far as it is shown.
func (g *globals) plan(ctx context.Context, req api.PlanRequest, limit int) (api.Plan, error) {
	if g.output == outputJSON || g.output == outputYAML || g.output == outputWide || limit == 0 || len(req.Hosts) > 0 {
		req.Details = true
		return g.client().Plan(ctx, req)
	}
	figures := req
	figures.Flows = false
	p, err := g.client().Plan(ctx, figures)
	if err != nil {
		return p, err
	}
	var shown []string
	bridges := 0
	for _, h := range p.Hosts {
		if bridges < bridgesShown && (len(h.Bridges) > 0 || h.Changes > 0) {
			shown = append(shown, h.Host)
			bridges += len(h.Bridges)
		}
	}
	if len(shown) == 0 {
		return p, nil
	}
	req.Hosts, req.Details = shown, true
	detailed, err := g.client().Plan(ctx, req)
	if err != nil {
		return p, err
	}
	for _, h := range detailed.Hosts {
		if i := slices.IndexFunc(p.Hosts, func(o api.PlanHost) bool { return o.Host == h.Host }); i >= 0 {
			p.Hosts[i] = h
		}
	}
	return p, nil
}

// printPlan prints a plan, and returns the exit code that goes with it.
func (g *globals) printPlan(cmd *cobra.Command, p api.Plan, o planText) error {
	p.Hosts = nonNil(p.Hosts)
	o.wide = g.output == outputWide
	if err := g.print(cmd, p, func(w io.Writer, _ bool) error { return o.write(w, p) }); err != nil {
		return err
	}
	switch {
	case !p.Complete:
		return &codeError{exitError, errors.New("the look was not complete")}
	case !p.Clean:
		return &codeError{exitDifferences, nil}
	}
	return nil
}
