package wire

import (
	"fmt"

	of "github.com/contiv/libOpenflow/openflow13"

	"ovsmesh/openflow/flow"
)

// Command says what a Mod does to the table.
type Command uint8

// The commands of ofp_flow_mod_command that ovsmesh uses. All three mean the
// one flow with exactly the given table, priority and match. A delete means it
// only with exactly the given cookie: what stands there by another one has
// been put in its place and stays.
const (
	Add          Command = of.FC_ADD           // makes it, in place of one that is there
	ModifyStrict Command = of.FC_MODIFY_STRICT // changes the actions of one that is there; its cookie stays
	DeleteStrict Command = of.FC_DELETE_STRICT // removes it if it is there
)

// String returns the command as ovs-ofctl names it.
func (c Command) String() string {
	switch c {
	case Add:
		return "add"
	case ModifyStrict:
		return "modify_strict"
	case DeleteStrict:
		return "delete_strict"
	}
	return fmt.Sprintf("command %d", uint8(c))
}

// Mod is one change of a flow table.
type Mod struct {
	Command Command
	Flow    flow.Flow
}

// String returns the command and the flow in the syntax of ovs-ofctl(8).
func (m Mod) String() string { return m.Command.String() + " " + m.Flow.String() }

// flowModLen is the length of a flow-mod up to its match.
const flowModLen = headerLen + 40

// EncodeFlowMod encodes a flow-mod message. Its errors do not name the flow.
func EncodeFlowMod(mod Mod, xid uint32) ([]byte, error) {
	match, err := encodeMatch(mod.Flow.Match)
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
		instructions, n, err := encodeInstructions(mod.Flow.Actions)
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

// encodeMatch turns a match into the library's, in the order that switches want.
func encodeMatch(m flow.Match) (of.Match, error) {
	match := of.Match{Type: matchTypeOXM, Length: 4, Fields: make([]of.MatchField, 0, len(m))}
	size := 4
	for _, x := range wireOrder(m) {
		field, err := encodeOXM(x)
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

// encodeOXM turns a match field into the library's. Its value is lent as bytes,
// so that any field is laid out as it is.
func encodeOXM(x flow.OXM) (of.MatchField, error) {
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
