package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/wire"
)

// benchFloor is the least that tunnels can cost on a switch: one transaction
// of their rows, written beforehand byte for byte, and when the switch has
// carried it out their flows, encoded beforehand too, over a connection that
// is open. Nothing is looked at but what tells that it is done: cur_cfg, and the
// ports' numbers.
type benchFloor struct {
	*benchSwitch
	db      net.Conn
	replies *json.Decoder // of db
	cfg     int64         // Open_vSwitch.cur_cfg
	ports   int           // that got a number since the last transaction
	of      net.Conn
	xid     uint32

	tunnels []tunnel
	flows   []flow.Flow // that the switch holds
}

// startFloor starts a switch whose bridge holds the flows of a network without
// peers.
func startFloor(ctx context.Context) (_ *benchFloor, err error) {
	s, err := startBenchSwitch(ctx)
	if err != nil {
		return nil, err
	}
	f := &benchFloor{benchSwitch: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if f.db, err = net.Dial("unix", s.DBSocket()); err != nil {
		return nil, err
	}
	f.replies = json.NewDecoder(f.db)
	if f.of, err = net.Dial("unix", s.BridgeSocket(benchBridge)); err != nil {
		return nil, err
	}
	if err := cmp.Or(f.expire(), f.monitor()); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	hello, err := wire.EncodeHello(0)
	if err != nil {
		return nil, err
	}
	if _, err := f.of.Write(hello); err != nil {
		return nil, err
	}
	_, err = f.add(ctx, 0)
	return f, err
}

// add measures n further tunnels.
func (f *benchFloor) add(ctx context.Context, n int) (time.Duration, error) {
	fresh := make([]tunnel, n)
	for i := range fresh {
		fresh[i] = benchTunnel(len(f.tunnels) + i + 1)
	}
	// The controller gives port numbers in the order of networks and names.
	slices.SortFunc(fresh, func(a, b tunnel) int { return cmp.Or(cmp.Compare(a.net, b.net), cmp.Compare(a.port, b.port)) })
	for i := range fresh {
		fresh[i].ofport = uint32(firstTunnelNumber + len(f.tunnels) + i)
	}
	f.tunnels = append(f.tunnels, fresh...)
	rows, err := transaction(fresh)
	if err != nil {
		return 0, err
	}
	flows, err := f.bundle()
	if err != nil {
		return 0, err
	}
	if err := rest(ctx); err != nil {
		return 0, err
	}
	if err := cmp.Or(f.expire(), f.catchUp()); err != nil {
		return 0, err
	}
	start := time.Now()
	if n > 0 {
		if err := f.transact(rows, n); err != nil {
			return 0, fmt.Errorf("transact: %w", err)
		}
	}
	if err := f.send(flows); err != nil {
		return 0, fmt.Errorf("flows: %w", err)
	}
	took := time.Since(start)
	return took, f.check(ctx, f.tunnels)
}

// expire bounds all that follows until it is called again.
func (f *benchFloor) expire() error {
	at := time.Now().Add(benchWait)
	return errors.Join(f.db.SetDeadline(at), f.of.SetDeadline(at))
}

// bundle returns what takes the bridge's flows to those of f.tunnels: one
// bundle, which Open vSwitch takes in faster than the same flows one by one.
func (f *benchFloor) bundle() ([]byte, error) {
	want, err := benchFlows(f.tunnels)
	if err != nil {
		return nil, err
	}
	d := flow.Diff(want, f.flows)
	f.flows = want
	f.xid++
	var out []byte
	add := func(b []byte, e error) {
		out = append(out, b...)
		err = cmp.Or(err, e)
	}
	add(wire.EncodeBundleControl(f.xid, f.xid, wire.BundleOpen))
	for _, fl := range slices.Concat(d.Add, d.Modify) {
		add(wire.EncodeBundleMod(wire.Mod{Command: wire.Add, Flow: fl}, f.xid, f.xid))
	}
	add(wire.EncodeBundleControl(f.xid, f.xid, wire.BundleClose))
	add(wire.EncodeBundleControl(f.xid, f.xid, wire.BundleCommit))
	return out, err
}

// send writes a bundle and waits until it is committed.
func (f *benchFloor) send(bundle []byte) error {
	if _, err := f.of.Write(bundle); err != nil {
		return err
	}
	for {
		m, err := wire.ReadMessage(f.of)
		switch {
		case err != nil:
			return err
		case m.Type == wire.TypeError:
			e, err := wire.DecodeError(m)
			if err != nil {
				return err
			}
			return e
		case m.Type == wire.TypeExperimenter:
			r, err := wire.DecodeBundleControl(m)
			if err != nil || r.Command == wire.BundleCommit.Reply() {
				return err
			}
		}
	}
}

// Close ends the connections and the switch.
func (f *benchFloor) Close() error {
	var errs []error
	for _, c := range []net.Conn{f.db, f.of} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(append(errs, f.Remove())...)
}
