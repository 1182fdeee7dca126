package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/wire"
)

// testFlow returns a flow of a network, or of somebody else where that is 0.
func testFlow(network uint32, priority uint16, out uint32) flow.Flow {
	f := flow.Flow{Priority: priority, Cookie: 0x99, Actions: flow.Actions{flow.Output{Port: out}}}
	if network != 0 {
		f.Cookie = pipeline.Cookie(network, pipeline.UnicastLocal)
	}
	return f
}

// A flow is left alone after so many changes in a minute, each time for longer,
// and who keeps still for a while is forgiven.
func TestFights(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	k, other := flow.Key{Priority: 1}, flow.Key{Priority: 2}
	type step struct {
		at    time.Duration // since the start
		key   flow.Key
		given time.Duration // for which the flow is left alone from now on; 0: it is not
	}
	burst := func(at time.Duration, given time.Duration) (list []step) {
		for range fightLimit {
			list = append(list, step{at, k, 0})
		}
		return append(list, step{at, k, given})
	}
	for name, steps := range map[string][]step{
		"as often as is allowed":      burst(0, fightMin)[:fightLimit],
		"once more":                   burst(0, fightMin),
		"twice as long the next time": append(burst(0, fightMin), burst(2*time.Minute, 2*fightMin)...),
		"forgiven after a while":      append(burst(0, fightMin), burst(time.Hour, fightMin)...),
		"slowly":                      {{0, k, 0}, {15 * time.Second, k, 0}, {30 * time.Second, k, 0}, {45 * time.Second, k, 0}, {59 * time.Second, k, 0}, {61 * time.Second, k, 0}, {76 * time.Second, k, 0}},
		"another's are another's":     append(burst(0, 0)[:fightLimit], step{0, other, 0}, step{time.Second, k, fightMin}),
	} {
		t.Run(name, func(t *testing.T) {
			var s fights
			for i, st := range steps {
				now := start.Add(st.at)
				s.due(now)
				f := s.note(st.key, 7, now)
				if (f != nil) != (st.given != 0) {
					t.Fatalf("step %d: given up %v, want for %v", i, f != nil, st.given)
				}
				if f == nil {
					continue
				}
				if s.total.flows != 1 || s.of[7].flows != 1 || !s.total.until.Equal(now.Add(st.given)) {
					t.Errorf("step %d: counted %+v, %+v", i, s.total, s.of)
				}
				if f.step != st.given || s.left(now) != st.given || !s.concedes(k) {
					t.Errorf("step %d: left alone for %v, due in %v; want %v", i, f.step, s.left(now), st.given)
				}
				if due := s.due(now.Add(st.given - time.Nanosecond)); len(due) > 0 {
					t.Errorf("step %d: over too early", i)
				}
			}
		})
	}
	t.Run("at most an hour", func(t *testing.T) {
		var s fights
		now := start
		for range 10 {
			for range fightLimit + 1 {
				s.note(k, 7, now)
			}
			now = now.Add(s.left(now))
			if due := s.due(now); len(due) != 1 || due[0].step > fightMax {
				t.Fatalf("due %+v", due)
			}
		}
		if f := s.all[k]; f.step != fightMax {
			t.Errorf("at last left alone for %v", f.step)
		}
	})
	t.Run("forgiven by hand", func(t *testing.T) {
		var s fights
		for range fightLimit + 1 {
			s.note(k, 7, start)
		}
		s.forgive()
		if due := s.due(start); len(due) != 1 || s.concedes(k) || s.left(start) != 0 || s.total.flows+len(s.of) != 0 {
			t.Errorf("due %+v", due)
		}
		if f := s.note(k, 7, start); f != nil {
			t.Error("given up at once")
		}
	})
	t.Run("bounded", func(t *testing.T) {
		var s fights
		for i := range 2 * maxFights {
			s.note(flow.Key{Match: fmt.Sprint(i)}, 7, start)
		}
		if len(s.all) > maxFights {
			t.Errorf("%d flows are counted", len(s.all))
		}
		s.note(k, 7, start.Add(2*fightWindow))
		if len(s.all) != 1 {
			t.Errorf("%d flows are counted when all but one are old", len(s.all))
		}
	})
}

// What was told, in whatever order, is what the bridge then holds.
func TestEdits(t *testing.T) {
	removed := func(f flow.Flow) wire.FlowUpdate { return wire.FlowUpdate{Event: wire.UpdateRemoved, Flow: f} }
	added := func(f flow.Flow) wire.FlowUpdate { return wire.FlowUpdate{Event: wire.UpdateAdded, Flow: f} }
	modified := func(f flow.Flow) wire.FlowUpdate { return wire.FlowUpdate{Event: wire.UpdateModified, Flow: f} }
	one, two, three := testFlow(1, 1, 1), testFlow(1, 2, 2), testFlow(1, 3, 3)
	theirs := testFlow(0, 9, 9)
	at := func(f flow.Flow, p uint16) flow.Flow {
		f.Priority = p
		return f
	}
	for name, c := range map[string]struct {
		told      []wire.FlowUpdate
		want      []flow.Flow // of network 1
		differ    []uint16    // priorities of what is other
		strangers []uint16
		replaced  []uint16
	}{
		"nothing":                       {nil, []flow.Flow{one, two}, nil, []uint16{9}, nil},
		"one goes":                      {[]wire.FlowUpdate{removed(one)}, []flow.Flow{two}, []uint16{1}, []uint16{9}, nil},
		"one goes and comes back":       {[]wire.FlowUpdate{removed(one), added(one)}, []flow.Flow{two, one}, nil, []uint16{9}, nil},
		"one comes":                     {[]wire.FlowUpdate{added(three)}, []flow.Flow{one, two, three}, []uint16{3}, []uint16{9}, nil},
		"one comes and goes":            {[]wire.FlowUpdate{added(three), removed(three)}, []flow.Flow{one, two}, nil, []uint16{9}, nil},
		"one changes":                   {[]wire.FlowUpdate{modified(testFlow(1, 1, 7))}, []flow.Flow{two, testFlow(1, 1, 7)}, []uint16{1}, []uint16{9}, nil},
		"one changes and changes back":  {[]wire.FlowUpdate{modified(testFlow(1, 1, 7)), modified(one)}, []flow.Flow{two, one}, nil, []uint16{9}, nil},
		"the same again":                {[]wire.FlowUpdate{added(one)}, []flow.Flow{two, one}, nil, []uint16{9}, nil},
		"one is replaced":               {[]wire.FlowUpdate{added(at(theirs, 1))}, []flow.Flow{two}, []uint16{1}, []uint16{9}, []uint16{1}},
		"one is replaced, that changes": {[]wire.FlowUpdate{added(at(theirs, 1)), modified(testFlow(0, 1, 5))}, []flow.Flow{two}, []uint16{1}, []uint16{9}, []uint16{1}},
		"one is replaced, that goes":    {[]wire.FlowUpdate{added(at(theirs, 1)), removed(at(theirs, 1))}, []flow.Flow{two}, []uint16{1}, []uint16{9}, nil},
		"one is replaced and put back":  {[]wire.FlowUpdate{added(at(theirs, 1)), added(one)}, []flow.Flow{two, one}, nil, []uint16{9}, nil},
		"theirs comes":                  {[]wire.FlowUpdate{added(at(theirs, 5))}, []flow.Flow{one, two}, nil, []uint16{5, 9}, nil},
		"theirs goes":                   {[]wire.FlowUpdate{removed(theirs)}, []flow.Flow{one, two}, nil, nil, nil},
		"theirs goes that nobody knows": {[]wire.FlowUpdate{removed(at(theirs, 4))}, []flow.Flow{one, two}, nil, []uint16{9}, nil},
		"theirs changes":                {[]wire.FlowUpdate{modified(testFlow(0, 9, 1))}, []flow.Flow{one, two}, nil, []uint16{9}, nil},
		"ours comes where theirs was":   {[]wire.FlowUpdate{added(testFlow(1, 9, 1))}, []flow.Flow{one, two, testFlow(1, 9, 1)}, []uint16{9}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBridge("br0")
			b.installed[1] = []flow.Flow{one, two}
			b.strangers = map[flow.Key]struct{}{theirs.Key(): {}}
			e := edits{b: b, networks: map[uint32]*edit{}, foreign: map[flow.Key]flow.Flow{}}
			for i := range c.told {
				e.update(c.told[i].Flow.Key(), &c.told[i])
			}
			got, keys, doubt := b.installed[1], []flow.Key(nil), false
			if n := e.networks[1]; n != nil {
				got, keys, doubt = n.result()
			}
			// What has been added has flags that are not told.
			if again := strings.Contains(name, "again") || strings.Contains(name, "back") && !strings.Contains(name, "changes"); doubt != again {
				t.Errorf("doubt: %v, want %v", doubt, again)
			}
			if len(keys) == 0 {
				got = c.want // what is not other is not written
			}
			text := func(fs []flow.Flow) string {
				var s []string
				for _, f := range fs {
					s = append(s, f.String())
				}
				return strings.Join(s, "\n")
			}
			if text(got) != text(c.want) {
				t.Errorf("holds\n%s\nwant\n%s", text(got), text(c.want))
			}
			if p := priorities(slices.Values(keys)); !slices.Equal(p, c.differ) {
				t.Errorf("differ %v, want %v", p, c.differ)
			}
			if p := priorities(mapKeys(b.strangers)); !slices.Equal(p, c.strangers) {
				t.Errorf("strangers %v, want %v", p, c.strangers)
			}
			if p := priorities(mapKeys(e.foreign)); !slices.Equal(p, c.replaced) {
				t.Errorf("replaced %v, want %v", p, c.replaced)
			}
		})
	}
}

func mapKeys[V any](m map[flow.Key]V) func(func(flow.Key) bool) {
	return func(yield func(flow.Key) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func priorities(keys func(func(flow.Key) bool)) (list []uint16) {
	for k := range keys {
		list = append(list, k.Priority)
	}
	slices.Sort(list)
	return list
}

// The index knows what is installed, also after changes, and does not grow
// without end.
func TestFlowIndex(t *testing.T) {
	installed := map[uint32][]flow.Flow{1: {testFlow(1, 1, 1)}, 2: {testFlow(2, 2, 2)}}
	var x flowIndex
	ask := func(p uint16) (uint32, bool) {
		id, ok := x.network(installed, flow.Key{Priority: p})
		return id, ok && holds(installed[id], flow.Key{Priority: p})
	}
	for p, want := range map[uint16]uint32{1: 1, 2: 2} {
		if id, ok := ask(p); !ok || id != want {
			t.Errorf("priority %d: network %d, %v", p, id, ok)
		}
	}
	if id, ok := ask(3); ok {
		t.Errorf("priority 3: network %d", id)
	}
	for p := range uint16(20_000) {
		installed[1] = []flow.Flow{testFlow(1, 100+p, 1)}
		x.changed(1)
		if _, ok := ask(1); ok {
			t.Fatal("what is gone is still there")
		}
		if id, ok := ask(100 + p); !ok || id != 1 {
			t.Fatalf("priority %d: network %d, %v", 100+p, id, ok)
		}
	}
	if len(x.of) > 4096 {
		t.Errorf("%d entries for 2 flows", len(x.of))
	}
}

// The history keeps the newest entries, and mends only what it still has.
func TestHistoryIsBounded(t *testing.T) {
	s := newHistory(3)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	entry := func(host string) api.HistoryEntry { return api.HistoryEntry{Host: host} }
	var first uint64
	for i := range 5 {
		first = s.add(start.Add(time.Duration(i)*time.Second), []api.HistoryEntry{entry(fmt.Sprint("h", i))})
	}
	s.mended(start, first-4, 4) // of which two are gone
	h := s.list(api.HistoryRequest{})
	var got []string
	for _, e := range h.Entries {
		got = append(got, fmt.Sprint(e.Host, e.Repaired))
	}
	if want := []string{"h2true", "h3true", "h4false"}; !slices.Equal(got, want) || h.Dropped != 2 {
		t.Errorf("%q, %d dropped; want %q and 2", got, h.Dropped, want)
	}
	for _, c := range []struct {
		r    api.HistoryRequest
		want int
	}{
		{api.HistoryRequest{Host: "h3"}, 1}, {api.HistoryRequest{Host: "h0"}, 0}, {api.HistoryRequest{Network: "blue"}, 0},
		{api.HistoryRequest{Since: start.Add(3 * time.Second)}, 2}, {api.HistoryRequest{Since: start.Add(time.Hour)}, 0},
	} {
		if got := len(s.list(c.r).Entries); got != c.want {
			t.Errorf("%+v: %d entries, want %d", c.r, got, c.want)
		}
	}
}
