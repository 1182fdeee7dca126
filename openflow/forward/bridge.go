package forward

import (
	"encoding/binary"
	"fmt"
	"slices"

	"ovsmesh/openflow/flow"
)

// Port is a port of a bridge, as NORMAL needs to know it.
type Port struct {
	Number    uint32
	Protected bool // exchanges no frames with other protected ports
	NoFlood   bool // gets nothing that is flooded
}

// Bridge is a switch with its flows, its ports and the addresses that it has
// learned. Make one with New.
type Bridge struct {
	tables  map[uint8]*table
	ports   []Port
	learned map[place]uint32 // ports
}

// place is what NORMAL learns: an address in a VLAN.
type place struct{ vlan, mac string }

// Output is a frame that leaves, or is handed to the switch's own stack or a
// controller by a reserved port number. Its tunnel fields say which way it is to
// take if the port is a tunnel's.
type Output struct {
	Port  uint32
	Frame Frame
}

// Step is a flow that a frame met.
type Step struct {
	Table uint8
	Flow  *flow.Flow // nil: none matched, so that the switch drops the frame
	Also  *flow.Flow // of the same priority and with the same actions; nil: none
}

// Result is what became of a frame.
type Result struct {
	Outputs []Output // in the order of the actions
	Steps   []Step
	Doubts  []Doubt // what could not be followed; none: a switch does just this
}

// Doubt is something that a flow does and that is not understood here, so that
// a switch may do otherwise.
type Doubt struct {
	Step int // index of the flow's step
	Text string
}

// New returns a bridge that has learned nothing. The ports are those to which
// NORMAL sends; without NORMAL none are needed. Two flows of which a switch
// would hold only one, and what is not understood here, are errors.
func New(flows []flow.Flow, ports ...Port) (*Bridge, error) {
	b := &Bridge{tables: map[uint8]*table{}, ports: slices.Clone(ports), learned: map[place]uint32{}}
	seen := make(map[flow.Key]bool, len(flows))
	for i := range flows {
		f := &flows[i]
		k := f.Key()
		if seen[k] {
			return nil, fmt.Errorf("twice: %s", f)
		}
		seen[k] = true
		if err := understood(f); err != nil {
			return nil, err
		}
		if b.tables[f.Table] == nil {
			b.tables[f.Table] = &table{byPort: map[string][]entry{}}
		}
		if err := b.tables[f.Table].add(f); err != nil {
			return nil, err
		}
	}
	for _, t := range b.tables {
		t.sort()
	}
	return b, nil
}

// understood checks f's actions.
func understood(f *flow.Flow) error {
	for _, a := range f.Actions {
		switch a := a.(type) {
		case flow.Output:
			switch a.Port {
			case flow.PortTable, flow.PortFlood, flow.PortAll, flow.PortAny:
				return fmt.Errorf("not understood: %s of %s", a, f)
			}
		case flow.SetField:
			if _, width := locate(a.Field); width != len(a.Value) || a.Mask != "" {
				return fmt.Errorf("not understood: %s of %s", a, f)
			}
		case flow.Move:
			if !a.Valid() {
				return fmt.Errorf("not understood: %s of %s", a, f)
			}
		case flow.GotoTable:
			if a.Table <= f.Table {
				return fmt.Errorf("goes back: %s", f)
			}
		case flow.PushMPLS, flow.WriteMetadata:
		default:
			return fmt.Errorf("not understood: %s of %s", a, f)
		}
	}
	return nil
}

// Run sends a frame that came in on a port through the tables. It is an error
// if the frame meets two flows of one priority that do different things.
func (b *Bridge) Run(in uint32, f Frame) (Result, error) {
	var r Result
	binary.BigEndian.PutUint32(f.fields[:], in)
	clear(f.fields[atMetadata : atMetadata+8])
	clear(f.fields[slotBytes:])
	for id, next := uint8(0), true; next; {
		hit, also, err := b.tables[id].find(&f)
		if err != nil {
			return r, fmt.Errorf("%s on %d: %w", f, in, err)
		}
		r.Steps = append(r.Steps, Step{id, hit, also})
		next = false
		if hit == nil {
			break
		}
		for _, a := range hit.Actions {
			if g, ok := a.(flow.GotoTable); ok {
				id, next = g.Table, true
				continue
			}
			b.do(a, in, &f, &r)
		}
	}
	return r, nil
}

func (b *Bridge) do(a flow.Action, in uint32, f *Frame, r *Result) {
	switch a := a.(type) {
	case flow.Output:
		switch a.Port {
		case flow.PortNormal:
			b.normal(in, f, r)
		case flow.PortInPort:
			r.Outputs = append(r.Outputs, Output{in, *f})
		case in: // a switch never sends a frame back unless IN_PORT says so
		default:
			r.Outputs = append(r.Outputs, Output{a.Port, *f})
		}
	case flow.SetField:
		at, _ := locate(a.Field)
		copy(f.fields[at:], a.Value)
	case flow.Move:
		f.move(a)
	case flow.PushMPLS:
		f.pushMPLS(a.EtherType)
	case flow.WriteMetadata:
		m := f.fields[atMetadata:]
		binary.BigEndian.PutUint64(m, binary.BigEndian.Uint64(m)&^a.Mask|a.Value&a.Mask)
	}
}
