package controller

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/verify"
	"ovsmesh/openflow/wire"
	"ovsmesh/topology"
)

// gate looks at what is about to be sent to a switch: flows that could let
// frames of one network out on a port of another, or make a loop, stay behind.
// The zero value is ready. It is owned by the host's loop.
type gate struct {
	verify.Gate
	compilers compilers
}

// compilers make flows. Only tests have others than package pipeline's.
type compilers struct {
	network func(pipeline.Network) ([]flow.Flow, error) // nil: pipeline.Compile
	base    func(pipeline.Bridge) []flow.Flow           // nil: pipeline.Base
}

// compile makes a network's flows, which the gate is there to doubt.
func (g *gate) compile(n pipeline.Network) ([]flow.Flow, error) {
	if g.compilers.network != nil {
		return g.compilers.network(n)
	}
	return pipeline.Compile(n)
}

// base makes the flows of a bridge that belong to no network.
func (g *gate) base(b pipeline.Bridge) []flow.Flow {
	if g.compilers.base != nil {
		return g.compilers.base(b)
	}
	return pipeline.Base(b)
}

// guarded is what the gate knows of a bridge.
type guarded struct {
	known    bool                // whether the two below are
	passages []flow.Flow         // of the bridge's base, see verify.Passages
	carriers map[uint32]struct{} // tunnel ports that networks share

	refused map[uint32]string // why the flows of a network were not sent, by its ID
}

// admit takes those networks out of a bundle whose flows would break isolation or
// make a loop. It looks at what their flows on the bridge would be with it, and
// as the switch takes a bundle whole or not at all, at nothing in between. What
// the switch holds of such a network stays, and the network stays dirty. It is
// an error if the flows that belong to no network are like that: then nothing
// may be sent.
func (h *host) admit(b *bridge, mods []wire.Mod, done map[uint32]difference, early map[uint32][]flow.Flow) ([]wire.Mod, error) {
	if d, ok := done[0]; ok {
		if err := h.admitBase(b, d); err != nil {
			return nil, err
		}
	}
	var refused []uint32
	for id, d := range done {
		if id == 0 {
			continue
		}
		if !d.delta.Empty() {
			if why := h.judge(b, id, d.want, false); why != "" {
				h.refuse(b, id, why)
				delete(done, id)
				refused = append(refused, id)
				continue
			}
		}
		h.pardon(b, id)
	}
	for id, fs := range early {
		all := slices.Concat(b.installed[id], fs)
		flow.Sort(all)
		if why := h.judge(b, id, all, true); why != "" {
			h.refuse(b, id, why)
			delete(early, id)
			refused = append(refused, id)
		}
	}
	if len(refused) == 0 {
		return mods, nil
	}
	return slices.DeleteFunc(mods, func(m wire.Mod) bool {
		return pipeline.Owned(m.Flow.Cookie) && slices.Contains(refused, pipeline.NetworkOf(m.Flow.Cookie))
	}), nil
}

// admitBase looks at the flows that belong to no network.
func (h *host) admitBase(b *bridge, d difference) error {
	var host map[uint32]struct{} // made when asked for: few bridges have ports of the host's own
	breaches := verify.CheckBase(d.want, func(port uint32) bool {
		if host == nil {
			host = h.hostPorts(b)
		}
		_, is := host[port]
		return is
	}, len(b.learning) > 0 && !b.crowded())
	if len(breaches) > 0 {
		h.env.metrics.refused.Inc()
		return errors.New(refusal("the flows of bridge "+b.name+" that belong to no network", breaches))
	}
	b.guarded.passages = verify.Passages(d.want)
	b.guarded.carriers = setOf(d.from.bridge.Carriers)
	b.guarded.known = true
	return nil
}

// judge says why the flows of a network must not be on a bridge, "" if they may.
// With soon, ports count as well whose numbers have only been asked for.
func (h *host) judge(b *bridge, id uint32, want []flow.Flow, soon bool) string {
	if len(want) == 0 {
		return ""
	}
	on := h.on[b.nets[id]]
	if on == nil || on.Bridge != b.name {
		return "its flows are for a bridge that does not carry it"
	}
	n := h.guardedNetwork(b, on, want, soon)
	breaches := h.gate.Check(&n)
	if len(breaches) > 0 {
		// Which ports are carriers is noted when the base is made. Nobody is to be
		// alarmed because that was long ago.
		b.guarded.carriers = setOf(h.base(b).Carriers)
		n.Ports.Shared = b.guarded.carriers
		breaches = h.gate.Check(&n)
	}
	if len(breaches) == 0 {
		return ""
	}
	return refusal("the flows of network "+on.Net.Name+" on bridge "+b.name, breaches)
}

// guardedNetwork describes a network on a bridge as a gate looks at it.
func (h *host) guardedNetwork(b *bridge, on *topology.OnHost, want []flow.Flow, soon bool) verify.Network {
	if !b.guarded.known {
		b.guarded.passages = verify.Passages(b.installed[0])
		b.guarded.carriers = setOf(h.base(b).Carriers)
		b.guarded.known = true
	}
	n := verify.Network{
		ID: on.Net.ID, Key: uint64(on.Net.Key), Flows: want, Base: b.guarded.passages,
		Alone: on.Net.Learning && !b.crowded(),
	}
	n.Ports.Own, n.Protected = h.ownPorts(b, on, soon)
	n.Protected = n.Protected || h.mixed(b) // it does as the plugin does, for as long as that runs others
	n.Ports.Shared = b.guarded.carriers
	return n
}

// refusal says in words why flows are not sent.
func refusal(what string, breaches []verify.Breach) string {
	text := what + " are not sent, and those that are there stay: "
	for i, b := range breaches[:min(2, len(breaches))] {
		if i > 0 {
			text += "; "
		}
		switch b.Invariant {
		case verify.NoLoop:
			text += "they would make a loop: "
		default:
			text += "they would break " + string(b.Invariant) + ": "
		}
		text += b.Why + ": " + b.Flow.Text()
	}
	if more := len(breaches) - 2; more > 0 {
		text += fmt.Sprintf("; and %d flows more", more)
	}
	return text + "; this is a fault in ovsmesh, not in the spec: please report it with the output of ovsmesh verify"
}

// refuse notes, once, that a network's flows are not sent.
func (h *host) refuse(b *bridge, id uint32, why string) {
	name := b.nets[id]
	h.status.touch(name)
	if b.guarded.refused[id] == why {
		return
	}
	if b.guarded.refused == nil {
		b.guarded.refused = map[uint32]string{}
	}
	b.guarded.refused[id] = why
	h.env.metrics.refused.Inc()
	h.log.Error("flows refused", zap.String("bridge", b.name), zap.String("network", name), zap.String("reason", why))
}

// pardon notes that there is nothing against a network's flows any longer.
func (h *host) pardon(b *bridge, id uint32) {
	if _, was := b.guarded.refused[id]; was {
		delete(b.guarded.refused, id)
		h.status.touch(b.nets[id])
		h.log.Info("flows no longer refused", zap.String("bridge", b.name), zap.String("network", b.nets[id]))
	}
}

// text says which networks' flows were refused, for people; "" if none were.
func (g *guarded) text() string {
	var list []string
	for _, why := range g.refused {
		list = append(list, why)
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}
