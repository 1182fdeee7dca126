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
)

const (
	benchWait = time.Minute            // for anything that a switch or the controller is to do
	benchPoll = time.Millisecond       // between two looks whether the controller is done
	benchRest = 100 * time.Millisecond // for which it must have been done before the next measurement
)

// benchOurs is a controller in this process, and the switch that dials in to
// it. It logs to a file, at the level and in the form of `ovsmesh serve`.
type benchOurs struct {
	*benchSwitch
	ctl     *controller.Controller
	tunnels []tunnel
	close   []func() error // in reverse order
}

// startOurs starts a controller and a switch, and returns when the bridge is
// managed and holds the flows of a network without peers.
func startOurs(ctx context.Context) (_ *benchOurs, err error) {
	o := &benchOurs{}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	address, err := o.startController(ctx)
	if err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	if o.benchSwitch, err = startBenchSwitch(ctx); err != nil {
		return nil, err
	}
	o.close = append(o.close, o.Remove)
	if _, err := o.apply(ctx, fmt.Sprintf("hosts:\n- {name: real, id: %d, systemID: real}\n%s", benchHostID, benchSpec(0, 0))); err != nil {
		return nil, err
	}
	if err := o.SetManager(ctx, "tcp:"+address); err != nil {
		return nil, err
	}
	return o, o.waitManaged(ctx)
}

// startController returns where hosts dial in.
func (o *benchOurs) startController(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "om-bench-")
	if err != nil {
		return "", err
	}
	o.close = append(o.close, func() error { return os.RemoveAll(dir) })
	st, err := store.Open(filepath.Join(dir, "data"))
	if err != nil {
		return "", err
	}
	o.close = append(o.close, st.Close)
	conf := zap.NewProductionConfig()
	conf.Sampling, conf.Encoding, conf.DisableCaller = nil, "console", true
	conf.OutputPaths = []string{filepath.Join(dir, "log")}
	log, err := conf.Build()
	if err != nil {
		return "", err
	}
	var ls [2]net.Listener
	for i := range ls {
		if ls[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
		o.close = append(o.close, func() error {
			if err := ls[i].Close(); !errors.Is(err, net.ErrClosed) { // Run closes it as well
				return err
			}
			return nil
		})
	}
	o.ctl, err = controller.New(controller.Config{
		Log: log, Store: st, OVSDB: ls[:1], OpenFlow: ls[1:], Version: "bench",
	})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- o.ctl.Run(ctx) }()
	o.close = append(o.close, func() error {
		cancel()
		return <-ended
	})
	select {
	case <-o.ctl.Ready():
	case err := <-ended:
		ended <- err
		return "", errors.New("it ended at once")
	}
	return ls[0].Addr().String(), nil
}

// waitManaged waits until the host has its flows and nothing is under way.
func (o *benchOurs) waitManaged(ctx context.Context) error {
	deadline := time.Now().Add(benchWait)
	for {
		top, err := o.ctl.Topology(ctx, api.TopologyFilter{Host: "real"})
		if err != nil {
			return err
		}
		h := top.Hosts[0]
		if h.InSync && len(h.Bridges) == 1 && h.Bridges[0].Connected && h.Bridges[0].FlowsInstalled > 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("bridge is not managed within %v: %+v", benchWait, h)
		}
		time.Sleep(benchPoll)
	}
	if err := rest(ctx); err != nil {
		return err
	}
	return o.check(ctx, nil)
}

// apply applies a spec, waits until it is on the switch, and returns how long
// that took.
func (o *benchOurs) apply(ctx context.Context, spec string) (time.Duration, error) {
	start := time.Now()
	res, err := o.ctl.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "bench.yaml", Data: spec}}})
	if err != nil {
		return 0, err
	}
	for {
		st, err := o.ctl.Sync(ctx, res.Generation)
		switch {
		case err != nil:
			return 0, err
		case len(st.Errors) > 0:
			return 0, errors.New(st.Errors[0])
		case st.Done:
			return time.Since(start), nil
		case time.Since(start) > benchWait:
			return 0, fmt.Errorf("not in sync within %v: %+v", benchWait, st.Pending)
		}
		time.Sleep(benchPoll)
	}
}

// add measures n further peers.
func (o *benchOurs) add(ctx context.Context, n int) (time.Duration, error) {
	known := len(o.tunnels)
	spec := benchSpec(known, known+n)
	for i := range n {
		o.tunnels = append(o.tunnels, benchTunnel(known+i+1))
	}
	if err := rest(ctx); err != nil {
		return 0, err
	}
	took, err := o.apply(ctx, spec)
	if err != nil {
		return 0, err
	}
	return took, o.check(ctx, o.tunnels)
}

// Close ends controller and switch and removes what they had.
func (o *benchOurs) Close() error {
	var errs []error
	for i := len(o.close) - 1; i >= 0; i-- {
		errs = append(errs, o.close[i]())
	}
	o.close = nil
	return errors.Join(errs...)
}
