package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Result is what became of one fault.
type Result struct {
	Fault       Fault
	Seed        uint64
	Host        string // that it met; "": all of them
	Sent        int    // packets, in all
	Lost        int    // of these, in all
	Elsewhere   int    // of these lost, between VMs on hosts that the fault did not meet
	Gap         time.Duration
	RowsWritten int // transactions of the controller in hosts' databases
	// FlowsWritten is how many flow-mods switches took.
	FlowsWritten int
	Took         time.Duration // until right again
	Met          bool          // all targets
	Slow         bool          // the target of time was missed
	Wrong        bool          // another target was: what was lost or written
	Why          string        // a target was missed, or what went wrong
	Loss         Loss          // by pairs
}

const (
	warmUp      = 300 * time.Millisecond // of traffic before a fault
	rightLimit  = 60 * time.Second       // for anything to be right again, whatever the target
	settleLimit = 60 * time.Second       // for a mesh to settle before a fault and after it
)

// The counters of a server that a Result holds the growth of.
const (
	metricTransactions = "ovsmesh_ovsdb_transactions_total"
	metricFlowMods     = "ovsmesh_openflow_flow_mods_total"
)

// Run makes one fault in a settled mesh, under traffic, and measures what comes
// of it. An error means that this could not be done or that something was seen
// that no limit allows: a mesh that does not settle, a packet that came to
// another tenant, a server that crashed; the Result then holds what is known.
func (m *Mesh) Run(ctx context.Context, f Fault, seed uint64) (Result, error) {
	r := Result{Fault: f, Seed: seed}
	err := m.run(ctx, &r)
	if err == nil {
		err = m.Server.broken()
	}
	if err != nil {
		r.Why = err.Error()
		return r, fmt.Errorf("%s (seed %d): %w", f.Name, seed, err)
	}
	r.judge()
	return r, nil
}

func (m *Mesh) run(ctx context.Context, r *Result) (err error) {
	if err := m.settledWithin(ctx, settleLimit); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if r.Fault.Prepare != nil {
		cleanUp, failed := r.Fault.Prepare(ctx, m)
		if cleanUp != nil {
			defer func() { err = errors.Join(err, cleanUp(context.WithoutCancel(ctx))) }()
		}
		if failed != nil {
			return fmt.Errorf("prepare: %w", failed)
		}
		if err := m.settledWithin(ctx, settleLimit); err != nil {
			return fmt.Errorf("prepared: %w", err)
		}
	}
	count, err := m.startCount(ctx)
	if err != nil {
		return err
	}
	var loss Loss
	if !r.Fault.Quiet {
		traffic, err := m.StartTraffic(ctx)
		if err != nil {
			return err
		}
		stopped := false
		stop := func() {
			if !stopped {
				stopped, loss = true, traffic.Stop()
			}
		}
		defer stop()
		defer func() {
			stop()
			err = errors.Join(err, r.count(loss))
		}()
		time.Sleep(warmUp)
	}
	if err := m.inject(ctx, r); err != nil {
		return err
	}
	r.RowsWritten, r.FlowsWritten, err = count.stop(ctx)
	return err
}

// inject makes the fault, waits until it is right again, and takes it away.
func (m *Mesh) inject(ctx context.Context, r *Result) (err error) {
	since := time.Now()
	rng := rand.New(rand.NewPCG(r.Seed, 0))
	in, err := r.Fault.Inject(ctx, m, rng)
	if in.Undo != nil {
		defer func() {
			err = errors.Join(err, in.Undo(context.WithoutCancel(ctx)))
			if err == nil {
				err = m.settledWithin(ctx, settleLimit)
			}
		}()
	}
	r.Host = in.Host
	if err != nil {
		return err
	}
	if in.Right == nil {
		in.Right = m.Settled
	}
	if !in.Since.IsZero() {
		since = in.Since
	}
	limit, cancel := context.WithTimeout(ctx, max(rightLimit, 2*r.Fault.Limits.Within))
	defer cancel()
	if err := in.Right(limit); err != nil {
		return err
	}
	if r.Took = in.Took; r.Took == 0 {
		r.Took = time.Since(since)
	}
	if in.Check != nil {
		return in.Check(ctx)
	}
	return nil
}

func (m *Mesh) settledWithin(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return m.Settled(ctx)
}

// count notes what the traffic counted.
func (r *Result) count(l Loss) error {
	r.Sent, r.Lost, r.Gap, r.Loss = l.Sent, l.Lost, l.Gap, l
	r.Elsewhere = l.Between(func(p Pair) bool { return r.Host != "" && p.From != r.Host && p.To != r.Host }).Lost
	switch {
	case l.Strays > 0:
		return fmt.Errorf("%d packets came to a VM that they were not for", l.Strays)
	case l.Duplicates > 0:
		return fmt.Errorf("%d packets came twice", l.Duplicates)
	}
	return nil
}

// judge compares with the limits.
func (r *Result) judge() {
	var why []string
	l := r.Fault.Limits
	if l.Within > 0 && r.Took > l.Within {
		r.Slow = true
		why = append(why, fmt.Sprintf("took %.1f s", r.Took.Seconds()))
	}
	for _, c := range []struct {
		limit, got int
		what       string
	}{
		{l.Lost, r.Lost - r.Elsewhere, "packets lost"},
		{l.Others, r.Elsewhere, "packets lost between hosts that it did not meet"},
		{l.Rows, r.RowsWritten, "transactions"},
		{l.Flows, r.FlowsWritten, "flow-mods"},
	} {
		if c.limit != Any && c.got > c.limit {
			r.Wrong = true
			why = append(why, fmt.Sprintf("%d %s", c.got, c.what))
		}
	}
	r.Met, r.Why = len(why) == 0, strings.Join(why, ", ")
}

// tally counts what the server writes.
type tally struct {
	server *Server
	runs   int
	before map[string]float64
}

func (m *Mesh) startCount(ctx context.Context) (tally, error) {
	before, err := m.Server.metrics(ctx, metricTransactions, metricFlowMods)
	return tally{m.Server, m.Server.runs, before}, err
}

// stop returns what was written since startCount; of a server that was started
// anew meanwhile, what its last run wrote.
func (t tally) stop(ctx context.Context) (rows, flows int, err error) {
	now, err := t.server.metrics(ctx, metricTransactions, metricFlowMods)
	if err != nil {
		return 0, 0, err
	}
	if t.server.runs != t.runs {
		t.before = nil
	}
	return int(now[metricTransactions] - t.before[metricTransactions]), int(now[metricFlowMods] - t.before[metricFlowMods]), nil
}
