package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"ovsmesh/topology"
)

// cloudBench is what is measured on many switches.
type cloudBench struct {
	cloud
	rounds int

	flow       pair
	perNetwork []time.Duration
}

// round measures everything on many switches once.
func (b *cloudBench) round(ctx context.Context) error {
	if err := b.byHand(ctx); err != nil {
		return fmt.Errorf("by hand: %w", err)
	}
	if err := b.ours(ctx); err != nil {
		return fmt.Errorf("ovsmesh: %w", err)
	}
	return nil
}

// ours measures both modes, one after the other, on the same switches.
func (b *cloudBench) ours(ctx context.Context) (err error) {
	ctl, err := startController(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ctl.Close()) }()
	hosts, err := b.start(ctx)
	if err != nil {
		return err
	}
	ctl.atEnd(func() error { return removeAll(hosts) })
	if _, err := ctl.apply(ctx, b.before()); err != nil {
		return err
	}
	for _, h := range hosts {
		if err := h.SetManager(ctx, ctl.address); err != nil {
			return err
		}
	}
	if err := ctl.waitManaged(ctx, b.hosts); err != nil {
		return err
	}
	measure := func(tunnelPorts string) (time.Duration, error) {
		spec := b.spec(tunnelPorts)
		if err := rest(ctx); err != nil {
			return 0, err
		}
		took, err := ctl.apply(ctx, spec)
		if err != nil {
			return 0, err
		}
		ids, err := ctl.networkIDs(ctx)
		if err != nil {
			return 0, err
		}
		return took, b.check(ctx, hosts, tunnelPorts, ids)
	}
	took, err := measure(topology.TunnelPortsFlow)
	if err != nil {
		return fmt.Errorf("%s: %w", topology.TunnelPortsFlow, err)
	}
	b.flow.ours = append(b.flow.ours, took)
	if err := ctl.prune(ctx, b.before()); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if took, err = measure(topology.TunnelPortsPerNetwork); err != nil {
		return fmt.Errorf("%s: %w", topology.TunnelPortsPerNetwork, err)
	}
	b.perNetwork = append(b.perNetwork, took)
	return nil
}

// byHand measures the least that tunnelPorts flow can cost: on all hosts at
// once one transaction, and then one bundle.
func (b *cloudBench) byHand(ctx context.Context) (err error) {
	hosts, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeAll(hosts)) }()
	ids := map[string]uint32{} // in the order in which the controller gives them
	for i := 1; i <= b.hosts; i++ {
		ids[cloudOwn(i)] = uint32(i)
	}
	for k := 1; k <= b.networks; k++ {
		ids[cloudNetwork(k)] = uint32(b.hosts + k)
	}
	rows, err := insertion(benchBridge, []row{{
		name: cloudPort, ofport: firstTunnelNumber, key: "flow", remote: "flow", network: "flow/gre",
	}})
	if err != nil {
		return err
	}
	bundles := make([][]byte, len(hosts))
	hands := make([]*hand, len(hosts))
	for n, s := range hosts {
		h, err := newHand(s.OVS)
		if err != nil {
			return err
		}
		defer h.close()
		if hands[n], err = h, b.prepare(h, n+1, ids); err != nil {
			return err
		}
		have, err := b.flows(n+1, "", ids, nil)
		if err != nil {
			return err
		}
		want, err := b.flows(n+1, topology.TunnelPortsFlow, ids, map[string]uint32{cloudPort: firstTunnelNumber})
		if err != nil {
			return err
		}
		if bundles[n], err = h.bundle(want, have); err != nil {
			return err
		}
	}
	if err := rest(ctx); err != nil {
		return err
	}
	start := time.Now()
	var all errgroup.Group
	for n, h := range hands {
		all.Go(func() error { return h.put(rows, 1, bundles[n]) })
	}
	if err := all.Wait(); err != nil {
		return err
	}
	b.flow.floor = append(b.flow.floor, time.Since(start))
	return b.check(ctx, hosts, topology.TunnelPortsFlow, ids)
}

// prepare gives a switch the flows that it has before it is in any mesh.
func (b *cloudBench) prepare(h *hand, i int, ids map[string]uint32) error {
	flows, err := b.flows(i, "", ids, nil)
	if err != nil {
		return err
	}
	bundle, err := h.bundle(flows, nil)
	if err != nil {
		return err
	}
	return h.send(bundle)
}

func (b *cloudBench) results(io.Writer) []benchResult {
	name := fmt.Sprintf("%d networks on %d hosts, ", b.networks, b.hosts)
	flow := median(b.flow.ours)
	return []benchResult{
		{name: name + "flow: per-network", ours: flow, other: median(b.perNetwork), limit: 8, faster: true},
		{name: name + "flow: one transaction, flows", ours: flow, other: median(b.flow.floor), limit: 1.5},
	}
}
