package openflow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ovsmesh/openflow"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/ovstest"
)

// watched returns a session that watches the flows of a fresh bridge.
func watched(t *testing.T, cfg openflow.Config) (*ovstest.Switch, *openflow.Server, *openflow.Session) {
	t.Helper()
	sw, s, sess := connect(t, cfg)
	if err := sess.Watch(patient(t)); err != nil {
		t.Fatal(err)
	}
	return sw, s, sess
}

// told returns the changes that a session was told once the switch has done all
// before, as lines.
func told(t *testing.T, sess *openflow.Session) (lines []string, own int) {
	t.Helper()
	if err := sess.Barrier(patient(t)); err != nil {
		t.Fatal(err)
	}
	c := sess.TakeFlows()
	if c.Lost {
		t.Fatal("changes lost")
	}
	for _, u := range c.Updates {
		lines = append(lines, fmt.Sprintf("%s %s", u.Event, u.Flow.String()))
	}
	return lines, c.Own
}

// TestWatchIsToldWhatOthersDo: each change that ovs-ofctl makes is told as it
// is, in order; nothing before the watch, and nothing that changes nothing.
func TestWatchIsToldWhatOthersDo(t *testing.T) {
	sw, s, sess := connect(t, openflow.Config{})
	sw.OFCtl("add-flow", "br0", "table=3,priority=9,cookie=0x5,actions=output:1")
	if lines, _ := told(t, sess); lines != nil {
		t.Fatalf("told %q before the watch", lines)
	}
	for range 2 { // the second time is nothing
		if err := sess.Watch(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
	const mac = "dl_dst=02:00:00:00:00:01"
	for _, c := range []struct {
		do   []string
		want []string
	}{
		{nil, nil},
		{[]string{"add-flow", "table=3,priority=7,cookie=0x1,idle_timeout=9,in_port=1," + mac + ",actions=output:2,goto_table:5"},
			[]string{"ADDED cookie=0x1, table=3, idle_timeout=9, priority=7,in_port=1," + mac + " actions=output:2,goto_table:5"}},
		{[]string{"mod-flows", "table=3,in_port=1,actions=output:3"},
			[]string{"MODIFIED cookie=0x1, table=3, idle_timeout=9, priority=7,in_port=1," + mac + " actions=output:3"}},
		{[]string{"mod-flows", "table=3,in_port=1,actions=output:3"}, nil},
		{[]string{"add-flow", "table=3,priority=7,in_port=1," + mac + ",actions=drop"},
			[]string{"ADDED cookie=0x0, table=3, priority=7,in_port=1," + mac + " actions=drop"}},
		{[]string{"del-flows", "table=9"}, nil},
		{[]string{"del-flows", "table=3"}, []string{
			"DELETED cookie=0x0, table=3, priority=7,in_port=1," + mac + " actions=drop",
			"DELETED cookie=0x5, table=3, priority=9 actions=output:1"}},
	} {
		if c.do != nil {
			sw.OFCtl(c.do[0], "br0", c.do[1])
		}
		got, own := told(t, sess)
		slices.Sort(got) // one command may remove several, in an order of its own
		if !slices.Equal(got, c.want) || own != -1 {
			t.Errorf("%q: told %q (own %d), want %q", c.do, got, own, c.want)
		}
	}
	if n := s.Counters().FlowUpdates.Load(); n != 5 {
		t.Errorf("%d changes counted, want 5", n)
	}
}

// TestWatchTellsOurBundles: a bundle of ours is no change of others, but its
// place among theirs is told; it wakes nobody.
func TestWatchTellsOurBundles(t *testing.T) {
	sw, s, sess := watched(t, openflow.Config{})
	apply := func(c wire.Command, n int) {
		t.Helper()
		if err := sess.Apply(patient(t), mods(c, n, numbered)); err != nil {
			t.Fatal(err)
		}
	}
	apply(wire.Add, 3000)
	apply(wire.DeleteStrict, 3000)
	select {
	case <-sess.FlowsChanged():
		t.Error("a bundle of ours has woken us")
	default:
	}
	if got, own := told(t, sess); got != nil || own != 0 {
		t.Errorf("told %q (own %d), want nothing", got, own)
	}
	sw.OFCtl("add-flow", "br0", "table=1,actions=drop")
	sw.OFCtl("add-flow", "br0", "table=2,actions=drop")
	if err := sess.Barrier(patient(t)); err != nil {
		t.Fatal(err)
	}
	apply(wire.Add, 3000)
	sw.OFCtl("add-flow", "br0", "table=3,actions=drop")
	await(t, sess.FlowsChanged(), "word of changes")
	if got, own := told(t, sess); len(got) != 3 || own != 2 {
		t.Errorf("told %q, ours after %d of them; want 3, and ours after 2", got, own)
	}
	if err := sess.Apply(patient(t), mods(wire.DeleteStrict, 1, func(i int) wire.Mod { return numbered(i + 1e6) })); err != nil {
		t.Fatal(err)
	}
	if got, own := told(t, sess); got != nil || own != -1 {
		t.Errorf("told %q (own %d) of a bundle that changed nothing", got, own)
	}
	if n := s.Counters().FlowUpdates.Load(); n != 3 {
		t.Errorf("%d changes of others counted, want 3", n)
	}
}

// mirror is what a table holds by what a session was told of it.
type mirror map[flow.Key]flow.Flow

func (m mirror) read(t *testing.T, sess *openflow.Session) {
	t.Helper()
	flows, err := sess.Flows(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	clear(m)
	for _, f := range flows {
		m[f.Key()] = f
	}
}

// follow applies what is told until the switch has nothing more to say, and
// reads anew where something was lost. It returns how often that was.
func (m mirror) follow(t *testing.T, sess *openflow.Session) (lost int) {
	t.Helper()
	for quiet := 0; quiet < 3; {
		c := sess.TakeFlows()
		switch {
		case c.Lost:
			m.read(t, sess)
			lost++
		case len(c.Updates) == 0:
			quiet++
			time.Sleep(50 * time.Millisecond)
			continue
		}
		quiet = 0
		for _, u := range c.Updates {
			if u.Event == wire.UpdateRemoved {
				delete(m, u.Flow.Key())
			} else {
				m[u.Flow.Key()] = u.Flow
			}
		}
	}
	return lost
}

// demand compares with the switch.
func (m mirror) demand(t *testing.T, sess *openflow.Session) {
	t.Helper()
	now := mirror{}
	now.read(t, sess)
	if len(now) != len(m) {
		t.Errorf("%d flows by what was told, %d on the switch", len(m), len(now))
	}
	for k, f := range now {
		if was := m[k]; !was.Equal(&f) {
			t.Errorf("told %s, on the switch %s", was, f)
		}
	}
}

// flowFile writes n flows of a table into a file for ovs-ofctl add-flows.
func flowFile(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "table=4,priority=%d,in_port=%d,dl_dst=02:00:00:%02x:%02x:%02x,actions=output:2\n", i%7, i%3, i>>16, i>>8&0xff, i&0xff)
	}
	file := filepath.Join(t.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestWatchLosesNothing: what was told, applied to what was read, is what the
// switch holds: after a burst of 10,000 changes, each of which is told, and after
// one that is larger than what is kept for who does not take it.
func TestWatchLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int // of Config
		lost  bool
	}{
		{"each told", 0, false},
		{"nobody takes them", 64 << 10, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			sw, s, sess := watched(t, openflow.Config{MaxUpdates: c.limit})
			m := mirror{}
			m.read(t, sess)
			const n = 10_000
			sw.OFCtl("add-flows", "br0", flowFile(t, n))
			lost := m.follow(t, sess)
			if told := s.Counters().FlowUpdates.Load(); told != n {
				t.Errorf("%d changes told of %d", told, n)
			}
			if lost > 0 != c.lost {
				t.Errorf("lost %d times, want %t", lost, c.lost)
			}
			m.demand(t, sess)
			m.change(t, sw, sess)
		})
	}
}

// change changes some of the flows of flowFile, and follows.
func (m mirror) change(t *testing.T, sw *ovstest.Switch, sess *openflow.Session) {
	t.Helper()
	sw.OFCtl("mod-flows", "br0", "table=4,in_port=2,actions=output:3")
	sw.OFCtl("del-flows", "br0", "table=4,in_port=1")
	sw.OFCtl("add-flow", "br0", "table=5,actions=drop")
	m.follow(t, sess)
	m.demand(t, sess)
}

// narrow is what a switch connects to in place of a server, and what lets nothing
// of what it says pass while it is locked.
type narrow struct {
	sync.Mutex
	server string // port
}

// start returns the port to connect to. It must come before what it is between,
// whose end it waits for.
func (n *narrow) start(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			n.Lock()
			server := n.server
			n.Unlock()
			to, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", server))
			if err != nil {
				from.Close()
				continue
			}
			wg.Go(func() {
				defer from.Close()
				_, _ = io.Copy(from, to) // until one of the two hangs up
			})
			wg.Go(func() {
				defer to.Close()
				b := make([]byte, 4096)
				for {
					k, err := from.Read(b)
					if err != nil {
						return
					}
					n.Lock()
					_, err = to.Write(b[:k])
					n.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestWatchPaused: a switch that can't get rid of what it has to tell pauses, and
// nothing of what it leaves out then is lost.
func TestWatchPaused(t *testing.T) {
	var way narrow
	port := way.start(t)
	sw := ovstest.StartSwitch(t)
	s, server := serve(t, openflow.Config{MaxUpdates: 64 << 20})
	way.Lock()
	way.server = server
	way.Unlock()
	got := expect(t, s, testDPID)
	bridge(sw, "br0", "00000000000000a1")
	control(sw, "br0", port)
	sess := await(t, got, "session")
	if err := sess.Watch(patient(t)); err != nil {
		t.Fatal(err)
	}
	m := mirror{}
	m.read(t, sess)
	way.Lock()
	sw.OFCtl("--bundle", "add-flows", "br0", flowFile(t, 80_000)) // more than the kernel keeps
	sw.OFCtl("add-flow", "br0", "table=6,priority=1,actions=drop")
	sw.OFCtl("del-flows", "br0", "table=6")
	sw.OFCtl("add-flow", "br0", "table=6,priority=2,actions=drop")
	way.Unlock()
	for lost := 0; lost == 0; time.Sleep(10 * time.Millisecond) {
		lost = m.follow(t, sess)
	}
	m.demand(t, sess)
	if s.Counters().FlowPauses.Load() == 0 {
		t.Error("the switch has not paused: this tests nothing")
	}
	m.change(t, sw, sess)
}

// TestWatchRefused: a switch without a flow monitor says so, and all else goes
// on.
func TestWatchRefused(t *testing.T) {
	s, port := serve(t, openflow.Config{})
	got := expect(t, s, 5)
	p := greet(t, port, 5)
	sess := await(t, got, "session")
	for range 2 {
		refused := make(chan error, 1)
		go func() { refused <- sess.Watch(patient(t)) }()
		m := p.read(wire.TypeMultipartRequest)
		p.send(wire.TypeError, m.XID, "\x00\x01\x00\x04") // OFPBRC_BAD_EXP_TYPE
		if err := await(t, refused, "refusal"); !errors.Is(err, openflow.ErrNotWatched) || !strings.Contains(err.Error(), "OFPBRC_BAD_EXP_TYPE") {
			t.Errorf("Watch = %v", err)
		}
	}
	if sess.Err() != nil {
		t.Errorf("session ended: %v", sess.Err())
	}
}

// TestWatchUnanswered: a switch that says nothing is no switch that has refused;
// it may be asked again, under another number.
func TestWatchUnanswered(t *testing.T) {
	s, port := serve(t, openflow.Config{})
	got := expect(t, s, 5)
	p := greet(t, port, 5)
	sess := await(t, got, "session")
	ids := map[string]bool{}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sess.Watch(ctx) }()
		m := p.read(wire.TypeMultipartRequest)
		ids[string(m.Body[16:20])] = true
		cancel()
		if err := await(t, done, "end of the wait"); errors.Is(err, openflow.ErrNotWatched) || !errors.Is(err, context.Canceled) {
			t.Errorf("Watch = %v", err)
		}
		p.send(wire.TypeMultipartReply, m.XID, updateHead) // too late
	}
	if len(ids) != 2 {
		t.Errorf("%d numbers of monitors, want 2", len(ids))
	}
	if sess.Err() != nil {
		t.Errorf("session ended: %v", sess.Err())
	}
}

const (
	updateHead = "\xff\xff\x00\x00\x00\x00\x00\x00ONF\x00\x00\x00\x07\x4e"
	updateGood = updateHead + "\x00\x20\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x00\x00\x00\x09\x00\x01\x00\x04\x00\x00\x00\x00"
)

// TestWatchHostile: what a switch sends unasked is nothing; what makes no sense
// once it is watched ends the session.
func TestWatchHostile(t *testing.T) {
	begin := func(t *testing.T) (*peer, *openflow.Session) {
		s, port := serve(t, openflow.Config{})
		got := expect(t, s, 5)
		p := greet(t, port, 5)
		return p, await(t, got, "session")
	}
	watch := func(t *testing.T, p *peer, sess *openflow.Session, answer string) error {
		done := make(chan error, 1)
		go func() { done <- sess.Watch(patient(t)) }()
		m := p.read(wire.TypeMultipartRequest)
		p.send(wire.TypeMultipartReply, m.XID, answer)
		return await(t, done, "answer")
	}
	t.Run("unasked", func(t *testing.T) {
		p, sess := begin(t)
		p.send(wire.TypeMultipartReply, 0, updateGood)
		p.send(wire.TypeMultipartReply, 0, updateHead+"garbage")
		p.send(wire.TypeExperimenter, 0, "ONF\x00\x00\x00\x07\x4f")
		p.send(wire.TypeEchoRequest, 6, "")
		p.read(wire.TypeEchoReply)
		if err := watch(t, p, sess, updateHead); err != nil {
			t.Fatal(err)
		}
		if c := sess.TakeFlows(); len(c.Updates) > 0 || c.Lost {
			t.Errorf("%+v", c)
		}
		p.send(wire.TypeMultipartReply, 0, updateGood)
		await(t, sess.FlowsChanged(), "word of a change")
		if c := sess.TakeFlows(); len(c.Updates) != 1 || c.Updates[0].Flow.Cookie != 9 {
			t.Errorf("%+v", c)
		}
	})
	for name, body := range map[string]string{
		"half an update":      updateGood[:len(updateGood)-3],
		"update of length 0":  updateHead + strings.Repeat("\x00", 32),
		"of an unknown event": updateHead + "\x00\x08\x00\x07\x00\x00\x00\x00",
		"half a head":         updateHead[:4],
	} {
		t.Run(name, func(t *testing.T) {
			p, sess := begin(t)
			if err := watch(t, p, sess, updateHead); err != nil {
				t.Fatal(err)
			}
			p.send(wire.TypeMultipartReply, 0, body)
			await(t, sess.Done(), "end of session")
			if !errors.Is(sess.Err(), wire.ErrMalformed) {
				t.Errorf("session ended by %v", sess.Err())
			}
		})
	}
	t.Run("another answer", func(t *testing.T) {
		p, sess := begin(t)
		if err := watch(t, p, sess, "\x00\x01\x00\x00\x00\x00\x00\x00"); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("Watch = %v", err)
		}
	})
	t.Run("flood that nobody takes", func(t *testing.T) {
		p, sess := begin(t)
		if err := watch(t, p, sess, updateHead); err != nil {
			t.Fatal(err)
		}
		body := updateHead + strings.Repeat(updateGood[len(updateHead):], 2000)
		for range 200 {
			p.send(wire.TypeMultipartReply, 0, body)
		}
		p.send(wire.TypeEchoRequest, 7, "")
		p.read(wire.TypeEchoReply)
		if c := sess.TakeFlows(); !c.Lost || len(c.Updates) > 0 {
			t.Errorf("lost %t, %d kept", c.Lost, len(c.Updates))
		}
		p.send(wire.TypeMultipartReply, 0, updateGood)
		p.send(wire.TypeEchoRequest, 8, "")
		p.read(wire.TypeEchoReply)
		if c := sess.TakeFlows(); c.Lost || len(c.Updates) != 1 {
			t.Errorf("after that: lost %t, %d kept", c.Lost, len(c.Updates))
		}
	})
}
