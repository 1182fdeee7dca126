package wire

import (
	"fmt"
	"strings"

	"ovsmesh/openflow/flow"
)

// learnWords reads what follows the head of Nicira's learn, ovs-actions(7)
// "learn".
func learnWords(r *reader) (string, bool) {
	idle, hard, priority, cookie, flags, table := r.u16(), r.u16(), r.u16(), r.u64(), r.u16(), r.u8()
	r.skip(1)
	finIdle, finHard := r.u16(), r.u16()
	parts := []string{fmt.Sprintf("table=%d", table)}
	add := func(format string, v uint16, hidden uint16) {
		if v != hidden {
			parts = append(parts, fmt.Sprintf(format, v))
		}
	}
	add("idle_timeout=%d", idle, 0)
	add("hard_timeout=%d", hard, 0)
	add("fin_idle_timeout=%d", finIdle, 0)
	add("fin_hard_timeout=%d", finHard, 0)
	add("priority=%d", priority, 32768)
	if flags&1 != 0 {
		parts = append(parts, "send_flow_rem")
	}
	if flags&2 != 0 {
		parts = append(parts, "delete_learned")
	}
	if cookie != 0 {
		parts = append(parts, fmt.Sprintf("cookie=%#x", cookie))
	}
	for len(r.b) >= 2 && r.peek16(0) != 0 { // zeros fill the action up
		text, ok := learnSpec(r)
		if !ok || r.err != nil {
			return "", false
		}
		parts = append(parts, text)
	}
	return "learn(" + strings.Join(parts, ",") + ")", flags&^3 == 0
}

// learnSpec takes one thing that a learned flow matches or does.
func learnSpec(r *reader) (string, bool) {
	head := r.u16()
	bits := head & 0x7ff
	field := func() (flow.Subfield, bool) {
		header := r.u32()
		return flow.SubfieldOf(header, r.u16(), bits)
	}
	var src flow.Subfield
	value, ok := "", true
	immediate := head&(1<<13) != 0
	if immediate {
		value = string(r.take(int(bits+15) / 16 * 2))
	} else {
		src, ok = field()
	}
	if !ok || head&^(1<<13|3<<11|0x7ff) != 0 {
		return "", false
	}
	kind := head >> 11 & 3
	if kind == 2 {
		return "output:" + src.String(), !immediate
	}
	dst, ok := field()
	switch {
	case !ok || kind == 3:
		return "", false
	case kind == 1 && immediate:
		return "load:" + hexOf(value) + "->" + dst.String(), true
	case kind == 1:
		return "load:" + src.String() + "->" + dst.String(), true
	case immediate:
		return immediateMatch(dst, value)
	case src == dst:
		return dst.String(), true
	}
	return dst.String() + "=" + src.String(), true
}

// immediateMatch prints a match on a value: of a whole field by its name.
func immediateMatch(dst flow.Subfield, value string) (string, bool) {
	if dst != flow.Whole(dst.Field) {
		return dst.String() + "=" + hexOf(value), true
	}
	if dst.Field == flow.EthType {
		return "eth_type=" + hexOf(value), true
	}
	width := int(dst.Bits+7) / 8
	if len(value) < width {
		return "", false
	}
	x := flow.Exact(dst.Field, value[len(value)-width:])
	text, ok := strings.CutPrefix(flow.SetField{OXM: x}.String(), "set_field:")
	text, name, okay := strings.Cut(text, "->")
	return name + "=" + text, ok && okay
}

// hexOf prints bytes as a number.
func hexOf(b string) string {
	digits := strings.TrimLeft(fmt.Sprintf("%x", b), "0")
	if digits == "" {
		return "0"
	}
	return "0x" + digits
}
