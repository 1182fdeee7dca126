package audit

import (
	"slices"

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

// strays are flows that nobody wants where they are, by content.
type strays map[content][]*flow.Flow

func byContent(flows []flow.Flow) strays {
	s := make(strays, len(flows))
	for i := range flows {
		c := contentOf(&flows[i])
		s[c] = append(s[c], &flows[i])
	}
	return s
}

// take takes out a flow that is w in another place, the first one, or returns
// nil.
func (s strays) take(w *flow.Flow) *flow.Flow {
	c := contentOf(w)
	if len(s[c]) == 0 {
		return nil
	}
	g := s[c][0]
	s[c] = s[c][1:]
	return g
}

// has reports whether g has not been taken.
func (s strays) has(g *flow.Flow) bool { return slices.Contains(s[contentOf(g)], g) }
