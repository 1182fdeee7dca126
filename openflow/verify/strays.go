package verify

import (
	"fmt"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/trace"
)

// carriedAway notes broadcast that leaves by a tunnel although no tunnel carries
// any: that the other end drops it does not spare the underlay.
func (c *checker) carriedAway(from trace.Place, p *probe, t *trace.Trace, k *kind, want map[arrival]int) bool {
	at := c.at[from]
	if at == nil || !c.DropBroadcast || !k.group || k.request || k.solicits || remote(want, at) > 0 || c.carried(at.services(), services{}, k) {
		return false
	}
	h := t.Hops[0]
	for i, e := range h.Ends {
		if e.Port != nil && e.Port.Kind == trace.KindTunnel {
			c.violated(Broadcast, from, p, h.Host, h.Bridge, flowOf(h, &h.Result.Outputs[i]), "leaves by tunnel "+e.Port.Name+", which carries no broadcast")
			return true
		}
	}
	return false
}

// strays notes an output that breaks isolation or goes from tunnel to tunnel.
func (c *checker) strays(from trace.Place, p *probe, h *trace.Hop, e *trace.End, out *forward.Output) bool {
	say := func(v Invariant, effect string) bool {
		c.violated(v, from, p, h.Host, h.Bridge, flowOf(h, out), effect)
		return true
	}
	if e.Port == nil && c.Learning && e.Kind != trace.EndController {
		return false // NORMAL floods to the host's own ports, too
	}
	if e.Port == nil {
		if e.Kind == trace.EndController {
			return say(Isolation, "goes to a controller")
		}
		return say(Isolation, fmt.Sprintf("leaves %s of %s on port %d, which is not the network's", h.Bridge, h.Host, out.Port))
	}
	switch e.Port.Kind {
	case trace.KindVIF:
		if e.Port.Network != c.Name {
			return say(Isolation, fmt.Sprintf("arrives at %s of network %s", e.Port.VIF, e.Port.Network))
		}
	case trace.KindTunnel:
		switch {
		case h.Port != nil && h.Port.Kind == trace.KindTunnel:
			return say(NoLoop, fmt.Sprintf("comes to %s by tunnel %s and leaves by tunnel %s", h.Host, h.Port.Name, e.Port.Name))
		case e.Port.Tunnel.KeyFlow && number(out.Frame.Get(flow.TunnelID)) != c.Key:
			return say(Isolation, fmt.Sprintf("leaves %s by tunnel %s with key %d, which is another network's",
				h.Host, e.Port.Name, number(out.Frame.Get(flow.TunnelID))))
		case !e.Port.Tunnel.KeyFlow && e.Port.Network != c.Name:
			return say(Isolation, fmt.Sprintf("leaves %s by tunnel %s of network %s", h.Host, e.Port.Name, e.Port.Network))
		}
	default:
		if !c.Learning {
			return say(Isolation, fmt.Sprintf("leaves %s of %s on port %s, which is not the network's", h.Bridge, h.Host, e.Port.Name))
		}
	}
	return false
}

// flowOf returns the flow that sent an output.
func flowOf(h *trace.Hop, out *forward.Output) *flow.Flow {
	if out.Step < len(h.Result.Steps) {
		return h.Result.Steps[out.Step].Flow
	}
	return nil
}
