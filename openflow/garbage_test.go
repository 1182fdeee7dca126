package openflow_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ovsmesh/openflow"
	"ovsmesh/openflow/wire"
)

// quick has timeouts that a test can wait for.
var quick = openflow.Config{
	HandshakeTimeout: time.Second,
	ParkTimeout:      300 * time.Millisecond,
	EchoInterval:     100 * time.Millisecond,
	SilenceTimeout:   time.Second,
	ProbeTimeout:     200 * time.Millisecond,
	WriteTimeout:     400 * time.Millisecond,
}

// unhurried has them too, but for that of the handshake, which is to succeed on a
// busy machine as well.
func unhurried() openflow.Config {
	cfg := quick
	cfg.HandshakeTimeout = 0
	return cfg
}

// TestGarbageBeforeIdentification: what is no switch is hung up on soon.
func TestGarbageBeforeIdentification(t *testing.T) {
	s, port := serve(t, quick)
	hello := "04 00 0008 00000001"
	features := "04 06 0020 00000002 0000000000000077 00000000 fe 00 0000 0000004f 00000000"
	cases := []struct{ name, hex string }{
		{"nothing", ""},
		{"half a header", "0400"},
		{"length 0", "04 00 0000 00000001"},
		{"http", "474554202f20485454502f312e310d0a0d0a"},
		{"giant hello that never comes", "04 00 ffff 00000001"},
		{"features before hello", features},
		{"hello that lies", "04 00 000c 00000001 00010001"},
		{"hello and nothing", hello},
		{"hello and another version", hello + "01 06 0020 00000002"},
		{"hello and short features", hello + "04 06 0010 00000002 0000000000000077"},
		{"auxiliary connection", hello + strings.Replace(features, "fe 00", "fe 01", 1)},
		{"endless hellos", strings.Repeat(hello, 200)},
		{"a switch that nobody expects", hello + features},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, port)
			p.raw(unhex(t, c.hex))
			got := p.closed()
			if m, err := wire.ReadMessage(bytes.NewReader(got)); err != nil || m.Type != wire.TypeHello {
				t.Errorf("our hello did not go out at once: %x", got)
			}
		})
	}
	t.Cleanup(func() {
		c, want := s.Counters(), uint64(len(cases)-1)
		if h, u := c.RefusedHandshake.Load(), c.RefusedUnexpected.Load(); h != want || u != 1 {
			t.Errorf("%d failed handshakes and %d unexpected switches counted, want %d and 1", h, u, want)
		}
	})
}

func TestSlowLorisInHandshake(t *testing.T) {
	_, port := serve(t, quick)
	p := dial(t, port)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				p.raw([]byte{4})
			}
		}
	}()
	p.closed()
}

func TestVersionMismatch(t *testing.T) {
	for name, hello := range map[string]string{
		"1.0":                 "01 00 0008 00000007",
		"1.5 without 1.3":     "06 00 0010 00000007 0001 0008 00000042",
		"1.3 without its bit": "04 00 0010 00000007 0001 0008 00000002",
	} {
		t.Run(name, func(t *testing.T) {
			s, port := serve(t, openflow.Config{})
			p := dial(t, port)
			p.raw(unhex(t, hello))
			r := bytes.NewReader(p.closed())
			if m, err := wire.ReadMessage(r); err != nil || m.Type != wire.TypeHello {
				t.Fatalf("first message is of type %d, %v", m.Type, err)
			}
			m, err := wire.ReadMessage(r)
			if err != nil {
				t.Fatal(err)
			}
			e, err := wire.DecodeError(m)
			if err != nil || e.Error() != "OFPHFC_INCOMPATIBLE" || e.XID != 7 || !strings.Contains(string(e.Data), "1.3") {
				t.Errorf("refusal is %v (%q), %v", e, e.Data, err)
			}
			if n := s.Counters().RefusedVersion.Load(); n != 1 {
				t.Errorf("%d counted, want 1", n)
			}
		})
	}
}

// TestGarbageInSession: what breaks the protocol ends this one session.
func TestGarbageInSession(t *testing.T) {
	cases := []struct {
		name string
		hex  string
		want error
	}{
		{"length 7", "04 02 0007 00000001", wire.ErrMalformed},
		{"another version", "01 02 0008 00000001", wire.ErrVersion},
		{"unknown type", "04 63 0008 00000001", wire.ErrMalformed},
		{"short port-status", "04 0c 0009 00000001 00", wire.ErrMalformed},
		{"short error", "04 01 0009 00000001 00", wire.ErrMalformed},
		{"message that never ends", "04 02 ffff 00000001 00", openflow.ErrSilent},
		{"silence", "", openflow.ErrSilent},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg := openflow.Config{}
			if c.want == openflow.ErrSilent {
				cfg = unhurried()
			}
			s, port := serve(t, cfg)
			got := expect(t, s, 5)
			p := greet(t, port, 5)
			sess := await(t, got, "session")
			if err := sess.Err(); err != nil {
				t.Errorf("Err of a live session = %v", err)
			}
			p.raw(unhex(t, c.hex))
			await(t, sess.Done(), "end of session")
			if !errors.Is(sess.Err(), c.want) {
				t.Errorf("session ended by %v, want %v", sess.Err(), c.want)
			}
			p.closed()
		})
	}
}

func TestMalformedReplyEndsSession(t *testing.T) {
	s, port := serve(t, openflow.Config{})
	got := expect(t, s, 5)
	p := greet(t, port, 5)
	sess := await(t, got, "session")
	go func() {
		m := p.read(wire.TypeMultipartRequest)
		p.send(wire.TypeMultipartReply, m.XID, "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01")
	}()
	if _, err := sess.Flows(patient(t)); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("Flows = %v, want ErrMalformed", err)
	}
	await(t, sess.Done(), "end of session")
}

// TestEndlessReply: a reply that has no end is given up at the cap, and the
// session goes on.
func TestEndlessReply(t *testing.T) {
	const most = 64 << 10
	s, port := serve(t, openflow.Config{MaxReply: most, RequestTimeout: time.Minute})
	got := expect(t, s, 5)
	p := greet(t, port, 5)
	sess := await(t, got, "session")
	go func() {
		m := p.read(wire.TypeMultipartRequest)
		for range most / 4 { // of 8 bytes each
			p.send(wire.TypeMultipartReply, m.XID, "\x00\x01\x00\x01\x00\x00\x00\x00")
		}
		p.answerEchoes()
	}()
	if _, err := sess.Flows(patient(t)); !errors.Is(err, openflow.ErrTooMuch) {
		t.Errorf("Flows = %v, want ErrTooMuch", err)
	}
	if err := sess.Echo(patient(t)); err != nil {
		t.Errorf("Echo afterwards: %v", err)
	}
}

// TestPeerThatDoesNotRead can't hold up a bundle for ever.
func TestPeerThatDoesNotRead(t *testing.T) {
	s, port := serve(t, unhurried())
	got := expect(t, s, 5)
	p := greet(t, port, 5)
	sess := await(t, got, "session")
	stop := make(chan struct{})
	ended := make(chan struct{})
	defer func() { close(stop); <-ended }()
	go func() {
		defer close(ended)
		for xid := uint32(1); ; xid++ { // alive, but deaf
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				p.send(wire.TypeEchoReply, xid|1<<31, "")
			}
		}
	}()
	err := sess.Apply(patient(t), mods(wire.Add, 200000, numbered))
	if err == nil || errors.Is(err, context.DeadlineExceeded) && sess.Err() == nil {
		t.Errorf("Apply = %v", err)
	}
	await(t, sess.Done(), "end of session")
}

// TestEchoFlood: echo requests whose answers are not read end the session.
func TestEchoFlood(t *testing.T) {
	s, port := serve(t, unhurried())
	got := expect(t, s, 5)
	p := greet(t, port, 5)
	sess := await(t, got, "session")
	echoes := bytes.Repeat(message(wire.TypeEchoRequest, 1, strings.Repeat("x", 60000)), 20)
	for sess.Err() == nil {
		p.raw(echoes)
	}
	await(t, sess.Done(), "end of session")
}
