package wire

import (
	"fmt"
	"strings"

	"ovsmesh/openflow/flow"
)

// Words returns actions with those that are kept byte for byte in the words
// that ovs-ofctl has for them, as flow.Text: what it takes back. Actions for
// which this package knows no words stay as they are. The decoders don't do it,
// since only bytes can be sent.
func Words(list flow.Actions) flow.Actions {
	var out flow.Actions // made when something changes
	for i, a := range list {
		var b flow.Action
		switch a := a.(type) {
		case flow.Raw:
			if text, ok := words(a.Bytes, 0); ok {
				b = flow.Text{Text: text}
			}
		case flow.WriteActions:
			if inner := Words(a.Actions); len(inner) > 0 && &inner[0] != &a.Actions[0] {
				b = flow.WriteActions{Actions: inner}
			}
		}
		if b == nil {
			continue
		}
		if out == nil {
			out = append(flow.Actions{}, list...)
		}
		out[i] = b
	}
	if out == nil {
		return list
	}
	return out
}

// maxNested bounds how deep actions may lie in others.
const maxNested = 8

// words returns what ovs-ofctl calls an action; depth counts those around it.
func words(action string, depth int) (string, bool) {
	r := newReader("action", []byte(action))
	typ, length := r.u16(), int(r.u16())
	if r.err != nil || length != len(action) || depth > maxNested {
		return "", false
	}
	text, ok := "", false
	if typ == actionExperimenter {
		switch r.u32() {
		case experimenterNicira:
			text, ok = niciraWords(r, r.u16(), depth)
		case experimenterONF:
			text, ok = copyWords(r)
		}
	} else {
		text, ok = plainWords(r, typ)
	}
	return text, ok && r.err == nil
}

// plainWords has the actions of OpenFlow 1.3.5 §7.2.5 that have no type in
// package flow.
func plainWords(r *reader, typ uint16) (string, bool) {
	switch typ {
	case 15:
		return fmt.Sprintf("set_mpls_ttl(%d)", r.u8()), true
	case 16:
		return "dec_mpls_ttl", true
	case 17:
		return fmt.Sprintf("push_vlan:0x%04x", r.u16()), true
	case 18:
		return "pop_vlan", true
	case 20:
		return fmt.Sprintf("pop_mpls:0x%04x", r.u16()), true
	case 21:
		return fmt.Sprintf("set_queue:%d", r.u32()), true
	case 23:
		return fmt.Sprintf("mod_nw_ttl:%d", r.u8()), true
	case 24:
		return "dec_ttl", true
	}
	return "", false
}

// niciraWords has Nicira's actions, nicira-ext.h NXAST_…; bundle, the newer
// forms of learn, sample and controller, and encapsulations are not among them.
func niciraWords(r *reader, subtype uint16, depth int) (string, bool) {
	switch subtype {
	case 1, 14, 44:
		return resubmitWords(r, subtype)
	case 5:
		return "pop_queue", true
	case 7:
		s, ok := r.bits()
		return fmt.Sprintf("load:%s->%s", number(r.u64()), s), ok
	case 8:
		return "note:" + dotted(r.take(len(r.b))), true
	case 10:
		return multipathWords(r)
	case 15:
		s, ok := r.bits()
		return "output:" + s.String(), ok && r.u16() == 0xffff
	case 17:
		return "exit", true
	case 18:
		return "dec_ttl", true
	case 19:
		return listWords("fin_timeout", [2]string{"idle_timeout", nonZero(r.u16())}, [2]string{"hard_timeout", nonZero(r.u16())}), true
	case 20:
		return controllerWords(r), true
	case 21:
		n := int(r.u16())
		r.skip(4)
		ids := make([]string, 0, 8)
		for range min(n, len(r.b)/2) {
			ids = append(ids, fmt.Sprint(r.u16()))
		}
		return "dec_ttl(" + strings.Join(ids, ",") + ")", len(ids) == n
	case 27, 28:
		first := r.u16()
		header := r.u32()
		s, ok := flow.SubfieldOf(header, first, r.u16())
		return map[uint16]string{27: "push:", 28: "pop:"}[subtype] + s.String(), ok
	case 29:
		return fmt.Sprintf("sample(probability=%d,collector_set_id=%d,obs_domain_id=%d,obs_point_id=%d)", r.u16(), r.u32(), r.u32(), r.u32()), true
	case 34:
		clause, clauses := int(r.u8()), r.u8()
		return fmt.Sprintf("conjunction(%d,%d/%d)", r.u32(), clause+1, clauses), true
	case 35:
		return ctWords(r, depth)
	case 36:
		return natWords(r), true
	case 39:
		return fmt.Sprintf("output(port=%s,max_len=%d)", port16(r.u16()), r.u32()), true
	case 42:
		r.skip(6)
		inner, ok := r.nested(depth)
		return "clone(" + inner + ")", ok
	case 43:
		return "ct_clear", true
	case 16:
		return learnWords(r)
	case 48:
		return "dec_nsh_ttl", true
	}
	return "", false
}

// copyWords has ONF's copy_field, EXT-320, which is Nicira's move by another
// number.
func copyWords(r *reader) (string, bool) {
	if r.u16() != 3200 {
		return "", false
	}
	r.skip(2)
	bits, from, to := r.u16(), r.u16(), r.u16()
	r.skip(2)
	src, ok := flow.SubfieldOf(r.u32(), from, bits)
	dst, okay := flow.SubfieldOf(r.u32(), to, bits)
	return flow.Move{Src: src, Dst: dst}.String(), ok && okay
}

// multipathWords has the hashes and the ways to choose by their numbers.
func multipathWords(r *reader) (string, bool) {
	hashes := [...]string{"eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp"}
	ways := [...]string{"modulo_n", "hash_threshold", "hrw", "iter_hash"}
	hash, basis := r.u16(), r.u16()
	r.skip(2)
	way, last, arg := r.u16(), r.u16(), r.u32()
	r.skip(2)
	s, ok := r.bits()
	if !ok || int(hash) >= len(hashes) || int(way) >= len(ways) {
		return "", false
	}
	return fmt.Sprintf("multipath(%s,%d,%s,%d,%d,%s)", hashes[hash], basis, ways[way], int(last)+1, arg, s), true
}

func resubmitWords(r *reader, subtype uint16) (string, bool) {
	port := r.u16()
	if subtype == 1 {
		return "resubmit:" + port16(port), true
	}
	table := r.u8()
	text := ""
	if port != uint16(flow.PortInPort&0xffff) {
		text = port16(port)
	}
	if table == 0xff && subtype != 44 {
		return "resubmit:" + port16(port), true
	}
	text += ","
	if table != 0xff {
		text += fmt.Sprint(table)
	}
	if subtype == 44 {
		text += ",ct"
	}
	return "resubmit(" + text + ")", true
}

func controllerWords(r *reader) string {
	most, id, reason := r.u16(), r.u16(), r.u8()
	why := ""
	if reason != 1 { // the action itself
		names := [...]string{"no_match", "action", "invalid_ttl", "action_set", "group", "packet_out"}
		if int(reason) >= len(names) {
			r.fail("controller for reason %d", reason)
			return ""
		}
		why = names[reason]
	}
	length := ""
	if most != 0xffff {
		length = fmt.Sprint(most)
	}
	return listWords("controller", [2]string{"reason", why}, [2]string{"max_len", length}, [2]string{"id", nonZero(id)})
}

// nested takes a list of actions that fills what is left, in words.
func (r *reader) nested(depth int) (string, bool) {
	var texts []string
	for r.more() {
		length := int(r.peek16(2))
		if length < 8 {
			return "", false
		}
		text, ok := actionWords(r.take(length), depth+1)
		if !ok || r.err != nil {
			return "", false
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ","), r.err == nil
}

// actionWords returns what ovs-ofctl calls any one action.
func actionWords(b []byte, depth int) (string, bool) {
	r := newReader("action", b)
	a := r.action()
	if r.err != nil || len(r.b) > 0 {
		return "", false
	}
	if raw, is := a.(flow.Raw); is {
		return words(raw.Bytes, depth)
	}
	return a.String(), true
}

// bits takes the offset and the number of bits in 16 bits, and the header of
// a field.
func (r *reader) bits() (flow.Subfield, bool) {
	at := r.u16()
	return flow.SubfieldOf(r.u32(), at>>6, at&0x3f+1)
}

// listWords returns name(key=value,…) of the values that are not empty.
func listWords(name string, pairs ...[2]string) string {
	var parts []string
	for _, p := range pairs {
		if p[1] != "" {
			parts = append(parts, p[0]+"="+p[1])
		}
	}
	return name + "(" + strings.Join(parts, ",") + ")"
}

func nonZero(n uint16) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// number prints as C's %#x does: zero has no 0x.
func number(v uint64) string {
	if v == 0 {
		return "0"
	}
	return fmt.Sprintf("%#x", v)
}

func dotted(b []byte) string {
	parts := make([]string, len(b))
	for i, c := range b {
		parts[i] = fmt.Sprintf("%02x", c)
	}
	return strings.Join(parts, ".")
}

// port16 returns a port by its number in OpenFlow 1.0.
func port16(n uint16) string {
	if n >= 0xff00 {
		return flow.Output{Port: 0xffff0000 | uint32(n)}.String()
	}
	return fmt.Sprint(n)
}
