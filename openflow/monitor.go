package openflow

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"ovsmesh/openflow/wire"
)

// FlowChanges is what became of the flows of a switch since the last look.
type FlowChanges struct {
	// Updates are the changes that others made, in order. Of a table entry that
	// changed several times each state is there.
	Updates []wire.FlowUpdate

	// Own is where among Updates the last bundle of ours took effect: those
	// before it happened before. -1 if none took effect, or changed anything.
	Own int

	// Lost says that changes are missing: too many waited here, or the switch
	// could not get rid of them. Updates is empty then. Only reading all flows
	// tells how they are.
	Lost bool
}

// monitorFlags: of our own bundles one line each, in its place among the others.
const monitorFlags = wire.MonitorAdd | wire.MonitorDelete | wire.MonitorModify | wire.MonitorInstructions

// ErrNotWatched is wrapped by Watch's error where the switch can't tell of
// changes.
var ErrNotWatched = errors.New("switch has no flow monitor")

// Watch has the switch tell of every change of its flows from now on, for
// TakeFlows. What has been read with Flows before Watch has returned may miss
// some; what is read later, with all changes since then applied to it in order,
// does not. It may be called again.
//
// The error wraps ErrNotWatched if the switch refuses.
func (s *Session) Watch(ctx context.Context) error {
	const op = "watch flows"
	id, begun := s.flows.begin()
	if begun {
		return nil
	}
	xid := s.calls.xids(1)
	request, err := wire.EncodeFlowMonitor(xid, id, monitorFlags)
	if err == nil {
		err = s.ask(ctx, xid, request, func(m wire.Message) (bool, error) {
			p, err := wire.DecodeMultipart(m)
			if err == nil && !wire.IsFlowMonitor(p) {
				err = fmt.Errorf("multipart reply of type %d: %w", p.Type, wire.ErrMalformed)
			}
			return !p.More, err
		})
	}
	if err == nil {
		return nil
	}
	s.flows.end()
	if e := (*wire.Error)(nil); errors.As(err, &e) {
		err = fmt.Errorf("%w: %w", ErrNotWatched, err)
	}
	return s.failed(op, err)
}

// FlowsChanged receives a value when there is something for TakeFlows, save
// where that is only our own bundles.
func (s *Session) FlowsChanged() <-chan struct{} { return s.flows.changed }

// TakeFlows returns what changed since the last TakeFlows, and forgets it.
// Without Watch that is nothing.
func (s *Session) TakeFlows() FlowChanges { return s.flows.take() }

// flowChanges keeps changes until they are taken. Whoever adds to it never
// waits.
type flowChanges struct {
	changed chan struct{} // capacity 1
	limit   int           // bytes

	mu       sync.Mutex
	watching bool
	monitors uint32 // that were asked for: one, save where an answer did not come in time
	paused   bool   // by the switch: what it tells now is not all
	pending  FlowChanges
	bytes    int // of pending, as they were on the wire
}

func newFlowChanges(limit int) flowChanges {
	return flowChanges{changed: make(chan struct{}, 1), limit: limit, pending: FlowChanges{Own: -1}}
}

// begin begins the watch unless it has been begun; id is for its flow monitor.
func (c *flowChanges) begin() (id uint32, begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watching {
		return 0, true
	}
	c.watching = true
	c.monitors++
	return c.monitors, false
}

func (c *flowChanges) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watching = false
}

func (c *flowChanges) take() FlowChanges {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pending
	c.pending, c.bytes = FlowChanges{Own: -1}, 0
	return p
}

// push takes a message that the switch sends by itself, if it is about flows
// that are watched. The error is one that ends the session.
func (c *flowChanges) push(m wire.Message, counters *Counters) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.watching {
		return nil
	}
	if state, ok := wire.DecodeMonitorState(m); ok {
		c.paused = state == wire.MonitorPaused
		c.lose() // what comes until it resumes is the state of some flows, not what became of each
		if c.paused {
			counters.FlowPauses.Add(1)
		} else {
			c.tell()
		}
		return nil
	}
	if m.Type != wire.TypeMultipartReply {
		return nil
	}
	p, err := wire.DecodeMultipart(m)
	if err != nil || !wire.IsFlowMonitor(p) {
		return err
	}
	updates, err := wire.DecodeFlowUpdates(p.Body)
	if err != nil {
		return err
	}
	own := len(c.pending.Updates)
	kept := updates[:0]
	for i := range updates {
		if updates[i].Event == wire.UpdateAbbrev {
			c.pending.Own = own + len(kept)
			continue
		}
		kept = append(kept, updates[i])
	}
	if len(kept) == 0 {
		return nil
	}
	counters.FlowUpdates.Add(uint64(len(kept)))
	if c.bytes += len(p.Body); c.bytes > c.limit {
		c.lose()
	}
	if !c.paused && !c.pending.Lost {
		c.pending.Updates = append(c.pending.Updates, kept...)
	}
	if !c.paused {
		c.tell()
	}
	return nil
}

// lose forgets what waits.
func (c *flowChanges) lose() {
	c.pending, c.bytes = FlowChanges{Own: -1, Lost: true}, 0
}

func (c *flowChanges) tell() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}
