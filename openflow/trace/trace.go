package trace

import (
	"ovsmesh/openflow/forward"
)

// Place is a port of a bridge of a host.
type Place struct {
	Host, Bridge string
	OFPort       uint32
}

// Trace is the whole way of a frame. It holds no bytes of tables: flows are
// those of the World, which must not be changed.
type Trace struct {
	Hops []*Hop // each after the one that it comes from; the first is where the frame starts
}

// Hop is what one bridge does with a frame.
type Hop struct {
	Host, Bridge string
	In           uint32 // ofport
	Port         *Port  // of In; nil where the bridge has none of that number
	From         int    // index of the hop that the frame came from; -1 for the first
	Depth        int    // how many hops are before it
	Frame        forward.Frame
	Result       forward.Result
	Ends         []End // what became of each of Result.Outputs, in their order
	Err          error // why this bridge could not be looked at, or its tables contradict themselves; Result is not to be relied upon
}

// EndKind is what became of a frame that a bridge sent.
type EndKind uint8

// The kinds.
const (
	EndLost       EndKind = iota // see Why
	EndDelivered                 // to a VIF
	EndAnswer                    // back to the VIF where the trace began
	EndPassed                    // to another bridge, see Next
	EndHost                      // to the host itself
	EndPhysical                  // to a network outside
	EndController                // to a controller
	EndExternal                  // to a tunnel endpoint that nobody of us programs
	EndUnseen                    // to another host, which could not be looked at; see Why
)

// End is what became of one output.
type End struct {
	Kind EndKind
	Port *Port  // it left by; nil for a controller and where the bridge has none of that number
	Peer string // of a tunnel: the host that it goes to; "" where that is not known
	Next int    // with EndPassed: index of the hop
	Why  string // for people, where it is lost or unseen, or where not all is known of the port
}

// Copy is a frame that arrived at a VIF.
type Copy struct {
	Place
	Port   *Port
	Frame  forward.Frame // as it arrived
	Hop    int           // of the bridge that delivered it
	Answer bool          // it came back to where the trace began
}

// Copies returns the frames that arrived at VIFs, in the order of the hops.
func (t *Trace) Copies() []Copy {
	var list []Copy
	for i, h := range t.Hops {
		for j, e := range h.Ends {
			if e.Kind == EndDelivered || e.Kind == EndAnswer {
				out := h.Result.Outputs[j]
				list = append(list, Copy{Place{h.Host, h.Bridge, e.Port.OFPort}, e.Port, out.Frame, i, e.Kind == EndAnswer})
			}
		}
	}
	return list
}

// Sure reports whether every bridge on the way could be looked at and followed
// in all that it does.
func (t *Trace) Sure() bool {
	for _, h := range t.Hops {
		if h.Err != nil || len(h.Result.Doubts) > 0 {
			return false
		}
		for _, e := range h.Ends {
			if e.Kind == EndUnseen {
				return false
			}
		}
	}
	return true
}
