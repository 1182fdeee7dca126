package openflow

import (
	"sync/atomic"
	"time"
)

// echoes is what a session knows of the echoes that it sends by itself.
type echoes struct {
	xid       atomic.Uint32 // of the last one
	asked     atomic.Int64  // when it was sent, Unix time in ns
	owed      atomic.Int64  // when the first one was sent since the switch was last heard
	roundTrip atomic.Int64  // in ns; 0: none has come back
}

// sent notes that an echo goes out to a switch that was last heard at a time.
func (e *echoes) sent(xid uint32, heard int64) {
	now := time.Now().UnixNano()
	e.xid.Store(xid)
	e.asked.Store(now)
	if e.owed.Load() <= heard {
		e.owed.Store(now)
	}
}

// came notes that an answer has come, to the last echo or to another.
func (e *echoes) came(xid uint32) {
	if asked := e.asked.Load(); asked > 0 && xid == e.xid.Load() {
		e.roundTrip.Store(max(time.Now().UnixNano()-asked, 1))
	}
}

// Pulse tells how the switch answers: the round trip of the last echo that came
// back, 0 if none has; for how long nothing was heard of the switch; and for how
// long an echo has been waiting for its answer, 0 if none does. An echo goes out
// whenever the switch has been silent for Config.EchoInterval.
func (s *Session) Pulse() (roundTrip, silent, overdue time.Duration) {
	now := time.Now().UnixNano()
	heard, owed := s.heard.Load(), s.echoes.owed.Load()
	if owed > heard {
		overdue = time.Duration(now - owed)
	}
	return time.Duration(s.echoes.roundTrip.Load()), time.Duration(now - heard), overdue
}
