package controller_test

import (
	"encoding/binary"
	"net/netip"

	"ovsmesh/topology"
)

// Frames as VMs send them, and as those send them who pretend to be others.

var everybody = topology.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func ethernet(dst, src topology.MAC, etherType uint16, payload []byte) []byte {
	f := append(append([]byte{}, dst[:]...), src[:]...)
	f = append(binary.BigEndian.AppendUint16(f, etherType), payload...)
	return append(f, make([]byte, max(0, 60-len(f)))...)
}

// arpFrame returns an ARP packet, RFC 826: op 1 asks, 2 answers.
func arpFrame(dst, src topology.MAC, op byte, sha topology.MAC, spa netip.Addr, tha topology.MAC, tpa netip.Addr) []byte {
	p := []byte{0, 1, 8, 0, 6, 4, 0, op}
	p = append(append(p, sha[:]...), spa.AsSlice()...)
	p = append(append(p, tha[:]...), tpa.AsSlice()...)
	return ethernet(dst, src, 0x0806, p)
}

// udpFrame returns a datagram to the discard port, IPv4 or IPv6.
func udpFrame(dst, src topology.MAC, from, to netip.Addr, text string) []byte {
	udp := binary.BigEndian.AppendUint16(nil, 4000)
	udp = binary.BigEndian.AppendUint16(udp, 9)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(text)))
	udp = append(append(udp, 0, 0), text...)
	const protoUDP = 17
	return ipFrame(dst, src, from, to, protoUDP, udp)
}

func ipFrame(dst, src topology.MAC, from, to netip.Addr, proto byte, payload []byte) []byte {
	if from.Is6() {
		p := []byte{0x60, 0, 0, 0}
		p = binary.BigEndian.AppendUint16(p, uint16(len(payload)))
		p = append(p, proto, 255)
		p = append(append(p, from.AsSlice()...), to.AsSlice()...)
		return ethernet(dst, src, 0x86dd, append(p, payload...))
	}
	p := make([]byte, 20)
	p[0], p[8], p[9] = 0x45, 255, proto
	binary.BigEndian.PutUint16(p[2:], uint16(20+len(payload)))
	copy(p[12:], from.AsSlice())
	copy(p[16:], to.AsSlice())
	binary.BigEndian.PutUint16(p[10:], checksum(p))
	return ethernet(dst, src, 0x0800, append(p, payload...))
}

// neighbour returns a neighbour solicitation (135) or advertisement (136) for a
// target, RFC 4861 §4.3 and §4.4, with the link-layer address that it tells.
func neighbour(typ byte, dst, src topology.MAC, from, to, target netip.Addr, tells topology.MAC) []byte {
	p := []byte{typ, 0, 0, 0, 0, 0, 0, 0}
	option := byte(1)
	if typ == 136 {
		p[4], option = 0x20, 2 // overrides what is known
	}
	p = append(append(p, target.AsSlice()...), option, 1)
	p = append(p, tells[:]...)
	const protoICMPv6 = 58
	pseudo := append(append([]byte{}, from.AsSlice()...), to.AsSlice()...)
	pseudo = append(pseudo, 0, 0, 0, byte(len(p)), 0, 0, 0, protoICMPv6)
	binary.BigEndian.PutUint16(p[2:], checksum(append(pseudo, p...)))
	return ipFrame(dst, src, from, to, protoICMPv6, p)
}

// checksum is that of RFC 1071, over an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// What a frame is.

func isARPRequest(f []byte) bool {
	return len(f) >= 22 && binary.BigEndian.Uint16(f[12:]) == 0x0806 && f[21] == 1
}

// isICMPv6 reports whether a frame is an ICMPv6 message of a type, without or
// with the hop-by-hop header that listener reports have (RFC 3810).
func isICMPv6(f []byte, typ byte) bool {
	if len(f) < 55 || binary.BigEndian.Uint16(f[12:]) != 0x86dd {
		return false
	}
	if f[20] == 0 { // hop-by-hop options, 8 bytes here
		return len(f) >= 63 && f[54] == 58 && f[62] == typ
	}
	return f[20] == 58 && f[54] == typ
}

func toGroup(f []byte) bool { return f[0]&1 == 1 }
