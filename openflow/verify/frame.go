package verify

import (
	"encoding/binary"
	"net/netip"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
)

// eth lays out a frame.
func eth(src, dst [6]byte, etherType uint16, body []byte) forward.Frame {
	b := make([]byte, 0, 14+len(body))
	b = append(append(b, dst[:]...), src[:]...)
	b = binary.BigEndian.AppendUint16(b, etherType)
	f, _ := forward.Parse(append(b, body...)) // fails only where the header is cut off
	return f
}

// local is a frame of no protocol that anything looks into.
func local(src, dst [6]byte) forward.Frame { return eth(src, dst, etherNone, []byte("ovsmesh verify")) }

// tagged puts a VLAN tag on a frame.
func tagged(f forward.Frame, vlan uint16) forward.Frame {
	b := f.Bytes()
	t := append(append(make([]byte, 0, len(b)+4), b[:12]...), 0x81, 0x00, byte(vlan>>8), byte(vlan))
	f, _ = forward.Parse(append(t, b[12:]...))
	return f
}

func arp(src, dst [6]byte, op byte, sha [6]byte, spa, tpa netip.Addr) forward.Frame {
	b := append([]byte{0, 1, 8, 0, 6, 4, 0, op}, sha[:]...)
	b = append(append(b, spa.AsSlice()...), make([]byte, 6)...)
	return eth(src, dst, etherARP, append(b, tpa.AsSlice()...))
}

// packet lays out IPv4 or IPv6, without checksums: a switch looks at none.
func packet(src, dst [6]byte, from, to netip.Addr, proto byte, body []byte) forward.Frame {
	if from.Is4() {
		b := append([]byte{0x45, 0, 0, byte(20 + len(body)), 0, 0, 0, 0, 64, proto, 0, 0}, from.AsSlice()...)
		return eth(src, dst, etherIPv4, append(append(b, to.AsSlice()...), body...))
	}
	b := append([]byte{0x60, 0, 0, 0, 0, byte(len(body)), proto, 255}, from.AsSlice()...)
	return eth(src, dst, etherIPv6, append(append(b, to.AsSlice()...), body...))
}

func datagram(src, dst [6]byte, from, to netip.Addr, sport, dport uint16) forward.Frame {
	b := binary.BigEndian.AppendUint16(nil, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	return packet(src, dst, from, to, protoUDP, append(b, 0, 8, 0, 0))
}

// discovery lays out a message of neighbour discovery, with the sender's address
// where it has one, RFC 4861 §4.
func discovery(src, dst [6]byte, from netip.Addr, typ byte, target netip.Addr, ll [6]byte) forward.Frame {
	b := append(make([]byte, 0, 32), typ, 0, 0, 0, 0, 0, 0, 0)
	if target.IsValid() {
		b = append(b, target.AsSlice()...)
		if ll != [6]byte{} {
			b = append(append(b, typ-134, 1), ll[:]...) // option 1 of a solicitation, 2 of an advertisement
		}
	}
	return packet(src, dst, from, netip.MustParseAddr("ff02::1"), protoICMPv6, b)
}

// fieldsOf returns a frame as ovs-ofctl writes it.
func fieldsOf(f *forward.Frame) string {
	names := [...]flow.Name{
		flow.EthSrc, flow.EthDst, flow.EthType, flow.VLANVID, flow.IPProto, flow.IPv4Src, flow.IPv4Dst, flow.IPv6Src, flow.IPv6Dst,
		flow.UDPSrc, flow.UDPDst, flow.ICMPv6Type, flow.ARPOp, flow.ARPSPA, flow.ARPTPA, flow.ARPSHA,
		flow.NDTarget, flow.NDSLL, flow.NDTLL, flow.TunnelID, flow.TunSrc, flow.TunIPv6Src,
	}
	var list []flow.OXM
	for _, n := range names {
		if v := f.Get(n); !zero(v) {
			list = append(list, flow.Exact(n, v))
		}
	}
	return flow.NewMatch(list...).String()
}

func zero(b string) bool {
	for i := range len(b) {
		if b[i] != 0 {
			return false
		}
	}
	return true
}
