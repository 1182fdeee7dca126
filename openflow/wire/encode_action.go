package wire

import (
	"encoding/binary"
	"fmt"

	"ovsmesh/openflow/flow"
)

// appendInstructions appends a flow's list as instructions, OpenFlow 1.3.5
// §A.2.4. The order must be one that a switch would print: apply-actions in one
// run, each instruction at most once.
func appendInstructions(b []byte, list flow.Actions) ([]byte, error) {
	apply, closed := -1, false // where apply-actions begins; an instruction that comes after it was seen
	var seen [instructionMeter + 1]bool
	for _, a := range list {
		typ, is := instructionOf(a)
		if !is {
			if closed {
				return nil, fmt.Errorf("%s after an instruction", a)
			}
			if apply < 0 {
				apply = len(b)
				b = append(b, 0, instructionApplyActions, 0, 0, 0, 0, 0, 0)
			}
			var err error
			if b, err = appendAction(b, a); err != nil {
				return nil, err
			}
			if len(b)-apply > MaxMessage {
				return nil, fmt.Errorf("actions: %w", ErrTooLong)
			}
			continue
		}
		if typ != instructionMeter {
			if !closed && apply >= 0 {
				binary.BigEndian.PutUint16(b[apply+2:], uint16(len(b)-apply))
			}
			closed = true
		} else if apply >= 0 {
			return nil, fmt.Errorf("%s after other actions", a)
		}
		if typ <= instructionMeter {
			if seen[typ] {
				return nil, fmt.Errorf("%s: the second instruction of its kind", a)
			}
			seen[typ] = true
		}
		var err error
		if b, err = appendInstruction(b, a); err != nil {
			return nil, err
		}
	}
	if apply >= 0 && !closed {
		binary.BigEndian.PutUint16(b[apply+2:], uint16(len(b)-apply))
	}
	return b, nil
}

// instructionOf returns the type of the instruction that a is, if it is none of
// the actions.
func instructionOf(a flow.Action) (typ uint16, is bool) {
	switch a := a.(type) {
	case flow.GotoTable:
		return instructionGoto, true
	case flow.WriteMetadata:
		return instructionWriteMetadata, true
	case flow.Meter:
		return instructionMeter, true
	case flow.ClearActions:
		return instructionClearActions, true
	case flow.WriteActions:
		return instructionWriteActions, true
	case flow.RawInstruction:
		if len(a.Bytes) >= 2 {
			return uint16(a.Bytes[0])<<8 | uint16(a.Bytes[1]), true
		}
		return ^uint16(0), true // appendInstruction says what is wrong with it
	}
	return 0, false
}

func appendInstruction(b []byte, a flow.Action) ([]byte, error) {
	switch a := a.(type) {
	case flow.GotoTable:
		return append(b, 0, instructionGoto, 0, 8, a.Table, 0, 0, 0), nil
	case flow.WriteMetadata:
		b = append(b, 0, instructionWriteMetadata, 0, 24, 0, 0, 0, 0)
		b = binary.BigEndian.AppendUint64(b, a.Value)
		return binary.BigEndian.AppendUint64(b, a.Mask), nil
	case flow.Meter:
		return binary.BigEndian.AppendUint32(append(b, 0, instructionMeter, 0, 8), a.ID), nil
	case flow.ClearActions:
		return append(b, 0, instructionClearActions, 0, 8, 0, 0, 0, 0), nil
	case flow.WriteActions:
		start := len(b)
		b = append(b, 0, instructionWriteActions, 0, 0, 0, 0, 0, 0)
		for _, inner := range a.Actions {
			var err error
			if b, err = appendAction(b, inner); err != nil {
				return nil, err
			}
			if len(b)-start > MaxMessage {
				return nil, fmt.Errorf("write_actions: %w", ErrTooLong)
			}
		}
		binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
		return b, nil
	case flow.RawInstruction:
		if err := checkTLV("instruction", a.Bytes); err != nil {
			return nil, err
		}
		return append(b, a.Bytes...), nil
	}
	return nil, fmt.Errorf("%s is no instruction", a)
}

// appendAction appends an action with its padding, OpenFlow 1.3.5 §A.2.5.
func appendAction(b []byte, a flow.Action) ([]byte, error) {
	switch a := a.(type) {
	case flow.Output:
		b = binary.BigEndian.AppendUint32(append(b, 0, actionOutput, 0, 16), a.Port)
		b = binary.BigEndian.AppendUint16(b, a.MaxLen)
		return append(b, 0, 0, 0, 0, 0, 0), nil
	case flow.Group:
		return binary.BigEndian.AppendUint32(append(b, 0, actionGroup, 0, 8), a.ID), nil
	case flow.SetField:
		if a.Mask != "" {
			return nil, fmt.Errorf("%s: OpenFlow 1.3 has no set_field with a mask", a)
		}
		start := len(b)
		b, err := appendOXM(append(b, 0, actionSetField, 0, 0), &a.OXM)
		if err != nil {
			return nil, err
		}
		b = pad(b, start)
		binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
		return b, nil
	case flow.Move:
		if !a.Valid() {
			return nil, fmt.Errorf("%s: not two equally wide parts of fields that are known", a)
		}
		return appendMove(b, a), nil
	case flow.PushMPLS:
		return append(b, 0, actionPushMPLS, 0, 8, byte(a.EtherType>>8), byte(a.EtherType), 0, 0), nil
	case flow.Raw:
		if err := checkTLV("action", a.Bytes); err != nil {
			return nil, err
		}
		return append(b, a.Bytes...), nil
	}
	return nil, fmt.Errorf("%s is no action of OpenFlow 1.3", a)
}

// appendMove appends Nicira's move, nicira-ext.h NXAST_REG_MOVE.
func appendMove(b []byte, a flow.Move) []byte {
	b = binary.BigEndian.AppendUint16(b, actionExperimenter)
	b = binary.BigEndian.AppendUint16(b, 24)
	b = binary.BigEndian.AppendUint32(b, experimenterNicira)
	b = binary.BigEndian.AppendUint16(b, niciraMove)
	b = binary.BigEndian.AppendUint16(b, a.Src.Bits)
	b = binary.BigEndian.AppendUint16(b, a.Src.First)
	b = binary.BigEndian.AppendUint16(b, a.Dst.First)
	b = binary.BigEndian.AppendUint32(b, a.Src.Header())
	return binary.BigEndian.AppendUint32(b, a.Dst.Header())
}

// checkTLV checks that b is one action or instruction with its own length.
func checkTLV(what, b string) error {
	if len(b) < 8 || len(b)%8 != 0 || int(b[2])<<8|int(b[3]) != len(b) {
		return fmt.Errorf("raw %s of %d bytes does not hold its own length", what, len(b))
	}
	return nil
}
