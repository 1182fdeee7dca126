package forward

import (
	"cmp"
	"fmt"
	"slices"

	"ovsmesh/openflow/flow"
)

// table is the flows of a table. A frame or two are looked up by going through
// all flows; for more it is worth to sort these by what they match.
type table struct {
	flows []*flow.Flow
	asked int
	masks []maskGroup // by the highest priority of each; nil until they are made
	odd   []*flow.Flow
}

// asksBeforeIndex is after how many lookups a table is sorted.
const asksBeforeIndex = 4

// maskGroup are the flows that look at the same bits. Which of them match
// follows from these bits of a frame: there is a list of flows for each value
// that any of them wants.
type maskGroup struct {
	tests   []test
	highest uint16
	entries map[string][]*flow.Flow // by value; highest priority first
}

// test is some bytes of a frame that are looked at.
type test struct {
	at, width int
	mask      string // empty: all bits
}

// found is what a lookup has found so far.
type found struct {
	hit, also *flow.Flow
	clash     *flow.Flow   // of hit's priority; does something else
	maybe     []*flow.Flow // that can't be decided
}

func (r *found) sure(f *flow.Flow) {
	switch {
	case isConjunction(f):
		r.maybe = append(r.maybe, f)
	case r.hit == nil || f.Priority > r.hit.Priority:
		r.hit, r.also, r.clash = f, nil, nil
	case f.Priority < r.hit.Priority:
	case f.Actions.Equal(r.hit.Actions):
		r.also = f
	case r.clash == nil:
		r.clash = f
	}
}

// lookup returns the flow of the highest priority that matches a frame as if it
// had come in on a port, or nil; one of the same priority that matches too and
// does the same, or nil; and what makes that unsure.
func (b *Bridge) lookup(id uint8, port uint32, f *Frame) (hit, also *flow.Flow, unsure []string, err error) {
	t := b.tables[id]
	if t == nil {
		return nil, nil, nil, nil
	}
	in := [4]byte(f.fields[:4])
	copy(f.fields[:4], be32(port))
	transport := f.hideTransport()
	r := t.find(f)
	copy(f.fields[:4], in[:])
	copy(f.fields[atTransport:], transport)
	if r.clash != nil {
		err := fmt.Errorf("meets both %s and %s", r.hit, r.clash)
		if b.strict {
			return nil, nil, nil, err
		}
		unsure = append(unsure, "the frame "+err.Error()+", which have the same priority: the switch takes either")
	}
	for _, m := range r.maybe {
		if len(unsure) < maxUnsure && (r.hit == nil || m.Priority >= r.hit.Priority && !m.Actions.Equal(r.hit.Actions)) {
			unsure = append(unsure, fmt.Sprintf("whether the frame meets %s can't be told", m))
		}
	}
	return r.hit, r.also, unsure, nil
}

// maxUnsure is how many flows of a table are told that a frame may meet.
const maxUnsure = 8

func be32(v uint32) string {
	return string([]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// hideTransport takes from a fragment what a switch does not let its flows see,
// the ports or type and code of the transport, and returns it: flows take them for
// zero, also of the first fragment, which has them ("set-frags normal" of
// ovs-ofctl(8)). Actions see them, and flows the flags of TCP.
func (f *Frame) hideTransport() string {
	if f.Get(flow.IPFrag) == "\x00" {
		return ""
	}
	hidden := f.fields[atTransport:endTransport]
	was := string(hidden)
	clear(hidden)
	return was
}

func (t *table) find(f *Frame) found {
	var r found
	if t.masks == nil {
		if t.asked++; t.asked <= asksBeforeIndex {
			for _, e := range t.flows {
				if r.hit == nil || e.Priority >= r.hit.Priority {
					r.try(e, f)
				}
			}
			return r
		}
		t.index()
	}
	var key [keyBytes]byte
	for i := range t.masks {
		g := &t.masks[i]
		if r.hit != nil && g.highest < r.hit.Priority {
			break
		}
		for _, e := range g.entries[string(appendKey(key[:0], g.tests, f))] {
			if r.hit != nil && e.Priority < r.hit.Priority {
				break
			}
			r.sure(e)
		}
	}
	for _, e := range t.odd {
		r.try(e, f)
	}
	return r
}

// keyBytes is more than any mask needs to look at.
const keyBytes = fieldBytes

func appendKey(b []byte, tests []test, f *Frame) []byte {
	for _, x := range tests {
		start := len(b)
		b = append(b, f.fields[x.at:x.at+x.width]...)
		if x.mask != "" {
			for i := range len(x.mask) {
				b[start+i] &= x.mask[i]
			}
		}
	}
	return b
}

func (t *table) index() {
	byMask := map[string]int{}
	t.masks = []maskGroup{}
	var mask, value []byte
next:
	for _, e := range t.flows {
		mask, value = mask[:0], value[:0]
		tests := make([]test, 0, len(e.Match))
		for _, x := range e.Match {
			at, width := locate(x.Field)
			if width == 0 || len(x.Value) != width || x.Mask != "" && len(x.Mask) != width {
				t.odd = append(t.odd, e)
				continue next
			}
			tests = append(tests, test{at, width, x.Mask})
			// Registers share bytes with wider ones: where a field begins is not all.
			mask = append(append(mask, byte(at), byte(at>>8), byte(width), byte(len(x.Mask))), x.Mask...)
			start := len(value)
			value = append(value, x.Value...)
			for i := range len(x.Mask) {
				value[start+i] &= x.Mask[i]
			}
		}
		n, ok := byMask[string(mask)]
		if !ok {
			n = len(t.masks)
			byMask[string(mask)] = n
			t.masks = append(t.masks, maskGroup{tests: tests, entries: map[string][]*flow.Flow{}})
		}
		g := &t.masks[n]
		g.highest = max(g.highest, e.Priority)
		g.entries[string(value)] = append(g.entries[string(value)], e)
	}
	for i := range t.masks {
		for _, list := range t.masks[i].entries {
			slices.SortStableFunc(list, func(a, b *flow.Flow) int { return int(b.Priority) - int(a.Priority) })
		}
	}
	slices.SortStableFunc(t.masks, func(a, b maskGroup) int { return cmp.Compare(b.highest, a.highest) })
}

// try looks at one flow.
func (r *found) try(e *flow.Flow, f *Frame) {
	maybe := false
	for i := range e.Match {
		x := &e.Match[i]
		at, width := locate(x.Field)
		if width == len(x.Value) && width > 0 {
			if !equalMasked(f.fields[at:at+width], x.Value, x.Mask) {
				return
			}
			continue
		}
		got, ok := f.value(x.Field)
		if !ok || len(got) != len(x.Value) {
			maybe = true
		} else if !equalMasked([]byte(got), x.Value, x.Mask) {
			return
		}
	}
	if maybe {
		r.maybe = append(r.maybe, e)
		return
	}
	r.sure(e)
}

func equalMasked(got []byte, value, mask string) bool {
	if mask == "" {
		return string(got) == value
	}
	if len(mask) != len(got) {
		return false
	}
	for i := range got {
		if (got[i]^value[i])&mask[i] != 0 {
			return false
		}
	}
	return true
}

// isConjunction reports whether a flow is no more than a part of a conjunctive
// match, ovs-fields(7): alone it matches nothing.
func isConjunction(f *flow.Flow) bool {
	if len(f.Actions) == 0 {
		return false
	}
	switch f.Actions[0].(type) {
	case flow.Output, flow.GotoTable, flow.WriteMetadata, flow.SetField, flow.Move, flow.Group:
		return false
	}
	u, ok := actOf(f.Actions[0]).(unknown)
	return ok && len(u.text) >= 11 && u.text[:11] == "conjunction"
}
