package openflow_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"ovsmesh/openflow"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/wire"
)

var inPort = flow.Field{Class: 0x8000, ID: 0}

func be32(v uint32) string { return string(binary.BigEndian.AppendUint32(nil, v)) }

// numbered returns the i-th of a set of distinct flows.
func numbered(i int) wire.Mod {
	return wire.Mod{Flow: &flow.Flow{
		Table: 7, Priority: uint16(1 + i%60000), Cookie: 0xabcd<<48 | uint64(i),
		Match: flow.NewMatch(
			flow.OXM{Field: inPort, Value: be32(uint32(1 + i/60000))},
			flow.OXM{Field: flow.Field{Class: 0x8000, ID: 2}, Value: string(make([]byte, 4)) + be32(uint32(i))},
		),
		Actions: flow.Actions{flow.Output{Port: 2}, flow.GotoTable{Table: 9}},
	}}
}

func TestApplyAndReadBack(t *testing.T) {
	sw, s, sess := connect(t, openflow.Config{})
	ctx := patient(t)
	if err := sess.Apply(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if n := s.Counters().MessagesOut.Load(); n != 0 {
		t.Errorf("an empty bundle sent %d messages", n)
	}
	for _, n := range []int{1, 2000, 20000, 100000} {
		if err := sess.Apply(ctx, mods(wire.Add, n, numbered)); err != nil {
			t.Fatal(err)
		}
		got, err := sess.Flows(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != n {
			t.Fatalf("%d flows read back, want %d", len(got), n)
		}
	}
	if err := sess.Apply(ctx, mods(wire.DeleteStrict, 99999, numbered)); err != nil {
		t.Fatal(err)
	}
	if got := dump(sw, "br0"); len(got) != 1 {
		t.Errorf("%d flows left, want 1: %v", len(got), got)
	}
	if n := s.Counters().BundlesCommitted.Load(); n != 5 {
		t.Errorf("%d bundles counted, want 5", n)
	}
}

func TestApplyIsAtomic(t *testing.T) {
	sw, s, sess := connect(t, openflow.Config{})
	ctx := patient(t)
	if err := sess.Apply(ctx, mods(wire.Add, 10, numbered)); err != nil {
		t.Fatal(err)
	}
	before := dump(sw, "br0")
	bad := map[string]flow.Actions{
		"at commit":   {flow.Group{ID: 77}},
		"while added": {flow.Raw{Bytes: "\x00\x99\x00\x08\x00\x00\x00\x00"}},
		"by us":       {flow.GotoTable{Table: 9}, flow.Output{Port: 1}},
	}
	for name, actions := range bad {
		t.Run(name, func(t *testing.T) {
			list := append(mods(wire.DeleteStrict, 10, numbered), mods(wire.Add, 3000, func(i int) wire.Mod { return numbered(i + 100) })...)
			list[1500].Flow.Actions = actions
			err := sess.Apply(ctx, list)
			var e *openflow.Error
			if !errors.As(err, &e) || e.Mod != &list[1500] || errors.Is(err, openflow.ErrUnconfirmed) {
				t.Errorf("Apply = %v, want an error about mod 1500", err)
			}
			t.Log(err)
			if got := dump(sw, "br0"); len(got) != len(before) {
				t.Errorf("%d flows after a failed bundle, want the %d from before", len(got), len(before))
			}
		})
	}
	if n := s.Counters().BundleErrors.Load(); n != uint64(len(bad)) {
		t.Errorf("%d failed bundles counted, want %d", n, len(bad))
	}
	if err := sess.Apply(ctx, mods(wire.Add, 20, numbered)); err != nil {
		t.Errorf("Apply after failures: %v", err)
	}
}

// TestApplyRefusedWholesale: errors that come while the bundle still goes out
// hold up neither side.
func TestApplyRefusedWholesale(t *testing.T) {
	sw, _, sess := connect(t, openflow.Config{})
	list := mods(wire.Add, 100000, numbered)
	for i := range list {
		list[i].Flow.Actions = flow.Actions{flow.Raw{Bytes: "\x00\x99\x00\x08\x00\x00\x00\x00"}}
	}
	err := sess.Apply(patient(t), list)
	var e *openflow.Error
	if !errors.As(err, &e) || e.Mod != &list[0] {
		t.Errorf("Apply = %v, want an error about the first mod", err)
	}
	if got := dump(sw, "br0"); len(got) > 0 {
		t.Errorf("%d flows after a failed bundle", len(got))
	}
	if err := sess.Apply(patient(t), mods(wire.Add, 5, numbered)); err != nil {
		t.Error(err)
	}
}

// bundleReply is the body of the answer to a bundle control request.
func bundleReply(m wire.Message) string {
	b := []byte(m.Body)
	b[13]++
	return string(b)
}

func TestApplyToSwitchWithoutBundles(t *testing.T) {
	s, port := serve(t, openflow.Config{})
	got := expect(t, s, 5)
	p := greet(t, port, 5)
	sess := await(t, got, "session")
	go func() {
		for {
			m, err := wire.ReadMessage(p.conn)
			if err != nil {
				return
			}
			p.send(wire.TypeError, m.XID, "\x00\x01\x00\x03") // OFPBRC_BAD_EXPERIMENTER
		}
	}()
	err := sess.Apply(patient(t), mods(wire.Add, 5, numbered))
	var e *openflow.Error
	if !errors.As(err, &e) || e.Mod != nil || e.Op != "apply: open bundle" {
		t.Errorf("Apply = %v, want an error about the opening", err)
	}
	sess.Close()
}

// TestApplyUnconfirmed: who is cut off between commit and answer does not
// claim to know.
func TestApplyUnconfirmed(t *testing.T) {
	for _, c := range []struct {
		name        string
		answers     int // bundle control requests that are answered before the cut
		unconfirmed bool
	}{
		{"cut before the closing is answered", 1, false},
		{"cut before the commit is answered", 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, port := serve(t, openflow.Config{})
			got := expect(t, s, 5)
			p := greet(t, port, 5)
			sess := await(t, got, "session")
			go func() {
				defer p.conn.Close()
				for left := c.answers; ; {
					m, err := wire.ReadMessage(p.conn)
					if err != nil {
						return
					}
					if m.Type != wire.TypeExperimenter || m.Body[7] != 0xfc {
						continue
					}
					if left--; left < 0 {
						return
					}
					p.send(wire.TypeExperimenter, m.XID, bundleReply(m))
				}
			}()
			err := sess.Apply(patient(t), mods(wire.Add, 5, numbered))
			if err == nil || errors.Is(err, openflow.ErrUnconfirmed) != c.unconfirmed {
				t.Errorf("Apply = %v, unconfirmed wanted: %t", err, c.unconfirmed)
			}
		})
	}
}

// TestApplyCancelled: a bundle that is given up leaves nothing behind, and the
// session goes on.
func TestApplyCancelled(t *testing.T) {
	sw, _, sess := connect(t, openflow.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sess.Apply(ctx, mods(wire.Add, 100000, numbered)); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply = %v, want context.Canceled", err)
	}
	if err := sess.Apply(patient(t), mods(wire.Add, 5, numbered)); err != nil {
		t.Error(err)
	}
	if got := dump(sw, "br0"); len(got) != 5 {
		t.Errorf("%d flows, want 5", len(got))
	}
}
