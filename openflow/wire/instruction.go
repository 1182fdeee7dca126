package wire

import (
	"slices"

	"ovsmesh/openflow/flow"
)

const (
	instructionGoto          = 1
	instructionWriteMetadata = 2
	instructionWriteActions  = 3
	instructionApplyActions  = 4
	instructionClearActions  = 5
	instructionMeter         = 6
)

// instructions is a flow's instruction set by the order in which ovs-ofctl
// prints it, which is the order in which a switch carries it out.
type instructions struct {
	meter    flow.Actions
	apply    flow.Actions
	clear    flow.Actions
	write    flow.Actions
	metadata flow.Actions
	other    flow.Actions
	next     flow.Actions
}

// actions returns the one list of package flow.
func (s *instructions) actions() flow.Actions {
	return slices.Concat(s.meter, s.apply, s.clear, s.write, s.metadata, s.other, s.next)
}

// set puts one instruction in its place, and fails if that is taken.
func (r *reader) set(place *flow.Actions, in ...flow.Action) {
	if *place != nil {
		r.fail("the same instruction twice")
		return
	}
	*place = in
}

// instructions takes a list of instructions that fills what is left.
func (r *reader) instructions() flow.Actions {
	var s instructions
	for r.more() {
		r.instruction(&s)
	}
	if r.err != nil {
		return nil
	}
	return s.actions()
}

func (r *reader) instruction(s *instructions) {
	typ, length := r.peek16(0), int(r.peek16(2))
	if r.err != nil {
		return
	}
	if length < 8 || length%8 != 0 {
		r.fail("instruction of type %d and length %d", typ, length)
		return
	}
	tlv := r.take(length)
	e := newReader(r.what, tlv)
	e.skip(4)
	switch typ {
	case instructionGoto:
		r.set(&s.next, flow.GotoTable{Table: e.u8()})
		e.skip(3)
	case instructionWriteMetadata:
		e.skip(4)
		r.set(&s.metadata, flow.WriteMetadata{Value: e.u64(), Mask: e.u64()})
	case instructionWriteActions:
		e.skip(4)
		r.set(&s.write, flow.WriteActions{Actions: e.actions()})
	case instructionApplyActions:
		e.skip(4)
		r.set(&s.apply, e.actions()...)
	case instructionClearActions:
		e.skip(4)
		r.set(&s.clear, flow.ClearActions{})
	case instructionMeter:
		r.set(&s.meter, flow.Meter{ID: e.u32()})
	default:
		s.other = append(s.other, flow.RawInstruction{Bytes: string(tlv)})
		return
	}
	if err := e.end(); err != nil && r.err == nil {
		r.err = err
	}
}
