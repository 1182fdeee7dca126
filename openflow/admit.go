package openflow

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

var (
	errUnexpected = errors.New("nobody expects this datapath from this address")
	errDuplicate  = errors.New("datapath has a session that lives")
)

// Expect says that the caller manages the datapath with the given ID on the
// host whose address is from. Every session of it, one that lives already
// included, goes to deliver, which is called on a goroutine of the server and
// must not block; the session is the caller's then, to close too if need be.
// There is at most one at a time. A later Expect of the same datapath takes the
// place of an earlier one.
//
// After cancel further sessions are not delivered; a delivery that is under way
// may still arrive. The session that lives stays with who has it.
func (s *Server) Expect(dpid uint64, from netip.Addr, deliver func(*Session)) (cancel func()) {
	k := key{dpid, from.Unmap()}
	e := &expectation{deliver}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected[k] = e
	if a := s.arrivals[k]; a != nil {
		close(a.expected)
		delete(s.arrivals, k)
	}
	if l := s.live[k]; l != nil {
		select {
		case <-l.again:
		default:
		}
		l.again <- e
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.expected[k] == e {
			delete(s.expected, k)
		}
	}
}

// admit waits until a session is expected and gives it the one place that its
// datapath has.
func (s *Server) admit(ctx context.Context, k key, session *Session) (*live, *expectation, error) {
	timeout := time.NewTimer(s.cfg.ParkTimeout)
	defer timeout.Stop()
	for {
		place, e, old, a := s.claim(k, session)
		switch {
		case place != nil:
			return place, e, nil
		case a != nil:
			err := a.wait(ctx, session, timeout.C)
			s.unpark(k, a)
			if err != nil {
				s.cfg.Counters.RefusedUnexpected.Add(1)
				return nil, nil, err
			}
		case old.session.answers(ctx):
			s.cfg.Counters.RefusedDuplicate.Add(1)
			return nil, nil, fmt.Errorf("%w, from %v", errDuplicate, old.session.RemoteAddr())
		default:
			old.session.Close()
			s.remove(k, old)
		}
	}
}

// claim takes the place of k for the session if it is expected and the place is
// free. Else it returns who has the place, or where to wait to be expected.
func (s *Server) claim(k key, session *Session) (place *live, e *expectation, old *live, a *arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e = s.expected[k]
	if e == nil {
		a = s.arrivals[k]
		if a == nil {
			a = &arrival{expected: make(chan struct{})}
			s.arrivals[k] = a
		}
		a.waiting++
		return nil, nil, nil, a
	}
	if old = s.live[k]; old != nil {
		return nil, nil, old, nil
	}
	place = &live{session, make(chan *expectation, 1)}
	s.live[k] = place
	return place, e, nil, nil
}

// remove frees the place of k if l has it.
func (s *Server) remove(k key, l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[k] == l {
		delete(s.live, k)
	}
}

// wait returns nil when a's key is expected, or why to wait no longer.
func (a *arrival) wait(ctx context.Context, session *Session, timeout <-chan time.Time) error {
	select {
	case <-a.expected:
		return nil
	case <-session.dying:
		return session.err
	case <-ctx.Done():
		return ErrClosed
	case <-timeout:
		return errUnexpected
	}
}

// unpark counts out one who waited at a.
func (s *Server) unpark(k key, a *arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.waiting--; a.waiting == 0 && s.arrivals[k] == a {
		delete(s.arrivals, k)
	}
}

// answers reports whether the session still lives, by asking for an echo.
func (s *Session) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProbeTimeout)
	defer cancel()
	return s.Echo(ctx) == nil
}
