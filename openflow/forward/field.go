package forward

import (
	"fmt"
	"strconv"
	"strings"

	"ovsmesh/openflow/flow"
)

// value returns a field, also one that is made of others; false if a Frame has
// no such field.
func (f *Frame) value(field flow.Field) (string, bool) {
	if at, width := locate(field); width > 0 {
		return string(f.fields[at : at+width]), true
	}
	switch field {
	case vlanTCI.Field():
		vid, pcp := f.Get(flow.VLANVID), f.Get(flow.VLANPCP)
		return string([]byte{vid[0]&0x1f | pcp[0]<<5, vid[1]}), true
	case ipTOS.Field():
		return string([]byte{f.Get(flow.IPDSCP)[0] << 2}), true
	}
	return "", false
}

// put writes a field where the frame has its header, as a switch does: false if
// there is no such field, or writing it is more than is understood here.
func (f *Frame) put(field flow.Field, v string) bool {
	if !f.has(field) {
		return true
	}
	switch field {
	case vlanTCI.Field():
		return f.putTCI(v)
	case ipTOS.Field():
		f.set(flow.IPDSCP, string([]byte{v[0] >> 2}))
		return true
	case flow.EthType.Field(), flow.IPProto.Field(), flow.IPFrag.Field(), flow.TCPFlags.Field(), flow.CTState.Field(), flow.CTZone.Field(), flow.ConjID.Field():
		return false // not writable
	case flow.VLANVID.Field():
		f.set(flow.VLANVID, string([]byte{v[0]&0x0f | 0x10, v[1]}))
		return true
	}
	at, width := locate(field)
	if width == 0 || width != len(v) {
		return false
	}
	copy(f.fields[at:], v)
	return true
}

// has reports whether the frame has the header that a field is of.
func (f *Frame) has(field flow.Field) bool {
	t := f.etherType()
	proto := func(p byte) bool {
		return (t == etherIPv4 || t == etherIPv6) && f.Get(flow.IPProto)[0] == p && f.Get(flow.IPFrag)[0]&2 == 0
	}
	is := func(names ...flow.Name) bool {
		at, width := locate(field)
		for _, n := range names {
			if a, w := locate(n.Field()); a == at && w == width && w > 0 {
				return true
			}
		}
		return false
	}
	switch {
	case field == ipTOS.Field(), is(flow.IPDSCP, flow.IPECN, flow.IPProto, flow.IPTTL, flow.IPFrag):
		return t == etherIPv4 || t == etherIPv6
	case is(flow.IPv4Src, flow.IPv4Dst):
		return t == etherIPv4
	case is(flow.IPv6Src, flow.IPv6Dst, flow.IPv6Label):
		return t == etherIPv6
	case is(flow.ARPOp, flow.ARPSPA, flow.ARPTPA, flow.ARPSHA, flow.ARPTHA):
		return t == etherARP || t == etherRARP
	case is(flow.VLANVID, flow.VLANPCP):
		return f.tagged()
	case is(flow.MPLSLabel, flow.MPLSTC, flow.MPLSBOS, flow.MPLSTTL):
		return f.labelled()
	case is(flow.TCPSrc, flow.TCPDst, flow.TCPFlags):
		return proto(protoTCP)
	case is(flow.UDPSrc, flow.UDPDst):
		return proto(protoUDP)
	case is(flow.SCTPSrc, flow.SCTPDst):
		return proto(protoSCTP)
	case is(flow.ICMPv4Type, flow.ICMPv4Code):
		return t == etherIPv4 && proto(protoICMPv4)
	case is(flow.ICMPv6Type, flow.ICMPv6Code):
		return t == etherIPv6 && proto(protoICMPv6)
	case is(flow.NDTarget):
		return f.neighborType(135) || f.neighborType(136)
	case is(flow.NDSLL):
		return f.neighborType(135)
	case is(flow.NDTLL):
		return f.neighborType(136)
	}
	return true
}

func (f *Frame) neighborType(typ byte) bool {
	return f.etherType() == etherIPv6 && f.Get(flow.IPProto)[0] == protoICMPv6 && f.Get(flow.ICMPv6Type)[0] == typ &&
		f.Get(flow.ICMPv6Code)[0] == 0
}

// bits is a run of bits of a field, counted from its least significant one.
type bits struct {
	field flow.Field
	first int
	n     int
}

// whole returns all bits of a field.
func whole(field flow.Field) (bits, bool) {
	_, width := locate(field)
	switch field {
	case vlanTCI.Field():
		width = 2
	case ipTOS.Field():
		width = 1
	}
	return bits{field, 0, 8 * width}, width > 0
}

// within reports whether a Frame has these bits.
func (b bits) within() bool {
	all, ok := whole(b.field)
	return ok && b.n > 0 && b.first >= 0 && b.first+b.n <= all.n
}

// read returns the bits as a number of the fewest bytes, big endian.
func (f *Frame) read(b bits) string {
	src, _ := f.value(b.field)
	out := make([]byte, (b.n+7)/8)
	for i := range b.n {
		setBit(out, i, bit([]byte(src), b.first+i))
	}
	return string(out)
}

// write puts the low bits of a number, big endian, into the field.
func (f *Frame) write(b bits, v string) bool {
	old, ok := f.value(b.field)
	if !ok {
		return false
	}
	dst := []byte(old)
	for i := range b.n {
		x := byte(0)
		if i < 8*len(v) {
			x = bit([]byte(v), i)
		}
		setBit(dst, b.first+i, x)
	}
	return f.put(b.field, string(dst))
}

// fieldNamed returns a field by one of the names that ovs-ofctl prints in
// actions.
func fieldNamed(name string) (flow.Field, bool) {
	switch name {
	case "NXM_OF_IN_PORT", "in_port":
		return flow.Name(0).Field(), true
	case "NXM_OF_VLAN_TCI", "vlan_tci":
		return vlanTCI.Field(), true
	case "NXM_OF_IP_TOS", "nw_tos", "ip_tos":
		return ipTOS.Field(), true
	}
	for _, s := range slots {
		for text := range strings.SplitSeq(s.texts, " ") {
			if text == name {
				return s.name.Field(), true
			}
		}
	}
	for _, r := range []struct {
		prefixes []string
		first    flow.Name
		n        uint64
	}{
		{[]string{"reg", "NXM_NX_REG"}, flow.Reg(0), 16},
		{[]string{"xreg", "OXM_OF_PKT_REG"}, xreg, 8},
		{[]string{"xxreg", "NXM_NX_XXREG"}, xxreg0, 4},
	} {
		for _, p := range r.prefixes {
			if digits, ok := strings.CutPrefix(name, p); ok {
				if n, err := strconv.ParseUint(digits, 10, 8); err == nil && n < r.n {
					return (r.first + flow.Name(n)).Field(), true
				}
			}
		}
	}
	return flow.Field{}, false
}

// parseBits reads NAME[], NAME[BIT], NAME[FIRST..LAST] and NAME.
func parseBits(text string) (bits, error) {
	name, rest, ranged := strings.Cut(text, "[")
	field, ok := fieldNamed(name)
	if !ok {
		return bits{}, fmt.Errorf("field %s", name)
	}
	b, _ := whole(field)
	inside := strings.TrimSuffix(rest, "]")
	if !ranged || inside == "" {
		return b, nil
	}
	from, to, two := strings.Cut(inside, "..")
	if !two {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 8)
	last, lastErr := strconv.ParseUint(to, 10, 8)
	b.first, b.n = int(first), int(last)-int(first)+1
	if err != nil || lastErr != nil || !b.within() {
		return bits{}, fmt.Errorf("bits %s", text)
	}
	return b, nil
}
