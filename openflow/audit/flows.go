package audit

import (
	"slices"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// Bridge is one bridge's flows, wanted and found.
type Bridge struct {
	Host    string
	Name    string
	Want    []flow.Flow
	Got     []flow.Flow // all that the switch holds, others' too
	Network func(id uint32) string
	Port    func(ofport uint32) string // a VIF's name, or the peer's host for a tunnel; "": not known
	MAC     func(mac [6]byte) string   // whose address it is; nil, "": not known
	Foreign bool                       // report others' flows too
}

// Flows compares a bridge's flows. The findings are sorted.
func Flows(b Bridge) []Finding {
	var ours, foreign []flow.Flow
	for _, f := range b.Got {
		if pipeline.Owned(f.Cookie) {
			ours = append(ours, f)
		} else {
			foreign = append(foreign, f)
		}
	}
	held := make(map[flow.Key]*flow.Flow, len(ours))
	for i := range ours {
		held[ours[i].Key()] = &ours[i]
	}
	taken := make(map[flow.Key]*flow.Flow, len(foreign))
	for i := range foreign {
		taken[foreign[i].Key()] = &foreign[i]
	}
	d := flow.Diff(b.Want, ours)
	var out []Finding
	for i := range d.Modify {
		w := &d.Modify[i]
		g := held[w.Key()]
		want, got := w.Text(), g.Text()
		if want == got { // they differ in the cookie alone
			want, got = w.String(), g.String()
		}
		out = append(out, b.finding(ChangedFlow, w, want, got))
	}
	stray := byContent(d.Delete)
	for i := range d.Add {
		w := &d.Add[i]
		if f, ok := taken[w.Key()]; ok {
			out = append(out, b.finding(ShadowedFlow, w, w.Text(), f.String()))
			delete(taken, w.Key())
			continue
		}
		if g := stray.take(w); g != nil {
			out = append(out, b.finding(MisplacedFlow, w, w.Text(), g.Text()))
			continue
		}
		out = append(out, b.finding(MissingFlow, w, w.Text(), ""))
	}
	for _, g := range stray.left(d.Delete) {
		out = append(out, b.finding(UnexpectedFlow, g, "", g.Text()))
	}
	out = append(out, b.swallowed(foreign)...)
	if b.Foreign {
		for i := range foreign {
			out = append(out, Finding{Host: b.Host, Bridge: b.Name, Kind: ForeignFlow, Got: foreign[i].String()})
		}
	}
	Sort(out)
	return out
}

// swallowed finds foreign flows of table 0 that match everything at a priority
// above all of ours there: nothing reaches our tables then.
func (b *Bridge) swallowed(foreign []flow.Flow) []Finding {
	var top *flow.Flow
	for i := range b.Want {
		if w := &b.Want[i]; w.Table == 0 && (top == nil || w.Priority > top.Priority) {
			top = w
		}
	}
	var out []Finding
	for _, f := range foreign {
		if top != nil && f.Table == 0 && len(f.Match) == 0 && f.Priority > top.Priority {
			out = append(out, Finding{Host: b.Host, Bridge: b.Name, Kind: ShadowedFlow,
				Want: top.Text(), Got: f.String(), Effect: "another program's flow takes every frame on " + b.Name})
		}
	}
	return out
}

func (b *Bridge) finding(kind string, f *flow.Flow, want, got string) Finding {
	out := Finding{Host: b.Host, Bridge: b.Name, Kind: kind, Want: want, Got: got}
	if id := pipeline.NetworkOf(f.Cookie); id != 0 && b.Network != nil {
		out.Network = b.Network(id)
	}
	out.Effect = b.effect(kind, f)
	return out
}

// content is a flow without its place.
type content struct{ match, actions string }

func contentOf(f *flow.Flow) content { return content{f.Match.String(), f.Actions.String()} }

// strays are flows by content, those already taken left out.
type strays map[content][]*flow.Flow

func byContent(flows []flow.Flow) strays {
	s := make(strays, len(flows))
	for i := range flows {
		c := contentOf(&flows[i])
		s[c] = append(s[c], &flows[i])
	}
	return s
}

// take returns a flow that is w in another place, once, or nil.
func (s strays) take(w *flow.Flow) *flow.Flow {
	c := contentOf(w)
	list := s[c]
	for i, g := range list {
		if pipeline.NetworkOf(g.Cookie) == pipeline.NetworkOf(w.Cookie) {
			s[c] = slices.Delete(list, i, i+1)
			return g
		}
	}
	return nil
}

// left returns those of flows that were not taken, in their order.
func (s strays) left(flows []flow.Flow) []*flow.Flow {
	var out []*flow.Flow
	for i := range flows {
		if slices.Contains(s[contentOf(&flows[i])], &flows[i]) {
			out = append(out, &flows[i])
		}
	}
	return out
}
