package ovsdb

import "time"

// Pulse tells how the host answers: the round trip of the last echo that came
// back, 0 if none has; for how long nothing was heard of the host; and for how
// long an echo has been waiting for its answer, 0 if none does. An echo goes out
// whenever the host has been silent for Config.EchoAfter.
func (s *Session) Pulse() (roundTrip, silent, overdue time.Duration) {
	if s.digesting.Load() {
		return time.Duration(s.roundTrip.Load()), 0, 0
	}
	now := time.Since(s.start)
	heard, owed := time.Duration(s.heard.Load()), time.Duration(s.owed.Load())
	if owed > heard {
		overdue = now - owed
	}
	return time.Duration(s.roundTrip.Load()), now - heard, overdue
}

// echoID is the ID of the echoes that nobody waits for; those of calls begin
// with 1.
const echoID = "0"

// echoed notes that an echo has come back.
func (s *Session) echoed() {
	s.roundTrip.Store(int64(time.Since(s.start)) - s.probed.Load())
}
