package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// shadow is what one flow of another program takes from the flows of one
// network.
type shadow struct {
	top   *flow.Flow // of those concerned, the first one in the order of a table
	flows int
}

// manyNetworks is how many networks a flow may concern before one finding tells
// of them together.
const manyNetworks = 8

// Flows of ours that suffer are counted for each flow of another program up to
// manyFlows, and for all of these up to countedFlows; after that only whether
// there is one. Else as many flows that each lie over all of ours would take
// the product of both numbers.
const (
	manyFlows    = 1000
	countedFlows = 100_000
)

// shadows finds flows of other programs that take frames from ours: of a
// priority that is not lower, with a match that overlaps, and with other
// actions. A flow does not count
//
//   - where it takes nothing, as a flow above it, of ours or not, has all the
//     frames;
//   - over a flow of ours that would not get the frames either, as the one
//     that classifies a tunnel has those of its broadcast drop;
//   - where both drop;
//   - where it is a filter, which takes frames by intent; see filter.
func (l *look) shadows() []Finding {
	var out []Finding
	tables := l.tables()
	for i := range l.Got {
		f := &l.Got[i]
		if pipeline.Owned(f.Cookie) {
			continue
		}
		if top := l.top; top != nil && f.Table == 0 && len(f.Match) == 0 && f.Priority > top.Priority {
			if x := tables[0]; x == nil || !x.covered(f.Match, f.Priority, true) {
				out = append(out, l.shadowFinding("", top, f, "another program's flow takes every frame on "+l.Name))
			}
			continue
		}
		if x := tables[f.Table]; x != nil && !l.harmless(f) {
			out = append(out, l.takenBy(f, x)...)
		}
	}
	return out
}

// tables returns an index of each table in which another program has a flow
// that may lie over one of ours.
func (l *look) tables() map[uint8]*index {
	lowest := map[uint8]uint16{}
	for i := range l.Want {
		w := &l.Want[i]
		if low, ok := lowest[w.Table]; missOf(w) == nil && (!ok || w.Priority < low) {
			lowest[w.Table] = w.Priority
		}
	}
	flows := map[uint8][]entry{}
	for i := range l.Got {
		g := &l.Got[i]
		if low, ok := lowest[g.Table]; ok && !pipeline.Owned(g.Cookie) && g.Priority >= low {
			flows[g.Table] = append(flows[g.Table], entry{flow: g})
		}
	}
	for i := range l.Want {
		w := &l.Want[i]
		if list := flows[w.Table]; list != nil && missOf(w) == nil {
			flows[w.Table] = append(list, entry{flow: w, ours: true})
		}
	}
	tables := make(map[uint8]*index, len(flows))
	for n, list := range flows {
		tables[n] = newIndex(list)
	}
	return tables
}

// missOf returns f if it is what happens to frames that no flow of ours knows:
// these are anybody's.
func missOf(f *flow.Flow) *flow.Flow {
	switch pipeline.ReasonOf(f.Cookie) {
	case pipeline.Miss, pipeline.Pass:
		return f
	}
	return nil
}

// takenBy reports what f takes from ours, network by network.
func (l *look) takenBy(f *flow.Flow, x *index) []Finding {
	found := map[uint32]*shadow{}
	total, limit := 0, manyFlows
	if l.counted >= countedFlows {
		limit = 1
	}
	x.below(f, func(w *flow.Flow) bool {
		if !l.takes(f, w, x) {
			return true
		}
		id := pipeline.NetworkOf(w.Cookie)
		s := found[id]
		if s == nil {
			s = &shadow{top: w}
			found[id] = s
		} else if w.Key().Compare(s.top.Key()) < 0 {
			s.top = w
		}
		s.flows++
		total++
		l.counted++
		return total < limit
	})
	capped := total >= limit
	var out []Finding
	for _, id := range slices.Sorted(maps.Keys(found)) {
		s := found[id]
		effect := l.taken(s.top, f)
		switch {
		case len(found) > manyNetworks:
			var top *shadow
			for _, s := range found {
				if top == nil || s.top.Key().Compare(top.top.Key()) < 0 {
					top = s
				}
			}
			return []Finding{l.shadowFinding("", top.top, f, fmt.Sprintf("%s; %s more flows of %d networks likewise",
				l.taken(top.top, f), atLeast(total-1, capped), len(found)))}
		case capped && s.flows == 1:
			effect += "; how many more flows likewise was not counted"
		case s.flows == 2:
			effect += "; 1 more flow likewise"
		case s.flows > 2:
			effect += fmt.Sprintf("; %s more flows likewise", atLeast(s.flows-1, capped))
		}
		out = append(out, l.shadowFinding(l.NetworkName(id), s.top, f, effect))
	}
	return out
}

// atLeast is n as a number, or more of them where not all were counted.
func atLeast(n int, capped bool) string {
	if capped {
		return fmt.Sprintf("at least %d", n)
	}
	return fmt.Sprint(n)
}

// takes reports whether f takes frames from w that would fare otherwise there.
func (l *look) takes(f, w *flow.Flow, x *index) bool {
	switch {
	case f.Actions.Equal(w.Actions): // both dropping among them
		return false
	case f.Priority == w.Priority && covers(f.Match, w.Match) && covers(w.Match, f.Match):
		return false // stands in its place, which is told of as such
	}
	m := meet(f.Match, w.Match)
	return !x.covered(m, f.Priority, true) && !x.covered(m, w.Priority, false)
}

// taken says what follows from f lying over w.
func (l *look) taken(w, f *flow.Flow) string {
	effect := l.change(w, f)
	if part := beyond(f.Match, w.Match); part != nil {
		effect = fmt.Sprintf("for frames with %s: %s", part, effect)
	}
	if f.Priority == w.Priority {
		effect = "should the switch prefer it, of two of one priority: " + effect
	}
	return effect
}

func (l *look) shadowFinding(network string, w, f *flow.Flow, effect string) Finding {
	return Finding{Host: l.Host, Bridge: l.Name, Network: network, Kind: ShadowedFlow,
		Want: w.Text(), Got: f.String(), Effect: effect, Note: l.removal(f)}
}

// removal is how the operator can take away another program's flow, which we
// never do.
func (l *look) removal(f *flow.Flow) string {
	match := f.Match.String()
	if match != "" {
		match = "," + match
	}
	return fmt.Sprintf(`never touched, for it is another program's; to remove it on %s: ovs-ofctl -O OpenFlow13 --strict del-flows %s "cookie=%#x/-1,table=%d,priority=%d%s"`,
		l.Host, l.Name, f.Cookie, f.Table, f.Priority, match)
}

// harmless reports whether f takes frames by intent, and lets none of those
// that it passes go astray: NORMAL knows no networks, so it may only be used
// where a bridge has no more than one.
func (l *look) harmless(f *flow.Flow) bool {
	return l.filter(f) != "" && (len(f.Actions) == 0 || l.networks <= 1)
}

// filter names what f is if it is there to keep a VM to what it may send and
// get, "" otherwise. It is such a flow if it stands in table 0, either drops or
// is NORMAL, and
//
//   - is one of XenServer's VIF locking: cookie 1, a priority from 4000 to
//     8000, of one VIF's port;
//   - or is a rule, as Xen Orchestra makes them: for one EtherType, and of one
//     MAC address, or of one port with an IP address, a TCP or UDP port or a
//     type of ICMP. Of a tunnel's port such rules are for one VLAN or for none.
//
// What drops all frames of a port or an address, or a group's, is no such flow.
func (l *look) filter(f *flow.Flow) string {
	if f.Table != pipeline.TableClassify || len(f.Actions) > 1 || len(f.Actions) == 1 && f.Actions[0] != flow.Action(flow.Output{Port: flow.PortNormal}) {
		return ""
	}
	port := inPort(f)
	if f.Cookie == 1 && f.Priority >= 4000 && f.Priority <= 8000 && l.vifs[port] {
		return "the VIF lock of " + l.portName(port)
	}
	if x, ok := f.Match.Get(flow.EthType.Field()); !ok || x.Mask != "" {
		return ""
	}
	for _, n := range []flow.Name{flow.EthSrc, flow.EthDst} {
		if x, ok := f.Match.Get(n.Field()); ok && x.Mask == "" && len(x.Value) == 6 && x.Value[0]&1 == 0 {
			return "a filter of " + l.addressOwner(x)
		}
	}
	if _, tagged := f.Match.Get(flow.VLANVID.Field()); l.vifs[port] || port != 0 && tagged {
		for _, n := range [...]flow.Name{flow.IPv4Src, flow.IPv4Dst, flow.IPv6Src, flow.IPv6Dst, flow.ARPSPA, flow.ARPTPA, flow.NDTarget,
			flow.TCPSrc, flow.TCPDst, flow.UDPSrc, flow.UDPDst, flow.ICMPv4Type, flow.ICMPv6Type} {
			if _, ok := f.Match.Get(n.Field()); ok {
				return "a filter of " + l.portName(port)
			}
		}
	}
	return ""
}

// listed reports other programs' flows, each with what it is.
func (l *look) listed() []Finding {
	if !l.Foreign {
		return nil
	}
	var out []Finding
	for i := range l.Got {
		f := &l.Got[i]
		if pipeline.Owned(f.Cookie) {
			continue
		}
		what := cmp.Or(l.filter(f), "another program's flow")
		out = append(out, Finding{Host: l.Host, Bridge: l.Name, Kind: ForeignFlow, Got: f.String(), Effect: what + ", which is left alone"})
	}
	return out
}
