// Package flow holds OpenFlow flow entries as data: matches, actions, their
// text in the syntax of ovs-ofctl(8), and the difference between two sets.
//
// It knows nothing of connections or of bytes on the wire (package wire) and
// nothing of networks or tunnels (package pipeline). It is pure: no I/O, no
// clock, no goroutines. Values are immutable by convention once shared.
package flow

// Flow is one flow entry of a table, OpenFlow 1.3.5 §5.2. Statistics are not
// part of it. The zero value is a flow of table 0, priority 0, that matches
// everything and drops it.
type Flow struct {
	Table       uint8
	Priority    uint16
	Cookie      uint64
	IdleTimeout uint16 // seconds; 0 is never
	HardTimeout uint16 // seconds; 0 is never
	Flags       uint16 // OFPFF_* as in a flow-mod
	Importance  uint16 // OpenFlow 1.4 and later; no part of comparisons, for older versions hide it
	Match       Match
	Actions     Actions
}

// Field names an OXM or NXM match field by its class and number, ovs-fields(7).
type Field struct {
	Class uint16 // 0x8000 OFPXMC_OPENFLOW_BASIC, 0x0000 NXM_OF, 0x0001 NXM_NX, 0xffff experimenter
	ID    uint8  // field number within the class, 7 bits
	Exp   uint32 // experimenter ID where Class is 0xffff, else 0 on every wire; see IsText
}

// OXM is one match field with its value, both as they stand on the wire: big
// endian, of the field's width. Fields that this package does not know by name
// are kept just so, and compare and print like any other.
type OXM struct {
	Field Field
	Value string
	Mask  string // empty: exact match; else of the same length as Value
}

// Match is the conjunction of its fields, sorted by field (class, number,
// experimenter), each at most once. Build one with NewMatch, which sorts.
type Match []OXM

// Actions is what a flow does, in the one list that ovs-ofctl prints after
// "actions=": the apply-actions first, then clear_actions, write_actions,
// write_metadata and goto_table, which on the wire are instructions
// (ovs-actions(7)). Empty means drop.
type Actions []Action

// Action is one of the action types of this package. An action that has no
// type here is Raw, byte for byte, or Text, word for word.
type Action interface {
	// String returns the action as ovs-ofctl prints it.
	String() string
	isAction()
}
