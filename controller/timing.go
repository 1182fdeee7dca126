package controller

import "time"

// backoff spaces out attempts that fail: 1 s, 2 s, 4 s … 30 s.
type backoff struct {
	step time.Duration
	next time.Time
}

const (
	backoffMin = time.Second
	backoffMax = 30 * time.Second
)

// fail notes a failed attempt.
func (b *backoff) fail() {
	b.step = min(max(2*b.step, backoffMin), backoffMax)
	b.next = time.Now().Add(b.step)
}

// left returns how long to wait before the next attempt, 0 if none is due.
func (b *backoff) left() time.Duration {
	if b.next.IsZero() {
		return 0
	}
	return max(time.Until(b.next), time.Millisecond)
}

// ready reports whether an attempt may be made.
func (b *backoff) ready() bool { return !time.Now().Before(b.next) }

// settling is the time between a transaction and the moment when ovs-vswitchd
// has carried it out, which it tells by Open_vSwitch.cur_cfg.
type settling struct {
	target   int64
	began    time.Time
	deadline time.Time
}

// settleLimit bounds the wait for ovs-vswitchd. After it flows go out for what
// is there: a switch that is stuck on one port must not hold up all others.
const settleLimit = 2 * time.Second

func (s *settling) start(target int64) {
	s.target, s.began = target, time.Now()
	s.deadline = s.began.Add(settleLimit)
}

// observe ends the wait when cur_cfg has come far enough or time is up. It
// reports whether the wait is over now that was not.
func (s *settling) observe(cur int64) bool {
	if !s.active() || cur < s.target && time.Now().Before(s.deadline) {
		return false
	}
	*s = settling{}
	return true
}

func (s *settling) active() bool { return !s.deadline.IsZero() }

func (s *settling) left() time.Duration {
	if !s.active() {
		return 0
	}
	return max(time.Until(s.deadline), time.Millisecond)
}

// tellAfter is how long a switch may be busy with a transaction before what it
// is busy with is told. It mostly is done sooner, and all is told once.
const tellAfter = 50 * time.Millisecond

// untold returns for how long what changed is not to be told yet.
func (s *settling) untold() time.Duration {
	if !s.active() {
		return 0
	}
	return time.Until(s.began.Add(tellAfter))
}

// pacing keeps changes that come one after the other together. What a
// transaction costs ovs-vswitchd depends on the ports that are there and hardly
// on those that it adds, so the next one waits for the last of a burst: until
// none has come for a small part of the time that the switch had been busy with
// the transaction before, and no longer than that time, twice over, or than
// burstLimit. A change that comes alone waits for others only where that part is
// long enough for others to come in it.
type pacing struct {
	began time.Time // when the last transaction was sent
	ended time.Time // when the switch had carried it out
	since time.Time // since when changes wait; zero: none does
	last  time.Time // when the last of them came
}

const (
	burstShare  = 20 // of the time that a switch was busy: for how long a burst may pause
	shortestGap = time.Millisecond
	longestGap  = 2 * time.Millisecond
	burstLimit  = 200 * time.Millisecond
)

func (p *pacing) start() { *p = pacing{began: time.Now()} }

func (p *pacing) end() { p.ended = time.Now() }

// came notes that a change has come.
func (p *pacing) came() {
	p.last = time.Now()
	if p.since.IsZero() {
		p.since = p.last
	}
}

// left returns how long the changes that have come should wait for others.
func (p *pacing) left() time.Duration {
	busy := p.ended.Sub(p.began)
	alone := p.since.Sub(p.ended) > busy
	gap := min(busy/burstShare, longestGap)
	if p.since.IsZero() || busy <= 0 || alone && gap < shortestGap {
		return 0
	}
	begin := p.since // of the wait: not while the switch was busy anyway
	if begin.Before(p.ended) {
		begin = p.ended
	}
	return min(time.Until(p.last.Add(max(gap, shortestGap))), time.Until(begin.Add(min(2*busy, burstLimit))))
}

// grace gives ovs-vswitchd the time that it takes to report of a new tunnel what
// it can't know at once: the first look at it is put off.
type grace struct {
	length  time.Duration
	until   time.Time
	doubted map[string]struct{} // networks with tunnels of which it has not reported
}

const (
	routeGrace = time.Second     // whether there is a way to the far end: some 100 ms
	bfdGrace   = 4 * time.Second // whether BFD is up: 0.9 to 2 s, once both ends have the tunnel
)

func (g *grace) start() { g.until = time.Now().Add(g.length) }

func (g *grace) pending() bool { return time.Now().Before(g.until) }

func (g *grace) doubt(network string) {
	if g.doubted == nil {
		g.doubted = map[string]struct{}{}
	}
	g.doubted[network] = struct{}{}
}

// due returns the networks to look at again, once time is up.
func (g *grace) due() map[string]struct{} {
	if g.pending() {
		return nil
	}
	due := g.doubted
	g.doubted = nil
	return due
}

func (g *grace) left() time.Duration {
	if len(g.doubted) == 0 {
		return 0
	}
	return max(time.Until(g.until), time.Millisecond)
}
