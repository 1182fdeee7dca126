package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// benchOurs is a controller in this process, and the one switch that dials in
// to it.
type benchOurs struct {
	*benchController
	*benchSwitch
	has span
}

// startOurs starts a controller and a switch, and returns when the bridge is
// managed and holds the flows of networks without peers.
func startOurs(ctx context.Context) (_ *benchOurs, err error) {
	o := &benchOurs{}
	if o.benchController, err = startController(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	if o.benchSwitch, err = startBenchHost(ctx); err != nil {
		return nil, err
	}
	o.atEnd(o.Remove)
	spec := fmt.Sprintf("hosts:\n- {name: real, id: %d, systemID: real}\n%s", benchHostID, benchSpec(span{}, span{}))
	if _, err := o.apply(ctx, spec); err != nil {
		return nil, err
	}
	if err := o.SetManager(ctx, o.address); err != nil {
		return nil, err
	}
	if err := o.waitManaged(ctx, 1); err != nil {
		return nil, err
	}
	return o, o.check(ctx, nil)
}

// add measures n further tunnels.
func (o *benchOurs) add(ctx context.Context, n int) (time.Duration, error) {
	return o.change(ctx, span{o.has.gone, o.has.made + n})
}

// remove measures the deletion of the n oldest tunnels.
func (o *benchOurs) remove(ctx context.Context, n int) (time.Duration, error) {
	return o.change(ctx, span{o.has.gone + n, o.has.made})
}

// change measures an apply that takes the switch to these tunnels.
func (o *benchOurs) change(ctx context.Context, to span) (time.Duration, error) {
	spec := benchSpec(o.has, to)
	o.has = to
	if err := rest(ctx); err != nil {
		return 0, err
	}
	took, err := o.apply(ctx, spec)
	if err != nil {
		return 0, err
	}
	return took, o.check(ctx, o.has.tunnels())
}
