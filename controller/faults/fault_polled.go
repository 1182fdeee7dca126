package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
)

// polledFaults are changes of flows of ours of which the switch does not tell.
// They are Apart as one takes as long as the controller's own sweep does, and
// Quiet since that long a traffic would tell no more of it.
func polledFaults() []Fault {
	return []Fault{{
		Name:   "flows-polled",
		What:   "flows of ours deleted, changed and added by hand on a switch that can't tell (Open vSwitch before 3.0)",
		Expect: "put right when it is read back, recorded in the history",
		Limits: Limits{Within: time.Minute, Flows: 3}, Quiet: true, Apart: true,
		Prepare: func(ctx context.Context, m *Mesh) (func(context.Context) error, error) { return m.growOld(ctx) },
		Inject:  changePolled,
	}}
}

// polled demands that no bridge's switch tells of changes.
func (m *Mesh) polled(ctx context.Context) error {
	top, err := m.Server.Client.Topology(ctx, api.TopologyFilter{})
	if err != nil {
		return err
	}
	for _, h := range top.Hosts {
		if len(h.Bridges) < len(networks) {
			return fmt.Errorf("%s has %d bridges", h.Name, len(h.Bridges))
		}
		for _, b := range h.Bridges {
			if b.Watched != api.WatchedPoll {
				return fmt.Errorf("%s %s is watched by %q, want %q", h.Name, b.Name, b.Watched, api.WatchedPoll)
			}
		}
	}
	return nil
}

// changePolled takes one flow away, has another do what none does, and adds one.
func changePolled(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	p := m.pick(rng)
	in := Injected{Host: p.host.Name}
	flows, err := m.flows(ctx, p.host, p.bridge)
	if err == nil && len(flows) < 2 {
		err = fmt.Errorf("%s %s has %d flows of ours", p.host.Name, p.bridge, len(flows))
	}
	if err != nil {
		return in, err
	}
	since := time.Now()
	in.Since = since
	at := rng.Perm(len(flows))
	for _, c := range [][]string{
		{"--strict", "del-flows", p.bridge, matchOf(flows[at[0]])},
		{"--strict", "mod-flows", p.bridge, matchOf(flows[at[1]]) + ",actions=in_port"},
	} {
		if _, err := p.host.OFCtl(ctx, c...); err != nil {
			return in, err
		}
	}
	if err := addFlow(ctx, m, p, rng); err != nil {
		return in, err
	}
	in.Right = func(ctx context.Context) error {
		if err := m.exact(ctx, p.host, map[string][]string{p.bridge: flows}); err != nil {
			return err
		}
		return m.recorded(ctx, p.host.Name, since, audit.MissingFlow, audit.ChangedFlow, audit.UnexpectedFlow)
	}
	return in, nil
}
