package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/verify"
	"ovsmesh/topology"
)

// verifyBench measures what it costs to verify one network, once while it is the
// only one and once beside all others; and what the gate before every bundle
// adds to the making of flows. Both are work that a processor does, and are
// compared as such.
type verifyBench struct {
	cloud
	rounds int
	laps   int // in a round

	one, many      []time.Duration // to verify the first network
	compile, gated []time.Duration // of one network's flows
	frames         int
}

func (b *verifyBench) round(ctx context.Context) error {
	if err := b.network1(ctx); err != nil {
		return err
	}
	return b.gate()
}

// network1 verifies the first network, alone and in the crowd.
func (b *verifyBench) network1(ctx context.Context) (err error) {
	c, err := startController(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	hosts, err := b.start(ctx)
	if err != nil {
		return err
	}
	c.atEnd(func() error { return removeAll(hosts) })
	if _, err := c.apply(ctx, b.before()); err != nil {
		return err
	}
	for _, h := range hosts {
		if err := h.SetManager(ctx, c.address); err != nil {
			return err
		}
	}
	if err := c.waitManaged(ctx, b.hosts); err != nil {
		return err
	}
	for _, part := range []struct {
		networks int
		took     *[]time.Duration
	}{{1, &b.one}, {b.networks, &b.many}} {
		if _, err := c.apply(ctx, cloud{b.hosts, part.networks}.spec(topology.TunnelPortsFlow)); err != nil {
			return err
		}
		if err := rest(ctx); err != nil {
			return err
		}
		for range b.laps {
			var r api.VerifyReport
			took, err := cpu(func() (err error) {
				r, err = c.ctl.Verify(ctx, api.VerifyRequest{Network: cloudNetwork(1)})
				return err
			})
			*part.took = append(*part.took, took)
			switch {
			case err != nil:
				return err
			case !r.OK || !r.Complete || r.Checked.Bridges != b.hosts:
				return fmt.Errorf("verify with %d networks: %+v", part.networks, r)
			}
			b.frames = r.Checked.Frames
		}
	}
	return nil
}

// gate makes the flows of a network of twenty hosts again and again, with and
// without a look at them, in turns.
func (b *verifyBench) gate() error {
	n := pipeline.Network{ID: 7, PortSecurity: true, VIFs: []pipeline.VIF{{OFPort: 1, MACs: [][6]byte{{2, 0, 0, 0, 0, 1}}}}}
	for i := range 19 {
		n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: firstTunnelNumber, Key: 103, Remote: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 2)})})
		n.Remotes = append(n.Remotes, pipeline.Remote{MAC: [6]byte{2, 0, 0, 0, 0, byte(i + 2)}, Via: []int{i}})
	}
	base := verify.Passages(pipeline.Base(pipeline.Bridge{Carriers: []uint32{firstTunnelNumber}}))
	shared := map[uint32]struct{}{firstTunnelNumber: {}}
	var g verify.Gate
	look := func(flows []flow.Flow) error {
		breaches := g.Check(&verify.Network{ID: n.ID, Key: 103, Flows: flows, Base: base,
			Ports: verify.Ports{Own: map[uint32]verify.Role{1: verify.VIF}, Shared: shared}})
		if len(breaches) > 0 {
			return fmt.Errorf("gate: %v", breaches)
		}
		return nil
	}
	const often = 500
	for range b.laps {
		for _, part := range []struct {
			look func([]flow.Flow) error
			took *[]time.Duration
		}{{func([]flow.Flow) error { return nil }, &b.compile}, {look, &b.gated}} {
			took, err := cpu(func() error {
				for range often {
					flows, err := pipeline.Compile(n)
					if err != nil {
						return err
					}
					if err := part.look(flows); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			*part.took = append(*part.took, took)
		}
	}
	return nil
}

// cpu returns how long f has kept this process on a CPU, whatever else runs on the
// machine.
func cpu(f func() error) (time.Duration, error) {
	before, err := processTime()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := processTime()
	return after - before, err
}

func (b *verifyBench) results(progress io.Writer) []benchResult {
	fmt.Fprintf(progress, "verified: one network on %d hosts, %s frames\n", b.hosts, thousands(b.frames))
	return []benchResult{
		{name: fmt.Sprintf("verify of a network among %s: alone", thousands(b.networks)), ours: median(b.many), other: median(b.one), limit: 1.2},
		{name: "flows with the gate: without", ours: median(b.gated), other: median(b.compile), limit: 1.15},
	}
}
