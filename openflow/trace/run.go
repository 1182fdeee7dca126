package trace

import (
	"fmt"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
)

// Bounds of one trace. A mesh without a fault needs a hop for each host and
// bridge; what exceeds them is a loop, or multiplies.
const (
	maxHops   = 1 << 14
	maxDepth  = 64
	maxCopies = 1 << 19 // that leave by a port, of all bridges together
)

// Run follows a frame that comes in on a port. It always returns: where the
// World can't be looked at the trace says so and goes on elsewhere.
func Run(w World, at Place, f forward.Frame) *Trace {
	r := &runner{world: w, start: at, trace: &Trace{}}
	r.enter(at, f, -1)
	for i := 0; i < len(r.trace.Hops); i++ {
		r.hop(i)
	}
	return r.trace
}

type runner struct {
	world  World
	start  Place
	trace  *Trace
	copies int
}

func (r *runner) enter(at Place, f forward.Frame, from int) int {
	h := &Hop{Host: at.Host, Bridge: at.Bridge, In: at.OFPort, From: from, Frame: f}
	if from >= 0 {
		h.Depth = r.trace.Hops[from].Depth + 1
	}
	r.trace.Hops = append(r.trace.Hops, h)
	return len(r.trace.Hops) - 1
}

// hop has one bridge forward, and finds out where its outputs lead.
func (r *runner) hop(i int) {
	h := r.trace.Hops[i]
	host, err := r.world.Host(h.Host)
	if err != nil {
		h.Err = err
		return
	}
	b := host.Bridge(h.Bridge)
	if b == nil {
		h.Err = fmt.Errorf("host %s has no bridge %s", h.Host, h.Bridge)
		return
	}
	h.Port = b.Port(h.In)
	tables, err := r.world.Tables(h.Host, h.Bridge)
	if err != nil {
		h.Err = err
		return
	}
	if h.Result, err = tables.Run(h.In, h.Frame); err != nil {
		h.Err = err
		return
	}
	if r.copies += len(h.Result.Outputs); r.copies > maxCopies {
		h.Result.Outputs = nil
		h.Err = fmt.Errorf("more than %d copies of the frame: not followed any further", maxCopies)
		return
	}
	h.Ends = make([]End, len(h.Result.Outputs))
	for n, out := range h.Result.Outputs {
		h.Ends[n] = r.end(i, host, b, out)
	}
}

func (r *runner) end(i int, host *Host, b *Bridge, out forward.Output) End {
	if out.Port == flow.PortController {
		return End{Kind: EndController}
	}
	p := b.Port(out.Port)
	if p == nil {
		return End{Why: fmt.Sprintf("bridge %s has no port %d", b.Name, out.Port)}
	}
	switch p.Kind {
	case KindVIF:
		if (Place{host.Name, b.Name, p.OFPort}) == r.start {
			return End{Kind: EndAnswer, Port: p}
		}
		return End{Kind: EndDelivered, Port: p}
	case KindLocal:
		return End{Kind: EndHost, Port: p}
	case KindPhysical:
		return End{Kind: EndPhysical, Port: p}
	case KindPatch:
		return r.patch(i, host, p, out.Frame)
	case KindTunnel:
		return r.tunnel(i, host, p, out.Frame)
	}
	return End{Kind: EndPhysical, Port: p, Why: "nothing is known of what is at this port"}
}

func (r *runner) patch(i int, host *Host, p *Port, f forward.Frame) End {
	peer, at := host.PortNamed(p.Peer)
	if at == nil || at.Kind != KindPatch || at.Peer != p.Name {
		return End{Port: p, Why: fmt.Sprintf("patch port %s has no other end: there is no patch port %q that leads back", p.Name, p.Peer)}
	}
	return r.pass(i, p, Place{host.Name, peer.Name, at.OFPort}, f.Untunnelled(), host.Name)
}

// pass lets a frame into another bridge, unless it goes round.
func (r *runner) pass(from int, p *Port, to Place, f forward.Frame, peer string) End {
	end := End{Port: p, Peer: peer}
	h := r.trace.Hops[from]
	if h.Depth+1 >= maxDepth || len(r.trace.Hops) >= maxHops {
		end.Why = fmt.Sprintf("the frame has passed %d bridges already: not followed any further", min(h.Depth+1, len(r.trace.Hops)))
		return end
	}
	for n := from; n >= 0; n = r.trace.Hops[n].From {
		was := r.trace.Hops[n]
		if was.Host == to.Host && was.Bridge == to.Bridge && was.In == to.OFPort && was.Frame.SameAs(&f) {
			end.Why = fmt.Sprintf("loop: the same frame is back on port %d of %s on %s", to.OFPort, to.Bridge, to.Host)
			return end
		}
	}
	end.Kind, end.Next = EndPassed, r.enter(to, f, from)
	return end
}
