package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"ovsmesh/controller/api"
)

// linkFaults are those of the underlay between hosts.
func linkFaults() []Fault {
	return []Fault{
		{
			Name: "underlay-cut", What: "the underlay between two hosts is cut, silently",
			Expect: "the tunnel that BFD watches shows as down, the one without does not; configuration untouched",
			Limits: Limits{Within: 2 * time.Second, Lost: Any},
			Inject: cutUnderlay,
		},
	}
}

func cutUnderlay(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	p := m.pick(rng)
	in := Injected{Host: p.host.Name, Since: time.Now()}
	err := errors.Join(p.host.CutUnderlayTo(ctx, p.peer), p.peer.CutUnderlayTo(ctx, p.host))
	in.Right = func(ctx context.Context) error {
		return Until(ctx, func(ctx context.Context) error { return m.silent(ctx, p) })
	}
	in.Undo = func(ctx context.Context) error {
		return errors.Join(p.host.RestoreUnderlayTo(ctx, p.peer), p.peer.RestoreUnderlayTo(ctx, p.host))
	}
	return in, err
}

// silent demands that both ends of the watched tunnel between two hosts show
// as down because nobody answers, and that nothing else does.
func (m *Mesh) silent(ctx context.Context, p place) error {
	top, err := m.Server.Client.Topology(ctx, api.TopologyFilter{})
	if err != nil {
		return err
	}
	down := 0
	for _, n := range top.Networks {
		for _, t := range n.Tunnels {
			cut := t.From == p.host.Name && t.To == p.peer.Name || t.From == p.peer.Name && t.To == p.host.Name
			switch {
			case cut && t.State == api.TunnelDown && strings.HasPrefix(t.Error, "BFD gets no answer from "+t.To):
				down++
			case t.State != api.TunnelUp:
				return fmt.Errorf("%s: tunnel from %s to %s is %s: %s", n.Name, t.From, t.To, t.State, t.Error)
			}
		}
	}
	if down != 2 {
		return fmt.Errorf("%d tunnel ends show as down, want 2", down)
	}
	return nil
}
