package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/plan"
)

// A setting of a bridge that somebody changes again and again can't be left as he
// makes it, as a flow can: a bridge in the wrong fail_mode is a loop waiting for
// ovs-vswitchd to restart. So it is put right at once fightLimit times within
// fightWindow, and after that no more often than every contestMin, doubling up
// to contestMax, or contestIdle where neither loops nor what VMs see depend on
// it. Who keeps still for fightWindow has given in.
const (
	contestMin  = time.Second
	contestMax  = 3 * time.Second
	contestIdle = time.Minute

	// maxContested bounds the settings of a bridge that are counted: VMs' ports
	// that are fenced are among them. What comes beyond is put right at once.
	maxContested = 4096
)

// contests counts how often settings of a bridge had to be put right, by name.
// The zero value is ready.
type contests map[string]*contest

// contest is one setting that others change.
type contest struct {
	mended []time.Time // within fightWindow, the last fightLimit
	aim    string      // what it was last made
	last   time.Time   // when it was found wrong, or put right
	step   time.Duration
	until  time.Time // it stays as it is
	wrong  bool      // as of the last look

	open      bool // somebody insists, and everybody has been told
	want, got string
	began     time.Time
	rounds    int  // since then
	told      span // entries of the history about that
}

// rest is how long a setting may at most stay as somebody else wants it.
func rest(setting string) time.Duration {
	switch setting {
	case "protocols", "other_config:datapath-id", "external_ids:ovsmesh-saved", "bridge":
		return contestIdle
	}
	return contestMax
}

// left returns the settings that are not to be put right yet.
func (s contests) left(now time.Time) []string {
	var list []string
	for name, c := range s {
		if now.Before(c.until) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// leaves reports whether a setting is not to be put right yet.
func (s contests) leaves(name string, now time.Time) bool {
	c := s[name]
	return c != nil && now.Before(c.until)
}

// insists reports whether a setting that is found wrong now is one that somebody
// insists on.
func (s contests) insists(name string, now time.Time) bool {
	c := s[name]
	return c != nil && (c.open || c.recent(now) >= fightLimit)
}

// insisted reports whether everybody has been told that somebody insists on a
// setting.
func (s contests) insisted(name string) bool {
	c := s[name]
	return c != nil && c.open
}

// recent returns how often the setting was put right within fightWindow.
func (c *contest) recent(now time.Time) int {
	n := 0
	for _, t := range c.mended {
		if now.Sub(t) <= fightWindow {
			n++
		}
	}
	return n
}

// found notes that a setting is wrong. It returns the contest that this opens,
// nil where none is opened.
func (s contests) found(f plan.Setting, now time.Time) *contest {
	c := s[f.Name]
	if c == nil || !c.open && c.aim != f.Want {
		return nil // nobody has changed it, we want something else
	}
	c.last, c.wrong = now, true
	if c.open || c.recent(now) < fightLimit {
		return nil
	}
	c.open, c.began, c.rounds, c.want, c.got = true, now, 0, f.Want, f.Got
	return c
}

// mended notes that a setting has been put right.
func (s contests) mended(f plan.Setting, now time.Time) {
	c := s[f.Name]
	switch {
	case c == nil && len(s) >= maxContested:
		return
	case c == nil:
		c = &contest{aim: f.Want}
		s[f.Name] = c
	}
	if !c.open && c.aim != f.Want {
		c.mended = nil
	}
	c.aim, c.last, c.wrong = f.Want, now, false
	c.mended = append(c.mended[max(0, len(c.mended)-fightLimit+1):], now)
	if !c.open && c.recent(now) < fightLimit {
		c.step = 0
		return
	}
	c.rounds++
	c.step = min(max(2*c.step, contestMin), rest(f.Name))
	c.until = now.Add(c.step)
}

// over takes out those that nobody has changed for a while, and returns the ones
// that everybody has been told of, by name.
func (s contests) over(now time.Time) map[string]*contest {
	var ended map[string]*contest
	for name, c := range s {
		if c.wrong || now.Sub(c.last) <= fightWindow {
			continue
		}
		delete(s, name)
		if c.open {
			if ended == nil {
				ended = map[string]*contest{}
			}
			ended[name] = c
		}
	}
	return ended
}

// wait returns how long it is until a setting is to be put right, or a contest
// may be over; 0 if neither will be.
func (s contests) wait(now time.Time) time.Duration {
	var wait time.Duration
	for _, c := range s {
		at := c.until
		if !c.wrong {
			if !c.open {
				continue
			}
			at = c.last.Add(fightWindow + time.Millisecond)
		}
		if left := max(at.Sub(now), time.Millisecond); wait == 0 || left < wait {
			wait = left
		}
	}
	return wait
}

// forgive makes all be put right at once. It reports whether any was not to be.
func (s contests) forgive(now time.Time) bool {
	any := false
	for _, c := range s {
		any = any || now.Before(c.until)
		c.mended, c.step, c.until = nil, 0, time.Time{}
	}
	return any
}

// contested takes note of what a plan says of bridges' settings before it is
// carried out.
func (h *host) contested(list []plan.Setting) {
	now := time.Now()
	type place struct{ bridge, setting string }
	wrong := map[place]bool{}
	for _, f := range list {
		b := h.bridges[f.Bridge]
		if b == nil || !b.established {
			continue
		}
		wrong[place{b.name, f.Name}] = true
		if c := b.contests[f.Name]; c != nil && c.open && !c.wrong {
			h.env.metrics.drift.WithLabelValues(audit.WrongBridgeSetting).Inc()
		}
		if c := b.contests.found(f, now); c != nil {
			h.beginContest(b, f, c, now)
		}
	}
	for _, b := range h.bridges {
		for name, c := range b.contests {
			c.wrong = c.wrong && wrong[place{b.name, name}] // or he has put it right himself
		}
		for name, c := range b.contests.over(now) {
			h.endContest(b, name, c, now)
		}
	}
}

// putRight notes which settings a plan has put right.
func (h *host) putRight(list []plan.Setting, refused map[string]bool) {
	now := time.Now()
	for _, f := range list {
		b := h.bridges[f.Bridge]
		if b == nil || !b.established || f.Left || refused[f.Bridge] {
			continue
		}
		if b.contests == nil {
			b.contests = contests{}
		}
		if c := b.contests[f.Name]; c != nil && c.open {
			h.env.metrics.driftRepaired.Inc()
		}
		b.contests.mended(f, now)
		if f.Name == "fail_mode" {
			// Where somebody changes it again at once, its row may never look
			// different, and the switch drops its flows all the same.
			b.synced, b.drift.settled, b.drift.flushed = false, nil, now.Add(settleLimit)
		}
	}
}

// beginContest tells everybody that somebody insists on a setting.
func (h *host) beginContest(b *bridge, f plan.Setting, c *contest, now time.Time) {
	why := b.contestText()
	var o open
	h.record(&o, audit.Settings(h.name, b.name, map[string]string{f.Name: f.Want}, map[string]string{f.Name: f.Got}), now, api.ByDatabase, why)
	c.told = o.spans[0]
	h.env.metrics.contested.Inc()
	h.log.Warn("another program insists on a setting of a bridge: it is put right less often from now on",
		zap.String("bridge", b.name), zap.String("setting", f.Name), zap.String("want", f.Want), zap.String("got", f.Got),
		zap.Duration("everyAtMost", rest(f.Name)))
	h.status.tell(h.driftEvent(b.name, "", api.EventContested, 1, why))
	h.touchBridge(b)
}

// endContest tells everybody that nobody does any longer.
func (h *host) endContest(b *bridge, name string, c *contest, now time.Time) {
	h.env.history.mended(now, c.told.first, c.told.count)
	h.env.metrics.contested.Dec()
	took := c.last.Sub(c.began).Round(time.Second)
	h.log.Info("nobody insists on a setting of a bridge any longer", zap.String("bridge", b.name), zap.String("setting", name),
		zap.Int("putRight", c.rounds), zap.Duration("took", took))
	h.status.tell(h.driftEvent(b.name, "", api.EventSettled, c.rounds,
		fmt.Sprintf("bridge %s: nobody insists on %s=%s any longer: it was put right %d times in %v", b.name, name, c.got, c.rounds, took)))
	h.touchBridge(b)
}

// dropContests is for a bridge that is no longer wanted: what others make of it
// is their business.
func (h *host) dropContests(b *bridge) {
	for _, c := range b.contests {
		if c.open {
			h.env.metrics.contested.Dec()
		}
	}
	b.contests = nil
}

// workLevel is how loudly to tell of each transaction and bundle: while somebody
// insists on a setting there are some in each round, which nobody wants to read.
func (h *host) workLevel() zapcore.Level {
	for _, b := range h.bridges {
		for _, c := range b.contests {
			if c.open {
				return zap.DebugLevel
			}
		}
	}
	return zap.InfoLevel
}

// touchBridge notes that the networks of a bridge are to be looked at.
func (h *host) touchBridge(b *bridge) {
	for _, name := range b.nets {
		h.status.touch(name)
	}
}

// contestText says for people which settings of a bridge somebody insists on, ""
// if nobody does. It is the same all the time that he does.
func (b *bridge) contestText() string {
	var parts []string
	var slowest time.Duration
	for _, name := range slices.Sorted(maps.Keys(b.contests)) {
		if c := b.contests[name]; c.open {
			parts = append(parts, fmt.Sprintf("%s=%s (wanted: %s)", name, orNothing(c.got), orNothing(c.want)))
			slowest = max(slowest, rest(name))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("bridge %s: another program insists on %s, more than %d times in a minute: that is put right all the same, "+
		"but no more often than every %v; find that program on this host and stop it", b.name, strings.Join(parts, ", "), fightLimit, slowest)
}

func orNothing(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}
