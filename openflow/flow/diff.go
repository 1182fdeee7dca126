package flow

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Key is what makes a flow one and the same entry of a switch, OpenFlow 1.3.5
// §5.2: a flow-mod of the same key replaces it.
type Key struct {
	Table    uint8
	Priority uint16
	Match    string // the fields' bytes; equal for equal matches only
}

// Key returns the identity of f.
func (f *Flow) Key() Key { return Key{f.Table, f.Priority, f.Match.bytes()} }

// bytes returns m as a string that no other match has. It is cheaper than the
// text: of large tables, keys are most of what a difference costs.
func (m Match) bytes() string {
	b := make([]byte, 0, 64)
	for _, x := range m {
		b = binary.BigEndian.AppendUint16(b, x.Field.Class)
		b = append(b, x.Field.ID)
		b = binary.BigEndian.AppendUint32(b, x.Field.Exp)
		b = binary.AppendUvarint(b, uint64(len(x.Value)))
		b = append(b, x.Value...)
		b = binary.AppendUvarint(b, uint64(len(x.Mask)))
		b = append(b, x.Mask...)
	}
	return string(b)
}

// Compare orders keys as people read tables: by table, higher priority first,
// then by the fields of the match and their values.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Table, o.Table), cmp.Compare(o.Priority, k.Priority), cmp.Compare(k.Match, o.Match))
}

// Equal reports whether f and o are the same entry with the same cookie,
// timeouts, flags and actions.
func (f *Flow) Equal(o *Flow) bool { return f.Key() == o.Key() && f.same(o) }

// same compares what is no part of the key.
func (f *Flow) same(o *Flow) bool {
	return f.Cookie == o.Cookie && f.IdleTimeout == o.IdleTimeout && f.HardTimeout == o.HardTimeout &&
		f.Flags == o.Flags && f.Actions.Equal(o.Actions)
}

// Sort orders flows by their keys, in place.
func Sort(flows []Flow) {
	items := make([]keyed, len(flows))
	for i := range flows {
		items[i] = keyed{flows[i].Key(), flows[i]}
	}
	slices.SortStableFunc(items, func(a, b keyed) int { return a.key.Compare(b.key) })
	for i := range items {
		flows[i] = items[i].flow
	}
}

type keyed struct {
	key  Key
	flow Flow
}

// Delta is what turns one set of flows into another, each list sorted by key.
type Delta struct {
	Add    []Flow // keys that are missing
	Modify []Flow // as wanted, where the key is there with another cookie, timeout, flag or action
	Delete []Flow // as they are there
}

// Empty reports whether there is nothing to do.
func (d Delta) Empty() bool { return len(d.Add)+len(d.Modify)+len(d.Delete) == 0 }

// Diff returns what turns got into want. All of got counts as ours: flows of
// others must have been left out by their cookies, or they would be deleted.
// Of two flows of one key in a list the later one counts, as on a switch.
func Diff(want, got []Flow) Delta {
	there := make(map[Key]*Flow, len(got))
	for i := range got {
		there[got[i].Key()] = &got[i]
	}
	wanted := make(map[Key]*Flow, len(want))
	for i := range want {
		wanted[want[i].Key()] = &want[i]
	}
	var d Delta
	for k, w := range wanted {
		switch g, ok := there[k]; {
		case !ok:
			d.Add = append(d.Add, *w)
		case !w.same(g):
			d.Modify = append(d.Modify, *w)
		}
	}
	for k, g := range there {
		if _, ok := wanted[k]; !ok {
			d.Delete = append(d.Delete, *g)
		}
	}
	Sort(d.Add)
	Sort(d.Modify)
	Sort(d.Delete)
	return d
}
