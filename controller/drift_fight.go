package controller

import (
	"fmt"
	"time"

	"ovsmesh/openflow/flow"
)

// Somebody who changes a flow of ours as often as we mend it does so on purpose,
// or by a mistake that we can't mend: after fightLimit times within fightWindow
// the flow is left as it is, for fightMin, and every further time for twice as
// long, up to fightMax. Who keeps still for fightCalm is forgiven.
const (
	fightLimit  = 5
	fightWindow = time.Minute
	fightMin    = time.Minute
	fightMax    = time.Hour
	fightCalm   = 10 * time.Minute

	// maxFights bounds the flows of a bridge that are counted; of more changes
	// at once only the first are.
	maxFights = 65536
)

// fights counts how often flows of a bridge had to be mended. The zero value is
// ready.
type fights struct {
	all    map[flow.Key]*fight
	held   map[flow.Key]*fight // those that are left as they are
	next   time.Time           // when the first of these is over
	of     map[uint32]left     // these by network
	total  left                // and all together
	pruned time.Time
}

// left is how many flows are left as they are, and until when the last of them.
type left struct {
	flows int
	until time.Time
}

// count adds n flows that are left until then, or takes them away.
func (s *fights) count(f *fight, n int) {
	add := func(l left) left {
		if l.flows += n; l.flows <= 0 {
			return left{}
		}
		if n > 0 && f.until.After(l.until) {
			l.until = f.until
		}
		return l
	}
	s.total = add(s.total)
	if l := add(s.of[f.network]); l.flows > 0 {
		s.of[f.network] = l
	} else {
		delete(s.of, f.network)
	}
}

// fight is one flow that others change.
type fight struct {
	key     flow.Key
	network uint32
	mended  []time.Time // within fightWindow
	last    time.Time
	step    time.Duration // how long it was left alone last; 0: never
	until   time.Time     // it is left alone
	told    span          // entries of the history about that
}

// note counts a change that others made, and returns the fight where it is now
// one too many.
func (s *fights) note(k flow.Key, network uint32, now time.Time) *fight {
	s.prune(now)
	f := s.all[k]
	if f == nil {
		if len(s.all) >= maxFights {
			return nil
		}
		if s.all == nil {
			s.all, s.held, s.of = map[flow.Key]*fight{}, map[flow.Key]*fight{}, map[uint32]left{}
		}
		f = &fight{key: k}
		s.all[k] = f
	}
	f.network = network
	if now.Sub(f.last) > fightCalm {
		f.step = 0
	}
	f.last = now
	for len(f.mended) > 0 && now.Sub(f.mended[0]) > fightWindow {
		f.mended = f.mended[1:]
	}
	if len(f.mended) < fightLimit {
		f.mended = append(f.mended, now)
		return nil
	}
	f.mended = nil
	f.step = min(max(2*f.step, fightMin), fightMax)
	f.until = now.Add(f.step)
	s.held[k] = f
	s.count(f, 1)
	if s.next.IsZero() || f.until.Before(s.next) {
		s.next = f.until
	}
	return f
}

// prune forgets flows that nobody has changed for long, once in a while.
func (s *fights) prune(now time.Time) {
	if len(s.all) < 1024 || now.Sub(s.pruned) < fightWindow {
		return
	}
	s.pruned = now
	for k, f := range s.all {
		if now.Sub(f.last) > fightCalm || f.step == 0 && now.Sub(f.last) > fightWindow {
			if s.held[k] == nil {
				delete(s.all, k)
			}
		}
	}
}

// concedes reports whether a flow is left as it is.
func (s *fights) concedes(k flow.Key) bool { return s.held[k] != nil }

// due returns the fights over whose time is up, and ends them.
func (s *fights) due(now time.Time) []*fight {
	if s.next.IsZero() || now.Before(s.next) {
		return nil
	}
	var due []*fight
	s.next = time.Time{}
	for k, f := range s.held {
		switch {
		case !now.Before(f.until):
			f.last, f.until = f.until, time.Time{}
			delete(s.held, k)
			s.count(f, -1)
			due = append(due, f)
		case s.next.IsZero() || f.until.Before(s.next):
			s.next = f.until
		}
	}
	return due
}

// forgive makes all fights due.
func (s *fights) forgive() {
	clear(s.all)
	for _, f := range s.held {
		f.until, s.next = time.Unix(1, 0), time.Unix(1, 0)
	}
}

// end forgets a fight, as what it is over is wanted otherwise now.
func (s *fights) end(k flow.Key) {
	delete(s.all, k)
	if f := s.held[k]; f != nil {
		delete(s.held, k)
		s.count(f, -1)
	}
	if len(s.held) == 0 {
		s.next = time.Time{}
	}
}

// left returns how long it is until a fight is due, 0 if there is none.
func (s *fights) left(now time.Time) time.Duration {
	if s.next.IsZero() {
		return 0
	}
	return max(s.next.Sub(now), time.Millisecond)
}

// complaint says for people which flows are left as they are, "" if none are;
// of one network where one is given.
func (b *bridge) complaint(network *uint32) string {
	l := b.drift.fights.total
	if network != nil {
		l = b.drift.fights.of[*network]
	}
	if l.flows == 0 {
		return ""
	}
	what := "1 flow of ours"
	if l.flows > 1 {
		what = fmt.Sprintf("%d flows of ours", l.flows)
	}
	if network != nil {
		what += " on bridge " + b.name
	}
	return fmt.Sprintf("another program has changed %s more than %d times in a minute: left as it made them until %s; "+
		"find it with ovsmesh audit --history, stop it, then run ovsmesh audit --repair",
		what, fightLimit, l.until.UTC().Format("15:04:05 UTC"))
}
