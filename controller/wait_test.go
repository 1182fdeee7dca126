package controller

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"ovsmesh/openflow/flow"
	"ovsmesh/ovsdb/plan"
)

// A loop sleeps while there is nothing that it may do, whatever has fallen due
// meanwhile: of a host that is not connected, or that another controller writes
// to, or a bridge whose switch is gone.
func TestWait(t *testing.T) {
	long := time.Now().Add(-time.Hour)
	due := func(h *host) {
		h.nextSweep, h.retry.next, h.leaveBy = long, long, long
		for range fightLimit + 1 {
			h.rows.fights.note(rowsKey("blue"), 0, long)
		}
		b := h.bridge("xapi1")
		b.retry.next, b.releaseBy = long, long
		for range fightLimit + 1 {
			b.drift.fights.note(flow.Key{Match: "x"}, 1, long)
		}
		b.contests = contests{}
		for range fightLimit {
			b.contests.mended(plan.Setting{Name: "fail_mode"}, long)
		}
		b.contests.found(plan.Setting{Name: "fail_mode"}, long)
	}
	for name, c := range map[string]struct {
		make  func(*host)
		sleep bool
	}{
		"not connected, or not the writer":        {func(h *host) { due(h) }, true},
		"connected, and everything is due":        {func(h *host) { due(h); h.writes = true }, false},
		"leaving, not connected, and time is up":  {func(h *host) { due(h); h.leaver = true }, false},
		"of a bridge without a switch":            {func(h *host) { h.writes = true; h.bridge("xapi1").retry.next = long }, true},
		"a release that waits for the next write": {func(h *host) { h.writes = true; h.bridge("xapi1").releaseBy = long; h.retry.fail() }, true},
		"a release": {func(h *host) { h.writes = true; h.bridge("xapi1").releaseBy = long }, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost("h1", &environment{log: zap.NewNop(), events: newEvents(1)})
			h.nextSweep = time.Now().Add(time.Minute)
			c.make(h)
			if d := h.wait(); (d >= backoffMin/2) != c.sleep {
				t.Errorf("sleeps for %v", d)
			}
		})
	}
}
