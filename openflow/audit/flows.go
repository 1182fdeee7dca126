package audit

import (
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
	Port    func(ofport uint32) string // a VIF's name, or the peer's host for a tunnel; nil, "": not known
	MAC     func(mac [6]byte) string   // whose address it is; nil, "": not known
	Foreign bool                       // report others' flows too
}

// Flows compares a bridge's flows. The findings are sorted.
//
// A wanted flow that the switch does not hold is misplaced if one of ours of
// the same network, match and actions stands where none is wanted; shadowed if
// another program's has its table, priority and match; else missing. Flows of
// ours that are meant to lie under others of ours are none of these.
func Flows(b Bridge) []Finding {
	l := newLook(b)
	d := flow.Diff(b.Want, l.ours)
	if len(d.Add)+len(d.Modify) > 0 {
		l.sort()
	}
	var out []Finding
	for i := range d.Modify {
		w := &d.Modify[i]
		g := l.held[w.Key()]
		want, got := w.Text(), g.Text()
		if want == got { // they differ in the cookie alone
			want, got = w.String(), g.String()
		}
		out = append(out, l.finding(ChangedFlow, w, want, got, l.change(w, g)))
	}
	stray := newStrays(d.Delete)
	for i := range d.Add {
		w := &d.Add[i]
		if f, ok := l.foreign[w.Key()]; ok {
			out = append(out, l.shadowFinding(l.NetworkName(pipeline.NetworkOf(w.Cookie)), w, f, l.shadowed(w, f)))
			continue
		}
		if g := stray.take(w); g != nil {
			out = append(out, l.finding(MisplacedFlow, w, w.Text(), g.Text(), l.misplaced(w, g)))
			continue
		}
		out = append(out, l.finding(MissingFlow, w, w.Text(), "", l.lack(w)))
	}
	for i := range d.Delete {
		if g := &d.Delete[i]; stray.has(g) {
			out = append(out, l.finding(UnexpectedFlow, g, "", g.Text(), l.unexpected(g)))
		}
	}
	out = append(out, l.shadows()...)
	out = append(out, l.listed()...)
	Sort(out)
	return out
}

func (b *Bridge) finding(kind string, f *flow.Flow, want, got, effect string) Finding {
	out := Finding{Host: b.Host, Bridge: b.Name, Kind: kind, Want: want, Got: got, Effect: effect}
	out.Network = b.NetworkName(pipeline.NetworkOf(f.Cookie))
	return out
}

// look is a bridge with its flows told apart.
type look struct {
	Bridge
	ours     []flow.Flow
	vifs     map[uint32]bool // ports of VMs
	networks int             // on the bridge
	top      *flow.Flow      // the first wanted one of table 0; nil where there is none
	counted  int             // flows that suffer from others', see countedFlows

	// See sort.
	held    map[flow.Key]*flow.Flow // ours
	foreign map[flow.Key]*flow.Flow
	done    map[task]bool // wanted flows that the switch holds, by what they do
}

// task is what a flow does that others rely on.
type task struct {
	reason  pipeline.Reason
	network uint32
	port    uint32
}

func newLook(b Bridge) *look {
	l := &look{Bridge: b, ours: make([]flow.Flow, 0, len(b.Got)), vifs: map[uint32]bool{}}
	for i := range b.Got {
		if g := &b.Got[i]; pipeline.Owned(g.Cookie) {
			l.ours = append(l.ours, *g)
		}
	}
	networks := map[uint32]bool{}
	for i := range b.Want {
		w := &b.Want[i]
		if id := pipeline.NetworkOf(w.Cookie); id != 0 && !networks[id] {
			networks[id] = true
			l.networks++
		}
		if w.Table == 0 && (l.top == nil || w.Priority >= l.top.Priority && w.Key().Compare(l.top.Key()) < 0) {
			l.top = w // keys of higher priority come first
		}
		switch pipeline.ReasonOf(w.Cookie) {
		case pipeline.ClassifyVIF, pipeline.LearnVIF:
			if port := inPort(w); port != 0 {
				l.vifs[port] = true
			}
		}
	}
	return l
}

// sort puts flows in order by their keys, and notes which of those are there
// that others rely on. Where nothing is missing or other, nobody asks for that.
func (l *look) sort() {
	l.held, l.foreign, l.done = map[flow.Key]*flow.Flow{}, map[flow.Key]*flow.Flow{}, map[task]bool{}
	for i := range l.Got {
		if g := &l.Got[i]; pipeline.Owned(g.Cookie) {
			l.held[g.Key()] = g
		} else {
			l.foreign[g.Key()] = g
		}
	}
	for i := range l.Want {
		w := &l.Want[i]
		switch r := pipeline.ReasonOf(w.Cookie); r {
		case pipeline.ClassifyTunnel, pipeline.UnknownToFlood:
			if g := l.held[w.Key()]; g != nil && g.Actions.Equal(w.Actions) {
				l.done[task{r, pipeline.NetworkOf(w.Cookie), inPort(w)}] = true
			}
		}
	}
}

// stands reports whether the switch holds the wanted flow of a reason for the
// network and port of f.
func (l *look) stands(r pipeline.Reason, f *flow.Flow) bool {
	if l.done == nil {
		l.sort()
	}
	return l.done[task{r, pipeline.NetworkOf(f.Cookie), inPort(f)}]
}
