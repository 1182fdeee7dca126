package openflow

import (
	"context"
	"errors"
	"fmt"

	"ovsmesh/openflow/wire"
)

// Permit is what a bundle needs to take effect. OpenFlow knows no lock: a process
// that was stopped for a while would commit, when it goes on, what it had begun
// before, though somebody else writes by now. So a bundle is filled and closed,
// which changes nothing, and committed only while its permit is valid.
//
//	open, flow-mods ─► close ─► answer ─┐
//	                   Renew ─► answer ─┴─► Valid? ─► commit
//
// Valid is asked by who writes to the connection, right before the commit goes out.
// What is left is the moment between the two. A switch that has been given another
// controller meanwhile has closed the connection, and takes the commit no longer.
type Permit interface {
	// Valid reports whether the permit was given so lately that it stands still.
	// It does not wait, and is called from the session's own goroutine, too.
	Valid() bool

	// Renew asks for it anew and returns nil once it is given. It runs beside the
	// exchange with the switch, so that it costs no time of its own where who
	// gives it answers as fast.
	Renew(ctx context.Context) error
}

// ErrNotPermitted: the bundle was not committed, for its permit could not be had.
// Nothing has changed.
var ErrNotPermitted = errors.New("bundle not permitted")

// maxRenewals is how often in a row a permit may have run out by the time that it
// is there.
const maxRenewals = 10

// seal closes a bundle with the answer to which the switch has taken every
// flow-mod of it, and has the permit for its commit.
func (s *Session) seal(ctx context.Context, b *bundle, p Permit) error {
	if p == nil || p.Valid() {
		if err := s.control(ctx, b, wire.BundleClose, nil); err != nil {
			return fmt.Errorf("close bundle: %w", err)
		}
		return nil
	}
	renewed := make(chan error, 1)
	go func() { renewed <- p.Renew(ctx) }()
	err := s.control(ctx, b, wire.BundleClose, nil)
	permit := <-renewed
	if err != nil {
		return fmt.Errorf("close bundle: %w", err)
	}
	if permit != nil {
		return fmt.Errorf("%w: %w", ErrNotPermitted, permit)
	}
	return nil
}

// outgoing is what the writer puts on the connection at once: whole messages. With
// a permit it is asked for there, right before, and without it they are not sent.
type outgoing struct {
	bytes  []byte
	permit Permit
	denied chan struct{} // closed instead of sending
}

// errDenied: the permit was not valid when the message was about to go out.
var errDenied = errors.New("the permit has run out")

func guarded(b []byte, p Permit) outgoing {
	if p == nil {
		return outgoing{bytes: b}
	}
	return outgoing{bytes: b, permit: p, denied: make(chan struct{})}
}
