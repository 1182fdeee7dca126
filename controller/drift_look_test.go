package controller

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// However many bridges there are, looking at them takes its share of time and no
// more, each has its turn, and none twice before all others.
func TestLooksAreSpreadOut(t *testing.T) {
	const every = 50 * time.Second
	for _, c := range []struct {
		name            string
		bridges, flows  int
		shortest, round time.Duration // from one look to the next
	}{
		{"few", 10, 30, every, every + time.Second},
		{"a thousand", 1000, 30, every, every + 15*time.Second},
		{"ten thousand", 10_000, 30, 100 * time.Second, 130 * time.Second},
		{"large ones", 100, 20_000, 250 * time.Second, 270 * time.Second},
		{"too many for the share", 100_000, 1000, (lookLongest - 1) * every, lookLongest * every},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l looks
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			turns := make([]time.Time, c.bridges) // they all came at once
			for i := range turns {
				turns[i] = l.next(now, every, c.flows)
			}
			if !slices.IsSortedFunc(turns, time.Time.Compare) {
				t.Error("who came later has his turn sooner")
			}
			for i, at := range turns {
				next := l.next(at, every, c.flows)
				if gap := next.Sub(at); gap < c.shortest || gap > c.round {
					t.Fatalf("bridge %d: %v from one look to the next, want %v to %v", i, gap, c.shortest, c.round)
				}
			}
		})
	}
}

// Only so many look at once.
func TestLooksAreBounded(t *testing.T) {
	var l looks
	for i := range maxLooks {
		if !l.begin() {
			t.Fatalf("no place for look %d", i)
		}
	}
	if l.begin() {
		t.Fatal("a place too many")
	}
	l.done()
	if !l.begin() {
		t.Fatal("no place although one was given back")
	}
}

// Somebody who puts the same flow again and again is looked at ever less often;
// once he has kept still for a while he is believed again.
func TestDoubtsGetRarer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l looking
		began, reads := time.Now(), []time.Duration{}
		for range 1200 { // two minutes
			l.doubt(time.Now())
			if doubt, turn := l.due(time.Now(), 0); turn {
				t.Fatal("a turn that nobody gave out")
			} else if doubt {
				reads = append(reads, time.Since(began))
				l.doubts.fail()
				l.doubted = false
			} else if left := l.left(time.Now()); left <= 0 || left > backoffMax {
				t.Fatalf("sleeps %v", left)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if want := []time.Duration{0, 1, 3, 7, 15, 31, 61, 91}; !slices.EqualFunc(reads, want, func(got, want time.Duration) bool { return got.Round(time.Second) == want*time.Second }) {
			t.Errorf("read back after %v, want %v s", reads, want)
		}
		time.Sleep(fightCalm + time.Minute)
		l.doubt(time.Now())
		if doubt, _ := l.due(time.Now(), 0); !doubt || l.doubts.step != 0 {
			t.Errorf("after a long calm: due %v, %v", doubt, l.doubts.step)
		}
	})
}
