package forward

import (
	"encoding/binary"
	"fmt"
	"slices"

	"ovsmesh/openflow/flow"
)

// GroupType is what a group does with its buckets, OpenFlow 1.3.5 §5.6.1.
type GroupType uint8

// The types, by their numbers on the wire.
const (
	GroupAll      GroupType = 0
	GroupSelect   GroupType = 1
	GroupIndirect GroupType = 2
	GroupFailover GroupType = 3
)

// Group is a group of a switch.
type Group struct {
	ID      uint32
	Type    GroupType
	Buckets []Bucket
}

// Bucket is one list of actions of a group.
type Bucket struct {
	Weight     uint16
	WatchPort  uint32 // flow.PortAny: none
	WatchGroup uint32 // flow.PortAny: none
	Actions    flow.Actions
}

// ParseBuckets reads buckets as they stand in a group-desc reply of OpenFlow
// 1.3 (§7.3.5.7). Their actions are kept as bytes.
func ParseBuckets(b string) ([]Bucket, error) {
	var list []Bucket
	for len(b) > 0 {
		if len(b) < 16 {
			return nil, fmt.Errorf("bucket of %d bytes", len(b))
		}
		n := int(be16([]byte(b)))
		if n < 16 || n > len(b) {
			return nil, fmt.Errorf("bucket of length %d, with %d bytes left", n, len(b))
		}
		k := Bucket{Weight: be16([]byte(b[2:])), WatchPort: binary.BigEndian.Uint32([]byte(b[4:])), WatchGroup: binary.BigEndian.Uint32([]byte(b[8:]))}
		for a := b[16:n]; len(a) > 0; {
			if len(a) < 8 {
				return nil, fmt.Errorf("action of %d bytes in a bucket", len(a))
			}
			size := int(be16([]byte(a[2:])))
			if size < 8 || size > len(a) {
				return nil, fmt.Errorf("action of length %d in a bucket, with %d bytes left", size, len(a))
			}
			k.Actions = append(k.Actions, flow.Raw{Bytes: a[:size]})
			a = a[size:]
		}
		list, b = append(list, k), b[n:]
	}
	return list, nil
}

// group hands a frame to a group. Each bucket gets a copy.
func (x *run) group(id uint32, f *Frame) {
	g := x.b.groups[id]
	if g == nil {
		if x.b.groups == nil {
			x.doubt(fmt.Sprintf("group %d is not known", id))
		}
		return
	}
	if x.depth >= maxResubmitDepth || x.resubmits >= maxResubmits {
		x.doubt("the frame is dropped: more groups than a switch carries out")
		x.depth = -1
		return
	}
	x.resubmits++
	x.depth++
	for _, k := range x.chosen(g) {
		x.bucket(ordered(actsOf(k.Actions)), *f)
		if x.depth < 0 {
			return
		}
	}
	x.depth--
}

// chosen returns the buckets that a frame goes to.
func (x *run) chosen(g *Group) []Bucket {
	if g.Type == GroupAll || g.Type == GroupIndirect {
		return g.Buckets
	}
	var alive []Bucket
	for _, k := range g.Buckets {
		if x.b.alive(k) && (g.Type == GroupFailover || k.Weight > 0) {
			alive = append(alive, k)
		}
	}
	if len(alive) == 0 {
		return nil
	}
	if g.Type == GroupSelect && len(alive) > 1 {
		x.doubt(fmt.Sprintf("group %d picks one of %d buckets by a hash: the first one is followed", g.ID, len(alive)))
	}
	return alive[:1]
}

// alive reports whether what a bucket watches is up.
func (b *Bridge) alive(k Bucket) bool {
	if k.WatchPort == flow.PortAny && k.WatchGroup == flow.PortAny {
		return true
	}
	return b.aliveGroups[k.WatchGroup] ||
		slices.ContainsFunc(b.ports, func(p Port) bool { return p.Number == k.WatchPort && !p.Down })
}

// findAlive notes the groups of which a bucket is alive. Groups may watch one
// another in any way, round and round too, so it begins with those that need
// no others.
func (b *Bridge) findAlive() {
	b.aliveGroups = map[uint32]bool{}
	watchers := map[uint32][]uint32{}
	var next []uint32
	for id, g := range b.groups {
		if slices.ContainsFunc(g.Buckets, b.alive) {
			next = append(next, id)
		}
		for _, k := range g.Buckets {
			watchers[k.WatchGroup] = append(watchers[k.WatchGroup], id)
		}
	}
	for len(next) > 0 {
		last := len(next) - 1
		id := next[last]
		if next = next[:last]; !b.aliveGroups[id] {
			b.aliveGroups[id] = true
			next = append(next, watchers[id]...)
		}
	}
}
