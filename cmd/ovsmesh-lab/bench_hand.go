package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"time"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/ovstest"
)

// hand writes to one switch by hand: bytes that were encoded beforehand, over
// one plain connection to its database and one to its bridge. It looks at
// nothing but what tells that a thing is done: cur_cfg, ports' numbers, and
// the answer to a bundle.
type hand struct {
	*database
	of  net.Conn
	xid uint32
}

// newHand connects to a switch and to the measured bridge on it.
func newHand(ovs *ovstest.OVS) (_ *hand, err error) {
	h := &hand{}
	if h.database, err = dialDatabase(ovs); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.of, err = net.Dial("unix", ovs.BridgeSocket(benchBridge)); err != nil {
		return nil, err
	}
	if err := cmp.Or(h.expire(), h.monitor()); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	hello, err := wire.EncodeHello(0)
	if err != nil {
		return nil, err
	}
	_, err = h.of.Write(hello)
	return h, err
}

// expire bounds all that follows until it is called again.
func (h *hand) expire() error {
	return errors.Join(h.database.expire(), h.of.SetDeadline(time.Now().Add(benchWait)))
}

// put does what adds n ports: rows first, then the flows that need their
// numbers.
func (h *hand) put(rows []byte, n int, flows []byte) error {
	if n > 0 {
		if err := h.transact(rows, n); err != nil {
			return fmt.Errorf("transact: %w", err)
		}
	}
	if err := h.send(flows); err != nil {
		return fmt.Errorf("flows: %w", err)
	}
	return nil
}

// drop does what takes ports away: first the flows that need them, then the
// rows.
func (h *hand) drop(rows, flows []byte) error {
	if err := h.send(flows); err != nil {
		return fmt.Errorf("flows: %w", err)
	}
	if err := h.transact(rows, 0); err != nil {
		return fmt.Errorf("transact: %w", err)
	}
	return nil
}

// bundle returns what takes flows from those that the bridge has to those that
// are wanted: one bundle, which Open vSwitch takes in faster than the same
// flows one by one.
func (h *hand) bundle(want, have []flow.Flow) ([]byte, error) {
	d := flow.Diff(want, have)
	h.xid++
	var out []byte
	var err error
	add := func(b []byte, e error) {
		out = append(out, b...)
		err = cmp.Or(err, e)
	}
	mods := func(c wire.Command, flows []flow.Flow) {
		for _, f := range flows {
			add(wire.EncodeBundleMod(wire.Mod{Command: c, Flow: &f}, h.xid, h.xid))
		}
	}
	add(wire.EncodeBundleControl(h.xid, h.xid, wire.BundleOpen))
	mods(wire.Add, d.Add)
	mods(wire.Add, d.Modify)
	mods(wire.DeleteStrict, d.Delete)
	add(wire.EncodeBundleControl(h.xid, h.xid, wire.BundleClose))
	add(wire.EncodeBundleControl(h.xid, h.xid, wire.BundleCommit))
	return out, err
}

// send writes a bundle and waits until it is committed.
func (h *hand) send(bundle []byte) error {
	if _, err := h.of.Write(bundle); err != nil {
		return err
	}
	for {
		m, err := wire.ReadMessage(h.of)
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

func (h *hand) close() error {
	err := h.database.close()
	if h.of != nil {
		err = errors.Join(err, h.of.Close())
	}
	return err
}
