package wire

import (
	"encoding/binary"
	"fmt"

	of "github.com/contiv/libOpenflow/openflow13"

	"ovsmesh/openflow/flow"
)

// rawAction is an action's bytes in the library's clothes.
type rawAction struct{ raw }

func (a rawAction) Header() *of.ActionHeader {
	return &of.ActionHeader{Type: binary.BigEndian.Uint16(a.raw), Length: uint16(len(a.raw))}
}

// rawInstruction is an instruction's bytes in the library's clothes.
type rawInstruction struct{ raw }

func (rawInstruction) AddAction(of.Action, bool) error { return errDecode }

// encodeInstructions turns a flow's list into the library's instructions, and
// returns their length in bytes. The order must be one that a switch would
// print: apply-actions in one run, each instruction at most once.
func encodeInstructions(list flow.Actions) ([]of.Instruction, int, error) {
	var out []of.Instruction
	var apply *of.InstrActions
	seen := make(map[uint16]bool, 4)
	size, closed := 0, false // closed: an instruction that comes after the apply-actions was seen
	for _, a := range list {
		in, typ, n, err := encodeInstruction(a)
		if err != nil {
			return nil, 0, err
		}
		if in != nil {
			if typ != instructionMeter {
				closed = true
			} else if apply != nil {
				return nil, 0, fmt.Errorf("%s after other actions", a)
			}
			if seen[typ] && typ <= instructionMeter {
				return nil, 0, fmt.Errorf("%s: the second instruction of its kind", a)
			}
			seen[typ] = true
			out = append(out, in)
			size += n
			continue
		}
		if closed {
			return nil, 0, fmt.Errorf("%s after an instruction", a)
		}
		act, n, err := encodeAction(a)
		if err != nil {
			return nil, 0, err
		}
		if apply == nil {
			apply = of.NewInstrApplyActions()
			out = append(out, apply)
			size += 8
		}
		if size += n; size > MaxMessage {
			return nil, 0, fmt.Errorf("actions: %w", ErrTooLong)
		}
		apply.Actions = append(apply.Actions, act)
	}
	if apply != nil {
		apply.Length = apply.Len()
	}
	return out, size, nil
}

// encodeInstruction returns the instruction that a is, with its type and
// length, or nil if a is an action.
func encodeInstruction(a flow.Action) (of.Instruction, uint16, int, error) {
	switch a := a.(type) {
	case flow.GotoTable:
		return of.NewInstrGotoTable(a.Table), instructionGoto, 8, nil
	case flow.WriteMetadata:
		return of.NewInstrWriteMetadata(a.Value, a.Mask), instructionWriteMetadata, 24, nil
	case flow.Meter:
		return of.NewInstrMeter(a.ID), instructionMeter, 8, nil
	case flow.ClearActions:
		in := of.NewInstrApplyActions()
		in.Type = instructionClearActions
		return in, instructionClearActions, 8, nil
	case flow.WriteActions:
		in := of.NewInstrWriteActions()
		size := 8
		for _, inner := range a.Actions {
			act, n, err := encodeAction(inner)
			if err != nil {
				return nil, 0, 0, err
			}
			if size += n; size > MaxMessage {
				return nil, 0, 0, fmt.Errorf("write_actions: %w", ErrTooLong)
			}
			in.Actions = append(in.Actions, act)
		}
		in.Length = in.Len()
		return in, instructionWriteActions, size, nil
	case flow.RawInstruction:
		b := raw(a.Bytes)
		if err := checkTLV("instruction", b); err != nil {
			return nil, 0, 0, err
		}
		return rawInstruction{b}, binary.BigEndian.Uint16(b), len(b), nil
	}
	return nil, 0, 0, nil
}

// encodeAction returns a as the library's action, and its length.
func encodeAction(a flow.Action) (of.Action, int, error) {
	switch a := a.(type) {
	case flow.Output:
		act := of.NewActionOutput(a.Port)
		act.MaxLen = a.MaxLen
		return act, 16, nil
	case flow.Group:
		return of.NewActionGroup(a.ID), 8, nil
	case flow.SetField:
		if a.Mask != "" {
			return nil, 0, fmt.Errorf("%s: OpenFlow 1.3 has no set_field with a mask", a)
		}
		field, err := encodeOXM(a.OXM)
		if err != nil {
			return nil, 0, err
		}
		act := of.NewActionSetField(field)
		return act, int(act.Len()), nil
	case flow.Move:
		if !a.Valid() {
			return nil, 0, fmt.Errorf("%s: not two equally wide parts of fields that are known", a)
		}
		b := encodeMove(a)
		return rawAction{b}, len(b), nil
	case flow.PushMPLS:
		b := raw{0, actionPushMPLS, 0, 8, byte(a.EtherType >> 8), byte(a.EtherType), 0, 0}
		return rawAction{b}, len(b), nil
	case flow.Raw:
		b := raw(a.Bytes)
		if err := checkTLV("action", b); err != nil {
			return nil, 0, err
		}
		return rawAction{b}, len(b), nil
	}
	return nil, 0, fmt.Errorf("%s is no action of OpenFlow 1.3", a)
}

// encodeMove lays out Nicira's move, nicira-ext.h NXAST_REG_MOVE.
func encodeMove(a flow.Move) raw {
	b := binary.BigEndian.AppendUint16(nil, actionExperimenter)
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
func checkTLV(what string, b []byte) error {
	if len(b) < 8 || len(b)%8 != 0 || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return fmt.Errorf("raw %s of %d bytes does not hold its own length", what, len(b))
	}
	return nil
}
