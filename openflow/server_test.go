package openflow_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"ovsmesh/openflow"
	"ovsmesh/openflow/wire"
)

func TestParkedSessionIsDelivered(t *testing.T) {
	s, port := serve(t, openflow.Config{ParkTimeout: patience})
	p := greet(t, port, 5)
	p.send(wire.TypeEchoRequest, 9, "hi")
	if m := p.read(wire.TypeEchoReply); string(m.Body) != "hi" || m.XID != 9 {
		t.Errorf("echo to a parked switch: %+v", m)
	}
	if n := s.Counters().Accepted.Load(); n != 0 {
		t.Errorf("%d sessions accepted that nobody expects", n)
	}
	elsewhere := make(chan *openflow.Session, 1)
	s.Expect(5, netip.MustParseAddr("127.0.0.2"), func(s *openflow.Session) { elsewhere <- s })
	other := expect(t, s, 6)
	sess := await(t, expect(t, s, 5), "session")
	if sess.DPID() != 5 || sess.RemoteAddr().Addr() != loopback || sess.LocalAddr().Addr() != loopback {
		t.Errorf("session of %x from %v to %v", sess.DPID(), sess.RemoteAddr(), sess.LocalAddr())
	}
	if len(elsewhere) > 0 || len(other) > 0 {
		t.Error("session went to who expected another")
	}
	sess.Close()
	sess.Close()
	if !errors.Is(sess.Err(), openflow.ErrClosed) {
		t.Errorf("Err = %v, want ErrClosed", sess.Err())
	}
	if err := sess.Barrier(patient(t)); !errors.Is(err, openflow.ErrClosed) {
		t.Errorf("Barrier of a closed session = %v", err)
	}
}

func TestCancelledExpectation(t *testing.T) {
	s, port := serve(t, unhurried())
	s.Expect(5, loopback, func(*openflow.Session) { t.Error("delivered after cancel") })()
	greet(t, port, 5).closed()
}

func TestLaterExpectationGetsLiveSession(t *testing.T) {
	s, port := serve(t, openflow.Config{})
	first := expect(t, s, 5)
	p := greet(t, port, 5)
	sess := await(t, first, "session")
	ended := make(chan struct{})
	go func() { defer close(ended); p.answerEchoes() }()
	if again := await(t, expect(t, s, 5), "the same session"); again != sess {
		t.Error("another session")
	}
	sess.Close()
	<-ended
}

func TestSecondConnection(t *testing.T) {
	t.Run("first lives", func(t *testing.T) {
		s, port := serve(t, openflow.Config{ProbeTimeout: patience})
		got := expect(t, s, 5)
		first := greet(t, port, 5)
		sess := await(t, got, "session")
		go first.answerEchoes()
		greet(t, port, 5).closed()
		if err := sess.Err(); err != nil {
			t.Errorf("the live session was ended: %v", err)
		}
		if n := s.Counters().RefusedDuplicate.Load(); n != 1 {
			t.Errorf("%d duplicates counted, want 1", n)
		}
		sess.Close()
	})
	t.Run("first is silent", func(t *testing.T) {
		s, port := serve(t, openflow.Config{ProbeTimeout: quick.ProbeTimeout, SilenceTimeout: patience})
		got := expect(t, s, 5)
		greet(t, port, 5)
		old := await(t, got, "session")
		second := greet(t, port, 5)
		go second.answerEchoes()
		sess := await(t, got, "second session")
		if sess == old || old.Err() == nil || sess.Err() != nil {
			t.Errorf("old session: %v, new one: %v", old.Err(), sess.Err())
		}
		sess.Close()
	})
}

func TestLimits(t *testing.T) {
	s, port := serve(t, openflow.Config{HandshakeTimeout: 2 * patience, MaxUnidentifiedPerHost: 3})
	got := expect(t, s, 5)
	identified := greet(t, port, 5)
	sess := await(t, got, "session") // does not count any more
	go identified.answerEchoes()
	held := []*peer{dial(t, port), dial(t, port), dial(t, port)}
	for _, p := range held {
		p.read(wire.TypeHello)
	}
	if b := dial(t, port).closed(); len(b) > 0 {
		t.Errorf("a fourth connection was greeted: %x", b)
	}
	if n := s.Counters().RefusedLimit.Load(); n != 1 {
		t.Errorf("%d counted, want 1", n)
	}
	held[0].conn.Close()
	for deadline := time.Now().Add(patience); ; {
		p := dial(t, port)
		p.conn.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := wire.ReadMessage(p.conn); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of a connection that ended stays taken")
		}
	}
	sess.Close()
}

func TestPortChangesCoalesce(t *testing.T) {
	s, port := serve(t, openflow.Config{})
	got := expect(t, s, 5)
	p := greet(t, port, 5)
	sess := await(t, got, "session")
	status := func(reason byte, no uint32) {
		body := make([]byte, 72)
		body[0] = reason
		p.send(wire.TypePortStatus, 0, string(body[:8])+be32(no)+string(body[12:]))
	}
	for range 100 {
		status(2, 7)
	}
	status(0, 9)
	status(1, 7)
	p.send(wire.TypeEchoRequest, 1, "")
	p.read(wire.TypeEchoReply) // all of it has been read
	await(t, sess.Changed(), "change")
	changes, lost := sess.Take()
	if lost || len(changes) != 2 || changes[0].Port.No != 7 || changes[0].Reason != wire.PortDeleted ||
		changes[1].Port.No != 9 || changes[1].Reason != wire.PortAdded {
		t.Errorf("changes %+v, lost %t", changes, lost)
	}
	if changes, lost := sess.Take(); len(changes) > 0 || lost {
		t.Errorf("taken twice: %+v, %t", changes, lost)
	}
	for i := range uint32(65537) {
		status(0, i)
	}
	p.send(wire.TypeEchoRequest, 2, "")
	p.read(wire.TypeEchoReply)
	if changes, lost := sess.Take(); !lost || len(changes) > 65536 {
		t.Errorf("%d changes kept, lost %t", len(changes), lost)
	}
}

func TestParseMethod(t *testing.T) {
	for _, c := range []struct{ method, want string }{
		{"", ""},
		{"6653", ""},
		{"tcp:127.0.0.1:6653", ""},
		{"pssl:6653", ""},
		{"ptcp:", ""},
		{"ptcp:65536", ""},
		{"ptcp:-1", ""},
		{"ptcp:6653:", ""},
		{"ptcp:6653:[::1", ""},
		{"ptcp:0:127.0.0.1", "127.0.0.1:0"},
		{"ptcp:6653", ":6653"},
		{"ptcp:6653:192.0.2.1", "192.0.2.1:6653"},
		{"ptcp:6653:[2001:db8::1]", "[2001:db8::1]:6653"},
		{"ptcp:6653:2001:db8::1", "[2001:db8::1]:6653"},
	} {
		got, err := openflow.ParseMethod(c.method)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("ParseMethod(%q) = %q, %v; want %q", c.method, got, err, c.want)
		}
	}
}
