package verify

import (
	"net/netip"
	"slices"
)

// place is a machine of a network where it runs.
type place struct {
	*Machine
	member *Member
}

// model is an Overlay with what is asked of it most.
type model struct {
	*Overlay
	all    []*place
	owners map[[6]byte][]*place             // of MACs
	holder map[*Member]map[[6]byte][]*place // who may use a MAC beside his own; not of external members
	known  map[[6]byte]bool                 // MACs of the IP addresses that are known
}

func newModel(o *Overlay) *model {
	m := &model{Overlay: o, owners: map[[6]byte][]*place{}, holder: map[*Member]map[[6]byte][]*place{}, known: map[[6]byte]bool{}}
	for _, mac := range o.Known {
		m.known[mac] = true
	}
	for i := range o.Members {
		member := &o.Members[i]
		held := map[[6]byte][]*place{}
		m.holder[member] = held
		for j := range member.Machines {
			p := &place{&member.Machines[j], member}
			m.all = append(m.all, p)
			for _, mac := range p.MACs {
				if !slices.Contains(m.owners[mac], p) {
					m.owners[mac] = append(m.owners[mac], p)
				}
			}
			for _, a := range p.Allowed {
				if a.MAC != [6]byte{} && !member.External && !slices.Contains(held[a.MAC], p) {
					held[a.MAC] = append(held[a.MAC], p)
				}
			}
		}
	}
	return m
}

// connected reports whether frames of one place can get to another's host.
func connected(from, to *Member) bool { return from == to || from.reaches(to) }

// ips are the addresses that p may use, its own among them.
func (p *place) ips() []netip.Addr {
	ips := slices.Clone(p.IPs)
	for _, a := range p.Allowed {
		ips = append(ips, a.IP)
	}
	return ips
}

func (p *place) owns(mac [6]byte) bool { return slices.Contains(p.MACs, mac) }

func (p *place) holds(mac [6]byte) bool {
	return slices.ContainsFunc(p.Allowed, func(a Pair) bool { return a.MAC == mac })
}

// strict reports whether all of p's addresses are known.
func (p *place) strict() bool { return len(p.MACs) > 0 && len(p.IPs) > 0 }

// may reports whether port security lets p send a frame.
func (m *model) may(p *place, k *kind) bool {
	switch {
	case m.Learning:
		return true
	case k.src[0]&1 != 0:
		return false
	case !m.PortSecurity:
		return true
	case len(p.MACs) > 0 && !p.owns(k.src) && !p.holds(k.src):
		return false
	case len(p.MACs) == 0 && m.stolen(p, k.src):
		return false
	case p.strict():
		return p.mayStrictly(k) && !(p.Router && m.forges(p, k))
	}
	return !m.forges(p, k)
}

// stolen reports whether a MAC is known as another's, and no machine of unknown
// address on the same host may take it.
func (m *model) stolen(p *place, mac [6]byte) bool {
	for _, h := range m.holder[p.member][mac] {
		if len(h.MACs) == 0 {
			return false
		}
	}
	return m.known[mac] || slices.ContainsFunc(m.owners[mac], func(o *place) bool { return connected(p.member, o.member) })
}

// forges reports whether a frame speaks with an IP address that is known to be
// another's.
func (m *model) forges(p *place, k *kind) bool {
	ips, strict := p.ips(), p.strict()
	others := func(ip netip.Addr) bool {
		mac, known := m.Known[ip]
		mine := slices.Contains(ips, ip) || !strict && p.owns(mac) || strict && ip == linkLocal(k.src)
		return known && !mine
	}
	if k.arp {
		_, known := m.Known[k.spa]
		return others(k.spa) || known && len(p.MACs) > 0 && k.sha != k.src
	}
	return k.ip.IsValid() && others(k.ip) || k.announces && others(k.target)
}

// mayStrictly holds a machine of known addresses to them, and to what one sends
// before it has any.
func (p *place) mayStrictly(k *kind) bool {
	ips, none := p.ips(), [6]byte{}
	mine := func(ip netip.Addr) bool { return slices.Contains(ips, ip) || ip == linkLocal(k.src) }
	switch {
	case k.arp:
		return k.sha == k.src && (mine(k.spa) || k.spa == netip.IPv4Unspecified())
	case k.icmp6 == solicitation && k.ip == netip.IPv6Unspecified():
		return k.sll == none
	case k.icmp6 == solicitation:
		return mine(k.ip) && (k.sll == k.src || k.sll == none)
	case k.icmp6 == advertisement:
		return (mine(k.ip) || p.Router) && mine(k.target) && (k.tll == k.src || k.tll == none)
	case !k.ip.IsValid() || p.Router || mine(k.ip):
		return true
	case k.ip == netip.IPv4Unspecified():
		return k.ports == [2]uint64{68, 67}
	case k.ip == netip.IPv6Unspecified():
		return slices.Contains([]uint64{listenerReport, listenerDone, routerSolicitation, listenerReportV2}, k.icmp6)
	}
	return false
}

// linkLocal is the address that follows from a MAC, RFC 4291 appendix A.
func linkLocal(mac [6]byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80,
		8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}
