package forward

import (
	"encoding/binary"
	"fmt"
	"strings"

	"ovsmesh/openflow/flow"
)

// labelTTL is what a switch gives a label where there is no IP below to take it
// from, ovs-actions(7).
const labelTTL = 64

// Frame is a frame as a switch sees it: its fields, all zero where it has none
// of them, and beside them the port that it came in on, the tunnel that it came
// through or is to go through, metadata and registers. Frames are comparable.
type Frame struct {
	fields [fieldBytes]byte
	raw    string // as parsed, with the MPLS labels that were put on since
}

// Get returns a field's value, big endian; empty if a Frame has no such field.
func (f *Frame) Get(n flow.Name) string {
	at, width := locate(n.Field())
	return string(f.fields[at : at+width])
}

// With returns f with another value of a field, which has to be of the field's
// width: anything else is left as it is.
func (f Frame) With(n flow.Name, value string) Frame {
	f.set(n, value)
	return f
}

func (f *Frame) set(n flow.Name, value string) {
	if at, width := locate(n.Field()); width == len(value) {
		copy(f.fields[at:], value)
	}
}

func (f *Frame) etherType() uint16 { return binary.BigEndian.Uint16([]byte(f.Get(flow.EthType))) }

// String describes the frame by its addresses and protocol.
func (f Frame) String() string {
	text := fmt.Sprintf("%x to %x type %04x", f.Get(flow.EthSrc), f.Get(flow.EthDst), f.etherType())
	switch f.etherType() {
	case etherARP:
		text += fmt.Sprintf(" op %x %x at %x asks for %x", f.Get(flow.ARPOp), f.Get(flow.ARPSPA), f.Get(flow.ARPSHA), f.Get(flow.ARPTPA))
	case etherIPv4:
		text += fmt.Sprintf(" %x to %x protocol %x ports %x", f.Get(flow.IPv4Src), f.Get(flow.IPv4Dst), f.Get(flow.IPProto),
			f.Get(flow.UDPSrc)+f.Get(flow.UDPDst))
	case etherIPv6:
		text += fmt.Sprintf(" %x to %x protocol %x type %x", f.Get(flow.IPv6Src), f.Get(flow.IPv6Dst), f.Get(flow.IPProto), f.Get(flow.ICMPv6Type))
	}
	return text
}

// bit returns bit n of a number, counted from its least significant one.
func bit(b []byte, n int) byte { return b[len(b)-1-n/8] >> (n % 8) & 1 }

func setBit(b []byte, n int, v byte) {
	at := len(b) - 1 - n/8
	b[at] = b[at]&^(1<<(n%8)) | v<<(n%8)
}

// typeAt is where the EtherType is in raw.
func (f *Frame) typeAt() int {
	if f.Get(flow.VLANVID) != "\x00\x00" {
		return 16
	}
	return 12
}

// Bytes returns the frame as it goes out: as it was parsed, with Ethernet
// addresses, the tag, ARP fields and MPLS labels as they are now. Other fields
// are not written back.
func (f *Frame) Bytes() []byte {
	b := []byte(f.raw)
	if len(b) < 14 {
		return b
	}
	copy(b, f.Get(flow.EthDst)+f.Get(flow.EthSrc))
	if vid := f.Get(flow.VLANVID); f.tagged() && len(b) >= 18 {
		b[14], b[15] = vid[0]&0x0f|b[14]&0x10|f.Get(flow.VLANPCP)[0]<<5, vid[1] // bit 4 is DEI, which is no field
	}
	body := b[min(f.typeAt()+2, len(b)):]
	switch t := f.etherType(); {
	case (t == etherARP || t == etherRARP) && len(body) >= 28 && f.Get(flow.ARPOp) != "\x00\x00":
		copy(body[6:], f.Get(flow.ARPOp)+f.Get(flow.ARPSHA)+f.Get(flow.ARPSPA)+f.Get(flow.ARPTHA)+f.Get(flow.ARPTPA))
	case (t == etherMPLS || t == etherMPLSMulticast) && len(body) >= 4:
		shim := binary.BigEndian.Uint32([]byte(f.Get(flow.MPLSLabel)))<<12 |
			uint32(f.Get(flow.MPLSTC)[0])<<9 | uint32(f.Get(flow.MPLSBOS)[0])<<8 | uint32(f.Get(flow.MPLSTTL)[0])
		binary.BigEndian.PutUint32(body, shim)
	}
	return b
}

// Field returns a field by its number; empty if a Frame has no such field.
func (f *Frame) Field(field flow.Field) string {
	v, _ := f.value(field)
	return v
}

// Match returns the fields that the frame's headers have, as a match of them
// would be written; the port and what a switch notes are not among them.
func (f *Frame) Match() flow.Match {
	var list []flow.OXM
	for _, s := range slots {
		switch s.name {
		case flow.InPort, flow.Metadata, flow.CTState, flow.CTZone, flow.CTMark, flow.CTLabel, flow.ConjID, flow.PktMark, flow.IPFrag, flow.IPTTL, flow.MPLSTTL, flow.IPv6Label, flow.TCPFlags,
			flow.IPDSCP, flow.IPECN:
			continue
		}
		v := f.Get(s.name)
		if zero := strings.Trim(v, "\x00") == ""; zero && skipsZero(s.name) || !f.has(s.name.Field()) {
			continue
		}
		list = append(list, flow.Exact(s.name, v))
	}
	return flow.NewMatch(list...)
}

// skipsZero reports whether a zero in a field says that it is not there.
func skipsZero(n flow.Name) bool {
	switch n {
	case flow.TunnelID, flow.TunSrc, flow.TunDst, flow.TunIPv6Src, flow.TunIPv6Dst, flow.NDSLL, flow.NDTLL:
		return true
	}
	return false
}
