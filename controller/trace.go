package controller

import (
	"context"
	"fmt"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/trace"
	"ovsmesh/topology"
)

// Trace follows a packet over the hosts on its way, by the flows that their
// switches hold now or by those that they should hold. A host that can't be
// looked at ends it there and makes it incomplete.
func (c *Controller) Trace(ctx context.Context, r api.TraceRequest) (api.TraceReport, error) {
	v, err := c.look(ctx)
	if err != nil {
		return api.TraceReport{}, err
	}
	m := newTraceMesh()
	for _, h := range v.hosts {
		m.hosts[h.rec.Name] = traceHost{loop: h.loop, external: h.rec.Kind == topology.KindExternal}
	}
	for _, n := range v.networks {
		for _, host := range n.members {
			m.add(host, n.on[host])
		}
	}
	for _, p := range v.ports {
		m.declared = append(m.declared, p.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	tables := api.TraceGot
	if r.Want {
		tables = api.TraceWant
	}
	return m.trace(r, &onlineWorld{ctx: ctx, mesh: m, want: r.Want, cache: map[string]*seenHost{}}, tables)
}

// traceTimeout bounds all reading of switches for one trace.
const traceTimeout = 2 * callTimeout

// traceWorld is a world of which the key of the packet's network is known: only
// ports that may have to do with it are looked at.
type traceWorld interface {
	trace.World
	begin(network string, key uint64)

	// gap returns what of a bridge's flows could not be read, although others
	// could.
	gap(host, bridge string) error
}

// trace finds out who is meant, makes the packet, follows it and tells.
func (m *traceMesh) trace(r api.TraceRequest, w traceWorld, tables string) (api.TraceReport, error) {
	t := &tracing{mesh: m, request: r, world: w}
	t.report.Tables, t.report.Target = tables, r.To
	if err := t.places(); err != nil {
		return api.TraceReport{}, err
	}
	frame, err := t.packet()
	if err != nil {
		return api.TraceReport{}, &api.RequestError{Text: err.Error()}
	}
	if t.from.on.Net.Learning {
		t.note("the switches of network %s learn addresses: every VM whose MAC is known is taken to have spoken already", t.from.Network)
	}
	w.begin(t.from.on.Net.Name, uint64(t.from.on.Net.Key))
	at, why := t.start()
	if why != "" {
		t.unseen(t.from.Host, "", why)
		t.finish(nil)
		return t.report, nil
	}
	t.report.Packet = trace.PacketText(frame)
	t.finish(trace.Run(w, at, frame))
	return t.report, nil
}

// start returns where the packet comes in; why says what keeps it from that.
func (t *tracing) start() (at trace.Place, why string) {
	host, err := t.world.Host(t.from.Host)
	if err != nil {
		return at, err.Error()
	}
	b, p := host.PortNamed(t.from.Interface)
	switch {
	case p == nil:
		return at, fmt.Sprintf("interface %s is not on a bridge there, or has no OpenFlow port yet", t.from.Interface)
	case p.OFPort == 0:
		return at, fmt.Sprintf("interface %s has no OpenFlow port yet", t.from.Interface)
	}
	return trace.Place{Host: t.from.Host, Bridge: b.Name, OFPort: p.OFPort}, ""
}
