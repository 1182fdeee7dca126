package controller

import (
	"slices"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

func publishN(s *events, n int) {
	for range n {
		s.publish(api.Event{Kind: api.EventSync})
	}
}

func numbers(p api.EventPage) []uint64 {
	var ids []uint64
	for _, e := range p.Events {
		ids = append(ids, e.ID)
	}
	return ids
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestEventsSince(t *testing.T) {
	s := newEvents(8)
	start := s.last
	tests := []struct {
		publish int
		after   uint64 // beyond start; 0 is 0
		want    []uint64
		lost    bool
	}{
		{0, 0, nil, false},
		{0, 1, nil, true}, // of the future: another store's, or the clock was set back
		{3, 0, nil, false},
		{0, 1, []uint64{2, 3}, false},
		{0, 3, nil, false},
		{0, 4, nil, true},
		{5, 1, []uint64{2, 3, 4, 5, 6, 7, 8}, false},
		{2, 2, []uint64{3, 4, 5, 6, 7, 8, 9, 10}, false},
		{0, 1, nil, true}, // 2 is no longer there
		{20, 22, []uint64{23, 24, 25, 26, 27, 28, 29, 30}, false},
		{0, 21, nil, true},
	}
	for i, tt := range tests {
		publishN(s, tt.publish)
		after := tt.after
		if after > 0 {
			after += start
		}
		p := s.since(after)
		for j := range tt.want {
			tt.want[j] += start
		}
		if got := numbers(p); !slices.Equal(got, tt.want) || p.Lost != tt.lost || p.Last != s.last || isClosed(p.More) {
			t.Errorf("%d: %v, last %d, lost %v, want %v, %d, %v", i, got, p.Last, p.Lost, tt.want, s.last, tt.lost)
		}
	}
	// Of a former process: its numbers are smaller, also where nothing has
	// happened since.
	if s := newEvents(8); !s.since(start-5).Lost || s.since(s.last).Lost {
		t.Error("a number of before is taken for one of now")
	}
}

func TestEventsPages(t *testing.T) {
	s := newEvents(4 * api.EventPageSize)
	at := s.last
	publishN(s, 2*api.EventPageSize+1)
	for _, want := range []int{api.EventPageSize, api.EventPageSize, 1} {
		p := s.since(at)
		if len(p.Events) != want || p.Events[0].ID != at+1 || p.Last != at+uint64(want) || isClosed(p.More) != (want > 1) {
			t.Fatalf("%d events after %d up to %d, more %v; want %d", len(p.Events), at, p.Last, isClosed(p.More), want)
		}
		at = p.Last
	}
	p := s.since(at)
	if len(p.Events) != 0 || isClosed(p.More) {
		t.Error("there is something where nothing should be")
	}
	publishN(s, 1)
	if !isClosed(p.More) || len(s.since(at).Events) != 1 {
		t.Error("who waits is not woken")
	}
	s.publish()
	if isClosed(s.since(s.last).More) {
		t.Error("nothing wakes")
	}
}

// What nobody reads is not drawn up, and who comes back to it is told so.
func TestEventsSkip(t *testing.T) {
	s := newEvents(8)
	if s.followed() {
		t.Error("followed by nobody")
	}
	at := s.since(0)
	if !s.followed() {
		t.Error("a reader who waits does not count")
	}
	publishN(s, 1)
	if !s.followed() || s.since(at.Last).Lost {
		t.Error("a reader who may come back does not count")
	}
	publishN(s, 1)
	if s.asked = time.Now().Add(-followedFor); s.followed() {
		t.Error("followed by one who is gone for good")
	}
	at = s.since(0)
	s.skip()
	if !isClosed(at.More) || !s.since(at.Last).Lost {
		t.Error("a reader is not told of what was skipped")
	}
	at = s.since(0)
	if publishN(s, 1); s.since(at.Last).Lost || len(s.since(at.Last).Events) != 1 {
		t.Error("what comes after is lost, too")
	}
}

// More readers, and slow ones, cost the publisher nothing.
func BenchmarkPublish(b *testing.B) {
	s := newEvents(eventsKept)
	for b.Loop() {
		s.publish(api.Event{Kind: api.EventTunnel, Network: "blue", Host: "xen1", Peer: "xen3", State: api.TunnelUp})
		s.since(s.last)
	}
}

func kindsOf(list []api.Event) []string {
	var out []string
	for _, e := range list {
		text := e.Kind
		for _, part := range []string{e.Bridge, e.Peer, e.Was, e.State, e.Error} {
			if part == "" {
				part = "-"
			}
			text += " " + part
		}
		out = append(out, text)
	}
	return out
}

func TestNetworkNews(t *testing.T) {
	type seen struct {
		to string
		end
	}
	up := func(to string) seen { return seen{to, end{state: api.TunnelUp}} }
	down := func(to, why string) seen { return seen{to, end{state: api.TunnelDown, why: why}} }
	ends := func(list ...seen) tunnelEnds {
		e := tunnelEnds{on: &topology.OnHost{}}
		for _, s := range list {
			e.want = append(e.want, topology.Tunnel{Peer: s.to})
			e.runs = append(e.runs, run{1, s.end})
		}
		return e
	}
	tests := []struct {
		name    string
		was, is networkStatus
		want    []string
	}{
		{"nothing", networkStatus{}, networkStatus{}, nil},
		{"the same", networkStatus{inSync: true, ends: ends(up("b")), problems: []string{"p"}},
			networkStatus{inSync: true, ends: ends(up("b")), problems: []string{"p"}}, nil},
		{"at first", networkStatus{}, networkStatus{inSync: true, ends: ends(up("b"), down("c", "no route")), problems: []string{"p"}},
			[]string{"tunnel - b - up -", "tunnel - c - down no route", "problem - - - appeared p", "sync - - syncing in-sync -"}},
		{"down", networkStatus{ends: ends(up("b"))}, networkStatus{ends: ends(down("b", "no route"))}, []string{"tunnel - b up down no route"}},
		{"for another reason", networkStatus{ends: ends(down("b", "x"))}, networkStatus{ends: ends(down("b", "y"))}, []string{"tunnel - b down down y"}},
		{"come and gone", networkStatus{ends: ends(up("a"), up("c"), up("e"))}, networkStatus{ends: ends(up("b"), up("c"), up("d"))},
			[]string{"tunnel - a up removed -", "tunnel - b - up -", "tunnel - d - up -", "tunnel - e up removed -"}},
		{"problems", networkStatus{inSync: true, problems: []string{"p", "q"}}, networkStatus{problems: []string{"q", "r"}},
			[]string{"problem - - appeared gone p", "problem - - - appeared r", "sync - - in-sync syncing -"}},
	}
	for _, tt := range tests {
		if got := kindsOf(networkNews(nil, tt.was, tt.is)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBridgeNews(t *testing.T) {
	on := api.TopologyBridge{Name: "b", Connected: true}
	off := api.TopologyBridge{Name: "b"}
	bad := api.TopologyBridge{Name: "b", Error: "holds eth0"}
	tests := []struct {
		was, is api.TopologyBridge
		want    []string
	}{
		{api.TopologyBridge{}, off, nil},
		{api.TopologyBridge{}, on, []string{"bridge b - disconnected connected -"}},
		{on, off, []string{"bridge b - connected disconnected -"}},
		{on, bad, []string{"bridge b - connected disconnected -", "problem b - - appeared holds eth0"}},
		{bad, off, []string{"problem b - appeared gone holds eth0"}},
		{on, api.TopologyBridge{Name: "b", Connected: true, FlowsWanted: 7}, nil},
	}
	for _, tt := range tests {
		if got := kindsOf(bridgeNews(tt.was, tt.is)); !slices.Equal(got, tt.want) {
			t.Errorf("%+v to %+v: %q, want %q", tt.was, tt.is, got, tt.want)
		}
	}
}

// A host's setters tell what changes, and nothing where nothing does.
func TestHostStatusTells(t *testing.T) {
	var told []api.Event
	s := newHostStatus(func(list ...api.Event) { told = append(told, list...) })
	steps := []struct {
		do   func()
		want []string
	}{
		{func() { s.connect("192.0.2.1:5", "3.1.0") }, []string{"host - - disconnected connected -"}},
		{func() { s.setWaiting("the next transaction") }, nil},
		{func() { s.setError("no space") }, []string{"problem - - - appeared no space"}},
		{func() { s.setError("no space") }, nil},
		{func() { s.setApplied(7) }, []string{"problem - - appeared gone no space", "sync - - syncing in-sync -"}},
		{func() { s.setApplied(8) }, nil},
		{func() { s.setWaiting("ovs-vswitchd") }, []string{"sync - - in-sync syncing ovs-vswitchd"}},
		{func() { s.disconnect("EOF") }, []string{"host - - connected disconnected EOF"}},
	}
	for i, step := range steps {
		told = nil
		step.do()
		if got := kindsOf(told); !slices.Equal(got, step.want) {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
}

func TestToldByHub(t *testing.T) {
	e := newEvents(16)
	tell := told{events: e}
	on := &topology.OnHost{Net: &topology.NetworkView{Name: "blue", Tenant: "acme"}}
	at := e.last
	news := func(updates ...topology.Update) []api.Event {
		tell.publish(updates)
		p := e.since(at)
		at = p.Last
		return p.Events
	}
	if got := news(topology.Update{Host: "a", Network: "blue", On: on}); got != nil {
		t.Errorf("what the store knew is no news: %+v", got)
	}
	got := news(topology.Update{Host: "a", Network: "blue", On: on}, topology.Update{Host: "b", Network: "blue", On: on}, topology.Update{Host: "c", Network: "red"})
	if len(got) != 1 || got[0].Kind != api.EventMember || got[0].Host != "b" || got[0].Network != "blue" || got[0].Tenant != "acme" || got[0].State != api.EventJoined {
		t.Errorf("joined: %+v", got)
	}
	tell.change(&topology.Change{Items: []topology.Item{
		{Kind: topology.KindNetworks, Name: "blue", Verb: topology.VerbDeleted}, {Kind: topology.KindHosts, Name: "a", Verb: topology.VerbUnchanged},
	}}, 5)
	got = news(topology.Update{Host: "a", Network: "blue"})
	if len(got) != 2 || got[0].Kind != api.EventChange || got[0].Generation != 5 || len(got[0].Items) != 1 || got[0].Omitted != 0 ||
		got[1].State != api.EventLeft || got[1].Host != "a" || got[1].Tenant != "acme" {
		t.Errorf("deleted: %+v", got)
	}
	many := make([]topology.Item, api.EventItems+7)
	tell.change(&topology.Change{Items: many}, 6)
	if got = news(); len(got) != 1 || len(got[0].Items) != api.EventItems || got[0].Omitted != 7 {
		t.Errorf("many items: %d events", len(got))
	}
}
