package openflow

import (
	"errors"
	"fmt"

	"ovsmesh/openflow/wire"
)

// Sentinels that errors of this package wrap.
var (
	// ErrClosed: Close was called, or the Server's context ended.
	ErrClosed = errors.New("session closed")
	// ErrSilent: the switch has sent nothing for Config.SilenceTimeout.
	ErrSilent = errors.New("switch is silent")
	// ErrVersion: the peer does not speak OpenFlow 1.3.
	ErrVersion = errors.New("peer does not offer OpenFlow 1.3")
	// ErrUnconfirmed: the bundle was sent whole, but what the switch made of
	// it is not known. Only reading the flows back can tell.
	ErrUnconfirmed = errors.New("bundle not confirmed")
	// ErrTooMuch: an answer is larger than Config allows.
	ErrTooMuch = errors.New("answer too large")
)

// Error is the failure of one operation on a session.
type Error struct {
	DPID uint64
	Op   string    // "read flows", "apply", …
	Mod  *wire.Mod // the change that the switch refused, or that can't be encoded; else nil
	Err  error     // a *wire.Error where it is the switch that says so
}

func (e *Error) Error() string {
	if e.Mod != nil {
		return fmt.Sprintf("datapath %016x: %s: %s: %v", e.DPID, e.Op, e.Mod, e.Err)
	}
	return fmt.Sprintf("datapath %016x: %s: %v", e.DPID, e.Op, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
