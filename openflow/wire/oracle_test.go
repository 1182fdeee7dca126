package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	of "github.com/contiv/libOpenflow/openflow13"
	"pgregory.net/rapid"

	"ovsmesh/openflow/flow"
)

// The encoder of libOpenflow, which ours must agree with byte for byte on all
// that the library can lay out.

// rawAction is an action's bytes in the library's clothes.
type rawAction struct{ raw }

func (a rawAction) Header() *of.ActionHeader {
	return &of.ActionHeader{Type: binary.BigEndian.Uint16(a.raw), Length: uint16(len(a.raw))}
}

// rawInstruction is an instruction's bytes in the library's clothes.
type rawInstruction struct{ raw }

func (rawInstruction) AddAction(of.Action, bool) error { return errDecode }

// libraryInstructions turns a flow's list into the library's instructions, and
// returns their length in bytes. The order must be one that a switch would
// print: apply-actions in one run, each instruction at most once.
func libraryInstructions(list flow.Actions) ([]of.Instruction, int, error) {
	var out []of.Instruction
	var apply *of.InstrActions
	seen := make(map[uint16]bool, 4)
	size, closed := 0, false // closed: an instruction that comes after the apply-actions was seen
	for _, a := range list {
		in, typ, n, err := libraryInstruction(a)
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
		act, n, err := libraryAction(a)
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

// libraryInstruction returns the instruction that a is, with its type and
// length, or nil if a is an action.
func libraryInstruction(a flow.Action) (of.Instruction, uint16, int, error) {
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
			act, n, err := libraryAction(inner)
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
		if err := checkTLV("instruction", string(b)); err != nil {
			return nil, 0, 0, err
		}
		return rawInstruction{b}, binary.BigEndian.Uint16(b), len(b), nil
	}
	return nil, 0, 0, nil
}

// libraryAction returns a as the library's action, and its length.
func libraryAction(a flow.Action) (of.Action, int, error) {
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
		field, err := libraryOXM(a.OXM)
		if err != nil {
			return nil, 0, err
		}
		act := of.NewActionSetField(field)
		return act, int(act.Len()), nil
	case flow.Move:
		if !a.Valid() {
			return nil, 0, fmt.Errorf("%s: not two equally wide parts of fields that are known", a)
		}
		b := raw(appendMove(nil, a))
		return rawAction{b}, len(b), nil
	case flow.PushMPLS:
		b := raw{0, actionPushMPLS, 0, 8, byte(a.EtherType >> 8), byte(a.EtherType), 0, 0}
		return rawAction{b}, len(b), nil
	case flow.Raw:
		b := raw(a.Bytes)
		if err := checkTLV("action", string(b)); err != nil {
			return nil, 0, err
		}
		return rawAction{b}, len(b), nil
	}
	return nil, 0, fmt.Errorf("%s is no action of OpenFlow 1.3", a)
}

// libraryFlowMod is EncodeFlowMod by way of libOpenflow.
func libraryFlowMod(mod Mod, xid uint32) ([]byte, error) {
	match, err := libraryMatch(mod.Flow.Match)
	if err != nil {
		return nil, fmt.Errorf("flow-mod: %w", err)
	}
	m := &of.FlowMod{
		Header:      header(TypeFlowMod, xid),
		Cookie:      mod.Flow.Cookie,
		TableId:     mod.Flow.Table,
		Command:     uint8(mod.Command),
		IdleTimeout: mod.Flow.IdleTimeout,
		HardTimeout: mod.Flow.HardTimeout,
		Priority:    mod.Flow.Priority,
		BufferId:    0xffffffff,
		OutPort:     of.P_ANY, // the library writes it as the group too: "any" is the same number
		Flags:       mod.Flow.Flags,
		Match:       match,
	}
	size := flowModLen + int(match.Len())
	switch mod.Command {
	case Add, ModifyStrict:
		instructions, n, err := libraryInstructions(mod.Flow.Actions)
		if err != nil {
			return nil, fmt.Errorf("flow-mod: %w", err)
		}
		m.Instructions = instructions
		size += n
	case DeleteStrict:
		// The library counts no instructions here; a switch ignores them.
		m.CookieMask = ^uint64(0)
	default:
		return nil, fmt.Errorf("flow-mod: unknown %s", mod.Command)
	}
	if size > MaxMessage {
		return nil, fmt.Errorf("flow-mod: %d bytes: %w", size, ErrTooLong)
	}
	return marshal("flow-mod", m)
}

// libraryMatch turns a match into the library's, in the order that switches want.
func libraryMatch(m flow.Match) (of.Match, error) {
	match := of.Match{Type: matchTypeOXM, Length: 4, Fields: make([]of.MatchField, 0, len(m))}
	size := 4
	for _, x := range inOrder(m) {
		field, err := libraryOXM(x)
		if err != nil {
			return of.Match{}, err
		}
		if size += 4 + int(field.Length); size > MaxMessage-flowModLen {
			return of.Match{}, fmt.Errorf("match: %w", ErrTooLong)
		}
		match.AddField(field)
	}
	return match, nil
}

// inOrder sorts a match as switches want it.
func inOrder(m flow.Match) flow.Match {
	m = slices.Clone(m)
	slices.SortStableFunc(m, func(a, b flow.OXM) int { return rank(a.Field) - rank(b.Field) })
	return m
}

// libraryOXM turns a match field into the library's. Its value is lent as bytes,
// so that any field is laid out as it is.
func libraryOXM(x flow.OXM) (of.MatchField, error) {
	value := raw(x.Value)
	if x.Field.Class == classExperimenter {
		// The library counts the experimenter ID but does not write it.
		e := x.Field.Exp
		value = append(raw{byte(e >> 24), byte(e >> 16), byte(e >> 8), byte(e)}, x.Value...)
	}
	n := len(value) + len(x.Mask)
	switch {
	case x.Field.ID > 127:
		return of.MatchField{}, fmt.Errorf("match field %#04x:%d: number above 127", x.Field.Class, x.Field.ID)
	case x.Mask != "" && len(x.Mask) != len(x.Value):
		return of.MatchField{}, fmt.Errorf("match field %#04x:%d: value of %d bytes, mask of %d",
			x.Field.Class, x.Field.ID, len(x.Value), len(x.Mask))
	case n > 255:
		return of.MatchField{}, fmt.Errorf("match field %#04x:%d: %d bytes", x.Field.Class, x.Field.ID, n)
	}
	return of.MatchField{
		Class: x.Field.Class, Field: x.Field.ID, HasMask: x.Mask != "",
		Length: uint8(n), Value: value, Mask: raw(x.Mask),
	}, nil
}

// TestFlowModsAreAsTheLibraryLaysThemOut compares ours with libOpenflow's
// encoder, errors included, on every kind of field, action and instruction, and
// on random combinations of them.
func TestFlowModsAreAsTheLibraryLaysThemOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mod := Mod{
			Command: rapid.SampledFrom([]Command{Add, ModifyStrict, DeleteStrict, 1}).Draw(t, "command"),
			Flow: &flow.Flow{
				Table: rapid.Uint8().Draw(t, "table"), Priority: rapid.Uint16().Draw(t, "priority"),
				Cookie: rapid.Uint64().Draw(t, "cookie"), IdleTimeout: rapid.Uint16().Draw(t, "idle"),
				HardTimeout: rapid.Uint16().Draw(t, "hard"), Flags: rapid.Uint16().Draw(t, "flags"),
				Match: drawMatch(t), Actions: drawActions(t),
			},
		}
		want, wantErr := libraryFlowMod(mod, 7)
		got, err := EncodeFlowMod(mod, 7)
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Fatalf("%s\ngot  %x, %v\nwant %x, %v", mod, got, err, want, wantErr)
		}
	})
}

func drawOXM(t *rapid.T) flow.OXM {
	x := flow.OXM{
		Field: flow.Field{Class: rapid.SampledFrom([]uint16{0, 1, 0x8000, 0xffff}).Draw(t, "class"), ID: rapid.Uint8Max(130).Draw(t, "field")},
		Value: string(rapid.SliceOfN(rapid.Byte(), 1, 16).Draw(t, "value")),
	}
	if x.Field.Class == 0xffff {
		x.Field.Exp = rapid.Uint32().Draw(t, "experimenter")
	}
	if rapid.Bool().Draw(t, "masked") {
		x.Mask = x.Value
	}
	return x
}

func drawMatch(t *rapid.T) flow.Match {
	var m []flow.OXM
	for range rapid.IntRange(0, 4).Draw(t, "fields") {
		m = append(m, drawOXM(t))
	}
	return flow.NewMatch(m...)
}

func drawActions(t *rapid.T) flow.Actions {
	simple := rapid.Custom(func(t *rapid.T) flow.Action {
		switch rapid.IntRange(0, 5).Draw(t, "action") {
		case 0:
			return flow.Group{ID: rapid.Uint32().Draw(t, "group")}
		case 1:
			return flow.SetField{OXM: drawOXM(t)}
		case 2:
			return flow.Move{Src: flow.Whole(flow.EthSrc), Dst: flow.Whole(flow.EthDst)}
		case 3:
			return flow.PushMPLS{EtherType: 0x8847}
		case 4:
			return flow.Raw{Bytes: rapid.SampledFrom([]string{"\x00\x12\x00\x08\x00\x00\x00\x00", "\x00\x12\x00\x10\x00\x00\x00\x00", "x"}).Draw(t, "raw")}
		}
		return flow.Output{Port: rapid.Uint32().Draw(t, "port"), MaxLen: rapid.Uint16().Draw(t, "length")}
	})
	any := rapid.Custom(func(t *rapid.T) flow.Action {
		switch rapid.IntRange(0, 9).Draw(t, "instruction") {
		case 0:
			return flow.GotoTable{Table: rapid.Uint8().Draw(t, "goto")}
		case 1:
			return flow.WriteMetadata{Value: rapid.Uint64().Draw(t, "metadata"), Mask: rapid.Uint64().Draw(t, "mask")}
		case 2:
			return flow.Meter{ID: rapid.Uint32().Draw(t, "meter")}
		case 3:
			return flow.ClearActions{}
		case 4:
			return flow.WriteActions{Actions: rapid.SliceOfN(simple, 0, 3).Draw(t, "written")}
		case 5:
			return flow.RawInstruction{Bytes: rapid.SampledFrom([]string{"\xff\xff\x00\x08\x00\x00\x00\x00", "\x00\x01\x00\x08\x00\x00\x00\x00", "x", ""}).Draw(t, "raw")}
		}
		return simple.Draw(t, "one")
	})
	return rapid.SliceOfN(any, 0, 5).Draw(t, "actions")
}
