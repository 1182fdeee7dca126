package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
	"ovsmesh/ovsdb/ovstest"
)

const (
	benchWait = time.Minute            // for anything that a switch or the controller is to do
	benchPoll = time.Millisecond       // between two looks whether the controller is done
	benchRest = 100 * time.Millisecond // for which it must have been done before the next measurement
)

// benchController is a controller in this process. It logs to a file, at the
// level and in the form of `ovsmesh serve`.
type benchController struct {
	ctl     *controller.Controller
	address string         // where hosts dial in
	closers []func() error // in reverse order
}

func startController(ctx context.Context) (_ *benchController, err error) {
	c := &benchController{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("controller: %w", err), c.Close())
		}
	}()
	dir, err := ovstest.TempDir("bench")
	if err != nil {
		return nil, err
	}
	c.atEnd(func() error { return os.RemoveAll(dir) })
	st, err := store.Open(filepath.Join(dir, "data"))
	if err != nil {
		return nil, err
	}
	c.atEnd(st.Close)
	conf := zap.NewProductionConfig()
	conf.Sampling, conf.Encoding, conf.DisableCaller = nil, "console", true
	conf.OutputPaths = []string{filepath.Join(dir, "log")}
	log, err := conf.Build()
	if err != nil {
		return nil, err
	}
	var ls [2]net.Listener
	for i := range ls {
		if ls[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		c.atEnd(func() error {
			if err := ls[i].Close(); !errors.Is(err, net.ErrClosed) { // Run closes it as well
				return err
			}
			return nil
		})
	}
	c.address = "tcp:" + ls[0].Addr().String()
	c.ctl, err = controller.New(controller.Config{
		Log: log, Store: st, OVSDB: ls[:1], OpenFlow: ls[1:], Version: "bench",
	})
	if err != nil {
		return nil, err
	}
	return c, c.run(ctx)
}

// run returns when hosts may dial in; the controller runs until Close.
func (c *benchController) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.ctl.Run(ctx) }()
	c.atEnd(func() error {
		cancel()
		return <-ended
	})
	select {
	case <-c.ctl.Ready():
		return nil
	case err := <-ended:
		ended <- err
		return errors.New("it ended at once")
	}
}

func (c *benchController) atEnd(f func() error) { c.closers = append(c.closers, f) }

// Close ends the controller, after all that came to it later, and removes what
// it had.
func (c *benchController) Close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i]())
	}
	c.closers = nil
	return errors.Join(errs...)
}

// waitManaged waits until this many hosts have a bridge each that is managed
// and has its flows, and nothing is under way.
func (c *benchController) waitManaged(ctx context.Context, hosts int) error {
	deadline := time.Now().Add(benchWait)
	for {
		top, err := c.ctl.Topology(ctx, api.TopologyFilter{})
		if err != nil {
			return err
		}
		ready := 0
		for _, h := range top.Hosts {
			if h.InSync && len(h.Bridges) == 1 && h.Bridges[0].Connected && h.Bridges[0].FlowsInstalled > 0 {
				ready++
			}
		}
		if ready == hosts {
			return rest(ctx)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d bridges of %d are managed within %v", ready, hosts, benchWait)
		}
		time.Sleep(benchPoll)
	}
}

// apply applies a spec, waits until all of it is on the switches, and returns
// how long that took.
func (c *benchController) apply(ctx context.Context, spec string) (time.Duration, error) {
	start := time.Now()
	res, err := c.ctl.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "bench.yaml", Data: spec}}})
	if err != nil {
		return 0, err
	}
	err = c.follow(ctx, res.Generation)
	return time.Since(start), err
}

// follow waits until all connected hosts have a generation.
func (c *benchController) follow(ctx context.Context, generation uint64) error {
	deadline := time.Now().Add(benchWait)
	for {
		st, err := c.ctl.Sync(ctx, generation)
		switch {
		case err != nil:
			return err
		case st.Done && len(st.Errors) > 0:
			return errors.New(st.Errors[0])
		case st.Done:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("not in sync within %v: %+v %q", benchWait, st.Pending, st.Errors)
		}
		time.Sleep(benchPoll)
	}
}

// until waits until f says that it is so.
func (c *benchController) until(ctx context.Context, what string, f func() (bool, error)) error {
	deadline := time.Now().Add(benchWait)
	for {
		ok, err := f()
		if err != nil || ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %s", benchWait, what)
		}
		time.Sleep(benchPoll)
	}
}

// transactions returns how many have been sent to hosts' databases.
func (c *benchController) transactions() (int, error) {
	families, err := c.ctl.Registry().Gather()
	if err != nil {
		return 0, err
	}
	for _, f := range families {
		if f.GetName() == "ovsmesh_ovsdb_transactions_total" {
			return int(f.GetMetric()[0].GetCounter().GetValue()), nil
		}
	}
	return 0, errors.New("no metric counts transactions")
}

// prune makes a spec all that there is, and waits until it is so.
func (c *benchController) prune(ctx context.Context, spec string) error {
	res, err := c.ctl.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "bench.yaml", Data: spec}}, Prune: true})
	if err != nil {
		return err
	}
	return c.follow(ctx, res.Generation)
}

// networkIDs returns the IDs of all networks by their names.
func (c *benchController) networkIDs(ctx context.Context) (map[string]uint32, error) {
	all, err := c.ctl.Objects(ctx, api.KindNetworks, "")
	if err != nil {
		return nil, err
	}
	ids := make(map[string]uint32, len(all.Networks))
	for _, n := range all.Networks {
		ids[n.Name] = n.Status.ID
	}
	return ids, nil
}
