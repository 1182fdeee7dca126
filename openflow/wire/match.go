package wire

import (
	"ovsmesh/openflow/flow"
)

const (
	matchTypeOXM = 1

	classBasic        = 0x8000
	classExperimenter = 0xffff
	fieldPacketType   = 44
)

// oxm takes one match field. A masked value whose mask is all zero matches
// anything; it is kept, as the switch sent it.
func (r *reader) oxm() flow.OXM {
	class, id, length := r.u16(), r.u8(), int(r.u8())
	x := flow.OXM{Field: flow.Field{Class: class, ID: id >> 1}}
	if class == classExperimenter {
		x.Field.Exp = r.u32()
		length -= 4
	}
	switch masked := id&1 != 0; {
	case length < 0 || masked && length%2 != 0:
		r.fail("match field %#04x:%d of length %d", class, id>>1, length)
	case masked:
		x.Value, x.Mask = r.string(length/2), r.string(length/2)
		if length == 0 {
			r.fail("match field %#04x:%d with an empty mask", class, id>>1)
		}
	default:
		x.Value = r.string(length)
	}
	return x
}

// match takes a match and the padding after it.
func (r *reader) match() flow.Match {
	if typ := r.peek16(0); r.err == nil && typ != matchTypeOXM {
		r.fail("match of type %d", typ)
	}
	length := int(r.peek16(2))
	if length < 4 {
		r.fail("match of length %d", length)
	}
	e := r.sub(length)
	r.skip(padding(length))
	e.skip(4)
	e.text = string(e.b)
	var room [8]flow.OXM // which most matches do with
	fields := room[:0]
	for e.more() {
		x := e.oxm()
		fields = append(fields, x)
	}
	if e.err != nil && r.err == nil {
		r.err = e.err
	}
	if r.err != nil {
		return nil
	}
	m := flow.NewMatch(fields...)
	for i := 1; i < len(m); i++ {
		if m[i].Field == m[i-1].Field {
			r.fail("match field %#04x:%d twice", m[i].Field.Class, m[i].Field.ID)
		}
	}
	return m
}

// ranks is how many ranks there are.
const ranks = 4

// rank says where in a match a switch takes a field: the ones that are
// prerequisites of others first. Within OpenFlow's own class that is the order
// of numbers, but for packet_type; Nicira's fields may need OpenFlow's (nw_frag
// needs eth_type), never the other way round.
func rank(f flow.Field) int {
	switch {
	case f.Class == classBasic && f.ID == fieldPacketType:
		return 0
	case f.Class == classBasic:
		return 1
	case f.Class == classExperimenter:
		return 3
	}
	return 2
}
