package flow

import (
	"fmt"
	"strings"
)

// Reserved ports, OpenFlow 1.3.5 §A.2.1.
const (
	PortUnset      uint32 = 0xfffffff7 // Open vSwitch: an action set without an output
	PortInPort     uint32 = 0xfffffff8
	PortTable      uint32 = 0xfffffff9
	PortNormal     uint32 = 0xfffffffa
	PortFlood      uint32 = 0xfffffffb
	PortAll        uint32 = 0xfffffffc
	PortController uint32 = 0xfffffffd
	PortLocal      uint32 = 0xfffffffe
	PortAny        uint32 = 0xffffffff
)

// Output sends the frame out on a port. MaxLen counts for PortController only:
// how many bytes of the frame go there.
type Output struct {
	Port   uint32
	MaxLen uint16
}

// Group hands the frame to a group.
type Group struct{ ID uint32 }

// SetField overwrites a field.
type SetField struct{ OXM }

// PushMPLS puts a label of the EtherType, 0x8847 or 0x8848, on the frame; its
// value is that of the outer label, or 0.
type PushMPLS struct{ EtherType uint16 }

// WriteMetadata is the instruction that sets the bits of Mask in the metadata.
type WriteMetadata struct{ Value, Mask uint64 }

// GotoTable is the instruction that goes on in a later table.
type GotoTable struct{ Table uint8 }

// WriteActions is the instruction that adds to the action set. It holds a
// list and is therefore the one action that == cannot compare: see
// Actions.Equal.
type WriteActions struct{ Actions Actions }

// ClearActions is the instruction that empties the action set.
type ClearActions struct{}

// Meter is the instruction that runs the frame through a meter.
type Meter struct{ ID uint32 }

// Raw is a whole action, header and padding included, that has no type here.
type Raw struct{ Bytes string }

// RawInstruction is a whole instruction that has no type here.
type RawInstruction struct{ Bytes string }

// Text is an action of a dump that has no type here, as ovs-ofctl prints it. No
// switch can be sent one.
type Text struct{ Text string }

// portName returns a reserved port's name as ovs-ofctl prints it, or "".
func portName(p uint32) string {
	switch p {
	case PortUnset:
		return "UNSET"
	case PortInPort:
		return "IN_PORT"
	case PortTable:
		return "TABLE"
	case PortNormal:
		return "NORMAL"
	case PortFlood:
		return "FLOOD"
	case PortAll:
		return "ALL"
	case PortController:
		return "CONTROLLER"
	case PortLocal:
		return "LOCAL"
	case PortAny:
		return "ANY"
	}
	return ""
}

// namedPort returns the reserved port of a name.
func namedPort(name string) (uint32, bool) {
	for p := PortUnset; p != 0; p++ { // up to PortAny, the highest number
		if portName(p) == name && name != "" {
			return p, true
		}
	}
	return 0, false
}

func (Output) isAction()         {}
func (Group) isAction()          {}
func (SetField) isAction()       {}
func (Move) isAction()           {}
func (PushMPLS) isAction()       {}
func (WriteMetadata) isAction()  {}
func (GotoTable) isAction()      {}
func (WriteActions) isAction()   {}
func (ClearActions) isAction()   {}
func (Meter) isAction()          {}
func (Raw) isAction()            {}
func (RawInstruction) isAction() {}
func (Text) isAction()           {}

func (a Output) String() string {
	switch name := portName(a.Port); {
	case a.Port == PortController:
		return fmt.Sprintf("CONTROLLER:%d", a.MaxLen)
	case name != "":
		return name
	default:
		return fmt.Sprintf("output:%d", a.Port)
	}
}

func (a Group) String() string { return fmt.Sprintf("group:%d", a.ID) }

func (a SetField) String() string {
	k, _, ok := lookup(a.Field)
	if k = k.setting(); !ok || !k.fits(a.OXM) || a.Value == "" {
		return "set_field:" + rawValue(a.OXM) + "->" + rawName(a.Field)
	}
	return "set_field:" + k.value(a.OXM) + "->" + k.set
}

func (a PushMPLS) String() string { return fmt.Sprintf("push_mpls:0x%04x", a.EtherType) }

func (a WriteMetadata) String() string {
	if a.Mask == ^uint64(0) {
		return "write_metadata:" + hexText(a.Value)
	}
	return "write_metadata:" + hexText(a.Value) + "/" + hexText(a.Mask)
}

func (a GotoTable) String() string { return fmt.Sprintf("goto_table:%d", a.Table) }

func (a WriteActions) String() string { return "write_actions(" + a.Actions.String() + ")" }

func (ClearActions) String() string { return "clear_actions" }

func (a Meter) String() string { return fmt.Sprintf("meter:%d", a.ID) }

func (a Raw) String() string { return fmt.Sprintf("raw(%x)", a.Bytes) }

func (a RawInstruction) String() string { return fmt.Sprintf("raw_instruction(%x)", a.Bytes) }

func (a Text) String() string { return a.Text }

// String returns the actions as ovs-ofctl prints them after "actions=".
func (as Actions) String() string {
	if len(as) == 0 {
		return "drop"
	}
	texts := make([]string, len(as))
	for i, a := range as {
		texts[i] = a.String()
	}
	return strings.Join(texts, ",")
}

// Equal reports whether both lists do the same, in the same order.
func (as Actions) Equal(bs Actions) bool {
	if len(as) != len(bs) {
		return false
	}
	for i, a := range as {
		if !equal(a, bs[i]) {
			return false
		}
	}
	return true
}

func equal(a, b Action) bool {
	switch a := a.(type) {
	case WriteActions:
		w, ok := b.(WriteActions)
		return ok && a.Actions.Equal(w.Actions)
	case Output:
		// A length means nothing but for the controller.
		o, ok := b.(Output)
		return ok && a.Port == o.Port && (a.Port != PortController || a.MaxLen == o.MaxLen)
	}
	if _, ok := b.(WriteActions); ok {
		return false
	}
	return a == b
}
