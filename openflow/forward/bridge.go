package forward

import (
	"fmt"
	"slices"

	"ovsmesh/openflow/flow"
)

// Port is a port of a bridge, as NORMAL and FLOOD need to know it.
type Port struct {
	Number    uint32
	Protected bool // exchanges no frames with other protected ports
	NoFlood   bool // gets nothing that is flooded
	Down      bool // has no link: a group looks elsewhere
	VLANs     VLANs
}

// Station is an address that a switch has learned.
type Station struct {
	MAC  [6]byte
	VLAN uint16 // 0: of untagged frames
	Port uint32
}

// Switch is what a switch holds.
type Switch struct {
	Flows    []flow.Flow
	Groups   []Group // nil: not known, so that what goes to one is in doubt
	Ports    []Port
	Stations []Station // that NORMAL has learned; it learns no others
}

// Bridge is a switch with its flows, its ports and the addresses that it has
// learned. Make one with New or Load.
type Bridge struct {
	tables    [256]*table
	groups    map[uint32]*Group
	ports     []Port
	protected map[uint32]bool  // ports
	learned   map[place]uint32 // ports
	known     map[*flow.Flow][]act
	strict    bool // see New
	frozen    bool // learns nothing

	aliveGroups map[uint32]bool // of which a bucket is
}

// place is what NORMAL learns: an address in a VLAN.
type place struct{ vlan, mac string }

// Output is a frame that leaves, or is handed to the switch's own stack or a
// controller by a reserved port number. Its tunnel fields say which way it is to
// take if the port is a tunnel's.
type Output struct {
	Port  uint32
	Frame Frame
	Step  int // index of the step whose flow sends it
}

// Step is a flow that a frame met.
type Step struct {
	Table     uint8
	Flow      *flow.Flow // nil: none matched, so that the switch drops the frame
	Also      *flow.Flow // of the same priority and with the same actions; nil: none
	Resubmits int        // and groups that it is inside of
}

// Result is what became of a frame.
type Result struct {
	Outputs []Output // in the order of the actions
	Steps   []Step
	Doubts  []Doubt // what could not be followed; none: a switch does just this
	Skips   []Skip
}

// Skip is an output that a switch leaves out because both ports are protected
// (Port.protected of ovs-vswitchd.conf.db(5)).
type Skip struct {
	Step int // index of the step whose flow sends there
	Port uint32
}

// Doubt is something that a flow does and that is not understood here, so that
// a switch may do otherwise.
type Doubt struct {
	Step int // index of the flow's step
	Text string
}

// New returns a bridge that has learned nothing, for flows of our own: two of
// which a switch would hold only one, and what they never do, are errors. The
// ports are those to which NORMAL sends; without NORMAL none are needed.
func New(flows []flow.Flow, ports ...Port) (*Bridge, error) {
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
	}
	b := Load(Switch{Flows: flows, Ports: ports})
	b.strict, b.frozen = true, false
	return b, nil
}

// Load returns a bridge as a switch may hold it, whatever others have put
// there. What can't be followed becomes a doubt of the frames that meet it. The
// flows stay the caller's and must not be changed.
func Load(s Switch) *Bridge {
	b := &Bridge{ports: slices.Clone(s.Ports), protected: map[uint32]bool{}, learned: make(map[place]uint32, len(s.Stations)),
		known: map[*flow.Flow][]act{}, frozen: true}
	for _, p := range s.Ports {
		if p.Protected {
			b.protected[p.Number] = true
		}
	}
	for i := range s.Flows {
		f := &s.Flows[i]
		if b.tables[f.Table] == nil {
			b.tables[f.Table] = &table{}
		}
		t := b.tables[f.Table]
		t.flows = append(t.flows, f)
	}
	if s.Groups != nil {
		b.groups = make(map[uint32]*Group, len(s.Groups))
		for i := range s.Groups {
			b.groups[s.Groups[i].ID] = &s.Groups[i]
		}
		b.findAlive()
	}
	for _, st := range s.Stations {
		b.learned[place{put16(st.VLAN), string(st.MAC[:])}] = st.Port
	}
	return b
}

// understood checks what New demands of a flow.
func understood(f *flow.Flow) error {
	for _, x := range f.Match {
		if _, width := locate(x.Field); width == 0 || len(x.Value) != width || x.Mask != "" && len(x.Mask) != width {
			return fmt.Errorf("not understood: %s", f)
		}
	}
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
