package forward

import (
	"fmt"
	"slices"

	"ovsmesh/openflow/flow"
)

// table is the flows of a table, each list by priority, the highest first:
// those for one port, and those for any.
type table struct {
	byPort map[string][]entry
	others []entry
}

// entry is a flow with its match as bytes of a frame.
type entry struct {
	flow  *flow.Flow
	tests []test
}

type test struct {
	at          int
	value, mask string // mask empty: all bits
}

func (t *table) add(f *flow.Flow) error {
	e := entry{flow: f}
	port := ""
	for _, x := range f.Match {
		at, width := locate(x.Field)
		if width == 0 || len(x.Value) != width || x.Mask != "" && len(x.Mask) != width {
			return fmt.Errorf("not understood: %s", f)
		}
		if x.Field == flow.InPort.Field() && x.Mask == "" {
			port = x.Value
			continue
		}
		e.tests = append(e.tests, test{at, x.Value, x.Mask})
	}
	if port != "" {
		t.byPort[port] = append(t.byPort[port], e)
	} else {
		t.others = append(t.others, e)
	}
	return nil
}

func (t *table) sort() {
	byPriority := func(a, b entry) int { return int(b.flow.Priority) - int(a.flow.Priority) }
	slices.SortStableFunc(t.others, byPriority)
	for _, list := range t.byPort {
		slices.SortStableFunc(list, byPriority)
	}
}

// find returns the flow of the highest priority that matches, or nil; and one of
// the same priority that matches too and does the same, or nil.
func (t *table) find(f *Frame) (hit, also *flow.Flow, err error) {
	if t == nil {
		return nil, nil, nil
	}
	for _, list := range [][]entry{t.byPort[string(f.fields[:4])], t.others} {
		for i := range list {
			e := &list[i]
			if hit != nil && e.flow.Priority < hit.Priority {
				break
			}
			if !e.matches(f) {
				continue
			}
			if hit != nil && e.flow.Priority == hit.Priority {
				if e.flow.Actions.Equal(hit.Actions) {
					also = e.flow
					continue
				}
				return nil, nil, fmt.Errorf("meets both %s and %s", hit, e.flow)
			}
			hit, also = e.flow, nil
		}
	}
	return hit, also, nil
}

func (e *entry) matches(f *Frame) bool {
	for i := range e.tests {
		x := &e.tests[i]
		got := f.fields[x.at : x.at+len(x.value)]
		if x.mask == "" {
			if string(got) != x.value {
				return false
			}
			continue
		}
		for j := range got {
			if got[j]&x.mask[j] != x.value[j]&x.mask[j] {
				return false
			}
		}
	}
	return true
}
