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
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/trace"
	"ovsmesh/openflow/verify"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// verifySide is one host's part of a network, as its loop tells it. Afterwards
// it belongs to who asked.
type verifySide struct {
	why   string // it can't be looked at; "" if it can
	moved bool   // the loop has another idea of the network than the hub had

	bridge   trace.Bridge      // with the network's ports only
	ofports  map[string]uint32 // of VIFs, by Interface
	peers    map[string]uint32 // of tunnels, by the host that they lead to
	network  verify.Network    // what the gate would look at
	base     pipeline.Bridge   // beside the network, so far as it is concerned
	switched switchSide        // of a learning network, or where the switch is read
	session  *openflow.Session // nil where the bridge is not connected
}

// look takes what the host's loop knows; it runs there.
func (s *verifySide) look(h *host, on *topology.OnHost, got bool) {
	switch {
	case h.att == nil:
		s.why = "it is not connected"
		return
	case on == nil || h.on[on.Net.Name] != on:
		s.moved = true
		return
	case on.Bridge == "":
		s.why = "no bridge of it is known to carry the network"
		return
	}
	b := h.bridges[on.Bridge]
	if b == nil || b.stage != stageOurs {
		s.why = "bridge " + on.Bridge + " has not been taken over"
		return
	}
	s.session = b.sess
	s.bridge = trace.Bridge{Name: on.Bridge}
	s.ofports, s.peers = map[string]uint32{}, map[string]uint32{}
	s.ports(h, on)
	var want []flow.Flow
	if !got {
		flows, sure, err := h.compile(b, on.Net.ID)
		switch {
		case err != nil:
			s.why = err.Error()
		case !sure:
			s.moved = true // its ports are being made
		}
		want = flows
	}
	s.network = h.guardedNetwork(b, on, want, false)
	s.network.Flows = want
	s.base = pipeline.Bridge{Learning: len(b.learning) > 0 && !b.crowded(), Taken: h.standalone(b)}
	for _, p := range s.bridge.Ports {
		if p.Tunnel.KeyFlow {
			s.base.Carriers = append(s.base.Carriers, p.OFPort)
		}
	}
	s.network.Base = verify.Passages(pipeline.Base(s.base))
	if got || on.Net.Learning {
		s.switched = h.traceBeside(b)
	}
}

// ports describes the ports that the network has on its bridge, by itself or
// with others.
func (s *verifySide) ports(h *host, on *topology.OnHost) {
	db := h.att.db
	add := func(p *schema.Port, i *schema.Interface) {
		if r := db.BridgeOfPort(p.UUID); r != nil && r.Name == on.Bridge && i.OFPort > 0 {
			s.bridge.Ports = append(s.bridge.Ports, h.tracePort(db, r, p, i))
		}
	}
	for _, v := range on.VIFs {
		i := db.InterfaceByName(v.Interface)
		if i == nil || i.OFPort <= 0 {
			continue
		}
		s.ofports[v.Interface] = uint32(i.OFPort)
		if p := db.PortOfInterface(i.UUID); p != nil {
			add(p, i)
		}
	}
	names := []string{on.Net.Name}
	if carrier := h.carrierOf(on); carrier != "" {
		names = append(names, carrier)
		if beside := topology.SharedBeside(carrier); beside != "" {
			names = append(names, beside)
		}
	}
	for _, name := range names {
		for _, p := range db.PortsOfNetwork(name) {
			if p.ExternalIDs[schema.KeyOwner] != h.env.owner || len(p.Interfaces) != 1 {
				continue
			}
			if i := db.Interfaces[p.Interfaces[0]]; i != nil {
				add(p, i)
				s.peers[p.ExternalIDs[schema.KeyPeer]] = uint32(i.OFPort)
			}
		}
	}
}

// maxVerifyFlows bounds how many flows that were read are held at once, of which
// each takes about a kilobyte.
const maxVerifyFlows = 500_000

// verifyTable is what a switch holds.
type verifyTable struct {
	flows  []flow.Flow
	loaded *forward.Bridge
	err    error
}

// read reads a switch, once for all networks.
func (v *verifier) read(host string, s *verifySide) *verifyTable {
	at := verifySite{host, s.bridge.Name}
	if t := v.tables[at]; t != nil {
		return t
	}
	t := &verifyTable{}
	v.tables[at] = t
	if s.session == nil {
		t.err = fmt.Errorf("bridge %s is not connected over OpenFlow", s.bridge.Name)
		return t
	}
	ctx, cancel := context.WithTimeout(v.ctx, callTimeout)
	defer cancel()
	if t.flows, t.err = s.session.Flows(ctx); t.err != nil {
		return t
	}
	if v.request.Network != "" {
		t.flows = slices.DeleteFunc(t.flows, func(f flow.Flow) bool { return !verify.Concerns(&f, s.network.ID, s.network.Ports) })
	}
	if v.held += len(t.flows); v.held > maxVerifyFlows {
		t.flows, t.err = nil, fmt.Errorf("bridge %s: more than %d flows would have to be held at once: verify by --network or --host", s.bridge.Name, maxVerifyFlows)
		return t
	}
	var groups []forward.Group
	if groups, t.err = readGroups(ctx, s.session); t.err != nil {
		return t
	}
	t.loaded = forward.Load(forward.Switch{Flows: t.flows, Groups: groups, Ports: s.switched.ports, Stations: s.switched.stations})
	return t
}

// verifyWorld is a network's hosts for frames to be followed through.
type verifyWorld struct {
	hosts  map[string]*trace.Host
	ends   map[netip.Addr]string
	tables map[string]*forward.Bridge // by host
	failed map[string]error
}

// Host implements trace.World.
func (w *verifyWorld) Host(name string) (*trace.Host, error) {
	if h := w.hosts[name]; h != nil {
		return h, nil
	}
	if err := w.failed[name]; err != nil {
		return nil, err
	}
	return nil, errors.New("it is not a member of the network")
}

// HostAt implements trace.World.
func (w *verifyWorld) HostAt(at netip.Addr) string { return w.ends[at] }

// Tables implements trace.World.
func (w *verifyWorld) Tables(host, _ string) (*forward.Bridge, error) {
	return w.tables[host], w.failed[host]
}
