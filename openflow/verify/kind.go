package verify

import (
	"net/netip"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
)

// kind is what of a frame the options of a network look at.
type kind struct {
	src, dst  [6]byte
	group     bool
	arp       bool
	request   bool // of ARP, untagged, to all
	sha       [6]byte
	spa, tpa  netip.Addr
	ip        netip.Addr // source; invalid: not IP
	ports     [2]uint64  // of UDP
	icmp6     uint64     // type; 0: not ICMPv6
	target    netip.Addr
	sll, tll  [6]byte
	solicits  bool // a neighbour, untagged, of a group
	announces bool // as a neighbour
}

func kindOf(f *forward.Frame) kind {
	k := kind{src: hw(f, flow.EthSrc), dst: hw(f, flow.EthDst), sll: hw(f, flow.NDSLL), tll: hw(f, flow.NDTLL)}
	k.group = k.dst[0]&1 != 0
	untagged := number(f.Get(flow.VLANVID)) == 0
	switch number(f.Get(flow.EthType)) {
	case etherARP:
		k.arp, k.sha, k.spa, k.tpa = true, hw(f, flow.ARPSHA), addr(f, flow.ARPSPA), addr(f, flow.ARPTPA)
		k.request = number(f.Get(flow.ARPOp)) == 1 && untagged && k.dst == broadcast()
	case etherIPv4:
		k.ip = addr(f, flow.IPv4Src)
	case etherIPv6:
		k.ip = addr(f, flow.IPv6Src)
	}
	switch number(f.Get(flow.IPProto)) {
	case protoUDP:
		k.ports = [2]uint64{number(f.Get(flow.UDPSrc)), number(f.Get(flow.UDPDst))}
	case protoICMPv6:
		k.icmp6 = number(f.Get(flow.ICMPv6Type))
		k.target = addr(f, flow.NDTarget)
		k.solicits = k.icmp6 == solicitation && untagged && k.group
		k.announces = k.icmp6 == advertisement
	}
	return k
}

// Protocols, and messages of ICMPv6 (RFC 4861, RFC 2710, RFC 3810).
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	etherMPLS = 0x8847
	etherNone = 0x88b5 // for local experiments, IEEE 802-2014 §9.2.4

	protoUDP    = 17
	protoICMPv6 = 58

	listenerReport      = 131
	listenerDone        = 132
	routerSolicitation  = 133
	routerAdvertisement = 134
	solicitation        = 135
	advertisement       = 136
	listenerReportV2    = 143
)

func broadcast() [6]byte { return [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

func hw(f *forward.Frame, n flow.Name) [6]byte { return [6]byte([]byte(f.Get(n))) }

func addr(f *forward.Frame, n flow.Name) netip.Addr {
	a, _ := netip.AddrFromSlice([]byte(f.Get(n)))
	return a
}

// asks and tells report what service a frame asks for, or is one of.
func (k *kind) asks() (dhcp, router bool) {
	return k.udp(true, 68, 67) || k.udp(false, 546, 547), k.icmp6 == routerSolicitation
}

func (k *kind) tells() (dhcp, router bool) {
	return k.udp(true, 67, 68) || k.udp(false, 547, 546), k.icmp6 == routerAdvertisement
}

func (k *kind) udp(v4 bool, src, dst uint64) bool {
	return k.ip.IsValid() && k.ip.Is4() == v4 && k.ports == [2]uint64{src, dst}
}
