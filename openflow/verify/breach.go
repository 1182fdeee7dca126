package verify

import (
	"fmt"

	"ovsmesh/openflow/flow"
)

// Invariant is what a Breach breaks.
type Invariant string

// The invariants that a Gate looks after.
const (
	Isolation Invariant = "isolation" // a frame of one network never leaves on a port of another
	NoLoop    Invariant = "loop"      // what came from a tunnel never leaves on a tunnel
)

// Breach is a flow that could break an invariant.
type Breach struct {
	Invariant Invariant
	Flow      flow.Flow
	Why       string // in words, without the flow
}

// String returns the breach in words, with the flow.
func (b Breach) String() string { return fmt.Sprintf("%s: %s: %s", b.Invariant, b.Why, b.Flow.Text()) }

// maxBreaches bounds what a Gate lists: one is enough to refuse.
const maxBreaches = 8

func (g *Gate) breach(v Invariant, f *flow.Flow, format string, args ...any) {
	if len(g.breaches) < maxBreaches {
		g.breaches = append(g.breaches, Breach{v, *f, fmt.Sprintf(format, args...)})
	}
}
