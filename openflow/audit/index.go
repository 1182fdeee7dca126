package audit

import (
	"slices"

	"ovsmesh/openflow/flow"
)

// index finds the flows of one table that overlap a match, or cover it, without
// looking at all of them. Flows are told apart by the few fields that nearly
// all of them have, each either wholly or not at all; what a flow demands
// beyond these is looked at one by one.
type index struct {
	entries []entry // the highest priority first
	shapes  []fieldSet
	views   map[view]map[indexKey][]int32 // entries by key, in their order; made when first needed
}

// entry is a flow in an index.
type entry struct {
	flow *flow.Flow
	ours bool // wanted; else another program's
	has  fieldSet
	key  indexKey
}

// view is the entries with a set of fields, by some of these.
type view struct{ has, by fieldSet }

// fieldSet is a set of the fields below; that of a flow that drops has one
// member more.
type fieldSet uint8

const dropping fieldSet = 1 << len(indexFields)

// indexKey holds the values of the fields of a set, the others zero.
type indexKey [indexWidth]byte

// indexField is a field that flows are told apart by: its last width bytes.
type indexField struct {
	name  flow.Name
	at    int
	width int
}

const indexWidth = 4 + 4 + 6 + 6 + 2 + 1

// indexFields is a table that nothing ever writes. Of the metadata it is the
// network's ID: whether a flow minds the bits above differs.
var indexFields = [...]indexField{
	{flow.InPort, 0, 4}, {flow.Metadata, 4, 4}, {flow.EthDst, 8, 6}, {flow.EthSrc, 14, 6}, {flow.EthType, 20, 2}, {flow.IPProto, 22, 1},
}

func keyOf(m flow.Match) (has fieldSet, key indexKey) {
	for n, f := range indexFields {
		x, ok := m.Get(f.name.Field())
		skip := len(x.Value) - f.width
		if !ok || skip < 0 || x.Mask != "" && !allOnes(x.Mask[min(skip, len(x.Mask)):], f.width) {
			continue
		}
		has |= 1 << n
		copy(key[f.at:f.at+f.width], x.Value[skip:])
	}
	return has, key
}

func allOnes(mask string, width int) bool {
	for i := range len(mask) {
		if mask[i] != 0xff {
			return false
		}
	}
	return len(mask) == width
}

// of returns the values of the fields in s alone.
func (k indexKey) of(s fieldSet) indexKey {
	var out indexKey
	for n, f := range indexFields {
		if s>>n&1 != 0 {
			copy(out[f.at:f.at+f.width], k[f.at:f.at+f.width])
		}
	}
	return out
}

// newIndex takes over flows; they are those of one table.
func newIndex(flows []entry) *index {
	x := &index{entries: flows, views: map[view]map[indexKey][]int32{}}
	slices.SortStableFunc(x.entries, func(a, b entry) int { return int(b.flow.Priority) - int(a.flow.Priority) })
	seen := map[fieldSet]bool{}
	for i := range x.entries {
		e := &x.entries[i]
		e.has, e.key = keyOf(e.flow.Match)
		if len(e.flow.Actions) == 0 {
			e.has |= dropping
		}
		if !seen[e.has] {
			seen[e.has] = true
			x.shapes = append(x.shapes, e.has)
		}
	}
	return x
}

func (x *index) view(v view) map[indexKey][]int32 {
	if m := x.views[v]; m != nil {
		return m
	}
	m := map[indexKey][]int32{}
	for i := range x.entries {
		if e := &x.entries[i]; e.has == v.has {
			k := e.key.of(v.by)
			m[k] = append(m[k], int32(i))
		}
	}
	x.views[v] = m
	return m
}

// below calls visit for every flow of ours that overlaps f and is of its
// priority or a lower one, until visit returns false. Where f drops, those that
// do so too are left out.
func (x *index) below(f *flow.Flow, visit func(*flow.Flow) bool) {
	has, key := keyOf(f.Match)
	for _, shape := range x.shapes {
		if len(f.Actions) == 0 && shape&dropping != 0 {
			continue
		}
		common := shape & has
		list := x.view(view{shape, common})[key.of(common)]
		from, _ := slices.BinarySearchFunc(list, f.Priority, func(i int32, p uint16) int { return int(p) - int(x.entries[i].flow.Priority) })
		for _, i := range list[from:] {
			if e := &x.entries[i]; e.ours && overlap(f.Match, e.flow.Match) && !visit(e.flow) {
				return
			}
		}
	}
}

// coverTries bounds how many flows that agree in their key covered looks at.
const coverTries = 256

// covered reports whether a flow of a higher priority takes every frame that
// matches m, of ours or, where any is set, of anybody. It may miss one among
// very many that are all alike.
func (x *index) covered(m flow.Match, priority uint16, any bool) bool {
	has, key := keyOf(m)
	for _, shape := range x.shapes {
		fields := shape &^ dropping
		if fields&^has != 0 {
			continue // demands a field that m does not
		}
		for n, i := range x.view(view{shape, fields})[key.of(fields)] {
			e := &x.entries[i]
			if e.flow.Priority <= priority || n >= coverTries {
				break
			}
			if (e.ours || any) && covers(e.flow.Match, m) {
				return true
			}
		}
	}
	return false
}
