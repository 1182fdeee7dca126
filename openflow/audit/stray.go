package audit

import (
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// content is a flow without its place.
type content struct {
	network        uint32
	match, actions string
}

func contentOf(f *flow.Flow) content {
	return content{pipeline.NetworkOf(f.Cookie), f.Match.String(), f.Actions.String()}
}

// strays are flows that nobody wants where they are.
type strays struct {
	byContent map[content][]*flow.Flow
	taken     map[*flow.Flow]bool
}

func newStrays(flows []flow.Flow) strays {
	s := strays{make(map[content][]*flow.Flow, len(flows)), map[*flow.Flow]bool{}}
	for i := range flows {
		c := contentOf(&flows[i])
		s.byContent[c] = append(s.byContent[c], &flows[i])
	}
	return s
}

// take takes out a flow that is w in another place, the first one, or returns
// nil.
func (s strays) take(w *flow.Flow) *flow.Flow {
	if len(s.byContent) == 0 {
		return nil
	}
	c := contentOf(w)
	list := s.byContent[c]
	if len(list) == 0 {
		return nil
	}
	s.byContent[c] = list[1:]
	s.taken[list[0]] = true
	return list[0]
}

// has reports whether g has not been taken.
func (s strays) has(g *flow.Flow) bool { return !s.taken[g] }
