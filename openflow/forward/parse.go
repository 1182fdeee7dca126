package forward

import (
	"cmp"
	"encoding/binary"
	"errors"

	"ovsmesh/openflow/flow"
)

const (
	etherIPv4          = 0x0800
	etherARP           = 0x0806
	etherRARP          = 0x8035
	etherVLAN          = 0x8100
	etherServiceVLAN   = 0x88a8
	etherIPv6          = 0x86dd
	etherMPLS          = 0x8847
	etherMPLSMulticast = 0x8848
	etherLength        = 0x0600 // below it the field is a length
	etherLLC           = 0x05ff // what Open vSwitch takes such frames for

	protoICMPv4 = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// errShort is what Parse returns.
var errShort = errors.New("frame shorter than its Ethernet header")

// Parse takes a frame from its bytes, without a checksum at the end. As a
// switch does, it takes headers that are cut off or wrong for none: the fields
// that they should have are zero. One VLAN tag is looked into, and one MPLS
// label; of IPv6 the usual extension headers are passed over.
func Parse(b []byte) (Frame, error) {
	f := Frame{raw: string(b)}
	if len(b) < 14 {
		return Frame{}, errShort
	}
	f.set(flow.EthDst, string(b[:6]))
	f.set(flow.EthSrc, string(b[6:12]))
	b = b[12:]
	if t := be16(b); (t == etherVLAN || t == etherServiceVLAN) && len(b) >= 6 {
		tci := be16(b[2:])
		f.set(flow.VLANVID, put16(tci&0xfff|0x1000))
		f.set(flow.VLANPCP, string([]byte{byte(tci >> 13)}))
		b = b[4:]
	}
	etherType := be16(b)
	if etherType < etherLength {
		etherType = etherLLC
	}
	f.set(flow.EthType, put16(etherType))
	b = b[2:]
	switch etherType {
	case etherARP, etherRARP:
		f.arp(b)
	case etherIPv4:
		f.ipv4(b)
	case etherIPv6:
		f.ipv6(b)
	case etherMPLS, etherMPLSMulticast:
		f.mpls(b)
	}
	return f, nil
}

// be16 and put16 are numbers as they stand on the wire.
func be16(b []byte) uint16  { return binary.BigEndian.Uint16(b) }
func put16(v uint16) string { return string(binary.BigEndian.AppendUint16(nil, v)) }

func (f *Frame) arp(b []byte) {
	if len(b) < 28 || string(b[:6]) != "\x00\x01\x08\x00\x06\x04" {
		return
	}
	if op := be16(b[6:]); op < 256 {
		f.set(flow.ARPOp, put16(op))
	}
	f.set(flow.ARPSHA, string(b[8:14]))
	f.set(flow.ARPSPA, string(b[14:18]))
	f.set(flow.ARPTHA, string(b[18:24]))
	f.set(flow.ARPTPA, string(b[24:28]))
}

func (f *Frame) mpls(b []byte) {
	if len(b) < 4 {
		return
	}
	shim := binary.BigEndian.Uint32(b)
	f.set(flow.MPLSLabel, string(binary.BigEndian.AppendUint32(nil, shim>>12)))
	f.set(flow.MPLSTC, string([]byte{byte(shim >> 9 & 7)}))
	f.set(flow.MPLSBOS, string([]byte{byte(shim >> 8 & 1)}))
	f.set(flow.MPLSTTL, string([]byte{byte(shim)}))
}

func (f *Frame) tos(v byte) {
	f.set(flow.IPDSCP, string([]byte{v >> 2}))
	f.set(flow.IPECN, string([]byte{v & 3}))
}

func (f *Frame) ipv4(b []byte) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return
	}
	header, total := int(b[0]&15)*4, int(be16(b[2:]))
	if header < 20 || header > total || total > len(b) {
		return
	}
	f.tos(b[1])
	f.set(flow.IPProto, string(b[9:10]))
	f.set(flow.IPv4Src, string(b[12:16]))
	f.set(flow.IPv4Dst, string(b[16:20]))
	f.set(flow.IPTTL, string(b[8:9]))
	switch fragment := be16(b[6:]); {
	case fragment&0x1fff != 0:
		f.set(flow.IPFrag, fragLater)
		return
	case fragment&0x2000 != 0:
		f.set(flow.IPFrag, fragFirst)
	}
	f.transport(b[9], b[header:total])
}

func (f *Frame) ipv6(b []byte) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return
	}
	length := int(be16(b[4:]))
	if 40+length > len(b) {
		return
	}
	f.tos(b[0]<<4 | b[1]>>4)
	f.set(flow.IPv6Src, string(b[8:24]))
	f.set(flow.IPv6Dst, string(b[24:40]))
	f.set(flow.IPv6Label, string([]byte{0, b[1] & 0x0f, b[2], b[3]}))
	f.set(flow.IPTTL, string(b[7:8]))
	x := extensions(b[6], b[40:40+length])
	f.set(flow.IPProto, string([]byte{x.proto}))
	f.set(flow.IPFrag, cmp.Or(x.fragment, "\x00"))
	if x.whole {
		f.transport(x.proto, x.rest)
	}
}

// Values of flow.IPFrag. The first fragment has the fields of the transport, but
// for how flows see them: see Frame.hideTransport.
const (
	fragFirst = "\x01"
	fragLater = "\x03"
)

// extended is what follows IPv6's own header.
type extended struct {
	proto    byte
	rest     []byte // from the transport's header on
	whole    bool   // that header is here: no other is cut off, and the packet no later fragment
	fragment string // flow.IPFrag; "" for none
}

// extensions passes over extension headers (RFC 8200 §4, RFC 4302).
func extensions(proto byte, b []byte) extended {
	const (
		hopByHop    = 0
		routing     = 43
		fragment    = 44
		auth        = 51
		destination = 60
	)
	frag := ""
	for {
		n := 0
		switch {
		case proto != hopByHop && proto != routing && proto != fragment && proto != auth && proto != destination:
			return extended{proto, b, true, frag}
		case len(b) < 8:
			return extended{proto, nil, false, frag}
		case proto == fragment:
			if frag = fragFirst; be16(b[2:])&^7 != 0 {
				return extended{b[0], nil, false, fragLater}
			}
			if be16(b[2:]) == 0 {
				frag = "" // alone: no fragment
			}
			n = 8
		case proto == auth:
			n = int(b[1])*4 + 8
		default:
			n = int(b[1])*8 + 8
		}
		if n > len(b) {
			return extended{proto, nil, false, frag}
		}
		proto, b = b[0], b[n:]
	}
}

func (f *Frame) transport(proto byte, b []byte) {
	ports := func(src, dst flow.Name, header int) {
		if len(b) >= header {
			f.set(src, string(b[:2]))
			f.set(dst, string(b[2:4]))
		}
	}
	switch ipv6 := f.etherType() == etherIPv6; {
	case proto == protoTCP:
		ports(flow.TCPSrc, flow.TCPDst, 20)
		if len(b) >= 20 {
			f.set(flow.TCPFlags, string([]byte{b[12] & 0x0f, b[13]}))
		}
	case proto == protoUDP:
		ports(flow.UDPSrc, flow.UDPDst, 8)
	case proto == protoSCTP:
		ports(flow.SCTPSrc, flow.SCTPDst, 12)
	case proto == protoICMPv4 && !ipv6 && len(b) >= 8:
		f.set(flow.ICMPv4Type, string(b[:1]))
		f.set(flow.ICMPv4Code, string(b[1:2]))
	case proto == protoICMPv6 && ipv6 && len(b) >= 4:
		f.set(flow.ICMPv6Type, string(b[:1]))
		f.set(flow.ICMPv6Code, string(b[1:2]))
		if (b[0] == 135 || b[0] == 136) && b[1] == 0 && len(b) >= 24 {
			f.neighbor(b)
		}
	}
}

// neighbor takes a neighbour solicitation or advertisement, RFC 4861 §4.3 and
// §4.4. One with a wrong option, or with the same twice, has no fields.
func (f *Frame) neighbor(b []byte) {
	sll, tll := "", ""
	for o := b[24:]; len(o) >= 8; {
		n := int(o[1]) * 8
		if n == 0 || n > len(o) {
			return
		}
		switch {
		case o[0] == 1 && n == 8:
			if sll != "" {
				return
			}
			sll = string(o[2:8])
		case o[0] == 2 && n == 8:
			if tll != "" {
				return
			}
			tll = string(o[2:8])
		}
		o = o[n:]
	}
	f.set(flow.NDTarget, string(b[8:24]))
	f.set(flow.NDSLL, sll)
	f.set(flow.NDTLL, tll)
}
