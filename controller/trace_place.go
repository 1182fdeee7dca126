package controller

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/trace"
	"ovsmesh/topology"
)

// traceMesh is all that a trace needs of the mesh beside the hosts' ports and
// tables: who is where.
type traceMesh struct {
	hosts    map[string]traceHost
	members  []tracedVIF
	declared []string              // names of the spec's ports, plugged in or not
	ends     map[netip.Addr]string // hosts by where their tunnels start
	seen     map[*topology.NetworkView]bool
}

// traceHost is a host, reached or not.
type traceHost struct {
	loop     *host // nil where it has none
	external bool
	endpoint netip.Addr
}

// tracedVIF is a VM's port in a network.
type tracedVIF struct {
	api.TracePlace
	vif topology.LocalVIF
	on  *topology.OnHost
}

func newTraceMesh() *traceMesh {
	return &traceMesh{hosts: map[string]traceHost{}, ends: map[netip.Addr]string{}, seen: map[*topology.NetworkView]bool{}}
}

// add takes a host's part of a network over.
func (m *traceMesh) add(name string, on *topology.OnHost) {
	if !m.seen[on.Net] {
		m.seen[on.Net] = true
		for i := range on.Net.Members {
			m.endpoint(&on.Net.Members[i])
		}
	}
	for _, v := range on.VIFs {
		p := api.TracePlace{Port: v.Port, Network: on.Net.Name, Host: name, Bridge: on.Bridge, Interface: v.Interface}
		if len(v.MACs) > 0 {
			p.MAC = v.MACs[0].String()
		}
		m.members = append(m.members, tracedVIF{p, v, on})
	}
}

// endpoint notes where a member's tunnels start.
func (m *traceMesh) endpoint(p *topology.Member) {
	if !p.Endpoint.IsValid() {
		return
	}
	m.ends[p.Endpoint] = p.Host
	h := m.hosts[p.Host]
	h.endpoint, h.external = p.Endpoint, p.External
	m.hosts[p.Host] = h
}

// find returns the ports that a text means, of one network where it says so.
func (m *traceMesh) find(text, network string) []tracedVIF {
	mac, macErr := topology.ParseMAC(text)
	ip, ipErr := netip.ParseAddr(text)
	for _, is := range []func(*tracedVIF) bool{
		func(p *tracedVIF) bool { return p.Port == text },
		func(p *tracedVIF) bool { return p.Host+"/"+p.Interface == text },
		func(p *tracedVIF) bool { return macErr == nil && slices.Contains(p.vif.MACs, mac) },
		func(p *tracedVIF) bool { return ipErr == nil && slices.Contains(p.vif.IPs, ip.Unmap()) },
	} {
		var list []tracedVIF
		for i := range m.members {
			if p := &m.members[i]; is(p) && (network == "" || p.Network == network) {
				list = append(list, *p)
			}
		}
		if len(list) > 0 {
			slices.SortFunc(list, func(a, b tracedVIF) int {
				return cmp.Or(strings.Compare(a.Network, b.Network), strings.Compare(a.Host, b.Host), strings.Compare(a.Interface, b.Interface))
			})
			return list
		}
	}
	return nil
}

func (m *traceMesh) missing(text, network string) error {
	if slices.Contains(m.declared, text) {
		return fmt.Errorf("port %q: it is in the spec, but no host has an interface that is it: see \"ovsmesh get ports %s\": %w", text, text, topology.ErrNotFound)
	}
	where := ""
	if network != "" {
		where = " in network " + network
	}
	return fmt.Errorf("%q: no VM's port%s has this name, HOST/INTERFACE, MAC or IP address: see \"ovsmesh get ports\" and \"ovsmesh topology\": %w",
		text, where, topology.ErrNotFound)
}

// tracing is one trace that is made.
type tracing struct {
	mesh    *traceMesh
	request api.TraceRequest
	world   traceWorld

	from   tracedVIF
	to     []tracedVIF // none: everybody, or an address that nobody is known to have
	toAll  bool
	party  trace.Party       // of to
	names  map[uint32]string // of networks, by ID; made when first needed
	report api.TraceReport
}

func (t *tracing) places() error {
	r := t.request
	if r.From == "" {
		return &api.RequestError{Text: "from: name a port, HOST/INTERFACE, a MAC or an IP address"}
	}
	if r.ARP && r.To == "" {
		return &api.RequestError{Text: "arp: it asks for the address of somebody: say whose with to"}
	}
	found := t.mesh.find(r.From, r.Network)
	if len(found) == 0 {
		return t.mesh.missing(r.From, r.Network)
	}
	if first, last := found[0], found[len(found)-1]; first.Network != last.Network {
		return &api.RequestError{Text: fmt.Sprintf("%q is in network %s and in %s: say which with network (--network)", r.From, first.Network, last.Network)}
	}
	t.from = found[0]
	t.report.From = t.from.TracePlace
	if len(found) > 1 {
		t.note("%s is in %d places: the packet starts at %s", r.From, len(found), t.from.Host+"/"+t.from.Interface)
	}
	t.toAll = r.Broadcast || r.To == ""
	if r.To == "" {
		return nil
	}
	if t.to = t.mesh.find(r.To, t.from.Network); len(t.to) == 0 {
		t.to = t.mesh.find(r.To, "")
	}
	return t.address()
}

// address finds out how the receiver is addressed.
func (t *tracing) address() error {
	text := t.request.To
	mac, macErr := topology.ParseMAC(text)
	ip, ipErr := netip.ParseAddr(text)
	if len(t.to) == 0 {
		switch {
		case macErr == nil:
			t.party.MAC = mac
		case ipErr == nil:
			t.party.IPs = []netip.Addr{ip.Unmap()}
		default:
			return t.mesh.missing(text, "")
		}
		t.note("no VM is known to have the address %s", text)
		return nil
	}
	t.party = partyOf(t.to[0].vif)
	switch { // the very address that was named
	case macErr == nil:
		t.party.MAC = mac
	case ipErr == nil:
		t.party.IPs = append([]netip.Addr{ip.Unmap()}, t.party.IPs...)
	}
	for _, m := range t.to {
		t.report.To = append(t.report.To, m.TracePlace)
	}
	return nil
}

func partyOf(v topology.LocalVIF) trace.Party {
	p := trace.Party{IPs: v.IPs}
	if len(v.MACs) > 0 {
		p.MAC = v.MACs[0]
	}
	return p
}

// madeUpMAC stands for a sender's that is not known.
var madeUpMAC = [6]byte{0x02, 0, 0, 0, 0, 0x01}

func (t *tracing) packet() (forward.Frame, error) {
	w := trace.Want{From: partyOf(t.from.vif), To: t.party, ToAll: t.toAll, ARP: t.request.ARP, Text: t.request.Packet}
	if len(t.from.vif.MACs) == 0 {
		w.From.MAC = madeUpMAC
		t.note("the MAC address of %s is not known: a made-up one is used", t.from.Port)
	}
	return trace.Packet(w)
}

func (t *tracing) note(format string, args ...any) {
	t.report.Notes = append(t.report.Notes, fmt.Sprintf(format, args...))
}
