package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is one way to break a mesh that is settled, and what may come of it.
type Fault struct {
	Name   string // [a-z-]+
	What   string // is done, for the table
	Expect string // of the outcome, for the table
	Limits Limits
	// Quiet is a fault that no packets cross, or one so long that there is no
	// point in counting them: no traffic runs.
	Quiet bool
	// Apart is a fault that random ones leave out: it takes too long.
	Apart bool

	// Prepare makes what the fault needs before traffic starts; nil: nothing.
	// The mesh is then settled. What it returns is called in the end, also
	// after an error, and makes the mesh what it was; it may be nil.
	Prepare func(context.Context, *Mesh) (func(context.Context) error, error)

	// Inject breaks something. What it does at random it takes from the
	// generator alone, so that a seed repeats it. An error means that the
	// fault could not be made, or that on the way something was seen that may
	// never be.
	Inject func(context.Context, *Mesh, *rand.Rand) (Injected, error)
}

// Any is a limit that is none: the figure is counted and shown.
const Any = -1

// Limits are the targets of a fault. The zero value allows no loss, nothing
// written, and any time.
type Limits struct {
	Within time.Duration // until right again; 0: any time
	Lost   int           // packets between VMs of which one at least is on the host that it met
	Others int           // other packets; Any where the fault meets all hosts
	Rows   int           // transactions that the controller sends to hosts' databases
	Flows  int           // flow-mods that switches take
}

// String says the targets as the table does.
func (l Limits) String() string {
	var parts []string
	if l.Within > 0 {
		parts = append(parts, "≤ "+seconds(l.Within))
	}
	for _, c := range []struct {
		limit int
		what  string
	}{{l.Lost, "lost"}, {l.Others, "lost elsewhere"}, {l.Rows, "transactions"}, {l.Flows, "flow-mods"}} {
		if c.limit == 0 && c.what != "lost elsewhere" {
			parts = append(parts, "0 "+c.what)
		} else if c.limit > 0 {
			parts = append(parts, fmt.Sprintf("≤ %d %s", c.limit, c.what))
		}
	}
	return strings.Join(parts, ", ")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

// Injected is a fault that has been made.
type Injected struct {
	Host  string    // that it met; "": all of them
	Since time.Time // from when time counts; zero: when Inject was called
	// Took is how long it was until right again, where Inject has seen to that
	// itself; zero: from Since until Right returns.
	Took time.Duration
	// Right waits until what the fault broke is right again, or shown as
	// broken; nil: Settled.
	Right func(context.Context) error
	// Check looks after that whether something happened that may never be; nil:
	// there is no more to look at. It takes no part in the time.
	Check func(context.Context) error
	// Undo takes the fault away after that, where it is one that stays; the
	// mesh must then settle. It is called in any case.
	Undo func(context.Context) error
}

// Faults returns the table of all faults, in the order in which a run makes
// them.
func Faults() []Fault {
	return slices.Concat(
		controllerFaults(),
		storeFaults(),
		switchFaults(),
		hostFaults(),
		handFaults(),
		polledFaults(),
		moveFaults(),
		linkFaults(),
	)
}

// Find returns the fault of that name.
func Find(name string) (Fault, error) {
	for _, f := range Faults() {
		if f.Name == name {
			return f, nil
		}
	}
	return Fault{}, fmt.Errorf("no fault is called %q", name)
}
