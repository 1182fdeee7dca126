package controller

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow"
	"ovsmesh/ovsdb"
	"ovsmesh/topology"
)

// health is what is known of how a host answers. Its loop notes what happens;
// how long ago that was is looked at by whoever asks, so it costs nothing while
// nobody does. Nothing is sent for it: the sessions' own echoes tell.
type health struct {
	mu       sync.Mutex
	database pulse                   // nil while it is not connected
	since    time.Time               // when it last connected or disconnected; zero: never connected
	why      string                  // it disconnected
	behind   time.Time               // since when ovs-vswitchd has not carried out what is configured; zero: it has
	cur, cfg int64                   // cur_cfg and next_cfg
	switches map[string]*switchPulse // by bridge, those that we manage
}

// pulse is a session as far as it tells how the other side answers.
type pulse interface {
	Pulse() (roundTrip, silent, overdue time.Duration)
}

// switchPulse is the OpenFlow connection of a bridge.
type switchPulse struct {
	session pulse     // nil while there is none
	lost    time.Time // since when there is none
	why     string    // it ended; "" where none has been there
}

// When a host is no longer ok. A switch that makes a thousand ports answers
// nothing for a second and longer.
const (
	slowRoundTrip = 500 * time.Millisecond // of an echo
	slowAnswer    = time.Second            // for an echo that is out
	stuckAnswer   = 3 * time.Second
	slowConfig    = 2 * time.Second // for cur_cfg to follow next_cfg
	stuckConfig   = 6 * time.Second
	slowDial      = 2 * time.Second // for a bridge to dial in again: it tries every 1 to 1.5 s
	stuckDial     = 6 * time.Second
)

func newHealth() *health { return &health{switches: map[string]*switchPulse{}} }

// came notes that the host's database has connected.
func (k *health) came(p pulse, cur, next int64) {
	k.mu.Lock()
	k.database, k.since, k.why, k.behind = p, time.Now(), "", time.Time{}
	k.mu.Unlock()
	k.config(cur, next)
}

// went notes that the connection of the database has ended.
func (k *health) went(why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.database, k.since, k.why, k.behind = nil, time.Now(), why, time.Time{}
}

// redialAdvice says what to do about a host that has closed its connection itself,
// and does not come back: mostly somebody has taken its manager away, which can
// only be mended there. It is "" for one whose connection has broken.
func redialAdvice(s *ovsdb.Session) string {
	if !errors.Is(s.Err(), io.EOF) {
		return ""
	}
	return fmt.Sprintf("; unless ovsdb-server has ended there, its manager was removed: run \"ovs-vsctl set-manager tcp:%s\" on it", s.LocalAddr())
}

// config notes how far ovs-vswitchd has followed its configuration. As long as
// it makes any way it is not behind for long.
func (k *health) config(cur, next int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case cur >= next:
		k.behind = time.Time{}
	case k.behind.IsZero() || cur != k.cur:
		k.behind = time.Now()
	}
	k.cur, k.cfg = cur, next
}

// awaits notes that a bridge should dial in.
func (k *health) awaits(bridge string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.switches[bridge] == nil {
		k.switches[bridge] = &switchPulse{lost: time.Now()}
	}
}

// dialled notes that a bridge has dialled in.
func (k *health) dialled(bridge string, p pulse) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.switches[bridge] = &switchPulse{session: p}
}

// lost notes that a bridge's OpenFlow connection has ended; one that had fallen
// silent was lost when it did.
func (k *health) lost(bridge string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &switchPulse{lost: time.Now()}
	if was := k.switches[bridge]; was != nil && was.session != nil && errors.Is(err, openflow.ErrSilent) {
		_, silent, _ := was.session.Pulse()
		s.lost = s.lost.Add(-silent)
	}
	if err != nil {
		s.why = err.Error()
	}
	k.switches[bridge] = s
}

// drops notes that a bridge is no longer ours.
func (k *health) drops(bridge string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.switches, bridge)
}

// verdict says how the host is now, why it is not ok, and what its echoes tell.
func (k *health) verdict() (word, reason string, echoes *api.HostEchoes) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if k.database == nil {
		return k.away(now)
	}
	var f finding
	roundTrip, silent, overdue := k.database.Pulse()
	echoes = &api.HostEchoes{Database: echo(roundTrip, silent)}
	f.answers("its database", now, roundTrip, overdue)
	dead := f.word == api.HealthStuck
	if !k.behind.IsZero() {
		f.late(now.Sub(k.behind), slowConfig, stuckConfig, fmt.Sprintf("ovs-vswitchd has not carried out its configuration (cur_cfg %d, next_cfg %d) since %s, for %s",
			k.cur, k.cfg, clock(k.behind), length(now.Sub(k.behind))))
	}
	switches := k.tally(now)
	echoes.Switches = switches.echo
	switches.note(&f, now)
	if dead && switches.connected > 0 && switches.alive == 0 {
		f.word = api.HealthUnreachable // both at once: mostly the way to it
	}
	word, reason = f.result()
	return word, reason, echoes
}

// tally is what the bridges of a host have in common: one cause mostly shows at
// all of them.
type tally struct {
	connected, alive int
	echo             *api.HostEcho // the worst; nil where none is connected
	owing, late      []string      // bridges that owe an answer, and that took long to give one
	overdue, took    time.Duration // the longest of these
	away             []string      // bridges that are not connected
	since            time.Time     // the first of them
	why              string
}

func (k *health) tally(now time.Time) *tally {
	t := &tally{}
	for _, name := range slices.Sorted(maps.Keys(k.switches)) {
		s := k.switches[name]
		if s.session == nil {
			if now.Sub(s.lost) >= slowDial {
				t.away = append(t.away, name)
				if t.since.IsZero() || s.lost.Before(t.since) {
					t.since, t.why = s.lost, s.why
				}
			}
			continue
		}
		t.connected++
		roundTrip, silent, overdue := s.session.Pulse()
		e := echo(roundTrip, silent)
		if t.echo == nil {
			t.echo = &e
		}
		t.echo.RoundTripMicros = max(t.echo.RoundTripMicros, e.RoundTripMicros)
		t.echo.SilentMillis = max(t.echo.SilentMillis, e.SilentMillis)
		if overdue < stuckAnswer {
			t.alive++
		}
		switch {
		case overdue >= slowAnswer:
			t.owing = append(t.owing, name)
			t.overdue = max(t.overdue, overdue)
		case overdue == 0 && roundTrip >= slowRoundTrip:
			t.late = append(t.late, name)
			t.took = max(t.took, roundTrip)
		}
	}
	return t
}

// note says what is wrong with bridges.
func (t *tally) note(f *finding, now time.Time) {
	f.answers("ovs-vswitchd ("+bridgesNamed(t.owing)+")", now, 0, t.overdue)
	f.answers("ovs-vswitchd ("+bridgesNamed(t.late)+")", now, t.took, 0)
	if len(t.away) > 0 {
		text := bridgesNamed(t.away) + ": no OpenFlow connection since " + clock(t.since) + ", for " + length(now.Sub(t.since))
		if t.why != "" {
			text += ": " + t.why
		}
		f.late(now.Sub(t.since), slowDial, stuckDial, text)
	}
}

// bridgesNamed returns "bridge a", or the first few of several.
func bridgesNamed(names []string) string {
	if len(names) == 1 {
		return "bridge " + names[0]
	}
	const shown = 3
	text := "bridges " + strings.Join(names[:min(shown, len(names))], ", ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// verdict says how a host is, and why it is not ok; "" of one that is not there
// to be well.
func (h *hostNow) verdict() (word, reason string) {
	switch {
	case h.left || h.rec.Kind == topology.KindExternal:
		return "", ""
	case h.loop == nil:
		return api.HealthUnreachable, "it has never connected"
	}
	word, reason, _ = h.loop.health.verdict()
	return word, reason
}

// away is the verdict on a host whose database is not connected.
func (k *health) away(now time.Time) (word, reason string, _ *api.HostEchoes) {
	if k.since.IsZero() {
		return api.HealthUnreachable, "it has not connected since this controller has started", nil
	}
	reason = "not connected since " + clock(k.since)
	if k.why != "" {
		reason += ": " + k.why
	}
	for _, name := range slices.Sorted(maps.Keys(k.switches)) {
		s := k.switches[name]
		if s.session == nil {
			continue
		}
		// A session that has ended hears nothing any more either.
		if _, silent, _ := s.session.Pulse(); silent < stuckAnswer+slowAnswer && now.Sub(k.since) > silent {
			return api.HealthStuck, "its database is " + reason + "; ovs-vswitchd (bridge " + name + ") answers", nil
		}
	}
	return api.HealthUnreachable, reason, nil
}

// finding collects what is wrong; the worst counts, and of equals the first.
type finding struct {
	word    string
	reasons []string
}

func (f *finding) note(word, text string) {
	if word == api.HealthStuck && f.word != api.HealthStuck {
		f.reasons = nil
	} else if f.word == api.HealthStuck && word != api.HealthStuck {
		return
	}
	f.word = word
	f.reasons = append(f.reasons, text)
}

// late notes what has been waited for.
func (f *finding) late(d, slow, stuck time.Duration, text string) {
	switch {
	case d >= stuck:
		f.note(api.HealthStuck, text)
	case d >= slow:
		f.note(api.HealthSlow, text)
	}
}

// answers notes how somebody answers echoes.
func (f *finding) answers(who string, now time.Time, roundTrip, overdue time.Duration) {
	switch {
	case overdue >= stuckAnswer:
		f.note(api.HealthStuck, who+" has not answered since "+clock(now.Add(-overdue))+", for "+length(overdue))
	case overdue >= slowAnswer:
		f.note(api.HealthSlow, who+" has owed an answer for "+length(overdue))
	case overdue == 0 && roundTrip >= slowRoundTrip:
		f.note(api.HealthSlow, who+" took "+length(roundTrip)+" to answer")
	}
}

func (f *finding) result() (word, reason string) {
	if f.word == "" {
		return api.HealthOK, ""
	}
	return f.word, strings.Join(f.reasons, "; ")
}

func echo(roundTrip, silent time.Duration) api.HostEcho {
	return api.HostEcho{RoundTripMicros: roundTrip.Microseconds(), SilentMillis: max(silent, 0).Milliseconds()}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

// length is a duration as people say it.
func length(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
