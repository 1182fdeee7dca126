package ovsdb

import (
	"context"
	"fmt"

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
	LockLost // stolen by force; not asked for again on this session
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
	}
	return fmt.Sprintf("LockState(%d)", int32(l))
}

// Lock returns whether this session holds the lock. Changed tells of changes.
func (s *Session) Lock() LockState { return LockState(s.lock.Load()) }

func (s *Session) setLock(l LockState) {
	if LockState(s.lock.Swap(int32(l))) != l {
		s.signal()
	}
}

// requestLock gets in line for the lock; it does not wait for it.
func (s *Session) requestLock(ctx context.Context) error {
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
		}
		return nil
	})
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
