package wire

import (
	"fmt"
	"net/netip"
	"strings"

	"ovsmesh/openflow/flow"
)

// ctWords reads what follows the head of Nicira's ct, ovs-actions(7) "ct".
func ctWords(r *reader, depth int) (string, bool) {
	flags, zone, at, table := r.u16(), r.u32(), r.u16(), r.u8()
	r.skip(3)
	alg := r.u16()
	var parts []string
	if flags&1 != 0 {
		parts = append(parts, "commit")
	}
	if flags&2 != 0 {
		parts = append(parts, "force")
	}
	if table != 0xff {
		parts = append(parts, fmt.Sprintf("table=%d", table))
	}
	switch {
	case zone != 0:
		s, ok := flow.SubfieldOf(zone, at>>6, at&0x3f+1)
		if !ok {
			return "", false
		}
		parts = append(parts, "zone="+s.String())
	case at != 0:
		parts = append(parts, fmt.Sprintf("zone=%d", at))
	}
	var exec []string
	for r.more() {
		length := int(r.peek16(2))
		if length < 8 {
			return "", false
		}
		text, ok := actionWords(r.take(length), depth+1)
		switch {
		case !ok:
			return "", false
		case text == "nat" || strings.HasPrefix(text, "nat("):
			parts = append(parts, text)
		default:
			exec = append(exec, text)
		}
	}
	if len(exec) > 0 {
		parts = append(parts, "exec("+strings.Join(exec, ",")+")")
	}
	switch alg {
	case 0:
	case 21:
		parts = append(parts, "alg=ftp")
	case 69:
		parts = append(parts, "alg=tftp")
	default:
		parts = append(parts, fmt.Sprintf("alg=%d", alg))
	}
	if len(parts) == 0 {
		return "ct", true
	}
	return "ct(" + strings.Join(parts, ",") + ")", flags&^3 == 0
}

// natWords reads what follows the head of Nicira's nat.
func natWords(r *reader) string {
	r.skip(2)
	flags, present := r.u16(), r.u16()
	if flags == 0 {
		return "nat"
	}
	addr := func(bit uint16, n int) string {
		if present&bit == 0 {
			return ""
		}
		a, _ := netip.AddrFromSlice(r.take(n))
		return a.String()
	}
	span := func(from, to string) string {
		if to != "" && to != from {
			return from + "-" + to
		}
		return from
	}
	v4 := span(addr(1, 4), addr(2, 4))
	low, high := addr(4, 16), addr(8, 16)
	v6 := ""
	if low != "" {
		v6 = "[" + low + "]"
		if high != "" && high != low {
			v6 += "-[" + high + "]"
		}
	}
	port := func(bit uint16) string {
		if present&bit == 0 {
			return ""
		}
		return fmt.Sprint(r.u16())
	}
	ports := span(port(16), port(32))
	where := "src"
	if flags&2 != 0 {
		where = "dst"
	}
	if v4+v6+ports != "" {
		where += "=" + v4 + v6
	}
	if ports != "" {
		where += ":" + ports
	}
	if flags&4 != 0 {
		where += ",persistent"
	}
	if flags&8 != 0 {
		where += ",hash"
	}
	if flags&16 != 0 {
		where += ",random"
	}
	return "nat(" + where + ")"
}
