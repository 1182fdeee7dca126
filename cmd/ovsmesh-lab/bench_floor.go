package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"ovsmesh/openflow/flow"
)

// benchFloor is the least that tunnels can cost on a switch: one transaction
// of their rows, and when the switch has carried it out their flows in one
// bundle.
type benchFloor struct {
	*benchSwitch
	*hand
	made    int // tunnels that were ever made
	tunnels []tunnel
	flows   []flow.Flow // that the switch holds
}

// startFloor starts a switch whose bridge holds the flows of networks without
// peers.
func startFloor(ctx context.Context) (_ *benchFloor, err error) {
	s, err := startBenchHost(ctx)
	if err != nil {
		return nil, err
	}
	f := &benchFloor{benchSwitch: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if f.hand, err = newHand(s.OVS); err != nil {
		return nil, err
	}
	_, err = f.add(ctx, 0)
	return f, err
}

// add measures n further tunnels.
func (f *benchFloor) add(ctx context.Context, n int) (time.Duration, error) {
	fresh := make([]tunnel, n)
	for i := range fresh {
		fresh[i] = benchTunnel(f.made + i + 1)
	}
	// The controller gives port numbers in the order of networks and names.
	slices.SortFunc(fresh, func(a, b tunnel) int { return cmp.Or(cmp.Compare(a.net, b.net), cmp.Compare(a.port, b.port)) })
	for i := range fresh {
		fresh[i].ofport = uint32(firstTunnelNumber + f.made + i)
	}
	f.made += n
	rows, err := insertion(benchBridge, tunnelRows(fresh))
	if err != nil {
		return 0, err
	}
	return f.measure(ctx, append(f.tunnels, fresh...), func(flows []byte) error { return f.put(rows, n, flows) })
}

// remove measures the deletion of the n oldest tunnels, in one transaction:
// with 1,000 ports there, batches of 500, 250 or 100 take Open vSwitch 3.1.0 as
// long, for what costs is each port that goes.
func (f *benchFloor) remove(ctx context.Context, n int) (time.Duration, error) {
	ids, err := f.portIDs(ctx)
	if err != nil {
		return 0, err
	}
	left := slices.Clone(f.tunnels)
	slices.SortFunc(left, func(a, b tunnel) int { return cmp.Compare(a.number, b.number) })
	gone := make([]string, n)
	for i, t := range left[:n] {
		gone[i] = ids[t.port]
	}
	rows, err := deletion(benchBridge, gone)
	if err != nil {
		return 0, err
	}
	return f.measure(ctx, left[n:], func(flows []byte) error { return f.drop(rows, flows) })
}

// measure takes how long do needs to get the switch to these tunnels, given
// the bundle that does so to its flows.
func (f *benchFloor) measure(ctx context.Context, tunnels []tunnel, do func(flows []byte) error) (time.Duration, error) {
	want, err := benchFlows(tunnels)
	if err != nil {
		return 0, err
	}
	flows, err := f.bundle(want, f.flows)
	if err != nil {
		return 0, err
	}
	f.tunnels, f.flows = tunnels, want
	if err := rest(ctx); err != nil {
		return 0, err
	}
	if err := cmp.Or(f.expire(), f.catchUp()); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := do(flows); err != nil {
		return 0, err
	}
	took := time.Since(start)
	return took, f.check(ctx, f.tunnels)
}

// Close ends the connections and the switch.
func (f *benchFloor) Close() error {
	var err error
	if f.hand != nil {
		err = f.close()
	}
	return errors.Join(err, f.Remove())
}
