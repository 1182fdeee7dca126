package wire

import (
	"encoding/binary"
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

// Mod is one change of a flow table. The flow is not changed.
type Mod struct {
	Command Command
	Flow    *flow.Flow
}

// String returns the command and the flow in the syntax of ovs-ofctl(8).
func (m Mod) String() string { return m.Command.String() + " " + m.Flow.String() }

// Of a flow-mod: no packet that the switch keeps, any group.
const (
	noBuffer = 0xffffffff
	groupAny = 0xffffffff
)

// flowModLen is the length of a flow-mod up to its match.
const flowModLen = headerLen + 40

// EncodeFlowMod encodes a flow-mod message. Its errors do not name the flow.
func EncodeFlowMod(mod Mod, xid uint32) ([]byte, error) {
	return appendFlowMod(make([]byte, 0, usualMod), mod, xid)
}

// usualMod is room for nearly all flow-mods, and the bundle's header.
const usualMod = 256

// appendFlowMod appends a flow-mod, OpenFlow 1.3.5 §A.3.4.1. Of all that is sent
// to switches these are by far the most, so they are laid out by hand.
func appendFlowMod(b []byte, mod Mod, xid uint32) ([]byte, error) {
	start := len(b)
	f := mod.Flow
	b = appendHeader(b, TypeFlowMod, xid)
	b = binary.BigEndian.AppendUint64(b, f.Cookie)
	switch mod.Command {
	case Add, ModifyStrict:
		b = binary.BigEndian.AppendUint64(b, 0)
	case DeleteStrict:
		b = binary.BigEndian.AppendUint64(b, ^uint64(0))
	default:
		return nil, fmt.Errorf("flow-mod: unknown %s", mod.Command)
	}
	b = append(b, f.Table, byte(mod.Command))
	b = binary.BigEndian.AppendUint16(b, f.IdleTimeout)
	b = binary.BigEndian.AppendUint16(b, f.HardTimeout)
	b = binary.BigEndian.AppendUint16(b, f.Priority)
	b = binary.BigEndian.AppendUint32(b, noBuffer)
	b = binary.BigEndian.AppendUint32(b, of.P_ANY) // output port
	b = binary.BigEndian.AppendUint32(b, groupAny)
	b = binary.BigEndian.AppendUint16(b, f.Flags)
	b = append(b, 0, 0)
	b, err := appendMatch(b, f.Match)
	if err == nil && mod.Command != DeleteStrict {
		b, err = appendInstructions(b, f.Actions)
	}
	if err != nil {
		return nil, fmt.Errorf("flow-mod: %w", err)
	}
	return setLength("flow-mod", b, start)
}

// appendHeader appends a message's header, its length left open for setLength.
func appendHeader(b []byte, typ Type, xid uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, Version, byte(typ), 0, 0), xid)
}

// setLength puts the length of the message that begins at start into its header.
func setLength(what string, b []byte, start int) ([]byte, error) {
	n := len(b) - start
	if n > MaxMessage {
		return nil, fmt.Errorf("%s: %d bytes: %w", what, n, ErrTooLong)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(n))
	return b, nil
}

// appendMatch appends a match with its padding, OpenFlow 1.3.5 §A.2.3.1.
func appendMatch(b []byte, m flow.Match) ([]byte, error) {
	start := len(b)
	b = append(b, 0, matchTypeOXM, 0, 0)
	for r, done := 0, 0; r < ranks && done < len(m); r++ {
		for i := range m {
			if rank(m[i].Field) != r {
				continue
			}
			done++
			var err error
			if b, err = appendOXM(b, &m[i]); err != nil {
				return nil, err
			}
			if len(b)-start > MaxMessage-flowModLen {
				return nil, fmt.Errorf("match: %w", ErrTooLong)
			}
		}
	}
	n := len(b) - start
	binary.BigEndian.PutUint16(b[start+2:], uint16(n))
	return pad(b, start), nil
}

// pad fills up to a multiple of 8 bytes from start.
func pad(b []byte, start int) []byte {
	var zeroes [7]byte
	return append(b, zeroes[:(8-(len(b)-start)%8)%8]...)
}

// appendOXM appends a match field, OpenFlow 1.3.5 §A.2.3.2.
func appendOXM(b []byte, x *flow.OXM) ([]byte, error) {
	n := len(x.Value) + len(x.Mask)
	if x.Field.Class == classExperimenter {
		n += 4
	}
	switch {
	case x.Field.IsText():
		return nil, fmt.Errorf("match field %s: known by its text alone", x.Value)
	case x.Field.ID > 127:
		return nil, fmt.Errorf("match field %#04x:%d: number above 127", x.Field.Class, x.Field.ID)
	case x.Mask != "" && len(x.Mask) != len(x.Value):
		return nil, fmt.Errorf("match field %#04x:%d: value of %d bytes, mask of %d",
			x.Field.Class, x.Field.ID, len(x.Value), len(x.Mask))
	case n > 255:
		return nil, fmt.Errorf("match field %#04x:%d: %d bytes", x.Field.Class, x.Field.ID, n)
	}
	masked := byte(0)
	if x.Mask != "" {
		masked = 1
	}
	b = binary.BigEndian.AppendUint16(b, x.Field.Class)
	b = append(b, x.Field.ID<<1|masked, byte(n))
	if x.Field.Class == classExperimenter {
		b = binary.BigEndian.AppendUint32(b, x.Field.Exp)
	}
	return append(append(b, x.Value...), x.Mask...), nil
}
