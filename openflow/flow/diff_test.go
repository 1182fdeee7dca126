package flow_test

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ovsmesh/openflow/flow"
)

// TestEqual holds all pairs of different flows and actions to be different, and
// each equal to its copy. Lists within actions must not make it panic.
func TestEqual(t *testing.T) {
	in := flow.NewMatch(flow.MatchInPort(1))
	out := func(port uint32) flow.Actions { return flow.Actions{flow.Output{Port: port}} }
	flows := func() []flow.Flow {
		return []flow.Flow{
			{}, {Table: 1}, {Priority: 1}, {Cookie: 1}, {IdleTimeout: 1}, {HardTimeout: 1}, {Flags: 1},
			{Match: in},
			{Match: flow.NewMatch(flow.MatchInPort(2))},
			{Match: flow.NewMatch(flow.OXM{Field: flow.InPort.Field(), Value: "\x00\x00\x00\x01", Mask: "\x00\x00\x00\x01"})},
			{Match: flow.NewMatch(flow.MatchTunnelID(1))},
			{Actions: out(1)}, {Actions: out(2)}, {Actions: append(out(1), out(2)...)}, {Actions: append(out(2), out(1)...)},
			{Actions: flow.Actions{flow.Output{Port: flow.PortController, MaxLen: 1}}},
			{Actions: flow.Actions{flow.Output{Port: flow.PortController, MaxLen: 2}}},
			{Actions: flow.Actions{flow.Group{ID: 1}}},
			{Actions: flow.Actions{flow.Meter{ID: 1}}},
			{Actions: flow.Actions{flow.GotoTable{Table: 1}}},
			{Actions: flow.Actions{flow.ClearActions{}}},
			{Actions: flow.Actions{flow.Raw{Bytes: "1"}}},
			{Actions: flow.Actions{flow.RawInstruction{Bytes: "1"}}},
			{Actions: flow.Actions{flow.SetField{OXM: flow.MatchInPort(1)}}},
			{Actions: flow.Actions{flow.WriteMetadata{Value: 1, Mask: 1}}},
			{Actions: flow.Actions{flow.WriteActions{}}},
			{Actions: flow.Actions{flow.WriteActions{Actions: out(1)}}},
			{Actions: flow.Actions{flow.WriteActions{Actions: out(2)}}},
			{Actions: flow.Actions{flow.WriteActions{Actions: flow.Actions{flow.WriteActions{Actions: out(2)}}}}},
		}
	}
	for i, a := range flows() {
		for j, b := range flows() {
			if got := a.Equal(&b); got != (i == j) {
				t.Errorf("equal %v: %s and %s", got, a, b)
			}
		}
	}
	a := flow.Actions{flow.Output{Port: 1, MaxLen: 128}}
	if !a.Equal(out(1)) {
		t.Error("a length that means nothing makes outputs differ")
	}
}

// TestKeyIsMatch holds keys to be equal exactly where matches are.
func TestKeyIsMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := flow.Flow{Match: rapid.Custom(anyMatch).Draw(t, "a")}
		b := flow.Flow{Match: rapid.Custom(anyMatch).Draw(t, "b")}
		same := gocmp.Equal(a.Match, b.Match)
		if (a.Key() == b.Key()) != same || (a.Match.String() == b.Match.String()) != same {
			t.Fatalf("%s and %s", a, b)
		}
		if c := a.Key().Compare(b.Key()); (c == 0) != same || c != -b.Key().Compare(a.Key()) {
			t.Fatalf("%s and %s compare as %d", a, b, c)
		}
	})
}

func TestSortReadsLikeATable(t *testing.T) {
	want := []string{
		"table=0, priority=2 actions=drop",
		"table=0, priority=1 actions=drop",
		"table=0, priority=1,in_port=2 actions=drop",
		"table=0, priority=1,in_port=2,dl_dst=02:00:00:00:00:01 actions=drop",
		"table=0, priority=1,in_port=10 actions=drop",
		"table=1, priority=9,dl_dst=02:00:00:00:00:01 actions=drop",
	}
	var flows []flow.Flow
	for _, line := range slices.Backward(want) {
		f, err := flow.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		flows = append(flows, f)
	}
	flow.Sort(flows)
	var got []string
	for _, f := range flows {
		got = append(got, f.Text())
	}
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// small draws flows of which many have the same key or are the same.
func small(t *rapid.T) flow.Flow {
	f := flow.Flow{
		Table:    rapid.Uint8Range(0, 1).Draw(t, "table"),
		Priority: rapid.Uint16Range(1, 2).Draw(t, "priority"),
		Cookie:   rapid.Uint64Range(0, 1).Draw(t, "cookie"),
	}
	if port := rapid.Uint32Range(0, 2).Draw(t, "in"); port != 0 {
		f.Match = flow.NewMatch(flow.MatchInPort(port))
	}
	if port := rapid.Uint32Range(0, 2).Draw(t, "out"); port != 0 {
		f.Actions = flow.Actions{flow.WriteActions{Actions: flow.Actions{flow.Output{Port: port}}}}
	}
	return f
}

// TestDiff compares Diff with looking at every pair, and applies the result.
func TestDiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(small), 0, 12).Draw(t, "want")
		got := rapid.SliceOfN(rapid.Custom(small), 0, 12).Draw(t, "got")
		was := slices.Concat(want, got)
		d := flow.Diff(want, got)
		if oracle := slowDiff(want, got); !gocmp.Equal(oracle, d) {
			t.Fatalf("got %v\nwant %v", d, oracle)
		}
		if !gocmp.Equal(was, slices.Concat(want, got)) {
			t.Fatal("its arguments changed")
		}
		after := apply(got, d)
		if again := flow.Diff(want, after); !again.Empty() {
			t.Fatalf("after it there is still %v", again)
		}
		if empty := d.Empty(); empty != (len(d.Add) == 0 && len(d.Modify) == 0 && len(d.Delete) == 0) {
			t.Fatalf("empty %v: %v", empty, d)
		}
	})
}

// slowDiff is Diff by the definition.
func slowDiff(want, got []flow.Flow) flow.Delta {
	at := func(list []flow.Flow, k flow.Key) int {
		for i, f := range slices.Backward(list) {
			if f.Key() == k {
				return i
			}
		}
		return -1
	}
	var d flow.Delta
	for i, w := range want {
		j := at(got, w.Key())
		switch {
		case at(want, w.Key()) != i:
		case j < 0:
			d.Add = append(d.Add, w)
		case w.String() != got[j].String():
			d.Modify = append(d.Modify, w)
		}
	}
	for i, g := range got {
		if at(got, g.Key()) == i && at(want, g.Key()) < 0 {
			d.Delete = append(d.Delete, g)
		}
	}
	for _, list := range [][]flow.Flow{d.Add, d.Modify, d.Delete} {
		slices.SortFunc(list, func(a, b flow.Flow) int {
			return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(b.Priority, a.Priority),
				cmp.Compare(a.Match.String(), b.Match.String()))
		})
	}
	return d
}

// apply does to a table what a switch does with the three lists.
func apply(table []flow.Flow, d flow.Delta) []flow.Flow {
	for _, f := range slices.Concat(d.Delete, d.Modify) {
		table = slices.DeleteFunc(slices.Clone(table), func(g flow.Flow) bool { return g.Key() == f.Key() })
	}
	return slices.Concat(table, d.Add, d.Modify)
}

// Sort needs no keys, and orders by them all the same.
func TestSortOrdersByKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) flow.Flow {
			if rapid.Bool().Draw(t, "close") {
				return small(t)
			}
			return anyFlow(t)
		}), 2, 20).Draw(t, "flows")
		flow.Sort(flows)
		for i := 1; i < len(flows); i++ {
			if flows[i-1].Key().Compare(flows[i].Key()) > 0 {
				t.Fatalf("%s comes before %s", &flows[i-1], &flows[i])
			}
		}
	})
}
