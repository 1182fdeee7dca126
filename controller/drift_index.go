package controller

import (
	"hash/maphash"

	"ovsmesh/openflow/flow"
)

// flowIndex tells which network's a flow may be, by the hash of its key. It is
// made when somebody first asks, which is when others change flows of theirs on
// the bridge, and follows by the networks that have changed since. What it says
// has to be checked: it forgets late. The zero value is empty.
type flowIndex struct {
	seed  maphash.Seed
	of    map[uint64]uint32 // nil: nobody has asked
	size  int               // of it, when it was made anew
	stale map[uint32]struct{}
}

// changed notes that the flows of a network are other ones.
func (x *flowIndex) changed(id uint32) {
	if x.of != nil {
		x.stale[id] = struct{}{}
	}
}

// network returns the network that may have a flow of that key.
func (x *flowIndex) network(installed map[uint32][]flow.Flow, k flow.Key) (uint32, bool) {
	switch {
	case x.of == nil || len(x.of) > 2*x.size+1024:
		*x = flowIndex{seed: maphash.MakeSeed(), of: map[uint64]uint32{}, stale: map[uint32]struct{}{}}
		for id, fs := range installed {
			x.add(id, fs)
		}
		x.size = len(x.of)
	case len(x.stale) > 0:
		for id := range x.stale {
			x.add(id, installed[id])
		}
		clear(x.stale)
	}
	id, ok := x.of[maphash.Comparable(x.seed, k)]
	return id, ok
}

func (x *flowIndex) add(id uint32, fs []flow.Flow) {
	for i := range fs {
		x.of[maphash.Comparable(x.seed, fs[i].Key())] = id
	}
}

// holds reports whether one of flows has that key.
func holds(flows []flow.Flow, k flow.Key) bool {
	for i := range flows {
		if flows[i].Table == k.Table && flows[i].Priority == k.Priority && flows[i].Key() == k {
			return true
		}
	}
	return false
}
