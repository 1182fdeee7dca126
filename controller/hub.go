package controller

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller/store"
	"ovsmesh/topology"
)

// hub owns the intent, the mesh and the set of hosts. Everything that changes
// them, and everything that must see them at one moment, is a function that
// the hub's goroutine runs; so there is one order of events and no lock.
//
//	apply, delete ─┐                      ┌─► mailbox of host 1
//	facts ─────────┼─► queue ─► hub ──────┼─► mailbox of host 2
//	registration ──┘     │ store first    └─► …
//
// What an operator asked for is on disk before the hub acts on it. What hosts
// report is, too: a controller that starts anew must know every member of a
// network before it may take a tunnel away.
type hub struct {
	log   *zap.Logger
	store *store.Store
	queue chan request

	// Owned by the goroutine in run.
	intent *topology.Intent
	mesh   *topology.Mesh
	facts  map[string]topology.HostFacts // by host name
	left   map[string]store.Left         // hosts that stay out, by system-id
	hosts  map[string]*host              // the loops, by host name; also of hosts that are leaving
	gen    uint64                        // grows with every change of the intent or of the mesh
	batch  store.Batch                   // what hosts reported, waiting for the next write
	told   told                          // what is told as events

	claims    claims    // pins that calls of the plugin wait for
	documents documents // of VPCs

	keeping keeping
	held    atomic.Pointer[hold] // what keeps hosts from being written to, for their loops; nil: nothing

	spawn   func(*host) // starts a host's loop; set before run
	newLoop func(name string) *host
	stopped chan struct{} // closed when run has returned
}

// queueSize bounds how many requests may wait for the hub; further ones block
// their senders, which are the hosts' loops and the API's handlers.
const queueSize = 1024

func newHub(log *zap.Logger, st *store.Store, observe bool) (*hub, error) {
	state, err := st.Load()
	if err != nil {
		return nil, err
	}
	intent, err := topology.NewIntent(state.Intent)
	if err != nil {
		return nil, fmt.Errorf("load store: %w", err)
	}
	h := &hub{
		log: log, store: st, queue: make(chan request, queueSize),
		intent: intent, mesh: topology.NewMesh(),
		facts: state.Facts, left: state.Left, hosts: map[string]*host{}, gen: 1, stopped: make(chan struct{}),
		told: told{events: newEvents(eventsKept)}, keeping: keeping{restore: state.Restored, observe: observe},
		claims: claims{}, documents: newDocuments(state.Documents),
	}
	h.held.Store(h.keeping.hold())
	h.storeTried() // it may have been opened only to be read
	for _, r := range intent.Networks() {
		h.mesh.SetNetwork(r)
	}
	for _, r := range intent.Hosts() {
		if _, out := h.left[r.SystemID]; !out || r.SystemID == "" {
			h.mesh.SetHost(r)
		}
	}
	for _, p := range intent.Ports() {
		h.mesh.SetPort(p)
	}
	for name, f := range h.facts {
		if _, ok := intent.Host(name); ok {
			h.mesh.SetFacts(name, f)
		}
	}
	return h, nil
}

// run starts the loops of all known hosts, says so, and serves the queue until
// ctx ends. Requests that wait together are written to the store together.
func (h *hub) run(ctx context.Context, started chan<- struct{}) {
	defer close(h.stopped)
	for _, r := range h.intent.Hosts() {
		h.startManaged(r)
	}
	h.publish()
	h.keeping.hold().tell(h.log)
	close(started)
	for {
		var again <-chan time.Time
		if d := h.untilKeep(); d > 0 {
			again = time.After(d)
		}
		select {
		case <-ctx.Done():
			return
		case r := <-h.queue:
			h.serve(r)
		case <-again:
			h.retryStore()
		}
	}
}

// request is a function to run, and the channel that is closed when its
// effects are where they belong.
type request struct {
	run  func()
	done chan<- struct{}
}

// serve runs a request and all that wait behind it, and then settles them as
// one: a hundred hosts that dial in at once cost few writes.
func (h *hub) serve(first request) {
	first.run()
	done := []chan<- struct{}{first.done}
	for len(done) < queueSize {
		select {
		case r := <-h.queue:
			r.run()
			done = append(done, r.done)
			continue
		default:
		}
		break
	}
	h.settle()
	for _, d := range done {
		close(d)
	}
}

// settle writes what hosts reported and tells the hosts concerned.
func (h *hub) settle() {
	h.keep()
	h.publish()
	if h.forgetUnpinned() {
		h.keep()
		h.publish()
	}
}

// publish puts what changed in the mesh into the mailboxes of the hosts
// concerned.
func (h *hub) publish() {
	updates := h.mesh.Flush()
	if len(updates) > 0 {
		h.gen++
	}
	for rest := updates; len(rest) > 0; { // they are sorted by host
		name, n := rest[0].Host, 1
		for n < len(rest) && rest[n].Host == name {
			n++
		}
		if host := h.hosts[name]; host != nil {
			host.mail.put(rest[:n], h.gen)
		}
		rest = rest[n:]
	}
	h.told.publish(updates)
}

// errStopped is returned to callers while the controller shuts down.
var errStopped = fmt.Errorf("the controller is stopping: %w", context.Canceled)

// do runs f on the hub's goroutine and waits until its effects are in the
// mailboxes. If ctx ends first, f may still run: it must not touch what its
// caller then goes on to use.
func (h *hub) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case h.queue <- request{f, done}:
	case <-h.stopped:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-h.stopped:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commit makes a planned change of the intent true: on disk, then in memory.
// It must run on the hub's goroutine.
func (h *hub) commit(c *topology.Change) error { return h.commitWith(c, nil) }

// commitWith is commit for a change that holds only with what hosts have
// reported since, by their names.
func (h *hub) commitWith(c *topology.Change, facts map[string]topology.HostFacts) error {
	if c.Empty() {
		return nil
	}
	if err := h.write(&store.Batch{Changes: []*topology.Change{c}, Facts: facts}); err != nil {
		return err
	}
	if err := h.intent.Commit(c); err != nil {
		return err
	}
	h.gen++
	h.told.change(c, h.gen)
	for _, name := range c.DeletePorts {
		h.mesh.DeletePort(name)
	}
	for _, name := range c.DeleteNetworks {
		h.mesh.DeleteNetwork(name)
	}
	for _, name := range c.DeleteHosts {
		h.expel(name)
		h.documents.forgetHost(name) // as the store has
	}
	for _, r := range c.PutHosts {
		h.readmit(r)
	}
	for _, r := range c.PutNetworks {
		h.mesh.SetNetwork(r)
	}
	for _, p := range c.PutPorts {
		h.mesh.SetPort(p)
	}
	return nil
}

// setFacts takes over what a connected host reports of itself. It returns when
// the updates that follow from it are in the mailboxes.
func (h *hub) setFacts(ctx context.Context, name string, f topology.HostFacts) error {
	return h.do(ctx, func() {
		if l := h.hosts[name]; l == nil || l.isLeaving() {
			return // it was deleted meanwhile; its facts would outlive it
		}
		h.takeFacts(name, f)
		h.absorb(name, f)
	})
}

func (h *hub) takeFacts(name string, f topology.HostFacts) {
	h.facts[name] = f
	if h.batch.Facts == nil {
		h.batch.Facts = map[string]topology.HostFacts{}
	}
	h.batch.Facts[name] = f
	h.mesh.SetFacts(name, f)
}
