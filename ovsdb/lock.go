package ovsdb

import (
	"context"
	"fmt"
	"time"

	"ovsmesh/ovsdb/notation"
)

// LockName is the database lock that whoever writes for ovsmesh holds, RFC 7047
// §4.1.8.
const LockName = "ovsmesh"

// LockState is whether a session holds the lock.
type LockState int32

// The states of the lock.
const (
	LockWaiting LockState = iota // another session holds it; it is given on when that one ends
	LockHeld
	LockLost    // stolen by force; it comes back only if the thief gives it on
	LockUnasked // not asked for, or given back
)

// String returns the state as a word.
func (l LockState) String() string {
	switch l {
	case LockWaiting:
		return "waiting"
	case LockHeld:
		return "held"
	case LockLost:
		return "lost"
	case LockUnasked:
		return "unasked"
	}
	return fmt.Sprintf("LockState(%d)", int32(l))
}

// Lock returns whether this session holds the lock. Changed tells of changes.
func (s *Session) Lock() LockState { return LockState(s.lock.Load()) }

func (s *Session) setLock(l LockState) {
	if l != LockHeld {
		s.proven.Store(0)
	}
	if LockState(s.lock.Swap(int32(l))) != l {
		s.signal()
	}
}

// AskLock gets in line for the lock, unless the session is there already; it
// does not wait for it.
func (s *Session) AskLock(ctx context.Context) error {
	if s.Lock() != LockUnasked {
		return nil
	}
	asked := time.Since(s.start)
	return s.call(ctx, "lock", []string{LockName}, func(result []byte) error {
		// Here, on the reader's goroutine, no "locked" can have overtaken it.
		held, found := false, false
		r := notation.NewReader(result)
		err := r.Object(func(key []byte) (err error) {
			if string(key) == "locked" {
				found = true
				held, err = r.Bool()
				return err
			}
			_, err = r.Raw()
			return err
		})
		switch {
		case err != nil:
			return errShape{err}
		case !found:
			return errShape{fmt.Errorf("it does not say whether the lock is held")}
		case held:
			s.setLock(LockHeld)
			s.proven.Store(int64(asked))
		default:
			s.setLock(LockWaiting)
		}
		return nil
	})
}

// Unlock gives the lock back, or leaves the line, RFC 7047 §4.1.10. The next in
// line gets it. Without AskLock before it does nothing.
func (s *Session) Unlock(ctx context.Context) error {
	if s.Lock() == LockUnasked {
		return nil
	}
	// A "locked" on its way here comes before the answer.
	return s.call(ctx, "unlock", []string{LockName}, func([]byte) error {
		s.setLock(LockUnasked)
		return nil
	})
}

// Prove asks the database whether this session holds the lock, and returns nil
// if it does. Unlike Lock it is not deceived by news that have not been read:
// whatever happened before the call, the answer knows of it.
func (s *Session) Prove(ctx context.Context) error {
	_, err := s.TransactLocked(ctx)
	return err
}

// Proven returns how long ago it was, at most, that the session held the lock
// for certain: when the last transaction was sent whose assert succeeded. The
// clock does not stop while the process does (CLOCK_MONOTONIC). ok is false if
// there was none since the lock was got, or the session is over, or will be as
// soon as somebody reads that the host has closed the connection.
func (s *Session) Proven() (age time.Duration, ok bool) {
	at := s.proven.Load()
	if at == 0 || s.Lock() != LockHeld || s.Err() != nil || hungUp(s.conn) {
		return 0, false
	}
	return time.Since(s.start) - time.Duration(at), true
}

// lockNews takes a "locked" or "stolen" notification, RFC 7047 §4.1.9 and
// §4.1.10: [<id>].
func (s *Session) lockNews(e envelope) error {
	name := ""
	r := notation.NewReader(e.params)
	err := r.Array(func(n int) (err error) {
		if n == 0 {
			name, err = r.String()
			return err
		}
		_, err = r.Raw()
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", e.method, err)
	}
	switch {
	case name != LockName:
	case e.method == "locked":
		s.setLock(LockHeld)
	default:
		s.setLock(LockLost)
	}
	return nil
}
