package openflow_test

import (
	"testing"
	"time"

	"ovsmesh/openflow"
)

// The pulse of a live switch is its round trip; of a frozen one it is since when
// it owes an answer, however often it is asked again.
func TestPulse(t *testing.T) {
	sw, _, sess := connect(t, openflow.Config{EchoInterval: 100 * time.Millisecond, SilenceTimeout: patience})
	wait := func(what string, ok func(roundTrip, silent, overdue time.Duration) bool) {
		t.Helper()
		for begin := time.Now(); !ok(sess.Pulse()); time.Sleep(5 * time.Millisecond) {
			if time.Since(begin) > patience/2 {
				r, q, o := sess.Pulse()
				t.Fatalf("%s: round trip %v, silent %v, overdue %v", what, r, q, o)
			}
		}
	}
	wait("alive", func(roundTrip, silent, overdue time.Duration) bool {
		return roundTrip > 0 && roundTrip < time.Second && silent < time.Second && overdue == 0
	})
	if err := sw.Freeze(); err != nil {
		t.Fatal(err)
	}
	wait("frozen", func(_, silent, overdue time.Duration) bool {
		return overdue > time.Second && silent >= overdue && silent < overdue+time.Second
	})
	if err := sw.Thaw(); err != nil {
		t.Fatal(err)
	}
	wait("alive again", func(roundTrip, _, overdue time.Duration) bool { return overdue == 0 && roundTrip > 0 })
}
