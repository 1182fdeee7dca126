// Package controller joins the parts: hosts that dial in over OVSDB, bridges
// that dial in over OpenFlow, the intent in its store, and the API. One
// goroutine, the hub, owns the intent and the mesh; one goroutine owns each
// host. What is to be done is computed by the pure packages topology,
// ovsdb/plan and openflow/pipeline; here it is only carried out, and what
// became true is recorded.
//
//	                 ┌────────────── hub ──────────────┐
//	API ──apply────► │ store ─► intent ─► mesh ─► mail │
//	                 └───▲──────────────────────┬──────┘
//	               facts │                      ▼ one a host
//	OVSDB 6640 ────────► host loop ◄──── OpenFlow 6653
//
// Losing the controller changes nothing on the switches, and starting it again
// writes nothing that was right.
package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"ovsmesh/controller/adopt"
	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
	"ovsmesh/openflow"
	"ovsmesh/ovsdb"
)

// Config says how a Controller works. Log and Store must be set.
type Config struct {
	Log          *zap.Logger
	Store        *store.Store   // stays the caller's: closed by it after Run has returned
	OVSDB        []net.Listener // where hosts dial in
	OpenFlow     []net.Listener // where bridges dial in
	Advertise    string         // controller target for bridges, tcp:IP:PORT; "": the address that each host reached us on, with the first OpenFlow port
	AutoRegister bool           // whether a host that no spec names may join
	Observe      bool           // write nothing to any host, only look on; see Plan
	SweepEvery   time.Duration  // how often every switch is read back and put right; 0: 50 s
	Patience     time.Duration  // how long a call of the ovstunnel plugin waits for its host; 0: 20 s
	Version      string

	compilers compilers

	Settings []api.SupportSetting // what it was started with, for support
	Secrets  []string             // that must not be in what goes to support
	Recent   func() []string      // the last lines of the log, oldest first; nil: not kept
}

// Controller runs the mesh. New makes one, Run works until its context ends.
type Controller struct {
	cfg      Config
	log      *zap.Logger
	hub      *hub
	env      *environment
	database *ovsdb.Server
	switches *openflow.Server
	metrics  *metrics
	loops    sync.WaitGroup
	started  time.Time
	ready    chan struct{} // closed once hosts may dial in

	auditing  chan struct{} // a place for each host that is looked at, see auditors
	verifying chan struct{} // a place for each request that reads switches, see verifiers
	calls     callers       // of the ovstunnel plugin
}

// sweepEvery is how often switches are read back: what is polled is to be right
// again within a minute, with the time that it takes.
const sweepEvery = 50 * time.Second

// environment is what all hosts' loops share.
type environment struct {
	log        *zap.Logger
	hub        *hub
	events     *events
	history    *history
	switches   *openflow.Server
	metrics    *metrics
	owner      string // the store's UUID
	sweepEvery time.Duration
	advertise  string
	port       uint16 // where bridges dial in
	compilers  compilers
	looks      looks
	patience   time.Duration // with calls of the ovstunnel plugin
}

func (e *environment) switchTarget(local netip.Addr) string {
	return "tcp:" + net.JoinHostPort(local.Unmap().String(), strconv.Itoa(int(e.port)))
}

// clockText is a value that differs at every call, for a column that is
// written only to be written.
func (e *environment) clockText() string { return time.Now().UTC().Format(time.RFC3339Nano) }

// New loads the store and computes the mesh. It starts nothing.
func New(cfg Config) (*Controller, error) {
	if len(cfg.OVSDB) == 0 || len(cfg.OpenFlow) == 0 {
		return nil, errors.New("controller: no listener")
	}
	h, err := newHub(cfg.Log, cfg.Store, cfg.Observe)
	if err != nil {
		return nil, err
	}
	addr, ok := cfg.OpenFlow[0].Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("controller: OpenFlow listener on %s is not TCP", cfg.OpenFlow[0].Addr())
	}
	c := &Controller{
		cfg: cfg, log: cfg.Log, hub: h, ready: make(chan struct{}), started: time.Now(),
		auditing: make(chan struct{}, auditors), verifying: make(chan struct{}, verifiers),
	}
	c.switches = openflow.NewServer(openflow.Config{Log: cfg.Log.Named("openflow")})
	c.database = ovsdb.NewServer(ovsdb.Config{Log: cfg.Log.Named("ovsdb"), Handle: c.serveHost, LockLater: true})
	c.metrics = newMetrics(c)
	c.metrics.connections(c.database, c.switches.Counters())
	c.env = &environment{
		log: cfg.Log, hub: h, events: h.told.events, history: newHistory(historyKept), switches: c.switches, metrics: c.metrics,
		sweepEvery: cmp.Or(cfg.SweepEvery, sweepEvery), owner: cfg.Store.UUID(), advertise: cfg.Advertise, port: addr.AddrPort().Port(),
		compilers: cfg.compilers, patience: cmp.Or(cfg.Patience, tunnelPatience),
	}
	h.newLoop = func(name string) *host { return newHost(name, c.env) }
	return c, nil
}

// Run works until ctx ends, and returns when all that it started has ended.
// What is on the switches stays there.
func (c *Controller) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	c.hub.spawn = func(h *host) { c.loops.Go(func() { h.run(ctx) }) }
	started := make(chan struct{})
	g.Go(func() error {
		c.hub.run(ctx, started)
		return nil
	})
	<-started // every known host has its loop, and its loop the whole of what is wanted
	for _, l := range c.cfg.OVSDB {
		g.Go(func() error { return c.database.Serve(ctx, l) })
	}
	for _, l := range c.cfg.OpenFlow {
		g.Go(func() error { return c.switches.Serve(ctx, l) })
	}
	g.Go(func() error {
		c.watchHealth(ctx)
		return nil
	})
	close(c.ready)
	err := g.Wait()
	c.loops.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// idleCheck is how often a host that may not join is asked again.
const idleCheck = time.Second

// serveHost serves one host's OVSDB connection: it finds out who that is and
// lends the session to the host's loop. A host that may not join, or has left,
// is kept connected but left alone.
func (c *Controller) serveHost(ctx context.Context, s *ovsdb.Session) {
	db := s.DB()
	log := c.log.With(zap.Stringer("from", s.RemoteAddr()))
	told := ""
	for {
		f := factsOf(db, s.RemoteAddr().Addr())
		f.Hostname = adopt.Called(db, c.env.owner, f.Hostname)
		h, err := c.hub.admit(ctx, f, markOf(db), c.cfg.AutoRegister)
		var why string
		switch {
		case err != nil:
			why = err.Error()
		default:
			why = h.serve(ctx, s, db)
		}
		// Who is left alone must leave the lock to others. Where that fails the
		// session is over, and the lock with it.
		_ = s.Unlock(ctx)
		if why != "" && why != told {
			log.Warn("host may not join", zap.String("systemID", f.SystemID), zap.String("hostname", f.Hostname), zap.String("reason", why))
			told = why
		}
		select {
		case <-ctx.Done():
			return
		case <-s.Done():
			return
		case <-time.After(idleCheck):
		}
		if _, err := db.Apply(s.Take()); err != nil {
			log.Warn("host sent rows that make no sense", zap.Error(err))
			return
		}
	}
}
