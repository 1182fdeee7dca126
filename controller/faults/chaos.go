package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// ChaosOptions says what Chaos does. Seed and Faults decide what is done;
// Duration only when it ends.
type ChaosOptions struct {
	Seed     uint64
	Duration time.Duration
	Faults   []Fault      // to pick from; nil: all of the table that are not Apart
	Each     func(Result) // called after each fault; may be nil
}

// Report is what came of many random faults.
type Report struct {
	Results []Result
	Vital   []Vital // after each, and one before the first
}

// Chaos makes random faults in a mesh, one after the other, until duration has
// passed; each must be right again, and the mesh settled, before the next. Once
// it has ended what the server holds must be what it held in the beginning. The
// error names the seed, and the step at which something went wrong; faults that
// missed a target are no error, but in the report.
//
// The same seed picks the same faults and decides alike in each of them, however
// fast the machine is.
func (m *Mesh) Chaos(ctx context.Context, opts ChaosOptions) (Report, error) {
	if opts.Faults == nil {
		opts.Faults = slices.DeleteFunc(Faults(), func(f Fault) bool { return f.Apart })
	}
	if len(opts.Faults) == 0 {
		return Report{}, errors.New("there is no fault to pick from")
	}
	var rep Report
	rng := rand.New(rand.NewPCG(opts.Seed, 0))
	end := time.Now().Add(opts.Duration)
	if err := m.settledWithin(ctx, settleLimit); err != nil {
		return rep, err
	}
	if err := rep.feel(ctx, m.Server); err != nil {
		return rep, err
	}
	for step := 1; time.Now().Before(end); step++ {
		f := opts.Faults[rng.IntN(len(opts.Faults))]
		r, err := m.Run(ctx, f, rng.Uint64())
		rep.Results = append(rep.Results, r)
		if opts.Each != nil {
			opts.Each(r)
		}
		if err == nil {
			err = rep.feel(ctx, m.Server)
		}
		if err != nil {
			return rep, fmt.Errorf("step %d of the faults of seed %d, after %s: %w", step, opts.Seed, rep.lately(), err)
		}
	}
	if err := flat(rep.Vital); err != nil {
		return rep, fmt.Errorf("after %d faults of seed %d: %w", len(rep.Results), opts.Seed, err)
	}
	return rep, nil
}

// lately names the faults before the last one.
func (r *Report) lately() string {
	const most = 3
	var names []string
	for _, x := range r.Results[max(0, len(r.Results)-1-most) : len(r.Results)-1] {
		names = append(names, x.Fault.Name)
	}
	if len(names) == 0 {
		return "nothing else"
	}
	return strings.Join(names, ", ")
}

// feel notes what the server holds now.
func (r *Report) feel(ctx context.Context, s *Server) error {
	v, err := s.Vital(ctx)
	r.Vital = append(r.Vital, v)
	return err
}
