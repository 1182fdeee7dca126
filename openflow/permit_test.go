package openflow_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"ovsmesh/openflow"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/ovstest"
)

// permit is a Permit that the test plays.
type permit struct {
	valid   func() bool
	renew   func(context.Context) error
	renewed atomic.Int32
}

func (p *permit) Valid() bool { return p.valid() }

func (p *permit) Renew(ctx context.Context) error {
	p.renewed.Add(1)
	return p.renew(ctx)
}

// A bundle takes effect only with a permit that is valid when it is committed.
func TestApplyWithPermit(t *testing.T) {
	sw, s, sess := connect(t, openflow.Config{})
	ctx := patient(t)
	if err := sess.Apply(ctx, mods(wire.Add, 10, numbered)); err != nil {
		t.Fatal(err)
	}
	lost := errors.New("the lock is another's")
	more := mods(wire.Add, 3000, numbered)
	for _, c := range []struct {
		name    string
		valid   []bool // at each look, the last from then on
		renew   error
		renewed int32
		flows   int
		err     error
	}{
		{"never valid, never given", []bool{false}, lost, 1, 10, lost},
		{"valid at first, then lost", []bool{true, false}, lost, 1, 10, lost},
		{"renewed beside, then lost", []bool{false, false}, lost, 1, 10, lost},
		{"runs out all the time", []bool{false}, nil, 11, 10, openflow.ErrNotPermitted},
		{"renewed beside", []bool{false, true}, nil, 1, 3000, nil},
		{"valid", []bool{true}, lost, 0, 3000, nil},
		{"run out meanwhile, renewed", []bool{true, false, true}, nil, 1, 3000, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			looks := 0
			p := &permit{
				valid: func() bool {
					looks++
					return c.valid[min(looks, len(c.valid))-1]
				},
				renew: func(context.Context) error { return c.renew },
			}
			err := sess.ApplyWith(ctx, more, p)
			if !errors.Is(err, c.err) || c.err != nil && !errors.Is(err, openflow.ErrNotPermitted) || errors.Is(err, openflow.ErrUnconfirmed) {
				t.Errorf("ApplyWith = %v, want %v", err, c.err)
			}
			if n := p.renewed.Load(); n != c.renewed {
				t.Errorf("renewed %d times, want %d", n, c.renewed)
			}
			if got := dump(sw, "br0"); len(got) != c.flows {
				t.Errorf("%d flows, want %d", len(got), c.flows)
			}
			if err := sess.Apply(ctx, mods(wire.DeleteStrict, 3000, numbered)); err != nil {
				t.Fatal(err)
			}
			if err := sess.Apply(ctx, mods(wire.Add, 10, numbered)); err != nil {
				t.Fatal(err)
			}
		})
	}
	if n := s.Counters().BundleErrors.Load(); n != 4 {
		t.Errorf("%d failed bundles counted, want 4", n)
	}
}

// A switch that is given another controller hangs up on the former: a bundle
// that is closed and permitted, but not yet committed, never takes effect.
func TestApplyAfterTheSwitchHasAnotherController(t *testing.T) {
	for _, typ := range []string{"primary", "service"} {
		t.Run(typ, func(t *testing.T) {
			sw := ovstest.StartSwitch(t)
			s, port := serve(t, openflow.Config{})
			got := expect(t, s, testDPID)
			bridge(sw, "br0", "00000000000000a1")
			sw.VSCtl("--", "--id=@c", "create", "Controller", `target="tcp:127.0.0.1:`+port+`"`, "type="+typ,
				"--", "set", "Bridge", "br0", "controller=@c")
			sess := await(t, got, "session")
			ctx := patient(t)
			if err := sess.Apply(ctx, mods(wire.Add, 10, numbered)); err != nil {
				t.Fatal(err)
			}
			_, other := serve(t, openflow.Config{})
			p := &permit{renew: func(context.Context) error { return nil }}
			p.valid = func() bool {
				if p.renewed.Load() == 0 {
					return false // so that the next look is after the closing
				}
				// ovs-vsctl waits until ovs-vswitchd has done it.
				sw.VSCtl("set", "Controller", "br0", `target="tcp:127.0.0.1:`+other+`"`)
				return true
			}
			err := sess.ApplyWith(ctx, mods(wire.Add, 3000, numbered), p)
			if err == nil {
				t.Error("committed over a connection that the switch has closed")
			}
			if got := dump(sw, "br0"); len(got) != 10 {
				t.Errorf("%d flows, want the 10 from before (%v)", len(got), err)
			}
		})
	}
}
