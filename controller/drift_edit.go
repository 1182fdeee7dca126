package controller

import (
	"slices"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/wire"
)

// edits is what a bridge's switch has told of changes, in the making: networks
// that nobody has touched are not looked at.
type edits struct {
	b        *bridge
	networks map[uint32]*edit
	foreign  map[flow.Key]flow.Flow // others' flows that stand in the place of ours
}

// update takes over one change.
func (e *edits) update(k flow.Key, u *wire.FlowUpdate) {
	switch {
	case pipeline.Owned(u.Flow.Cookie):
		e.ours(k, u)
	case u.Event == wire.UpdateRemoved:
		if id, ours := e.b.networkOf(&u.Flow); ours { // the plugin's, that we have not taken away yet
			e.network(id).remove(k)
		}
		e.strangerGone(k)
	case e.b.isPlugins(&u.Flow):
		id, _ := e.b.networkOf(&u.Flow)
		e.network(id).put(k, u.Flow, false)
	default:
		e.stranger(k, &u.Flow)
	}
}

// ours takes over a change of a flow with our mark.
func (e *edits) ours(k flow.Key, u *wire.FlowUpdate) {
	n := e.network(pipeline.NetworkOf(u.Flow.Cookie))
	if u.Event == wire.UpdateRemoved {
		n.remove(k)
		return
	}
	delete(e.foreign, k)
	if !e.b.drift.fights.concedes(k) {
		delete(e.b.strangers, k)
	}
	n.put(k, u.Flow, u.Event == wire.UpdateAdded && !e.b.isStranger(k))
}

// stranger takes over a flow of somebody else that is there now. In the place of
// one of ours it is nothing that ours must yield to.
func (e *edits) stranger(k flow.Key, f *flow.Flow) {
	if e.b.isStranger(k) {
		return
	}
	if _, known := e.foreign[k]; !known {
		id, ours := e.b.drift.index.network(e.b.installed, k)
		if !ours || !e.network(id).remove(k) {
			e.b.strangers[k] = struct{}{}
			return
		}
	}
	e.foreign[k] = *f
}

// strangerGone takes over that a flow of somebody else is no longer there. Ours
// that had yielded to it may go there now.
func (e *edits) strangerGone(k flow.Key) {
	delete(e.foreign, k)
	if e.b.drift.fights.concedes(k) {
		return
	}
	delete(e.b.strangers, k)
	if id, waits := e.b.drift.waiting[k]; waits {
		delete(e.b.drift.waiting, k)
		e.b.dirty[id] = struct{}{}
	}
}

func (e *edits) network(id uint32) *edit {
	n := e.networks[id]
	if n == nil {
		n = newEdit(e.b.installed[id])
		e.networks[id] = n
	}
	return n
}

// edit is one network's flows in the making.
type edit struct {
	old   []flow.Flow
	flows []flow.Flow // its own copy once something is other
	at    map[flow.Key]int
	hit   map[flow.Key]bool // what was told of, and whether that it was added
}

func newEdit(old []flow.Flow) *edit {
	n := &edit{old: old, flows: slices.Clone(old), at: make(map[flow.Key]int, len(old)), hit: map[flow.Key]bool{}}
	for i := range old {
		n.at[old[i].Key()] = i
	}
	return n
}

// remove takes a flow out, and reports whether it was there.
func (n *edit) remove(k flow.Key) bool {
	n.hit[k] = false
	_, there := n.at[k]
	delete(n.at, k)
	return there
}

func (n *edit) put(k flow.Key, f flow.Flow, added bool) {
	n.hit[k] = n.hit[k] || added
	n.at[k] = len(n.flows)
	n.flows = append(n.flows, f)
}

// result returns the flows as they are, and the keys of those that are other
// than they were. It reports doubt where one was added that is as it was, as far
// as has been told: its flags are not, and only an add can change them.
func (n *edit) result() (now []flow.Flow, differ []flow.Key, doubt bool) {
	before := map[flow.Key]*flow.Flow{}
	for i := range n.old {
		k := n.old[i].Key()
		if _, hit := n.hit[k]; hit {
			before[k] = &n.old[i]
		}
	}
	for k, added := range n.hit {
		was := before[k]
		at, is := n.at[k]
		if is != (was != nil) || is && !was.Equal(&n.flows[at]) {
			differ = append(differ, k)
		} else if is && added {
			doubt = true
		}
	}
	if len(differ) == 0 {
		return n.old, nil, doubt
	}
	slices.SortFunc(differ, flow.Key.Compare)
	order := make([]int, 0, len(n.at))
	for _, at := range n.at {
		order = append(order, at)
	}
	slices.Sort(order)
	now = make([]flow.Flow, len(order))
	for i, at := range order {
		now[i] = n.flows[at]
	}
	return now, differ, doubt
}
