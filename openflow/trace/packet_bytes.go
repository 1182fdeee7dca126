package trace

import (
	"encoding/binary"
	"net/netip"

	"ovsmesh/openflow/flow"
)

func (p *packer) bytes() ([]byte, error) {
	etherType := uint16(p.number(flow.EthType, etherTest))
	var body []byte
	switch etherType {
	case etherARP:
		body = p.arp()
	case etherIPv4:
		body = p.ipv4()
	case etherIPv6:
		body = p.ipv6()
	default:
		body = make([]byte, 46) // the least that Ethernet carries
	}
	dst, err := p.target(etherType)
	if err != nil {
		return nil, err
	}
	b := []byte(dst + p.source())
	if vid := p.number(flow.VLANVID, 0); vid&0x1000 != 0 {
		b = binary.BigEndian.AppendUint16(b, 0x8100)
		b = binary.BigEndian.AppendUint16(b, uint16(vid&0xfff|p.number(flow.VLANPCP, 0)<<13))
	}
	b = binary.BigEndian.AppendUint16(b, etherType)
	return append(b, body...), nil
}

func (p *packer) arp() []byte {
	op := p.number(flow.ARPOp, 1)
	b := []byte{0, 1, 8, 0, 6, 4, byte(op >> 8), byte(op)}
	tha := make([]byte, 6)
	if op != 1 {
		tha = p.want.To.MAC[:]
	}
	b = append(b, p.get(flow.ARPSHA, p.source())...)
	b = append(b, p.address(flow.ARPSPA, p.ipFrom(false)).AsSlice()...)
	b = append(b, p.get(flow.ARPTHA, string(tha))...)
	return append(b, p.address(flow.ARPTPA, p.arpTarget()).AsSlice()...)
}

func (p *packer) arpTarget() netip.Addr {
	if a := p.want.To.ip(false); a.IsValid() {
		return a
	}
	return netip.IPv4Unspecified()
}

func (p *packer) ipv4() []byte {
	proto := byte(p.number(flow.IPProto, protoICMP))
	src, dst := p.address(flow.IPv4Src, p.ipFrom(false)), p.destination(etherIPv4)
	payload := p.transport(proto, false)
	b := []byte{0x45, byte(p.number(flow.IPDSCP, 0)<<2 | p.number(flow.IPECN, 0)), 0, 0, 0, 0, 0x40, 0, 64, proto, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[10:], checksum(0, b))
	finish(payload, proto, src, dst)
	return append(b, payload...)
}

func (p *packer) ipv6() []byte {
	proto := byte(p.number(flow.IPProto, protoICMPv6))
	src, dst := p.address(flow.IPv6Src, p.ipFrom(true)), p.destination(etherIPv6)
	payload := p.transport(proto, true)
	tos := byte(p.number(flow.IPDSCP, 0)<<2 | p.number(flow.IPECN, 0))
	hops := byte(64)
	if proto == protoICMPv6 {
		hops = 255 // neighbour discovery asks for it, RFC 4861 §7.1
	}
	b := []byte{0x60 | tos>>4, tos << 4, 0, 0, 0, 0, proto, hops}
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	finish(payload, proto, src, dst)
	return append(b, payload...)
}

// transport lays out what IP carries, its checksum still zero.
func (p *packer) transport(proto byte, v6 bool) []byte {
	ports := func(src, dst flow.Name, n int) []byte {
		b := make([]byte, n)
		binary.BigEndian.PutUint16(b, uint16(p.number(src, 1024)))
		binary.BigEndian.PutUint16(b[2:], uint16(p.number(dst, portDiscard)))
		return b
	}
	switch {
	case proto == protoTCP:
		b := ports(flow.TCPSrc, flow.TCPDst, 20)
		b[12], b[13] = 5<<4, 0x02 // the first of a connection
		return b
	case proto == protoUDP:
		b := ports(flow.UDPSrc, flow.UDPDst, 8)
		binary.BigEndian.PutUint16(b[4:], 8)
		return b
	case proto == protoSCTP:
		return ports(flow.SCTPSrc, flow.SCTPDst, 12)
	case proto == protoICMP && !v6:
		return []byte{byte(p.number(flow.ICMPv4Type, 8)), byte(p.number(flow.ICMPv4Code, 0)), 0, 0, 0, 1, 0, 1}
	case proto == protoICMPv6 && v6:
		return p.icmpv6()
	}
	return make([]byte, 8)
}

func (p *packer) icmpv6() []byte {
	typ := byte(p.number(flow.ICMPv6Type, 128))
	b := []byte{typ, byte(p.number(flow.ICMPv6Code, 0)), 0, 0, 0, 0, 0, 0}
	if typ != 135 && typ != 136 {
		return b
	}
	target := p.want.To.ip(true)
	option, field, mac := byte(1), flow.NDSLL, p.source()
	if typ == 136 {
		target, option, field = p.want.From.ip(true), 2, flow.NDTLL
	}
	if !target.IsValid() {
		target = netip.IPv6Unspecified()
	}
	b = append(b, p.address(flow.NDTarget, target).AsSlice()...)
	return append(append(b, option, 1), p.get(field, mac)...)
}

// finish writes the checksum of what IP carries.
func finish(b []byte, proto byte, src, dst netip.Addr) {
	at := 0
	switch proto {
	case protoTCP:
		at = 16
	case protoUDP:
		at = 6
	case protoICMP:
		binary.BigEndian.PutUint16(b[2:], checksum(0, b))
		return
	case protoICMPv6:
		at = 2
	default:
		return
	}
	pseudo := append(append(src.AsSlice(), dst.AsSlice()...), 0, proto, byte(len(b)>>8), byte(len(b)))
	sum := checksum(0, pseudo)
	binary.BigEndian.PutUint16(b[at:], checksum(^sum, b))
}

// checksum is that of the Internet, RFC 1071, of an even number of bytes and of
// what was summed before.
func checksum(before uint16, b []byte) uint16 {
	sum := uint32(before)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
