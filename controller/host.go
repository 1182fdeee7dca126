package controller

import (
	"context"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"ovsmesh/openflow"
	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// host is one hypervisor's loop. Its goroutine alone touches the fields below
// the line; everything reaches it by channel, and it never waits for another
// host.
//
//	mail (hub) ─────────┐
//	database (session) ─┼─► one snapshot ─► rows: one transaction ─► flows: one
//	switches (sessions)─┘                                           bundle a bridge
//
// It lives as long as the host is in the intent, connected or not. While the
// host is not connected, or while another controller holds its lock, nothing
// is written: neither rows nor flows.
type host struct {
	name     string
	log      *zap.Logger
	env      *environment
	mail     *mailbox
	attached chan *attachment
	asked    chan func(context.Context) // looks of the API; see ask
	arrivals arrivals                   // OpenFlow sessions
	poke     chan struct{}              // a switch session has news or has ended
	leaveNow chan struct{}              // closed by leave
	leaving  sync.Once
	done     chan struct{} // closed when the loop has ended
	status   *hostStatus
	health   *health

	// ---- owned by the loop ----

	on       map[string]*topology.OnHost // what is wanted here, by network
	vifs     map[string]string           // network of each VIF, by Interface name
	carriers map[string]*carrier         // by name
	bridges  map[string]*bridge          // that we manage, are to manage or are to release
	seen     uint64                      // generation of the mail that was taken

	att   *attachment // nil while the host is not connected
	facts topology.HostFacts

	wants      map[string]*wants   // see tunnelsWanted
	dirty      map[string]struct{} // networks and carriers whose rows may be off
	asking     map[string]int64    // numbers of ports that replace others and are about to be made, by name
	kept       map[string]struct{} // those with ports that go once no flow uses them
	keptDue    bool                // flows have changed since
	complete   bool                // all rows must be looked at
	settling   settling
	pacing     pacing
	waiting    bool // for more changes, as of the last look; see pacing
	retry      backoff
	routes     grace               // see noWay
	bfd        grace               // see tunnelState
	egress     map[string]struct{} // interfaces by which tunnels leave
	nextSweep  time.Time
	lookedAt   int                 // bridges in this round, see lookAgain
	rowErrors  map[string][]string // what can't be done with rows, by network; "" for the host itself
	leaver     bool                // everything is to be given back
	leaveBy    time.Time           // until when a leaver waits for its host
	watchers   sync.WaitGroup      // one goroutine a switch session, see watch
	lastLocked bool
	writes     bool         // the last look might write, as against one that only took news
	writing    writing      // who writes while that is not us
	proofLimit atomic.Int64 // see permit
	gate       gate
	rows       rowDrift
	did        *deeds // since a repair began; nil: nobody asks
	awaited    []*awaited
	rehearsing bool // plans are of how things are to be in the end; see rehearse
}

// attachment is a host's OVSDB session and the copy of its database, lent to
// the host's loop until released is closed.
type attachment struct {
	sess     *ovsdb.Session
	db       *schema.DB
	released chan struct{}
	refused  string // why the loop did not take it; set before released is closed
}

func newHost(name string, env *environment) *host {
	return &host{
		name:     name,
		log:      env.log.With(zap.String("host", name)),
		env:      env,
		mail:     newMailbox(),
		attached: make(chan *attachment),
		asked:    make(chan func(context.Context)),
		poke:     make(chan struct{}, 1),
		leaveNow: make(chan struct{}),
		done:     make(chan struct{}),
		status:   newHostStatus(env.events.of(name)),
		health:   newHealth(),

		on:        map[string]*topology.OnHost{},
		vifs:      map[string]string{},
		carriers:  map[string]*carrier{},
		bridges:   map[string]*bridge{},
		wants:     map[string]*wants{},
		dirty:     map[string]struct{}{},
		kept:      map[string]struct{}{},
		egress:    map[string]struct{}{},
		rowErrors: map[string][]string{},
		complete:  true,
		routes:    grace{length: routeGrace},
		bfd:       grace{length: bfdGrace},
		gate:      gate{compilers: env.compilers},
	}
}

// leave makes the loop give back everything on the host and end.
func (h *host) leave() { h.leaving.Do(func() { close(h.leaveNow) }) }

func (h *host) isLeaving() bool {
	select {
	case <-h.leaveNow:
		return true
	default:
		return false
	}
}

// serve lends a session to the loop until it ends or the loop lets go of it.
// It returns why the loop did not want it, "" otherwise.
func (h *host) serve(ctx context.Context, s *ovsdb.Session, db *schema.DB) string {
	a := &attachment{sess: s, db: db, released: make(chan struct{})}
	select {
	case h.attached <- a:
	case <-h.done:
		return "it is being deleted"
	case <-s.Done():
		return ""
	case <-ctx.Done():
		return ""
	}
	<-a.released
	return a.refused
}

// ask runs f on the loop's goroutine. It reports whether f ran to its end.
func (h *host) ask(ctx context.Context, f func(ctx context.Context)) bool {
	ran := make(chan struct{})
	g := func(ctx context.Context) {
		defer close(ran)
		f(ctx)
	}
	select {
	case h.asked <- g:
	case <-h.done:
		return false
	case <-ctx.Done():
		return false
	}
	select {
	case <-ran:
		return true
	case <-h.done:
		return false
	}
}

// run is the loop. It returns when ctx ends, or when a host that leaves has
// given everything back.
func (h *host) run(ctx context.Context) {
	defer close(h.done)
	defer h.watchers.Wait()
	defer h.closeBridges()
	defer h.detach("")
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	leave := h.leaveNow
	for ctx.Err() == nil { // where much happens at once, its end is one thing of many
		timer.Reset(h.wait())
		var changed, ended <-chan struct{}
		if h.att != nil {
			changed, ended = h.att.sess.Changed(), h.att.sess.Done()
		}
		select {
		case <-ctx.Done():
			return
		case <-leave:
			leave = nil
			h.startLeaving()
		case a := <-h.attached:
			h.attach(ctx, a)
		case f := <-h.asked:
			f(ctx)
			continue
		case <-ended:
			h.detach("")
		case <-changed:
		case <-h.mail.ready:
			if h.waits() {
				continue
			}
		case <-h.poke:
		case <-timer.C:
		}
		h.reconcile(ctx)
		h.lookAwaited(ctx)
		if h.leaver && h.finishLeaving(ctx) {
			return
		}
	}
}

// wait returns how long the loop may sleep when nothing happens. While nothing may
// be written nothing falls due either: it is news that the loop waits for.
func (h *host) wait() time.Duration {
	d := time.Hour
	by := func(left time.Duration) {
		if left > 0 {
			d = min(d, left)
		}
	}
	if h.leaver && h.att == nil {
		by(max(time.Until(h.leaveBy), time.Millisecond))
	}
	if h.att != nil && h.writing.bar != barNone {
		by(h.writing.left())
		if len(h.status.touched) > 0 {
			by(h.settling.untold())
		}
	}
	if !h.writes {
		return d
	}
	now := time.Now()
	by(h.settling.left())
	if len(h.status.touched) > 0 {
		by(h.settling.untold())
	}
	if h.waiting {
		by(max(h.pacing.left(), time.Millisecond))
	}
	by(h.retry.left())
	by(max(h.nextSweep.Sub(now), time.Millisecond))
	by(h.routes.left())
	by(h.bfd.left())
	by(h.rows.fights.left(now))
	planned := h.writable() && h.retry.ready() // or it is for that that the next plan waits
	for _, b := range h.bridges {
		if b.sess != nil {
			by(b.retry.left())
			if b.synced && b.stage == stageOurs && b.pushed() {
				by(b.drift.looking.left(now))
			}
		} else if planned && !b.releaseBy.IsZero() {
			by(max(b.releaseBy.Sub(now), time.Millisecond))
		}
		by(b.drift.fights.left(now))
		by(b.deafLeft(now))
		if planned {
			by(b.contests.wait(now))
		}
	}
	return d
}

// attach takes a session over. A second one for a host whose session lives is
// refused: a claimant never displaces a session that answers.
func (h *host) attach(ctx context.Context, a *attachment) {
	if h.att != nil {
		probe, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := h.att.sess.Echo(probe)
		cancel()
		if err == nil {
			a.refused = "another connection from " + h.att.sess.RemoteAddr().String() + " is this host already (same system-id)"
			h.log.Warn("second connection claims to be this host", zap.Stringer("from", a.sess.RemoteAddr()), zap.Stringer("have", h.att.sess.RemoteAddr()))
			close(a.released)
			return
		}
		h.detach("replaced by a newer one")
	}
	h.att = a
	h.mail.setAway(false)
	h.complete = true
	h.settling, h.pacing = settling{}, pacing{}
	h.retry = backoff{}
	h.lastLocked = false
	h.stopWaiting()
	h.nextSweep = time.Now().Add(h.env.sweepEvery/2 + rand.N(h.env.sweepEvery/2+1)) // many may have come at once

	h.facts = topology.HostFacts{} // report anew
	h.status.connect(a.sess.RemoteAddr().String(), a.db.Open.OVSVersion)
	h.health.came(a.sess, a.db.Open.CurCfg, a.db.Open.NextCfg)
	h.log.Info("host connected", zap.Stringer("from", a.sess.RemoteAddr()))
}

// detach gives the session back. What is on the switches stays.
func (h *host) detach(why string) {
	if h.att == nil {
		return
	}
	if err := h.att.sess.Err(); err != nil && why == "" {
		why = err.Error()
	}
	h.log.Info("host disconnected", zap.String("reason", why))
	advice := redialAdvice(h.att.sess)
	close(h.att.released)
	h.att, h.writes = nil, false
	h.stopWaiting()
	h.mail.setAway(true)
	h.status.disconnect(why + advice)
	h.health.went(why + advice)
	h.republish()
}

// reconcile brings the host closer to what is wanted: take all news, look
// once, write at most one transaction and one bundle a bridge.
func (h *host) reconcile(ctx context.Context) {
	start := time.Now()
	h.waiting, h.writes, h.lookedAt = false, false, 0
	h.takeMail()
	if h.att == nil {
		h.takeSwitches() // a bridge comes and goes without its host's database
		h.republish()
		return
	}
	if err := h.takeRows(ctx); err != nil {
		h.att.sess.Close()
		h.detach(err.Error())
		return
	}
	h.takeMail() // what followed from the rows
	h.takeSwitches()
	if h.env.hub.held.Load() != nil {
		h.surveyBridges() // an audit needs their sessions
		h.republish()
		return
	}
	if !h.mayWrite(ctx) {
		return
	}
	h.writes = true
	h.clearMark(ctx)
	if h.sweep() {
		h.retryTunnels(ctx)
	}
	wrote := h.write(ctx)
	for _, g := range []*grace{&h.routes, &h.bfd} {
		for name := range g.due() {
			h.status.touch(name)
		}
	}
	h.republish()
	if wrote {
		h.env.metrics.reconcile.Observe(time.Since(start).Seconds())
	}
}

// waits takes over what the hub wants here if that is to wait for more, and
// reports whether it is: of a burst nothing else need be done with each change.
func (h *host) waits() bool {
	if !h.waiting || h.att == nil {
		return false
	}
	h.takeMail()
	return h.pacing.left() > 0
}

// takeMail takes over what the hub wants here.
func (h *host) takeMail() {
	updates, gen := h.mail.take()
	h.seen = gen
	if h.leaver {
		return
	}
	if len(updates) > 0 {
		h.pacing.came()
	}
	for name, on := range updates {
		h.setWanted(name, on)
	}
}

func (h *host) setWanted(name string, on *topology.OnHost) {
	if was := h.on[name]; was != nil {
		h.leaveCarrier(was)
		for _, v := range was.VIFs {
			if h.vifs[v.Interface] == name {
				delete(h.vifs, v.Interface)
			}
		}
		if b := h.bridges[was.Bridge]; b != nil && (on == nil || on.Bridge != was.Bridge || on.Net.ID != was.Net.ID) {
			b.leave(was.Net.ID)
		}
	}
	h.dirty[name] = struct{}{}
	h.rows.fights.end(rowsKey(name))
	if on == nil {
		delete(h.wants, name)
		delete(h.on, name)
		delete(h.rowErrors, name)
		h.status.dropNetwork(name)
		return
	}
	h.on[name] = on
	h.status.touch(name)
	for _, v := range on.VIFs {
		h.vifs[v.Interface] = name
	}
	if on.Bridge != "" {
		h.bridge(on.Bridge).join(on.Net)
	}
	h.joinCarrier(on)
}

// takeRows takes over what changed in the host's database and tells the hub
// what of it matters to others.
func (h *host) takeRows(ctx context.Context) error {
	changes, err := h.att.db.Apply(h.att.sess.Take())
	if err != nil {
		return err
	}
	if changes.Open {
		h.health.config(h.att.db.Open.CurCfg, h.att.db.Open.NextCfg)
	}
	h.rowsFound(changes)
	h.numbersFound(changes)
	h.mark(changes)
	if h.leaver {
		if h.facts.SystemID == "" {
			h.facts.SystemID = h.att.db.Open.ExternalIDs["system-id"]
		}
		return nil
	}
	if markOf(h.att.db) == leaveRequested {
		return h.env.hub.requestLeave(ctx, h.name, h.att.db.Open.ExternalIDs["system-id"])
	}
	if h.facts.SystemID != "" && !changes.Foreign {
		return nil
	}
	facts := factsOf(h.att.db, h.att.sess.RemoteAddr().Addr())
	if reflect.DeepEqual(facts, h.facts) {
		return nil
	}
	h.facts = facts
	return h.env.hub.setFacts(ctx, h.name, facts)
}

// watch wakes the loop when a switch session has news or ends.
func (h *host) watch(s *openflow.Session) {
	h.watchers.Go(func() {
		var due <-chan time.Time // when changes of flows have been collected
		for {
			select {
			case <-s.Changed():
				h.wake()
			case <-s.FlowsChanged():
				if due == nil {
					due = time.After(driftGap)
				}
			case <-due:
				due = nil
				h.wake()
			case <-s.Done():
				h.wake()
				return
			}
		}
	})
}

func (h *host) wake() {
	select {
	case h.poke <- struct{}{}:
	default:
	}
}
