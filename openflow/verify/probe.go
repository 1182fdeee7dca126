package verify

import (
	"fmt"
	"net/netip"
	"slices"

	"ovsmesh/openflow/forward"
)

// probe is a frame that is sent to see where it goes.
type probe struct {
	name  string // in words: "broadcast"
	frame forward.Frame
	wide  bool // goes to many, if to any
}

// plainBroadcast is the probe that is followed from every host.
const plainBroadcast = "broadcast"

// Addresses of groups.
func allNodes4() [6]byte { return [6]byte{0x01, 0x00, 0x5e, 0, 0, 1} } // 224.0.0.1
func allNodes6() [6]byte { return [6]byte{0x33, 0x33, 0, 0, 0, 1} }    // ff02::1

// of returns the frames that a machine is tried with, but those about addresses
// of the network: see about. Other is another machine with addresses, nil if
// there is none.
func (p *prober) of(at, other *place) []probe {
	own := p.sends[at.Machine]
	list := p.general(own)
	if p.Learning {
		return list
	}
	list = append(list, p.services(own)...)
	list = append(list, p.questions(own)...)
	for _, v4 := range []bool{true, false} {
		at := slices.IndexFunc(p.ips, func(ip netip.Addr) bool { return ip.Is4() == v4 && !p.has(at, ip) })
		if at >= 0 {
			list = append(list, p.ask(own, p.ips[at]))
		}
	}
	if p.DropBroadcast {
		list = append(list, p.unknownServices(own)...)
	}
	to := p.target(other)
	list = append(list, probe{"a frame from nobody's address", local(p.nobody, to.mac), to.wide})
	for _, mac := range p.macsOf(at) {
		list = append(list, p.forged(mac, to)...)
		list = append(list, p.addressless(mac, mac, to)...)
		list = append(list, p.addressless(p.nobody, mac, to)...)
		list = append(list, p.proper(mac, linkLocal(mac), to)...)
		for _, ip := range at.ips() {
			list = append(list, p.proper(mac, ip, to)...)
		}
	}
	return list
}

// general are frames that every network has to carry, or has to drop.
func (p *prober) general(own address) []probe {
	list := []probe{
		{plainBroadcast, local(own.mac, broadcast()), true},
		{"unicast to nobody", local(own.mac, p.nobody), true},
		{"IPv4 multicast", datagram(own.mac, allNodes4(), own.v4, netip.MustParseAddr("224.0.0.1"), 5000, 5001), true},
		{"IPv6 multicast", datagram(own.mac, allNodes6(), linkLocal(own.mac), netip.MustParseAddr("ff02::1"), 5000, 5001), true},
	}
	if p.Learning {
		label := []byte{0, 1, 1, 64} // 16, the first that is not reserved, RFC 3032 §2.1
		list = append(list, probe{"broadcast with an MPLS label", eth(own.mac, broadcast(), etherMPLS, label), true})
	}
	return list
}

// services are requests to those who serve, and what these tell all.
func (p *prober) services(own address) []probe {
	all6 := [6]byte{0x33, 0x33, 0, 1, 0, 2} // ff02::1:2
	return p.servicesTo(own, [6][6]byte{broadcast(), broadcast(), all6, allNodes6(), allNodes6(), allNodes6()}, "")
}

// unknownServices are the same frames to an address of nobody: they are nothing
// special.
func (p *prober) unknownServices(own address) []probe {
	n := p.nobody
	return p.servicesTo(own, [6][6]byte{n, n, n, n, n, n}, " to nobody")
}

func (p *prober) servicesTo(own address, dst [6][6]byte, to string) []probe {
	all4, all6 := netip.AddrFrom4([4]byte{255, 255, 255, 255}), netip.MustParseAddr("ff02::1:2")
	ll, none := linkLocal(own.mac), [6]byte{}
	return []probe{
		{"a DHCP request" + to, datagram(own.mac, dst[0], netip.IPv4Unspecified(), all4, 68, 67), true},
		{"what a DHCP server tells" + to, datagram(own.mac, dst[1], own.v4, all4, 67, 68), true},
		{"a DHCPv6 request" + to, datagram(own.mac, dst[2], ll, all6, 546, 547), true},
		{"what a DHCPv6 server tells" + to, datagram(own.mac, dst[3], ll, all6, 547, 546), true},
		{"a router solicitation" + to, discovery(own.mac, dst[4], ll, routerSolicitation, netip.Addr{}, none), true},
		{"a router advertisement" + to, discovery(own.mac, dst[5], ll, routerAdvertisement, netip.Addr{}, none), true},
		{"half a DHCP request" + to, datagram(own.mac, dst[0], own.v4, all4, 68, 66), true},
		{"the other half" + to, datagram(own.mac, dst[0], own.v4, all4, 66, 67), true},
		{"half of what a DHCP server tells" + to, datagram(own.mac, dst[0], own.v4, all4, 67, 66), true},
		{"its other half" + to, datagram(own.mac, dst[0], own.v4, all4, 66, 68), true},
		{"half a DHCPv6 request" + to, datagram(own.mac, dst[2], ll, all6, 546, 66), true},
		{"the other half of DHCPv6" + to, datagram(own.mac, dst[2], ll, all6, 66, 547), true},
		{"half of what a DHCPv6 server tells" + to, datagram(own.mac, dst[3], ll, all6, 547, 66), true},
		{"its other half of DHCPv6" + to, datagram(own.mac, dst[3], ll, all6, 66, 546), true},
	}
}

// questions are those about addresses of one's own, and of nobody.
func (p *prober) questions(own address) []probe {
	none := [6]byte{}
	ask := arp(own.mac, broadcast(), 1, own.mac, own.v4, p.strange.v4)
	return []probe{
		{"an ARP request for nobody", ask, true},
		{"an ARP request for nobody in a VLAN", tagged(ask, 5), true},
		{"an ARP probe of the own address", arp(own.mac, broadcast(), 1, own.mac, netip.IPv4Unspecified(), own.v4), true},
		{"an ARP request for the own address", arp(own.mac, broadcast(), 1, own.mac, own.v4, own.v4), true},
		{"a solicitation of nobody", discovery(own.mac, allNodes6(), linkLocal(own.mac), solicitation, p.strange.v6, own.mac), true},
		{"duplicate detection of the own address", discovery(own.mac, allNodes6(), netip.IPv6Unspecified(), solicitation, own.v6, none), true},
		{"a solicitation of the own address", discovery(own.mac, allNodes6(), own.v6, solicitation, own.v6, own.mac), true},
	}
}

// ask is the question of a machine whose an IP address is.
func (p *prober) ask(own address, ip netip.Addr) probe {
	if ip.Is4() {
		return probe{"an ARP request", arp(own.mac, broadcast(), 1, own.mac, own.v4, ip), false}
	}
	return probe{"a solicitation of another", discovery(own.mac, allNodes6(), linkLocal(own.mac), solicitation, ip, own.mac), false}
}

// addressless is what a machine sends before it has an IP address, from src and
// in the name of mac.
func (p *prober) addressless(src, mac [6]byte, to target) []probe {
	none4, none6, s := netip.IPv4Unspecified(), netip.IPv6Unspecified(), p.strange
	as := ""
	if src != mac {
		as = ", from nobody"
	}
	list := []probe{
		{"ARP without an address" + as, arp(src, to.mac, 1, mac, none4, to.v4), to.wide},
		{"ARP without an address in nobody's name" + as, arp(src, to.mac, 1, p.nobody, none4, to.v4), to.wide},
		{"a DHCP request to one server" + as, datagram(src, to.mac, none4, to.v4, 68, 67), to.wide},
		{"a packet without an address" + as, datagram(src, to.mac, none4, to.v4, 5000, 5001), to.wide},
		{"half a DHCP request to one server" + as, datagram(src, to.mac, none4, to.v4, 68, 66), to.wide},
		{"the other half to one server" + as, datagram(src, to.mac, none4, to.v4, 66, 67), to.wide},
		{"a DHCP request from a strange address" + as, datagram(src, to.mac, s.v4, to.v4, 68, 67), to.wide},
		{"a frame" + as, local(src, to.mac), to.wide},
		{"an IPv6 packet without an address" + as, datagram(src, to.mac, none6, to.v6, 5000, 5001), to.wide},
		{"a solicitation without an address" + as, discovery(src, to.mac, none6, solicitation, to.v6, [6]byte{}), to.wide},
		{"a solicitation without an address that names one" + as, discovery(src, to.mac, none6, solicitation, to.v6, mac), to.wide},
		{"a solicitation from a strange address that names none" + as, discovery(src, to.mac, s.v6, solicitation, to.v6, [6]byte{}), to.wide},
		{"an advertisement of a strange address that names none" + as, discovery(src, to.mac, linkLocal(mac), advertisement, s.v6, [6]byte{}), to.wide},
	}
	for _, typ := range []byte{128, listenerReport, listenerDone, listenerReportV2, routerSolicitation} {
		what := fmt.Sprintf("ICMPv6 of type %d", typ)
		list = append(list,
			probe{what + " without an address" + as, discovery(src, to.mac, none6, typ, netip.Addr{}, [6]byte{}), to.wide},
			probe{what + " from a strange address" + as, discovery(src, to.mac, s.v6, typ, netip.Addr{}, [6]byte{}), to.wide})
	}
	return list
}

// proper is what a machine sends with an address of its own, and some of that
// with another's address of Ethernet within.
func (p *prober) proper(mac [6]byte, ip netip.Addr, to target) []probe {
	if ip.Is4() {
		return []probe{
			{"a packet", datagram(mac, to.mac, ip, to.v4, 5000, 5001), to.wide},
			{"ARP", arp(mac, to.mac, 2, mac, ip, to.v4), to.wide},
			{"ARP in nobody's name", arp(mac, to.mac, 2, p.nobody, ip, to.v4), to.wide},
			{"ARP of the own from nobody", arp(p.nobody, to.mac, 2, mac, ip, to.v4), to.wide},
			{"a packet of the own from nobody", datagram(p.nobody, to.mac, ip, to.v4, 5000, 5001), to.wide},
		}
	}
	var list []probe
	for _, ll := range [][6]byte{mac, {}, p.nobody} {
		what := map[[6]byte]string{mac: " with the own address", {}: "", p.nobody: " in nobody's name"}[ll]
		list = append(list,
			probe{"a solicitation" + what, discovery(mac, to.mac, ip, solicitation, to.v6, ll), to.wide},
			probe{"a solicitation of the own from nobody" + what, discovery(p.nobody, to.mac, ip, solicitation, to.v6, ll), to.wide},
			probe{"an advertisement" + what, discovery(mac, to.mac, ip, advertisement, ip, ll), to.wide})
	}
	return append(list,
		probe{"an IPv6 packet", datagram(mac, to.mac, ip, to.v6, 5000, 5001), to.wide},
		probe{"an IPv6 packet of the own from nobody", datagram(p.nobody, to.mac, ip, to.v6, 5000, 5001), to.wide},
		probe{"an advertisement of the own from nobody", discovery(p.nobody, to.mac, ip, advertisement, ip, mac), to.wide})
}

// forged are frames with addresses that are not the machine's, nor known as
// another's: of those see about.
func (p *prober) forged(mac [6]byte, to target) []probe {
	s := p.strange
	return []probe{
		{"a frame from a group address", local([6]byte{0x03}, to.mac), to.wide},
		{"a packet from a strange address", datagram(mac, to.mac, s.v4, to.v4, 5000, 5001), to.wide},
		{"an IPv6 packet from a strange address", datagram(mac, to.mac, s.v6, to.v6, 5000, 5001), to.wide},
		{"ARP from a strange address", arp(mac, to.mac, 2, mac, s.v4, to.v4), to.wide},
		{"a solicitation from a strange address", discovery(mac, to.mac, s.v6, solicitation, to.v6, mac), to.wide},
		{"an advertisement of a strange address", discovery(mac, to.mac, linkLocal(mac), advertisement, s.v6, mac), to.wide},
	}
}

// about returns frames about an IP address that is known to be a machine's:
// somebody asks for it, or pretends to have it.
func (p *prober) about(from *place, ip netip.Addr, owner [6]byte) []probe {
	own := p.sends[from.Machine]
	to := target{address{owner, p.strange.v4, p.strange.v6}, false}
	if ip.Is4() {
		ask := arp(own.mac, broadcast(), 1, own.mac, own.v4, ip)
		return []probe{
			{"an ARP request", ask, false},
			{"an ARP request in a VLAN", tagged(ask, 5), true},
			{"an ARP reply to all", arp(own.mac, broadcast(), 2, own.mac, own.v4, ip), true},
			{"an ARP request to one", arp(own.mac, owner, 1, own.mac, own.v4, ip), false},
			{"ARP with another's address", arp(own.mac, owner, 2, own.mac, ip, to.v4), false},
			{"a packet from another's address", datagram(own.mac, owner, ip, to.v4, 5000, 5001), false},
		}
	}
	ll := linkLocal(own.mac)
	ask := discovery(own.mac, allNodes6(), ll, solicitation, ip, own.mac)
	return []probe{
		{"a solicitation of another", ask, false},
		{"a solicitation in a VLAN", tagged(ask, 5), true},
		{"a solicitation to nobody", discovery(own.mac, p.nobody, ll, solicitation, ip, own.mac), true},
		{"an advertisement to all", discovery(own.mac, allNodes6(), ll, advertisement, own.v6, own.mac), true},
		{"an advertisement of another's address", discovery(own.mac, owner, ll, advertisement, ip, own.mac), false},
		{"an IPv6 packet from another's address", datagram(own.mac, owner, ip, to.v6, 5000, 5001), false},
	}
}

// incoming are frames that a tunnel may bring to a member, whether anybody sends
// them there or not.
func (p *prober) incoming(at, peer *Member) []probe {
	src := p.nobody
	if len(peer.Machines) > 0 {
		src = p.sends[&peer.Machines[0]].mac
	}
	list := p.general(address{src, p.strange.v4, p.strange.v6})
	here := at.Machines
	if p.Learning { // made-up addresses are learned all the same, but known to nobody else
		here = slices.DeleteFunc(slices.Clone(here), func(m Machine) bool { return len(m.MACs) == 0 || p.ambiguous(m.MACs[0]) })
	}
	if len(here) > 0 {
		list = append(list, probe{"unicast to a VM here", local(src, p.macOf(&here[0])), false})
	}
	if p.Learning {
		return list
	}
	if len(peer.Machines) > 0 {
		list = append(list, probe{"unicast to a VM elsewhere", local(src, src), true})
	}
	list = append(list, p.services(address{src, p.strange.v4, p.strange.v6})...)
	if p.DropBroadcast {
		list = append(list, p.unknownServices(address{src, p.strange.v4, p.strange.v6})...)
	}
	return list
}
