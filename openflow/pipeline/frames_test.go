package pipeline_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
)

var (
	broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	nobody    = mac(99)                               // an address that no VIF has
	virtual   = [6]byte{0x00, 0x00, 0x5e, 0, 1, 1}    // VRRP's, RFC 5798 §7.3
	toAll4    = [6]byte{0x01, 0x00, 0x5e, 0, 0, 1}    // 224.0.0.1
	toAll6    = [6]byte{0x33, 0x33, 0, 0, 0, 1}       // ff02::1
	toRouters = [6]byte{0x33, 0x33, 0, 0, 0, 2}       // ff02::2
	toDHCP6   = [6]byte{0x33, 0x33, 0, 1, 0, 2}       // ff02::1:2
	virtualIP = netip.MustParseAddr("10.0.0.100")     // of VRRP
	strangeIP = netip.MustParseAddr("192.168.9.9")    // of nobody
	strange6  = netip.MustParseAddr("2001:db8:9::99") // likewise
	zero4     = netip.IPv4Unspecified()
	zero6     = netip.IPv6Unspecified()
)

func mac(n byte) [6]byte    { return [6]byte{2, 0, 0, 0, 0, n} }
func ip4(n byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, n}) }
func ip6(n byte) netip.Addr { return netip.AddrFrom16([16]byte{0xfd, 15: n}) }

// local6 is the link-local address of mac(n), written out.
func local6(n byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 11: 0xff, 12: 0xfe, 15: n})
}

// eth lays out a frame.
func eth(src, dst [6]byte, etherType uint16, body []byte) []byte {
	b := append(append(dst[:len(dst):len(dst)], src[:]...), byte(etherType>>8), byte(etherType))
	return append(b, body...)
}

func arpFrame(src, dst [6]byte, op byte, sha [6]byte, spa netip.Addr, tha [6]byte, tpa netip.Addr) []byte {
	b := append([]byte{0, 1, 8, 0, 6, 4, 0, op}, sha[:]...)
	b = append(append(b, spa.AsSlice()...), tha[:]...)
	return eth(src, dst, 0x0806, append(b, tpa.AsSlice()...))
}

// ipFrame lays out IPv4 or IPv6, without checksums: a switch looks at none.
func ipFrame(src, dst [6]byte, from, to netip.Addr, proto byte, body []byte) []byte {
	var b []byte
	if from.Is4() {
		b = append([]byte{0x45, 0, 0, byte(20 + len(body)), 0, 0, 0, 0, 64, proto, 0, 0}, from.AsSlice()...)
		return eth(src, dst, 0x0800, append(append(b, to.AsSlice()...), body...))
	}
	b = append([]byte{0x60, 0, 0, 0, 0, byte(len(body)), proto, 255}, from.AsSlice()...)
	return eth(src, dst, 0x86dd, append(append(b, to.AsSlice()...), body...))
}

func udpFrame(src, dst [6]byte, from, to netip.Addr, sport, dport uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	return ipFrame(src, dst, from, to, 17, append(b, 0, 8, 0, 0))
}

// icmp6Frame lays out a message of ICMPv6; target and the link-layer address,
// which may be left out, are those of neighbour discovery.
func icmp6Frame(src, dst [6]byte, from netip.Addr, typ byte, target netip.Addr, ll [6]byte) []byte {
	b := make([]byte, 8, 32)
	b[0] = typ
	if target.IsValid() {
		b = append(b, target.AsSlice()...)
	}
	if ll != [6]byte{} {
		b = append(append(b, typ-134, 1), ll[:]...)
	}
	to := netip.MustParseAddr("ff02::1")
	return ipFrame(src, dst, from, to, 58, b)
}

func parse(b []byte) forward.Frame {
	f, err := forward.Parse(b)
	if err != nil {
		panic(fmt.Sprintf("a frame of this test: %v", err))
	}
	return f
}

// l2Frames are how many of frames differ in their Ethernet addresses only; they
// come first.
const l2Frames = 64

// frames are all that may make a difference: every source with every
// destination of a few, and every kind of frame that a table knows, from right
// and from wrong addresses.
var frames = sync.OnceValue(func() []forward.Frame {
	var list []forward.Frame
	add := func(b []byte) { list = append(list, parse(b)) }
	for _, src := range [][6]byte{mac(1), mac(2), mac(3), mac(4), nobody, virtual, {3}, broadcast} {
		for _, dst := range [][6]byte{mac(1), mac(2), mac(3), mac(4), nobody, virtual, broadcast, toAll6} {
			add(eth(src, dst, 0x88b5, []byte("payload")))
		}
	}
	for n := byte(1); n <= 4; n++ {
		someone := n%4 + 1
		addARP(add, mac(n), mac(someone), n, someone)
		addIPv4(add, mac(n), n, someone)
		addIPv6(add, mac(n), mac(someone), n, someone)
	}
	addARP(add, virtual, mac(1), 100, 1)
	addARP(add, nobody, mac(1), 99, 1)
	addIPv4(add, nobody, 99, 1)
	addIPv6(add, nobody, mac(1), 99, 1)
	return list
})

func addARP(add func([]byte), own, other [6]byte, self, someone byte) {
	for _, spa := range []netip.Addr{ip4(self), ip4(someone), virtualIP, zero4, strangeIP} {
		for _, tpa := range []netip.Addr{ip4(1), ip4(3), virtualIP, strangeIP, spa} {
			add(arpFrame(own, broadcast, 1, own, spa, [6]byte{}, tpa))
		}
		add(arpFrame(own, mac(3), 1, own, spa, [6]byte{}, ip4(3)))
		add(arpFrame(own, broadcast, 2, own, spa, own, spa))
		add(arpFrame(own, broadcast, 1, other, spa, [6]byte{}, ip4(3)))
		tagged := arpFrame(own, broadcast, 1, own, spa, [6]byte{}, ip4(3))
		add(append(tagged[:12:12], append([]byte{0x81, 0, 0, 5}, tagged[12:]...)...))
	}
}

func addIPv4(add func([]byte), own [6]byte, self, someone byte) {
	for _, src := range []netip.Addr{ip4(self), ip4(someone), virtualIP, zero4, strangeIP} {
		for _, dst := range [][6]byte{broadcast, mac(3), nobody} {
			add(udpFrame(own, dst, src, ip4(255), 68, 67))
			add(udpFrame(own, dst, src, ip4(255), 67, 68))
			add(udpFrame(own, dst, src, ip4(255), 5000, 5001))
		}
		add(udpFrame(own, toAll4, src, netip.MustParseAddr("224.0.0.1"), 68, 66))
	}
}

func addIPv6(add func([]byte), own, other [6]byte, self, someone byte) {
	for _, src := range []netip.Addr{ip6(self), ip6(someone), local6(self), local6(someone), zero6, strange6} {
		for _, dst := range [][6]byte{toAll6, mac(3), nobody} {
			add(udpFrame(own, dst, src, netip.MustParseAddr("ff02::1:2"), 546, 547))
			add(udpFrame(own, dst, src, netip.MustParseAddr("ff02::1"), 547, 546))
		}
		for _, typ := range []byte{128, 131, 132, 133, 134, 143} {
			add(icmp6Frame(own, toRouters, src, typ, netip.Addr{}, [6]byte{}))
		}
		for _, ll := range [][6]byte{own, other, {}} {
			for _, target := range []netip.Addr{ip6(self), ip6(someone), ip6(3), local6(self), strange6} {
				add(icmp6Frame(own, toAll6, src, 135, target, ll))
				add(icmp6Frame(own, mac(3), src, 136, target, ll))
			}
		}
		add(icmp6Frame(own, mac(3), src, 135, ip6(3), own))
		add(icmp6Frame(own, toDHCP6, src, 134, netip.Addr{}, [6]byte{}))
	}
}

// text is a field of a frame as bytes of an address.
func addr(f *forward.Frame, n flow.Name) netip.Addr {
	a, _ := netip.AddrFromSlice([]byte(f.Get(n)))
	return a
}

func hw(f *forward.Frame, n flow.Name) [6]byte { return [6]byte([]byte(f.Get(n))) }

func number(f *forward.Frame, n flow.Name) (v uint64) {
	for _, b := range []byte(f.Get(n)) {
		v = v<<8 | uint64(b)
	}
	return v
}
