package pipeline_test

import (
	"net/netip"
	"slices"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/pipeline"
)

// What follows says by the definitions of the options, not by tables, where a
// frame has to arrive and what a VIF may send.

// frameKind is what of a frame the options look at.
type frameKind struct {
	src, dst  [6]byte
	group     bool
	arp       bool
	request   bool // of ARP, untagged, to all
	sha       [6]byte
	spa, tpa  netip.Addr
	ip        netip.Addr // source; invalid: not IP
	udp       [2]uint64
	icmp6     uint64 // 0: not ICMPv6
	target    netip.Addr
	sll, tll  [6]byte
	solicits  bool // a neighbour, untagged, of a group
	announces bool // as a neighbour
}

func kindOf(f forward.Frame) frameKind {
	k := frameKind{src: hw(&f, flow.EthSrc), dst: hw(&f, flow.EthDst), sll: hw(&f, flow.NDSLL), tll: hw(&f, flow.NDTLL)}
	k.group = k.dst[0]&1 != 0
	untagged := number(&f, flow.VLANVID) == 0
	switch number(&f, flow.EthType) {
	case 0x0806:
		k.arp, k.sha, k.spa, k.tpa = true, hw(&f, flow.ARPSHA), addr(&f, flow.ARPSPA), addr(&f, flow.ARPTPA)
		k.request = number(&f, flow.ARPOp) == 1 && untagged && k.dst == broadcast
	case 0x0800:
		k.ip = addr(&f, flow.IPv4Src)
	case 0x86dd:
		k.ip = addr(&f, flow.IPv6Src)
	}
	switch number(&f, flow.IPProto) {
	case 17:
		k.udp = [2]uint64{number(&f, flow.UDPSrc), number(&f, flow.UDPDst)}
	case 58:
		k.icmp6 = number(&f, flow.ICMPv6Type)
		k.target = addr(&f, flow.NDTarget)
		k.solicits = k.icmp6 == 135 && untagged && k.group
		k.announces = k.icmp6 == 136
	}
	return k
}

// asks and tells report what service a frame asks for, or is one of.
func (k frameKind) asks() (dhcp, router bool) {
	v4, v6 := k.ip.IsValid() && k.ip.Is4(), k.ip.IsValid() && k.ip.Is6()
	return v4 && k.udp == [2]uint64{68, 67} || v6 && k.udp == [2]uint64{546, 547}, k.icmp6 == 133
}

func (k frameKind) tells() (dhcp, router bool) {
	v4, v6 := k.ip.IsValid() && k.ip.Is4(), k.ip.IsValid() && k.ip.Is6()
	return v4 && k.udp == [2]uint64{67, 68} || v6 && k.udp == [2]uint64{547, 546}, k.icmp6 == 134
}

// mayUse are the addresses of v and those that it is allowed beside.
func (v *vif) mayUse() (macs [][6]byte, ips []netip.Addr) {
	macs, ips = slices.Clone(v.macs), slices.Clone(v.ips)
	for _, a := range v.allowed {
		if len(v.macs) > 0 && a.MAC != [6]byte{} {
			macs = append(macs, a.MAC)
		}
		ips = append(ips, a.IP)
	}
	return macs, ips
}

// may reports whether port security lets v send a frame.
func (w *world) may(v *vif, k frameKind) bool {
	if k.src[0]&1 != 0 {
		return false
	}
	if !w.nets[v.network].secure {
		return true
	}
	macs, ips := v.mayUse()
	if len(macs) > 0 && !slices.Contains(macs, k.src) || len(macs) == 0 && w.stolen(v, k.src) {
		return false
	}
	if len(v.macs) > 0 && len(v.ips) > 0 {
		return mayStrictly(v, ips, k) && !(v.router && w.forges(v, ips, k))
	}
	return !w.forges(v, ips, k)
}

// forges reports whether a frame speaks with an address that is known to be
// another's.
func (w *world) forges(v *vif, ips []netip.Addr, k frameKind) bool {
	stations, strict := w.stations[v.network], len(v.macs) > 0 && len(v.ips) > 0
	others := func(ip netip.Addr) bool {
		mac, known := stations[ip]
		mine := slices.Contains(ips, ip) || !strict && slices.Contains(v.macs, mac) ||
			strict && ip == linkLocalOf(k.src)
		return known && !mine
	}
	if k.arp {
		_, known := stations[k.spa]
		return others(k.spa) || known && len(v.macs) > 0 && k.sha != k.src
	}
	return k.ip.IsValid() && others(k.ip) || k.announces && others(k.target)
}

// stolen reports whether a MAC is known as another's, and no VIF of unknown
// address on the same host may take it.
func (w *world) stolen(v *vif, src [6]byte) bool {
	known := false
	for _, o := range w.vifs {
		if o.network != v.network {
			continue
		}
		known = known || slices.Contains(o.macs, src)
		for _, a := range o.allowed {
			// Whoever owns the address, too, makes its holders known.
			if a.MAC == src && o.host == v.host && len(o.macs) == 0 && !o.external {
				return false
			}
		}
	}
	return known
}

// mayStrictly holds a VIF of known addresses to them.
func mayStrictly(v *vif, ips []netip.Addr, k frameKind) bool {
	mine := func(ip netip.Addr) bool {
		return slices.Contains(ips, ip) || ip.Is6() && k.src[3] == 0 && ip == linkLocalOf(k.src)
	}
	switch {
	case k.arp:
		return k.sha == k.src && (mine(k.spa) || k.spa == zero4)
	case k.icmp6 == 135 && k.ip == zero6:
		return k.sll == [6]byte{}
	case k.icmp6 == 135:
		return mine(k.ip) && (k.sll == k.src || k.sll == [6]byte{})
	case k.icmp6 == 136:
		return (mine(k.ip) || v.router) && mine(k.target) && (k.tll == k.src || k.tll == [6]byte{})
	case !k.ip.IsValid() || v.router || mine(k.ip):
		return true
	case k.ip == zero4:
		return k.udp == [2]uint64{68, 67}
	case k.ip == zero6:
		return slices.Contains([]uint64{131, 132, 133, 143}, k.icmp6)
	}
	return false
}

// linkLocalOf is the link-local address of a MAC whose middle is zero.
func linkLocalOf(mac [6]byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}

// arrivals says where a frame from a VIF has to arrive.
func (w *world) arrivals(from *vif, k frameKind) map[arrival]int {
	arrived := map[arrival]int{}
	if !w.may(from, k) {
		return arrived
	}
	_, ips := from.mayUse()
	if k.request || k.solicits {
		ip := k.tpa
		if k.solicits {
			ip = k.target
		}
		mac, known := w.stations[from.network][ip]
		asksItself := slices.Contains(ips, ip) || slices.Contains(from.macs, mac)
		if known && !asksItself && k.request {
			arrived[arrival{from.at, k.src, mac}] = 1
			return arrived
		}
		if known && !asksItself {
			k.dst, k.group = mac, false
		}
	}
	for i := range w.vifs {
		v := &w.vifs[i]
		if v.network == from.network && v.at != from.at && w.reaches(from, v, k) {
			arrived[arrival{v.at, k.dst, k.src}] = 1
		}
	}
	return arrived
}

// reaches reports whether what from sends reaches v.
func (w *world) reaches(from, v *vif, k frameKind) bool {
	o := w.nets[v.network]
	if k.group {
		return !o.dropBroadcast || v.host == from.host || carried(w, from, v, k)
	}
	owned, here := false, false // somebody has the address; on v's host
	for _, u := range w.vifs {
		if u.network == v.network && slices.Contains(u.macs, k.dst) {
			owned = true
			here = here || u.host == v.host
		}
	}
	holds := slices.ContainsFunc(v.allowed, func(a pipeline.Pair) bool { return a.MAC == k.dst })
	switch {
	case owned:
		return slices.Contains(v.macs, k.dst) || holds && (here || v.host == from.host)
	case !o.dropUnknown:
		return true
	}
	return w.holder(from.host, v.network, k.dst) && (v.external || w.holder(v.host, v.network, k.dst))
}

// holder reports whether a VIF of a host may take an address.
func (w *world) holder(host int, network uint32, mac [6]byte) bool {
	return slices.ContainsFunc(w.vifs, func(v vif) bool {
		return v.host == host && v.network == network && !v.external &&
			slices.ContainsFunc(v.allowed, func(a pipeline.Pair) bool { return a.MAC == mac })
	})
}

// carried reports whether tunnels carry a frame although they carry no
// broadcast: requests to those that serve, and announcements of these.
func carried(w *world, from, v *vif, k frameKind) bool {
	asksDHCP, asksRouter := k.asks()
	tellsDHCP, tellsRouter := k.tells()
	return asksDHCP && v.dhcp || asksRouter && v.router || tellsDHCP && from.dhcp || tellsRouter && from.router
}
