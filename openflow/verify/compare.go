package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/trace"
)

// compare holds a frame's way against what was expected; may says whether its
// sender may send it.
func (c *checker) compare(from trace.Place, p *probe, t *trace.Trace, want map[arrival]int, may bool) {
	if !c.sure(t) {
		return
	}
	k := kindOf(&p.frame)
	got := map[arrival]int{}
	by := map[arrival]*trace.Hop{}    // that delivered it
	flows := map[arrival]*flow.Flow{} // likewise
	bad := false
	for _, h := range t.Hops {
		for i, e := range h.Ends {
			out := &h.Result.Outputs[i]
			if c.strays(from, p, h, &e, out) {
				bad = true
				continue
			}
			to := c.arrived(h, &e)
			if to == nil {
				continue
			}
			if e.Kind == trace.EndAnswer && !c.answers(p, out) {
				c.violated(Answers, from, p, h.Host, h.Bridge, flowOf(h, out), "is answered wrongly: "+fieldsOf(&out.Frame))
				bad = true
			}
			a := arrival{to, hw(&out.Frame, flow.EthDst), hw(&out.Frame, flow.EthSrc)}
			got[a]++
			by[a], flows[a] = h, flowOf(h, out)
		}
	}
	if bad || c.carriedAway(from, p, t, &k, want) {
		return // what follows from it is not told as well
	}
	invariant := c.invariantOf(&k, may)
	var wrong []arrival
	for a, n := range got {
		if n > want[a] {
			wrong = append(wrong, a)
		}
	}
	slices.SortFunc(wrong, arrival.compare) // that the same is told every time
	for _, a := range wrong {
		n := got[a]
		effect := "arrives at " + a.at.Name + ", which must not get it"
		if _, expected := want[a]; expected {
			effect = fmt.Sprintf("arrives %d times at %s", n, a.at.Name)
		} else if c.otherwise(want, a) {
			effect = "arrives at " + a.at.Name + " with other addresses"
		}
		h, f := by[a], flows[a]
		if !may {
			h, f = t.Hops[0], letBy(t)
		}
		c.violated(invariant, from, p, h.Host, h.Bridge, f, effect)
	}
	c.missing(from, p, t, invariant, want, got)
}

// letBy returns the flow that let a forged frame pass: the one after that which
// says what network its port is in.
func letBy(t *trace.Trace) *flow.Flow {
	steps := t.Hops[0].Result.Steps
	if len(steps) == 0 {
		return nil
	}
	return steps[min(1, len(steps)-1)].Flow
}

// answers reports whether a frame that came back is the right answer to the ARP
// request that was sent, RFC 826.
func (c *checker) answers(p *probe, out *forward.Output) bool {
	ask, got := &p.frame, &out.Frame
	k := kindOf(ask)
	mac, known := c.Known[k.tpa]
	return k.request && known && number(got.Get(flow.EthType)) == etherARP && number(got.Get(flow.ARPOp)) == 2 &&
		hw(got, flow.EthSrc) == mac && hw(got, flow.ARPSHA) == mac && got.Get(flow.ARPSPA) == ask.Get(flow.ARPTPA) &&
		got.Get(flow.ARPTHA) == ask.Get(flow.ARPSHA) && got.Get(flow.ARPTPA) == ask.Get(flow.ARPSPA)
}

// otherwise reports whether a frame of other addresses was to arrive there.
func (c *checker) otherwise(want map[arrival]int, a arrival) bool {
	for w := range want {
		if w.at == a.at {
			return true
		}
	}
	return false
}

// missing notes who did not get a frame, once for each host.
func (c *checker) missing(from trace.Place, p *probe, t *trace.Trace, invariant Invariant, want, got map[arrival]int) {
	lacks := map[*Member][]*place{}
	for a := range want {
		if got[a] == 0 {
			lacks[a.at.member] = append(lacks[a.at.member], a.at)
		}
	}
	for _, member := range slices.SortedFunc(maps.Keys(lacks), func(a, b *Member) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Bridge, b.Bridge))
	}) {
		list := lacks[member]
		h := t.Hops[0]
		for _, o := range t.Hops {
			if o.Host == member.Host && o.Bridge == member.Bridge {
				h = o
				break
			}
		}
		var f *flow.Flow
		if n := len(h.Result.Steps); n > 0 {
			f = h.Result.Steps[n-1].Flow
		}
		effect := "does not arrive at " + names(list)
		if f == nil {
			effect += ": no flow takes it"
			if n := len(h.Result.Steps); n > 0 {
				effect += fmt.Sprintf(" in table %d", h.Result.Steps[n-1].Table)
			}
		}
		c.violated(invariant, from, p, h.Host, h.Bridge, f, effect)
	}
}

// invariantOf returns what an arrival that is wrong breaks.
func (c *checker) invariantOf(k *kind, may bool) Invariant {
	_, asked := c.Known[k.tpa]
	if k.solicits {
		_, asked = c.Known[k.target]
	}
	switch {
	case !may:
		return PortSecurity
	case asked && (k.request || k.solicits):
		return Answers
	case k.group:
		return Broadcast
	}
	return Unicast
}

// sure reports whether every bridge on the way could be looked at.
func (c *checker) sure(t *trace.Trace) bool {
	for _, h := range t.Hops {
		if h.Err != nil {
			c.unlooked(h.Host, h.Bridge, h.Err.Error())
		}
		for _, d := range h.Result.Doubts {
			c.unlooked(h.Host, h.Bridge, d.Text)
		}
		for _, e := range h.Ends {
			if e.Kind == trace.EndUnseen {
				c.unlooked(e.Peer, "", e.Why)
			}
		}
	}
	return t.Sure()
}

// arrived returns to which machine an output went, nil if to none.
func (c *checker) arrived(h *trace.Hop, e *trace.End) *place {
	switch e.Kind {
	case trace.EndDelivered, trace.EndAnswer:
		return c.at[trace.Place{Host: h.Host, Bridge: h.Bridge, OFPort: e.Port.OFPort}]
	case trace.EndExternal:
		return c.external[e.Peer]
	}
	return nil
}
