package pipeline

import (
	"net/netip"
	"slices"

	"ovsmesh/openflow/flow"
)

// Priorities of table 10.
const (
	prioGroupSource = 200
	prioStolenMAC   = 160 // an address that is known as another's, from a VIF of which none is known
	prioND          = 140 // solicitations that are in order
	prioNDDrop      = 130 // and all others
	prioIP          = 120 // IP and ARP of an address that the VIF has
	prioIPDrop      = 110 // and all others
	prioStolenIP    = 105 // addresses that are known as others', from VIFs of which none is known
	prioSecurity    = 100 // what has no IP address in it, or what nobody has said anything about
)

// Multicast listeners' reports and queries, RFC 2710 and RFC 3810, which are
// sent before there is an address.
const (
	listenerReport   = 131
	listenerDone     = 132
	listenerReportV2 = 143
)

// sender is what a VIF may send as.
type sender struct {
	in     flow.OXM
	macs   [][6]byte    // empty: not known
	ips    []netip.Addr // its own and those that it may use
	strict bool         // ips are all that it has: ARP, neighbour discovery and, unless it routes, IP from these only
	router bool
}

// sender returns what v may send as. Of a VIF whose MAC addresses are not known
// nothing else counts as known.
func (v *VIF) sender() sender {
	s := sender{in: flow.MatchInPort(v.OFPort), router: v.Router, strict: len(v.MACs) > 0 && len(v.IPs) > 0}
	if len(v.MACs) > 0 {
		s.macs = slices.Clone(v.MACs)
		for _, a := range v.Allowed {
			if a.MAC != [6]byte{} {
				s.macs = append(s.macs, a.MAC)
			}
		}
		s.macs = distinct(s.macs)
		sortMACs(s.macs)
	}
	s.ips = v.addresses()
	return s
}

// plain returns an address as it stands on the wire.
func plain(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

// addresses returns the VIF's own addresses and those that it may use, sorted.
func (v *VIF) addresses() []netip.Addr {
	var list []netip.Addr
	for _, ip := range v.IPs {
		list = append(list, plain(ip))
	}
	for _, a := range v.Allowed {
		list = append(list, plain(a.IP))
	}
	list = slices.DeleteFunc(list, func(ip netip.Addr) bool { return !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() })
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// security lets VIFs speak with their own addresses only, so far as these are
// known; what it lets pass goes to table 20. Solicited advertisements are
// looked at there: that keeps the number of flows linear in the addresses.
func (c *compiler) security(n *Network, p *ports) {
	unsure := false // whether a VIF's addresses are not all known
	for i := range n.VIFs {
		s := n.VIFs[i].sender()
		switch {
		case !n.PortSecurity:
			s.macs = nil
			c.pass(s, prioSecurity)
			continue
		case s.strict:
			c.strict(s)
		default:
			c.owned(p, &n.VIFs[i], s)
		}
		unsure = unsure || !s.strict || s.router
		c.pass(s, prioSecurity)
	}
	if !unsure {
		return
	}
	c.stolenMACs(n, p)
	for _, st := range n.Stations {
		ip := plain(st.IP)
		for _, match := range asSource(ip) {
			c.add(TableSecurity, prioStolenIP, Stolen, c.with([]flow.OXM{c.metadata(0, maskNetwork)}, match))
		}
		if ip.Is6() {
			c.add(TableAddresses, prioStolenTarget, Stolen,
				c.with([]flow.OXM{c.metadata(0, maskNetwork), matchHost(flow.NDTarget, ip)}, icmpv6(neighborAdvertisement)))
		}
	}
}

// pass lets by what no other flow of the table takes.
func (c *compiler) pass(s sender, priority uint16, match ...flow.OXM) {
	next := flow.GotoTable{Table: TableAddresses}
	if len(s.macs) == 0 {
		c.add(TableSecurity, priority, Security, c.with([]flow.OXM{s.in}, match), next)
	}
	for _, mac := range s.macs {
		c.add(TableSecurity, priority, Security, c.with([]flow.OXM{s.in, flow.MatchEthSrc(mac)}, match), next)
	}
}

// asSource matches IP and ARP from an address.
func asSource(ip netip.Addr) [][]flow.OXM {
	if ip.Is4() {
		return [][]flow.OXM{{ipv4(), matchHost(flow.IPv4Src, ip)}, {arp(), matchHost(flow.ARPSPA, ip)}}
	}
	return [][]flow.OXM{{ipv6(), matchHost(flow.IPv6Src, ip)}}
}

// strict holds a VIF to the addresses that are known. Beside these it may send
// what a machine sends before it has one: DHCP requests, ARP probes (RFC 5227),
// duplicate detection (RFC 4862), listener reports and router solicitations,
// and from the link-local addresses of its MACs (RFC 4291 appendix A).
func (c *compiler) strict(s sender) {
	drop := func(table uint8, priority uint16, match []flow.OXM) {
		c.add(table, priority, SecurityDrop, c.with([]flow.OXM{s.in}, match))
	}
	drop(TableSecurity, prioIPDrop, []flow.OXM{arp()})
	drop(TableSecurity, prioNDDrop, icmpv6(neighborSolicitation))
	drop(TableAddresses, prioTargetDrop, icmpv6(neighborAdvertisement))
	if !s.router {
		drop(TableSecurity, prioIPDrop, []flow.OXM{ipv4()})
		drop(TableSecurity, prioIPDrop, []flow.OXM{ipv6()})
	}
	for _, mac := range s.macs {
		one := s
		one.macs = [][6]byte{mac}
		c.strictIPv4(one, mac)
		c.strictIPv6(one, mac)
	}
}

func (c *compiler) strictIPv4(s sender, mac [6]byte) {
	sha := flow.Exact(flow.ARPSHA, string(mac[:]))
	for _, ip := range append(slices.Clone(s.ips), netip.IPv4Unspecified()) {
		if !ip.Is4() {
			continue
		}
		c.pass(s, prioIP, arp(), sha, matchHost(flow.ARPSPA, ip))
		if !ip.IsUnspecified() {
			c.pass(s, prioIP, ipv4(), matchHost(flow.IPv4Src, ip))
		}
	}
	if !s.router {
		c.pass(s, prioIP, append(udp(etherTypeIPv4, 68, 67), matchHost(flow.IPv4Src, netip.IPv4Unspecified()))...)
	}
}

func (c *compiler) strictIPv6(s sender, mac [6]byte) {
	for _, ip := range distinct(append(slices.Clone(s.ips), linkLocal(mac))) {
		if !ip.Is6() {
			continue
		}
		src := matchHost(flow.IPv6Src, ip)
		c.pass(s, prioIP, ipv6(), src)
		for _, ll := range ownOrNone(mac) {
			c.pass(s, prioND, append(icmpv6(neighborSolicitation), src, flow.Exact(flow.NDSLL, ll))...)
			c.add(TableAddresses, prioTarget, Security, c.with(
				[]flow.OXM{s.in, flow.MatchEthSrc(mac), matchHost(flow.NDTarget, ip), flow.Exact(flow.NDTLL, ll)},
				icmpv6(neighborAdvertisement)), flow.GotoTable{Table: TableLookup})
		}
	}
	none := matchHost(flow.IPv6Src, netip.IPv6Unspecified())
	c.pass(s, prioND, append(icmpv6(neighborSolicitation), none, flow.Exact(flow.NDSLL, ownOrNone(mac)[1]))...)
	if s.router {
		return // nothing stops the others
	}
	for _, typ := range []byte{listenerReport, listenerDone, listenerReportV2, routerSolicitation} {
		c.pass(s, prioIP, append(icmpv6(typ), none)...)
	}
}

// ownOrNone are the link-layer addresses that neighbour discovery may tell of a
// sender: its own, or none, which matches as zero.
func ownOrNone(mac [6]byte) []string { return []string{string(mac[:]), string(make([]byte, 6))} }

// linkLocal is the address that follows from a MAC, RFC 4291 appendix A.
func linkLocal(mac [6]byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80,
		8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}

// owned lets a VIF use the addresses that it has although they are guarded
// against others.
func (c *compiler) owned(p *ports, v *VIF, s sender) {
	for _, ip := range p.stations.owns(v) {
		for _, match := range asSource(ip) {
			if ip.Is4() && match[0] == arp() && len(s.macs) > 0 {
				c.announce(s, match)
				continue
			}
			c.pass(s, prioIP, match...)
		}
		if ip.Is6() {
			c.add(TableAddresses, prioTarget, Security,
				c.with([]flow.OXM{s.in, matchHost(flow.NDTarget, ip)}, icmpv6(neighborAdvertisement)),
				flow.GotoTable{Table: TableLookup})
		}
	}
}

// announce lets by ARP in which the VIF says the address to be at the MAC that
// it sends from.
func (c *compiler) announce(s sender, match []flow.OXM) {
	for _, mac := range s.macs {
		one := s
		one.macs = [][6]byte{mac}
		c.pass(one, prioIP, append(match[:len(match):len(match)], flow.Exact(flow.ARPSHA, string(mac[:])))...)
	}
}

// stolenMACs drops what VIFs of unknown address send as somebody who is known.
// An address that one of them may use is left out: the flow knows no port.
func (c *compiler) stolenMACs(n *Network, p *ports) {
	known, open := p.macs(), map[[6]byte]bool{}
	any := false
	for _, v := range n.VIFs {
		if len(v.MACs) > 0 {
			continue
		}
		any = true
		for _, a := range v.Allowed {
			open[a.MAC] = true
		}
	}
	if !any {
		return
	}
	for _, s := range n.Stations {
		known = append(known, s.MAC)
	}
	for _, mac := range distinct(known) {
		if !open[mac] {
			c.add(TableSecurity, prioStolenMAC, Stolen,
				c.match(c.metadata(anyMAC, maskNetwork|anyMAC), flow.MatchEthSrc(mac)))
		}
	}
}
