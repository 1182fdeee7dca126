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
	deadline time.Time
}

// settleLimit bounds the wait for ovs-vswitchd. After it flows go out for what
// is there: a switch that is stuck on one port must not hold up all others.
const settleLimit = 2 * time.Second

func (s *settling) start(target int64) {
	s.target, s.deadline = target, time.Now().Add(settleLimit)
}

// observe ends the wait when cur_cfg has come far enough or time is up.
func (s *settling) observe(cur int64) {
	if s.active() && (cur >= s.target || !time.Now().Before(s.deadline)) {
		*s = settling{}
	}
}

func (s *settling) active() bool { return !s.deadline.IsZero() }

func (s *settling) left() time.Duration {
	if !s.active() {
		return 0
	}
	return max(time.Until(s.deadline), time.Millisecond)
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
