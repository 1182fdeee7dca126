package forward

import (
	"encoding/binary"
	"fmt"
	"slices"

	"ovsmesh/openflow/flow"
)

// Bounds of Open vSwitch (MAX_DEPTH and MAX_RESUBMITS of ofproto-dpif-xlate.c):
// beyond them it drops the frame whole.
const (
	maxResubmitDepth = 64
	maxResubmits     = 64 * 64
)

// Bounds of our own. Resubmits times long lists of actions would fill our
// memory where somebody means ill: a switch has no such tables.
const (
	maxWork   = 1 << 17 // lookups, actions and outputs of a frame: enough to flood all ports that a switch can have
	maxDoubts = 100     // that are told of it
)

// run is one frame on its way through a bridge.
type run struct {
	b     *Bridge
	r     *Result
	in    uint32 // that it came in on, whatever in_port says since
	table uint8  // that is looked at
	step  int    // index of the step whose actions are carried out

	set   []act    // the action set
	stack []string // of push and pop
	stop  bool     // no further action
	ended bool     // none of this flow

	depth, resubmits int
	work             int
	err              error
}

// Run sends a frame that came in on a port through the tables. With a bridge of
// New it is an error if the frame meets two flows of one priority that do
// different things; with one of Load it is a doubt.
func (b *Bridge) Run(in uint32, f Frame) (Result, error) {
	var r Result
	binary.BigEndian.PutUint32(f.fields[:], in)
	clear(f.fields[atMetadata : atMetadata+8])
	clear(f.fields[slotBytes:])
	x := run{b: b, r: &r, in: in}
	x.tables(0, in, &f)
	x.actionSet(&f)
	if x.depth < 0 { // it has gone too deep
		r.Outputs = nil
	}
	return r, x.err
}

// tables looks a frame up in a table, as if it had come in on a port, carries
// the flow's actions out and goes on where they say.
func (x *run) tables(id uint8, port uint32, f *Frame) {
	for next := true; next && x.err == nil; {
		x.table = id
		hit, also, unsure, err := x.b.lookup(id, port, f)
		if err != nil {
			x.err = fmt.Errorf("%s on %d: %w", f, x.in, err)
			return
		}
		if x.works(1); x.depth < 0 {
			return
		}
		x.step = len(x.r.Steps)
		x.r.Steps = append(x.r.Steps, Step{Table: id, Flow: hit, Also: also, Resubmits: x.depth})
		for _, text := range unsure {
			x.doubt(text)
		}
		next = false
		if hit == nil {
			return
		}
		for _, a := range x.b.acts(hit) {
			if g, ok := a.(gotoTable); ok {
				if g.table <= id {
					x.doubt(fmt.Sprintf("goto_table:%d goes back, which no switch takes", g.table))
					return
				}
				id, port, next = g.table, number32(f.fields[:4]), true
				continue
			}
			if x.do(a, f) {
				return
			}
		}
	}
}

func number32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func (x *run) carryOut(acts []act, f *Frame) {
	for _, a := range acts {
		if x.do(a, f) {
			return
		}
	}
}

// do carries one action out, and reports whether the list that it is of is to
// go no further.
func (x *run) do(a act, f *Frame) (over bool) {
	if x.works(1); x.depth >= 0 {
		a.do(x, f)
	}
	ended := x.ended
	x.ended = false
	return ended || x.stop || x.err != nil || x.depth < 0
}

// works counts n more things that are done for the frame, and gives it up at
// the bound.
func (x *run) works(n int) {
	if x.work += n; x.work < maxWork || x.depth < 0 {
		return
	}
	x.r.Doubts = append(x.r.Doubts, Doubt{Step: x.step, Text: "the frame is not followed any further: its actions multiply"})
	x.depth = -1
}

// doubt notes that a switch may do otherwise from here on.
func (x *run) doubt(text string) {
	if len(x.r.Doubts) < maxDoubts {
		x.r.Doubts = append(x.r.Doubts, Doubt{Step: x.step, Text: text})
	}
}

// resubmit carries out what another table, or the same for another port, has to
// say, and comes back: what it has written stays.
func (x *run) resubmit(port uint32, table uint8, f *Frame) {
	if port == flow.PortInPort {
		port = number32(f.fields[:4])
	}
	if x.depth >= maxResubmitDepth || x.resubmits >= maxResubmits {
		x.doubt("the frame is dropped: more resubmits than a switch carries out")
		x.depth = -1
		return
	}
	x.resubmits++
	was, step := x.table, x.step
	x.depth++
	x.tables(table, port, f)
	if x.depth < 0 {
		return
	}
	x.depth--
	x.table, x.step = was, step
}

// bucket carries a group's actions out on a copy of the frame. What it writes
// into the action set stays.
func (x *run) bucket(acts []act, f Frame) {
	stack := slices.Clone(x.stack)
	x.carryOut(acts, &f)
	x.stack, x.stop = stack, false
}

// actionSet carries the action set out, which is empty from then on: a clone on
// the way does not do it once more.
func (x *run) actionSet(f *Frame) {
	if set := x.set; x.err == nil && !x.stop && len(set) > 0 {
		x.set = nil
		x.carryOut(ordered(set), f)
	}
}

// clone carries actions out on a copy of the frame, with a copy of the action
// set, which is carried out at the end. Nothing of it remains.
func (x *run) clone(acts []act, f Frame) {
	set, stack := slices.Clone(x.set), slices.Clone(x.stack)
	x.carryOut(acts, &f)
	x.actionSet(&f)
	x.set, x.stack, x.stop = set, stack, false
}

func (x *run) output(port uint32, f *Frame) {
	in := number32(f.fields[:4])
	switch port {
	case flow.PortNormal:
		x.b.normal(x, in, f)
	case flow.PortInPort:
		x.send(in, f)
	case flow.PortTable:
		x.resubmit(in, 0, f)
	case flow.PortFlood, flow.PortAll:
		for _, p := range x.b.ports {
			if p.Number != in && !(port == flow.PortFlood && p.NoFlood) {
				x.send(p.Number, f)
			}
		}
	case flow.PortAny:
	case in: // a switch never sends a frame back unless IN_PORT says so
	default:
		x.send(port, f)
	}
}

// send lets a frame out, unless it would go from a protected port to another,
// or back to it: that a switch never does, whatever its flows say.
func (x *run) send(port uint32, f *Frame) {
	if port == 0 {
		return // no port has this number; flows write it to in_port so that none is taken for it
	}
	if x.b.protected[number32(f.fields[:4])] && x.b.protected[port] {
		x.r.Skips = append(x.r.Skips, Skip{Step: x.step, Port: port})
		return
	}
	if x.works(1); x.depth < 0 {
		return
	}
	x.r.Outputs = append(x.r.Outputs, Output{Port: port, Frame: *f, Step: x.step})
}
