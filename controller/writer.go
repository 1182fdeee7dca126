package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"ovsmesh/openflow"
	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/schema"
)

// A host has one writer: the controller that holds the lock of its database.
//
//	rows     every transaction asserts the lock: the database judges
//	flows    a bundle is committed while the lock is proven to be held, see
//	         permit; and a bridge has one Controller row, which names the writer:
//	         when another one takes over, the switch hangs up on the former
//	others'  where all rows of ovsmesh are another store's, the lock is not even
//	rows     asked for: their controller must find it free when it comes back

// How old a proof that the lock is held may be when a bundle is committed. In the
// usual case it is asked for while the bundle goes out, and as old as the answer
// took. Where the database is slower than that the limit grows, up to where one
// that was stopped could not have been noticed yet: a database lets go of a
// controller that does not answer after two seconds at the earliest
// (Manager.inactivity_probe is at least 1 s, and passes twice). If it lets go
// earlier, for it is told to, the end of the connection is in our kernel before
// another one gets the lock, and Session.Proven knows of it.
const (
	proofMin = 50 * time.Millisecond
	proofMax = time.Second
)

// permit is what the flows of a host go out with: the lock of its database.
type permit struct {
	lock  *ovsdb.Session
	limit *atomic.Int64 // how old a proof may be, nanoseconds; 0: proofMin
}

// Valid implements openflow.Permit.
func (p permit) Valid() bool {
	age, ok := p.lock.Proven()
	return ok && age <= max(time.Duration(p.limit.Load()), proofMin)
}

// Renew implements openflow.Permit.
func (p permit) Renew(ctx context.Context) error {
	if err := p.lock.Prove(ctx); err != nil {
		return err
	}
	limit := max(time.Duration(p.limit.Load()), proofMin)
	switch age, ok := p.lock.Proven(); {
	case !ok:
	case age > limit:
		limit = min(2*limit, proofMax)
	case age < limit/4:
		limit = max(limit/2, proofMin)
	}
	p.limit.Store(int64(limit))
	return nil
}

// late reports whether err says that something was not written because the lock
// had gone, and counts it.
func (h *host) late(err error) bool {
	if !errors.Is(err, ovsdb.ErrNotLocked) && !errors.Is(err, openflow.ErrNotPermitted) {
		return false
	}
	h.env.metrics.late.Inc()
	return true
}

// writing is who writes on a host that is connected, as far as its loop knows.
type writing struct {
	bar    bar       // why it is not us
	since  time.Time // when the bar came, or changed
	text   string    // what to tell of it; "" while there is none
	holder string    // the manager that holds the lock, by the host's database; "" if not known
	lookup time.Time // when to look for the holder next
	looks  int
	away   map[string]func() // bridges that are turned away, by name: stops it
}

// bar is why this controller writes nothing on a host.
type bar int

const (
	barNone    bar = iota
	barLock        // another controller holds the lock
	barForeign     // the rows of ovsmesh there are all another store's
)

// Times of one that does not write.
const (
	// Open vSwitch tells every 2.5 s who holds which lock.
	holderFirst = 3 * time.Second
	holderAgain = 10 * time.Second

	// standby is for how long one that has lost the lock keeps the bridges that
	// are connected to it: for a look at them, or should the lock come back. Then
	// it hangs up, for a bridge may have been meant for the other, behind an
	// address that both share.
	standby = 10 * time.Second
)

// mayWrite reports whether this controller may write on the host now. If not, it
// says so, and stays quiet.
func (h *host) mayWrite(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	b, held := barLock, false
	var err error
	if h.foreign() {
		b, err = barForeign, h.att.sess.Unlock(ctx)
	} else if held, err = h.claim(ctx); held {
		b = barNone
	}
	if err != nil {
		h.att.sess.Close()
		h.detach(err.Error())
		return false
	}
	if b != barNone {
		h.stayQuiet(ctx, b)
		return false
	}
	if !h.lastLocked {
		h.stopWaiting()
		h.lastLocked = true
		h.status.setWriter(true)
		h.log.Info("lock held: this controller writes")
		h.complete = true
		h.awayFound()
		h.mistrust()
		for name := range h.on {
			h.status.touch(name)
		}
	}
	return true
}

// foreign reports whether there are rows of ovsmesh on the host, and all are of
// another store. Only adopting them makes them ours.
func (h *host) foreign() bool {
	owners := h.att.db.Owners()
	return len(owners) > 0 && owners[h.env.owner] == 0
}

// claim asks for the lock, if that is still to be done, and reports whether it is
// held. For rows of another store to be adopted it is called by who adopts them,
// and they are written in the same call of the loop: its next look gives the lock
// back if they are still not ours.
func (h *host) claim(ctx context.Context) (held bool, err error) {
	if err := h.att.sess.AskLock(ctx); err != nil {
		return false, err
	}
	return h.att.sess.Lock() == ovsdb.LockHeld, nil
}

// stayQuiet is what is done instead of writing: telling why.
func (h *host) stayQuiet(ctx context.Context, b bar) {
	w := &h.writing
	if h.lastLocked {
		h.lastLocked = false
		h.status.setWriter(false)
		h.env.metrics.lockLost.Inc()
	}
	came := w.bar != b
	if came {
		h.stopWaiting()
		w.bar, w.since, w.lookup = b, time.Now(), time.Now()
	}
	if looked := !time.Now().Before(w.lookup); looked {
		h.findHolder(ctx)
		w.looks++
		w.lookup = time.Now().Add(holderAgain)
		if w.looks == 1 {
			w.lookup = time.Now().Add(holderFirst)
		}
	}
	h.standBack()
	if text := h.barText(); text != w.text {
		w.text = text
		for name := range h.on {
			h.status.touch(name)
		}
	}
	h.status.setBarred(b, w.holder, h.others())
	if came {
		h.log.Warn("not the writer: nothing is written to this host", zap.String("reason", w.text))
	}
	h.republish()
}

// stopWaiting forgets why nothing was written.
func (h *host) stopWaiting() {
	for _, stop := range h.writing.away {
		stop()
	}
	h.writing = writing{}
	h.status.setBarred(barNone, "", nil)
}

// left returns how long one that does not write may sleep.
func (w *writing) left() time.Duration {
	d := time.Until(w.lookup)
	if grace := time.Until(w.since.Add(standby)); grace > 0 {
		d = min(d, grace)
	}
	return max(d, time.Millisecond)
}

// others returns the UUIDs of the other stores that have rows on the host.
func (h *host) others() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(h.att.db.Owners())), func(o string) bool { return o == h.env.owner })
}

// barText says what is waited for.
func (h *host) barText() string {
	w := &h.writing
	if w.bar == barLock {
		text := fmt.Sprintf("the lock %q of this host's database, which another controller holds: it alone writes", ovsdb.LockName)
		return text + w.manager() + h.dialled()
	}
	held := ""
	switch {
	case w.holder != "":
		held = fmt.Sprintf("; its controller holds the lock %q%s", ovsdb.LockName, w.manager())
	case w.looks > 1: // before, it may be too early to tell
		held = fmt.Sprintf("; nobody holds the lock %q", ovsdb.LockName)
	}
	return fmt.Sprintf("another ovsmesh store (%s), which has rows here: nothing is written, and the lock is left to its controller, until `ovsmesh adopt` makes them ours or they are gone%s%s",
		strings.Join(h.others(), ", "), held, h.dialled())
}

// manager names who holds the lock, as the host's database calls it.
func (w *writing) manager() string {
	if w.holder == "" {
		return ""
	}
	return " (manager " + w.holder + ")"
}

// dialled says where the bridges here dial that some ovsmesh manages.
func (h *host) dialled() string {
	targets := map[string]bool{}
	for _, b := range h.att.db.Bridges {
		if b.ExternalIDs[schema.KeyOwner] == "" {
			continue
		}
		for _, id := range b.Controllers {
			if c := h.att.db.Controllers[id]; c != nil && c.ExternalIDs[schema.KeyOwner] != "" {
				targets[c.Target] = true
			}
		}
	}
	if len(targets) == 0 {
		return ""
	}
	return "; bridges dial " + strings.Join(slices.Sorted(maps.Keys(targets)), ", ")
}

// findHolder looks up which manager holds the lock. That is not monitored: the
// database writes it anew every 2.5 s.
func (h *host) findHolder(ctx context.Context) { h.writing.holder = h.lockHolder(ctx) }

func (h *host) lockHolder(ctx context.Context) string {
	results, err := h.att.sess.Select(ctx, ovsdb.Operation{Op: "select", Table: "Manager", Columns: []string{"target", "status"}})
	if err != nil {
		h.log.Debug("holder of the lock not found", zap.Error(err)) // the session's end is noticed elsewhere
		return ""
	}
	var holders []string
	us := "tcp:" + h.att.sess.LocalAddr().String() // what is told of us is what was, if we held it a moment ago
	for _, res := range results {
		for _, row := range res.Rows {
			target, _ := row["target"].(string)
			status, _ := row["status"].(ovsdb.OvsMap)
			locks, _ := status.GoMap["locks_held"].(string)
			if target != us && slices.Contains(strings.Fields(locks), ovsdb.LockName) {
				holders = append(holders, target)
			}
		}
	}
	slices.Sort(holders)
	return strings.Join(holders, ", ")
}

// standBack hangs up on bridges that are connected to a controller which does not
// write, and turns those away that dial it: the same address may lead to the one
// that does.
func (h *host) standBack() {
	w := &h.writing
	if time.Since(w.since) < standby && slices.ContainsFunc(slices.Collect(maps.Values(h.bridges)), func(b *bridge) bool { return b.sess != nil }) {
		return
	}
	for _, b := range h.bridges {
		if b.cancel != nil {
			b.cancel()
			b.cancel, b.dpid = nil, 0
		}
		if b.sess != nil {
			b.sess.Close()
			h.health.drops(b.name)
			b.lose()
		}
	}
	from := h.att.sess.RemoteAddr().Addr()
	for name, stop := range w.away {
		if r := h.att.db.BridgeByName(name); r == nil || r.ExternalIDs[schema.KeyOwner] == "" {
			stop()
			delete(w.away, name)
		}
	}
	for _, r := range h.att.db.Bridges {
		dpid := datapath(r)
		if r.ExternalIDs[schema.KeyOwner] == "" || dpid == 0 || w.away[r.Name] != nil {
			continue
		}
		if w.away == nil {
			w.away = map[string]func(){}
		}
		w.away[r.Name] = h.env.switches.Expect(dpid, from, func(s *openflow.Session) {
			h.env.metrics.turnedAway.Inc()
			s.Close()
		})
	}
}

// Who may write on a connected host, as metrics say it.
const (
	writerSelf    = "self"
	writerOther   = "other"
	writerForeign = "foreign"
)

// writerWord says who may write; the caller holds mu.
func (s *hostStatus) writerWord() string {
	switch {
	case s.bar == barForeign:
		return writerForeign
	case s.writer:
		return writerSelf
	}
	return writerOther
}

// writerMetrics are the counters of who writes.
type writerMetrics struct {
	lockLost, late, turnedAway prometheus.Counter
}

func (m *writerMetrics) register(r *prometheus.Registry) {
	for _, c := range []struct {
		to         *prometheus.Counter
		name, help string
	}{
		{&m.lockLost, "lock_lost_total", "Times that a host's lock went to another controller while this one was connected to the host."},
		{&m.late, "late_writes_refused_total", "Transactions and bundles that were not carried out because the lock was no longer held."},
		{&m.turnedAway, "bridges_turned_away_total", "Times that a bridge dialled this controller while another one writes on its host, and was hung up on."},
	} {
		*c.to = prometheus.NewCounter(prometheus.CounterOpts{Name: "ovsmesh_" + c.name, Help: c.help})
		r.MustRegister(*c.to)
	}
}
