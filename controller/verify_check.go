package controller

import (
	"errors"
	"net/netip"
	"slices"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/trace"
	"ovsmesh/openflow/verify"
	"ovsmesh/topology"
)

// check looks at the network once.
func (m *verifyMesh) check(v *verifier) (f verifyFound) {
	o := m.overlay(&f)
	w := &verifyWorld{hosts: map[string]*trace.Host{}, ends: map[netip.Addr]string{}, tables: map[string]*forward.Bridge{}, failed: map[string]error{}}
	for i := range o.Members {
		member := &o.Members[i]
		if member.Endpoint.IsValid() {
			w.ends[member.Endpoint] = member.Host
		}
		if member.External {
			w.hosts[member.Host] = &trace.Host{Name: member.Host, Endpoint: member.Endpoint, External: true}
			continue
		}
		s := m.sides[member.Host]
		f.moved = f.moved || s.moved
		if s.why == "" && !s.moved {
			s.why = s.tabled(v, w, o, member, &f)
		}
		if s.why != "" {
			w.failed[member.Host] = errors.New(s.why)
			f.unseen = append(f.unseen, verify.Unseen{Host: member.Host, Bridge: member.Bridge, Reason: s.why})
			continue
		}
		w.hosts[member.Host] = &trace.Host{Name: member.Host, Endpoint: member.Endpoint, Bridges: []trace.Bridge{s.bridge}}
	}
	if f.moved {
		return f
	}
	r := verify.Check(o, verify.Request{World: w, Host: v.request.Host, Want: !v.request.Got})
	f.frames += r.Frames
	f.violations = slices.DeleteFunc(f.violations, func(v api.Violation) bool {
		return slices.ContainsFunc(r.Violations, func(o api.Violation) bool {
			return o.Invariant == v.Invariant && o.Host == v.Host && o.Flow == v.Flow // a frame shows it, too
		})
	})
	f.violations = append(f.violations, r.Violations...)
	f.omitted += r.More
	f.unseen = append(f.unseen, r.Unseen...)
	return f
}

// tabled makes the tables of a member's bridge and has a gate look at them. It
// says why it can't, "" if it can.
func (s *verifySide) tabled(v *verifier, w *verifyWorld, o *verify.Overlay, member *verify.Member, f *verifyFound) string {
	if o.Learning {
		s.switched.stations = verify.Learned(o, member.Host, func(peer string) uint32 { return s.peers[peer] })
	}
	if v.request.Got {
		t := v.read(member.Host, s)
		if t.err != nil {
			return t.err.Error()
		}
		w.tables[member.Host] = t.loaded
		var base []flow.Flow
		for _, g := range t.flows {
			switch {
			case !pipeline.Owned(g.Cookie):
			case pipeline.NetworkOf(g.Cookie) == s.network.ID:
				s.network.Flows = append(s.network.Flows, g)
			case pipeline.NetworkOf(g.Cookie) == 0:
				base = append(base, g)
			}
		}
		flow.Sort(s.network.Flows)
		flow.Sort(base)
		s.network.Base = verify.Passages(base)
	} else {
		w.tables[member.Host] = forward.Load(forward.Switch{
			Flows: slices.Concat(s.network.Flows, pipeline.Base(s.base)), Groups: []forward.Group{},
			Ports: s.switched.ports, Stations: s.switched.stations,
		})
	}
	f.bridges++
	f.flows += len(s.network.Flows)
	if v.request.Host != "" && v.request.Host != member.Host {
		return ""
	}
	var g verify.Gate
	for _, b := range g.Check(&s.network) {
		f.violations = append(f.violations, api.Violation{
			Invariant: b.Invariant, Network: o.Name, Host: member.Host, Bridge: member.Bridge, Effect: b.Why, Flow: b.Flow.Text(), Frames: 0,
		})
	}
	return ""
}

// overlay is what the network promises.
func (m *verifyMesh) overlay(f *verifyFound) *verify.Overlay {
	n := m.net
	o := &verify.Overlay{
		Name: n.Name, Key: uint64(n.Key), Type: string(n.Encap), Strict: n.TunnelPorts == topology.TunnelPortsFlow,
		Learning: n.Learning, PortSecurity: n.PortSecurity, DropBroadcast: n.DropBroadcast, DropUnknown: n.DropUnknown,
		Known: map[netip.Addr][6]byte{},
	}
	if n.Encap == topology.VXLAN {
		o.DstPort = n.DstPort
	}
	if !n.Learning {
		for _, a := range n.Addresses {
			o.Known[a.IP.Unmap().WithZone("")] = a.MAC
		}
	}
	for i := range n.Members {
		t := &n.Members[i]
		member := verify.Member{Host: t.Host, External: t.External}
		if t.Error == "" {
			member.Endpoint = t.Endpoint
		}
		if t.External {
			member.Machines = []verify.Machine{behind(t)}
		} else if on := m.on[t.Host]; on != nil {
			member.Bridge = on.Bridge
			member.Machines = m.machines(on, f)
		}
		o.Members = append(o.Members, member)
	}
	return o
}

// behind is what is known to be behind an external member, as one machine.
func behind(t *topology.Member) verify.Machine {
	m := verify.Machine{Name: t.Host, DHCPServer: t.DHCPServer, Router: t.Router}
	for _, s := range t.Stations {
		m.MACs = append(m.MACs, s.MAC)
	}
	return m
}

// machines are a host's VIFs.
func (m *verifyMesh) machines(on *topology.OnHost, f *verifyFound) []verify.Machine {
	var list []verify.Machine
	s := m.sides[on.Self.Host]
	for _, v := range on.VIFs {
		port, ok := s.ofports[v.Interface]
		if !ok && s.why == "" && !s.moved {
			f.unseen = append(f.unseen, verify.Unseen{Host: on.Self.Host, Bridge: on.Bridge, Reason: "interface " + v.Interface + " has no OpenFlow port"})
			f.moved = true // others may count on it already
		}
		x := verify.Machine{Name: v.Port, Interface: v.Interface, OFPort: port, DHCPServer: v.DHCPServer, Router: v.Router}
		for _, mac := range v.MACs {
			x.MACs = append(x.MACs, mac)
		}
		for _, ip := range v.IPs {
			x.IPs = append(x.IPs, ip.Unmap().WithZone(""))
		}
		for _, a := range v.Allowed {
			x.Allowed = append(x.Allowed, verify.Pair{MAC: a.MAC, IP: a.IP.Unmap().WithZone("")})
		}
		list = append(list, x)
	}
	return list
}
