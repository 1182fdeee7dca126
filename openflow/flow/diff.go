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
func (f *Flow) Key() Key {
	return Key{f.Table, f.Priority, string(f.Match.appendBytes(make([]byte, 0, 64)))}
}

// appendBytes appends m as bytes that no other match has. They are cheaper than
// the text: of large tables, keys are most of what a difference costs.
func (m Match) appendBytes(b []byte) []byte {
	for _, x := range m {
		b = binary.BigEndian.AppendUint16(b, x.Field.Class)
		b = append(b, x.Field.ID)
		b = binary.BigEndian.AppendUint32(b, x.Field.Exp)
		b = binary.AppendUvarint(b, uint64(len(x.Value)))
		b = append(b, x.Value...)
		b = binary.AppendUvarint(b, uint64(len(x.Mask)))
		b = append(b, x.Mask...)
	}
	return b
}

// keysOf returns the keys of all flows; their strings are parts of one.
func keysOf(flows []Flow) []Key {
	b := make([]byte, 0, 48*len(flows))
	ends := make([]int, len(flows))
	for i := range flows {
		b = flows[i].Match.appendBytes(b)
		ends[i] = len(b)
	}
	all, start := string(b), 0
	keys := make([]Key, len(flows))
	for i, end := range ends {
		keys[i] = Key{flows[i].Table, flows[i].Priority, all[start:end]}
		start = end
	}
	return keys
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
	sorted := true
	for i := 1; i < len(flows) && sorted; i++ {
		sorted = compare(&flows[i-1], &flows[i]) <= 0
	}
	if sorted {
		return
	}
	order := make([]int32, len(flows))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return compare(&flows[a], &flows[b]) })
	out := make([]Flow, len(flows))
	for i, at := range order {
		out[i] = flows[at]
	}
	copy(flows, out)
}

// compare orders flows as Key.Compare does, without the keys.
func compare(f, o *Flow) int {
	if c := cmp.Or(cmp.Compare(f.Table, o.Table), cmp.Compare(o.Priority, f.Priority)); c != 0 {
		return c
	}
	for i := range f.Match {
		if i == len(o.Match) {
			return 1
		}
		x, y := &f.Match[i], &o.Match[i]
		if c := x.Field.Compare(y.Field); c != 0 {
			return c
		}
		if c := cmp.Or(cmp.Compare(len(x.Value), len(y.Value)), cmp.Compare(x.Value, y.Value),
			cmp.Compare(len(x.Mask), len(y.Mask)), cmp.Compare(x.Mask, y.Mask)); c != 0 {
			return c
		}
	}
	return len(f.Match) - len(o.Match)
}

// ordered returns the indexes of keys in their order, those of equal ones in
// their own, and whether the keys are in that order already.
func ordered(keys []Key) (order []int32, sorted bool) {
	order, sorted = make([]int32, len(keys)), true
	for i := range order {
		order[i] = int32(i)
		sorted = sorted && (i == 0 || keys[i-1].Compare(keys[i]) <= 0)
	}
	if !sorted {
		slices.SortStableFunc(order, func(a, b int32) int { return keys[a].Compare(keys[b]) })
	}
	return order, sorted
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
	var d Delta
	w, g := newSet(want), newSet(got)
	for w.next() && g.next() {
		switch c := w.key().Compare(g.key()); {
		case c < 0:
			d.Add = append(d.Add, *w.take())
		case c > 0:
			d.Delete = append(d.Delete, *g.take())
		default:
			if wanted, there := w.take(), g.take(); !wanted.same(there) {
				d.Modify = append(d.Modify, *wanted)
			}
		}
	}
	for w.next() {
		d.Add = append(d.Add, *w.take())
	}
	for g.next() {
		d.Delete = append(d.Delete, *g.take())
	}
	return d
}

// set goes through flows in the order of their keys, of each key the last.
type set struct {
	flows []Flow
	keys  []Key
	order []int32
	at    int
}

func newSet(flows []Flow) *set {
	s := &set{flows: flows, keys: keysOf(flows)}
	s.order, _ = ordered(s.keys)
	return s
}

// next reports whether there is a flow left, and passes by those that a later
// one replaces.
func (s *set) next() bool {
	for s.at+1 < len(s.order) && s.keys[s.order[s.at]] == s.keys[s.order[s.at+1]] {
		s.at++
	}
	return s.at < len(s.order)
}

func (s *set) key() Key { return s.keys[s.order[s.at]] }

func (s *set) take() *Flow {
	f := &s.flows[s.order[s.at]]
	s.at++
	return f
}
