package wire

import "ovsmesh/openflow/flow"

const (
	actionOutput       = 0
	actionPushMPLS     = 19
	actionGroup        = 22
	actionSetField     = 25
	actionExperimenter = 0xffff

	experimenterNicira = 0x00002320
	niciraMove         = 6
)

// actions takes a list of actions that fills what is left.
func (r *reader) actions() flow.Actions {
	var list flow.Actions
	for r.more() {
		if a := r.action(); r.err == nil {
			list = append(list, a)
		}
	}
	return list
}

// action takes one action. What has no type of its own in package flow, or is
// not laid out as usual, is kept byte for byte.
func (r *reader) action() flow.Action {
	typ, length := r.peek16(0), int(r.peek16(2))
	if r.err != nil {
		return nil
	}
	if length < 8 || length%8 != 0 {
		r.fail("action of type %d and length %d", typ, length)
		return nil
	}
	tlv := r.take(length)
	e := newReader(r.what, tlv)
	e.skip(4)
	var a flow.Action
	switch typ {
	case actionOutput:
		a = flow.Output{Port: e.u32(), MaxLen: e.u16()}
		e.skip(6)
	case actionGroup:
		a = flow.Group{ID: e.u32()}
	case actionPushMPLS:
		a = flow.PushMPLS{EtherType: e.u16()}
		e.skip(2)
	case actionExperimenter:
		if m, ok := e.move(); ok {
			a = m
		}
	case actionSetField:
		a = flow.SetField{OXM: e.oxm()}
		if n := len(e.b); n < 8 {
			e.skip(n)
		}
	}
	if a == nil || e.end() != nil || masked(a) {
		return flow.Raw{Bytes: string(tlv)}
	}
	return a
}

// masked reports whether a is a set_field with a mask, which OpenFlow 1.3 does
// not have.
func masked(a flow.Action) bool {
	s, ok := a.(flow.SetField)
	return ok && s.Mask != ""
}

// move takes what follows an experimenter action's length if it is Nicira's
// move (nicira-ext.h, NXAST_REG_MOVE) of fields that are known.
func (r *reader) move() (flow.Move, bool) {
	if len(r.b) != 20 || r.u32() != experimenterNicira || r.u16() != niciraMove {
		return flow.Move{}, false
	}
	bits, from, to := r.u16(), r.u16(), r.u16()
	src, ok := flow.SubfieldOf(r.u32(), from, bits)
	dst, okay := flow.SubfieldOf(r.u32(), to, bits)
	return flow.Move{Src: src, Dst: dst}, ok && okay
}
