package ovsdb

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNotLocked says that this session does not hold the lock: another
	// manager of the host writes. Nothing was changed.
	ErrNotLocked = errors.New("the lock " + LockName + " is not held")
	// ErrClosed says that the session was closed on our side.
	ErrClosed = errors.New("session closed")
	// ErrSilent says that the host said nothing for too long.
	ErrSilent = errors.New("host is silent")
)

// Error is what went wrong with one call on a session.
type Error struct {
	Op      string // method, "transact"
	Index   int    // of the operation that was refused; the number of operations if the commit was; -1 if none is to blame
	Code    string // the database's <error>, RFC 7047 §3.1; "" if it never got that far
	Details string // the database's words
	Err     error  // why there is no answer; nil with Code
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Index >= 0 {
		fmt.Fprintf(&b, " operation %d", e.Index)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
		return b.String()
	}
	fmt.Fprintf(&b, ": %s", e.Code)
	if e.Details != "" {
		fmt.Fprintf(&b, " (%s)", e.Details)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Refused reports whether the database took the call up and said no. The
// session is then as good as before, and nothing was changed.
func (e *Error) Refused() bool { return e.Code != "" }
