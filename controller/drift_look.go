package controller

import (
	"sync"
	"time"
)

// A switch that tells of changes of its flows is read back all the same, for
// what it should have told and did not. That is to cost next to nothing, however
// many there are: lookShare of one processor's time, in which ten thousand
// bridges of thirty flows have their turn within two minutes, few bridges each
// sweepEvery, and any within lookLongest sweeps.
const (
	lookShare   = 32
	lookLongest = 10

	lookCost     = 250 * time.Microsecond // of reading a bridge's switch back and comparing it, as measured
	lookFlowCost = 4 * time.Microsecond   // and of each flow there

	maxLooks  = 8 // at once: some switches may be slow to answer
	lookRetry = time.Second

	// A host's loop that is up anyway looks at bridges whose turn is near, too:
	// to get up costs it more, the more bridges it has.
	lookAhead = 8 // a part of sweepEvery
	lookBatch = 16
)

// looks gives each bridge its time at which to be read back beside what its
// switch tells, one after the other. The zero value is ready. It may be used by
// several goroutines.
type looks struct {
	mu    sync.Mutex
	end   time.Time // of the last that has been given out
	going int
}

// next returns when a bridge with so many flows is to be looked at.
func (l *looks) next(now time.Time, every time.Duration, flows int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now.Add(every)
	if l.end.After(at) {
		at = l.end
	}
	if last := now.Add(lookLongest * every); at.After(last) {
		at = last
	}
	l.end = at.Add(lookShare * (lookCost + time.Duration(flows)*lookFlowCost))
	return at
}

// begin takes a place among those that look. It reports whether there was one,
// which done gives back.
func (l *looks) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.going >= maxLooks {
		return false
	}
	l.going++
	return true
}

func (l *looks) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.going--
}

// looking says when a bridge whose switch tells of changes is read back all the
// same. The zero value is ready.
type looking struct {
	at      time.Time // zero: not known yet
	doubted bool      // somebody has put a flow there again that looks as ours did: of its flags nobody has told
	doubts  backoff   // between looks that come of such doubts and find nothing
}

// doubt notes that a switch holds something that it has not told in full.
func (l *looking) doubt(now time.Time) {
	l.doubted = true
	if !l.doubts.next.IsZero() && now.Sub(l.doubts.next) > fightCalm {
		l.doubts = backoff{}
	}
}

// due reports whether it is time for a look, and why: of doubt, or because it is
// the bridge's turn within a time.
func (l *looking) due(now time.Time, within time.Duration) (doubt, turn bool) {
	return l.doubted && l.doubts.ready(), !l.at.IsZero() && l.at.Sub(now) <= within
}

// left returns how long it is until a look is due, 0 if none is to come.
func (l *looking) left(now time.Time) time.Duration {
	switch {
	case l.doubted:
		return max(l.doubts.left(), time.Millisecond)
	case l.at.IsZero():
		return 0
	}
	return max(l.at.Sub(now), time.Millisecond)
}

// lookAgain has a bridge read back that tells of changes, if it is time for
// that. The caller calls done when it has been.
func (h *host) lookAgain(b *bridge, now time.Time) (done func()) {
	done = func() {}
	if !b.synced || !b.pushed() {
		return done
	}
	l := &b.drift.looking
	doubt, turn := l.due(now, h.env.sweepEvery/lookAhead)
	switch {
	case doubt:
		l.doubts.fail()
	case !turn || h.lookedAt >= lookBatch:
		return done
	case !h.env.looks.begin():
		l.at = now.Add(lookRetry)
		return done
	default:
		h.lookedAt++
		done = h.env.looks.done
	}
	b.synced = false
	return done
}

// looked notes that a bridge has been read back.
func (h *host) looked(b *bridge, now time.Time) {
	l := &b.drift.looking
	l.doubted = false
	if !b.pushed() {
		l.at = time.Time{}
	} else if l.at.Sub(now) <= h.env.sweepEvery/lookAhead {
		l.at = h.env.looks.next(now, h.env.sweepEvery, b.count()+len(b.strangers))
	}
}
