package topology

import (
	"fmt"
	"slices"
	"strings"
)

// A pool's bound is a key below which all of its keys are in use, so that the
// lowest free one is found without looking at those again. It is only ever
// too low, never too high.

func (in *Intent) resetBounds() {
	in.keyBounds = make(map[KeyPool]uint64, len(in.pools))
	for _, p := range in.pools {
		in.keyBounds[p] = uint64(p.Range.First)
	}
}

func (in *Intent) lowerKeyBound(encap Encap, key uint32) {
	for p, b := range in.keyBounds {
		if p.Encap == encap && p.Range.Contains(key) {
			in.keyBounds[p] = min(b, uint64(key))
		}
	}
}

func (in *Intent) raiseBounds() {
	for p, b := range in.keyBounds {
		for b <= uint64(p.Range.Last) && in.keys[tunnelKey{p.Encap, uint32(b)}] != "" {
			b++
		}
		in.keyBounds[p] = b
	}
	for in.hostIDs[in.hostIDBound] != "" {
		in.hostIDBound++
	}
}

// keyDraw gives out the lowest free keys while a change is planned.
type keyDraw struct {
	in    *Intent
	taken map[tunnelKey]string // networks of the change; "" is freed by it
	pools []KeyPool            // as the change leaves them
	next  map[KeyPool]uint64
}

// owner returns which network has a key once the change is made, "" for none.
func (d *keyDraw) owner(k tunnelKey) string {
	if name, ok := d.taken[k]; ok {
		return name
	}
	return d.in.keys[k]
}

// start sets where to look first; taken must hold the freed keys by then.
func (d *keyDraw) start() {
	d.next = make(map[KeyPool]uint64, len(d.pools))
	for _, p := range d.pools {
		if b, ok := d.in.keyBounds[p]; ok {
			d.next[p] = b
		} else {
			d.next[p] = uint64(p.Range.First)
		}
	}
	for k, owner := range d.taken {
		if owner != "" {
			continue
		}
		for p, b := range d.next {
			if p.Encap == k.encap && p.Range.Contains(k.key) {
				d.next[p] = min(b, uint64(k.key))
			}
		}
	}
}

// draw takes the lowest free key of the first pool that has one. The error is
// for people.
func (d *keyDraw) draw(encap Encap, network string) (uint32, error) {
	some := false
	for _, p := range d.pools {
		if p.Encap != encap {
			continue
		}
		some = true
		for n := d.next[p]; n <= uint64(p.Range.Last); n++ {
			d.next[p] = n + 1
			k := tunnelKey{encap, uint32(n)}
			if d.owner(k) == "" {
				d.taken[k] = network
				return k.key, nil
			}
		}
	}
	if !some {
		return 0, fmt.Errorf("there is no key pool for %s: name a key here, or add one to keyPools", encap)
	}
	return 0, d.exhausted(encap)
}

func (d *keyDraw) exhausted(encap Encap) error {
	var ranges []string
	var size uint64
	for _, p := range d.pools {
		if p.Encap == encap {
			ranges = append(ranges, p.Range.String())
			size += p.Range.Size()
		}
	}
	return fmt.Errorf("key pool for %s (%s) is exhausted: %d of %d keys are in use", encap, strings.Join(ranges, ", "), size, size)
}

// mergePools returns the pools that there are after a spec. A pool that the
// spec lists replaces those of its encapsulation that it overlaps: it is the
// same pool, grown or shrunk. Keys in use outside all pools stay with their
// networks, since a network keeps its key for as long as it lives.
func mergePools(have, spec []KeyPool, prune bool, c *Change) []KeyPool {
	pools := slices.Clone(have)
	for _, p := range spec {
		if slices.Contains(pools, p) {
			c.item(KindKeyPools, p.Name(), VerbUnchanged)
			continue
		}
		at := -1
		var was []string
		kept := pools[:0:0]
		for _, o := range pools {
			if o.Encap != p.Encap || !o.Range.Overlaps(p.Range) {
				kept = append(kept, o)
				continue
			}
			if at < 0 {
				at = len(kept)
				kept = append(kept, p)
			}
			was = append(was, o.Range.String())
		}
		if at < 0 {
			kept = append(kept, p)
			c.item(KindKeyPools, p.Name(), VerbCreated)
		} else {
			c.item(KindKeyPools, p.Name(), VerbUpdated, fmt.Sprintf("range: %s → %s", strings.Join(was, ", "), p.Range))
		}
		pools = kept
	}
	if prune {
		pools = slices.DeleteFunc(pools, func(p KeyPool) bool {
			if slices.Contains(spec, p) {
				return false
			}
			c.item(KindKeyPools, p.Name(), VerbDeleted)
			return true
		})
	}
	return pools
}
