package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"ovsmesh/openflow"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/trace"
	"ovsmesh/openflow/wire"
)

// onlineWorld reads hosts' ports and bridges' tables when a trace comes to
// them. What a host's loop knows is copied on the loop; its switches are asked
// outside of it, so that one that does not answer holds up nobody but the trace.
type onlineWorld struct {
	ctx     context.Context
	mesh    *traceMesh
	want    bool
	network string
	key     uint64
	cache   map[string]*seenHost
}

// seenHost is what the loop of a host has told.
type seenHost struct {
	host     *trace.Host
	switches map[string]*openflow.Session // by bridge; nil of one that is not connected
	beside   map[string]switchSide        // by bridge
	tables   map[string]*forward.Bridge   // read so far
	failed   map[string]error
	err      error
}

// switchSide is what a switch has beside its flows and groups.
type switchSide struct {
	ports    []forward.Port
	stations []forward.Station
	want     []flow.Flow
	err      error // of want
}

func (w *onlineWorld) begin(network string, key uint64) { w.network, w.key = network, key }

func (w *onlineWorld) gap(_, _ string) error { return nil } // a switch tells all, or fails

// HostAt implements trace.World.
func (w *onlineWorld) HostAt(a netip.Addr) string { return w.mesh.ends[a] }

// Host implements trace.World.
func (w *onlineWorld) Host(name string) (*trace.Host, error) {
	s := w.seen(name)
	return s.host, s.err
}

func (w *onlineWorld) seen(name string) *seenHost {
	if s := w.cache[name]; s != nil {
		return s
	}
	s := &seenHost{tables: map[string]*forward.Bridge{}, failed: map[string]error{}}
	w.cache[name] = s
	h := w.mesh.hosts[name]
	switch {
	case h.external:
		s.host = &trace.Host{Name: name, Endpoint: h.endpoint, External: true}
		return s
	case h.loop == nil:
		s.err = errors.New("it has never dialled in")
		return s
	}
	// Written by the loop, read here only if the loop says that it is done.
	ran := *s
	if !h.loop.ask(w.ctx, func(context.Context) { ran.look(h.loop, h.endpoint, w) }) {
		s.err = errors.New((&hostAudit{loop: h.loop}).busy())
		return s
	}
	*s = ran
	return s
}

// look copies what a trace needs; it runs on the host's loop.
func (s *seenHost) look(h *host, endpoint netip.Addr, w *onlineWorld) {
	if h.att == nil {
		s.err = errors.New("it is not connected")
		return
	}
	s.host = h.traceHost(endpoint, w.network, w.key)
	s.switches, s.beside = map[string]*openflow.Session{}, map[string]switchSide{}
	for i := range s.host.Bridges {
		b := h.bridges[s.host.Bridges[i].Name]
		if b == nil {
			continue
		}
		s.switches[b.name] = b.sess
		d := h.traceBeside(b)
		if w.want {
			d.want, d.err = h.wantedOn(b)
		}
		s.beside[b.name] = d
	}
}

// wantedOn returns all flows that a bridge should hold.
func (h *host) wantedOn(b *bridge) ([]flow.Flow, error) {
	var all []flow.Flow
	for id := range b.wantIDs() {
		want, err := h.wanted(b, id)
		if err != nil {
			return nil, err
		}
		all = append(all, want...)
	}
	return all, nil
}

// Tables implements trace.World.
func (w *onlineWorld) Tables(host, bridge string) (*forward.Bridge, error) {
	s := w.seen(host)
	if s.err != nil {
		return nil, s.err
	}
	if t, err := s.tables[bridge], s.failed[bridge]; t != nil || err != nil {
		return t, err
	}
	t, err := w.read(s, bridge)
	s.tables[bridge], s.failed[bridge] = t, err
	return t, err
}

func (w *onlineWorld) read(s *seenHost, bridge string) (*forward.Bridge, error) {
	d, managed := s.beside[bridge]
	if !managed {
		return nil, fmt.Errorf("bridge %s is not managed by ovsmesh: its flows can't be read", bridge)
	}
	sw := forward.Switch{Ports: d.ports, Stations: d.stations}
	if w.want {
		if d.err != nil {
			return nil, d.err
		}
		sw.Flows, sw.Groups = d.want, []forward.Group{}
		return forward.Load(sw), nil
	}
	session := s.switches[bridge]
	if session == nil {
		return nil, fmt.Errorf("bridge %s is not connected over OpenFlow", bridge)
	}
	ctx, cancel := context.WithTimeout(w.ctx, callTimeout)
	defer cancel()
	var err error
	if sw.Flows, err = session.Flows(ctx); errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("bridge %s: ovs-vswitchd does not answer", bridge)
	} else if err != nil {
		return nil, fmt.Errorf("bridge %s: %w", bridge, err)
	}
	for i := range sw.Flows { // others' actions in words, for people
		sw.Flows[i].Actions = wire.Words(sw.Flows[i].Actions)
	}
	if sw.Groups, err = readGroups(ctx, session); err != nil {
		return nil, fmt.Errorf("bridge %s: %w", bridge, err)
	}
	return forward.Load(sw), nil
}

func readGroups(ctx context.Context, session *openflow.Session) ([]forward.Group, error) {
	got, err := session.Groups(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]forward.Group, 0, len(got))
	for _, g := range got {
		buckets, err := forward.ParseBuckets(g.Buckets)
		if err != nil {
			return nil, fmt.Errorf("group %d: %w", g.ID, err)
		}
		list = append(list, forward.Group{ID: g.ID, Type: forward.GroupType(g.Type), Buckets: buckets})
	}
	return slices.Clip(list), nil
}
