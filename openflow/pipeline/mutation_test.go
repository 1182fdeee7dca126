package pipeline_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/pipeline"
)

// mutationWorlds have every kind of flow of the profile "programmed" between
// them: three hosts, networks of the same addresses on one bridge each, an
// address on two VIFs of a host and one on two hosts, VIFs of unknown address.
func mutationWorlds() map[string]*world {
	simple := []vif{
		{host: 1, network: 1, macs: [][6]byte{mac(1)}},
		{host: 1, network: 1, macs: [][6]byte{mac(2), mac(4)}},
		{host: 2, network: 1, macs: [][6]byte{mac(2)}},
		{host: 2, network: 1},
		{host: 3, network: 1, macs: [][6]byte{mac(3)}},
		{host: 3, network: 1, macs: [][6]byte{mac(3)}},
		{host: 1, network: 2, macs: [][6]byte{mac(1)}},
		{host: 2, network: 2, macs: [][6]byte{mac(2)}},
		{host: 3, network: 2, macs: [][6]byte{mac(3)}},
		{host: 3, network: 2, macs: [][6]byte{mac(4)}},
		{host: 3, network: 1},
		{host: 1, network: 2},
		{host: 2, network: 2},
	}
	v4, v6 := func(n byte) []netip.Addr { return []netip.Addr{ip4(n)} }, func(n byte) []netip.Addr { return []netip.Addr{ip4(n), ip6(n)} }
	addressed := []vif{
		{host: 1, network: 1, macs: [][6]byte{mac(1)}, ips: v6(1), allowed: []pipeline.Pair{{MAC: virtual, IP: virtualIP}}},
		{host: 2, network: 1, macs: [][6]byte{mac(2)}, ips: v6(2)},
		{host: 3, network: 1, macs: [][6]byte{mac(3)}, ips: v6(3)},
		{host: 1, network: 1, macs: [][6]byte{mac(4)}},
		{host: 2, network: 1},
		{host: 1, network: 2, macs: [][6]byte{mac(1)}, ips: v4(1), router: true},
		{host: 2, network: 2, macs: [][6]byte{mac(2)}, ips: v6(2)},
		{host: 2, network: 2, macs: [][6]byte{mac(3)}, ips: v6(3), router: true},
		{host: 3, network: 2, macs: [][6]byte{mac(4)}, ips: v6(4)},
	}
	quiet := []vif{
		{host: 1, network: 1, macs: [][6]byte{mac(1)}, dhcp: true},
		{host: 1, network: 1, macs: [][6]byte{mac(4)}},
		{host: 2, network: 1, macs: [][6]byte{mac(2)}, router: true},
		{host: 2, network: 1, macs: [][6]byte{mac(3)}, allowed: []pipeline.Pair{{MAC: virtual, IP: virtualIP}}},
		{host: 3, network: 1},
		{host: 3, network: 2, macs: [][6]byte{mac(1)}, dhcp: true, router: true},
		{host: 2, network: 2, macs: [][6]byte{mac(2)}},
		{host: 1, network: 2, macs: [][6]byte{mac(3)}},
	}
	return map[string]*world{
		"simple": {shared: true, vifs: simple, nets: map[uint32]options{1: {secure: true, tunnels: "own"}, 2: {tunnels: "own"}}},
		"addressed": {shared: true, vifs: addressed, nets: map[uint32]options{
			1: {secure: true, answers: true, tunnels: "shared"}, 2: {secure: true, dropUnknown: true, answers: true, tunnels: "shared"}}},
		"quiet": {shared: true, vifs: quiet, nets: map[uint32]options{
			1: {dropBroadcast: true, tunnels: "flow"}, 2: {dropBroadcast: true, tunnels: "flow"}}},
	}
}

// probes are all frames, some that meet a flow before all others: they are the
// likeliest to notice that it is wrong.
type probes struct {
	all []forward.Frame
	met map[*bridge]map[flow.Key][]forward.Frame
}

func (w *world) probes(all []forward.Frame) probes {
	p := probes{all: all, met: map[*bridge]map[flow.Key][]forward.Frame{}}
	for _, b := range w.bridges {
		p.met[b] = map[flow.Key][]forward.Frame{}
	}
	w.seen = func(b *bridge, key flow.Key, f forward.Frame) {
		if list := p.met[b][key]; len(list) == 0 || len(list) < 10 && list[len(list)-1] != f {
			p.met[b][key] = append(list, f)
		}
	}
	for _, f := range p.all {
		for i := range w.vifs {
			if _, err := w.send(w.vifs[i].at, f); err != nil {
				panic(err) // checked before
			}
		}
	}
	w.seen = nil
	return p
}

// finds reports whether the invariants fail.
func (w *world) finds(p probes, b *bridge, f flow.Flow) bool {
	return w.check(p.met[b][f.Key()]) != nil || w.check(p.all) != nil
}

// TestMutationsAreCaught does every small wrong to every flow, one at a time,
// and expects the invariants to fail: the check above would notice.
func TestMutationsAreCaught(t *testing.T) {
	mutations := []struct {
		name   string
		mutate func(f flow.Flow) [][]flow.Flow // each result stands in place of f
	}{
		{"flow lost", func(flow.Flow) [][]flow.Flow { return [][]flow.Flow{nil} }},
		{"match field dropped", droppedFields},
		{"mask lost", lostMasks},
		{"tunnel bit ignored", ignoredTunnelBit},
		{"output lost", func(f flow.Flow) [][]flow.Flow {
			return eachOutput(f, func(flow.Output) flow.Actions { return nil })
		}},
		{"output twice", func(f flow.Flow) [][]flow.Flow {
			return eachOutput(f, func(o flow.Output) flow.Actions { return flow.Actions{o, o} })
		}},
		{"port swapped for another network's", func(f flow.Flow) [][]flow.Flow {
			return eachOutput(f, func(o flow.Output) flow.Actions { return flow.Actions{flow.Output{Port: o.Port%4 + 1}} })
		}},
		{"another network", otherNetwork},
		{"no split horizon", noSplitHorizon},
		{"not set", func(f flow.Flow) [][]flow.Flow {
			return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
				switch a.(type) {
				case flow.SetField, flow.Move:
					return nil, true
				}
				return nil, false
			})
		}},
		{"another table next", func(f flow.Flow) [][]flow.Flow {
			return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
				_, ok := a.(flow.GotoTable)
				return nil, ok
			})
		}},
	}
	reasons := map[string]int{} // that a mutation was tried with
	for name, w := range mutationWorlds() {
		if err := w.build(); err != nil {
			t.Fatal(err)
		}
		if err := w.check(frames()); err != nil {
			t.Fatal(err)
		}
		some := frames()[:l2Frames]
		if name != "simple" { // which looks at Ethernet only
			for i := l2Frames; i < len(frames()); i += 4 {
				some = append(some[:len(some):len(some)], frames()[i])
			}
		}
		all := w.probes(some)
		for _, m := range mutations {
			t.Run(name+"/"+m.name, func(t *testing.T) {
				reasons[m.name] += w.mutate(t, all, name == "simple", m.mutate)
			})
		}
	}
	for _, m := range mutations {
		if reasons[m.name] == 0 {
			t.Errorf("%s: there was nothing to mutate", m.name)
		}
	}
}

// mutate does one kind of wrong to every flow, and returns for how many reasons
// there are such. In a small world every one must
// be found; where there are so many kinds of flow that no set of frames meets
// all, one of each reason must.
func (w *world) mutate(t *testing.T, all probes, every bool, mutation func(flow.Flow) [][]flow.Flow) int {
	tried, found := map[pipeline.Reason]string{}, map[pipeline.Reason]bool{}
	for id, b := range w.bridges {
		right := b.flows
		for i, f := range right {
			r := pipeline.ReasonOf(f.Cookie)
			if harmless(f) || found[r] && !every {
				continue
			}
			for _, wrong := range mutation(f) {
				b.flows = slices.Concat(right[:i], wrong, right[i+1:])
				tried[r] = fmt.Sprintf("on %v: %s\nbecame %v", id, f, wrong)
				noticed := b.load() != nil || w.finds(all, b, f)
				found[r] = found[r] || noticed
				if every && !noticed {
					t.Errorf("%s\nand nobody noticed", tried[r])
				}
			}
		}
		b.flows = right
		if err := b.load(); err != nil {
			t.Fatal(err)
		}
	}
	for r, one := range tried {
		if !found[r] {
			t.Errorf("of %s nobody noticed any, such as %s", r, one)
		}
	}
	return len(tried)
}

// harmless reports whether nothing follows from a mutation of f: a switch drops
// what misses; the plugin's drop is there for the case that the flow above it
// is lost; and while unknown unicast is flooded, group addresses are so anyway.
func harmless(f flow.Flow) bool {
	switch pipeline.ReasonOf(f.Cookie) {
	case pipeline.Miss, pipeline.Pass, pipeline.BroadcastDrop, pipeline.GroupToFlood, pipeline.UnknownDrop:
		return true
	}
	return false
}

func droppedFields(f flow.Flow) [][]flow.Flow {
	var list [][]flow.Flow
	for i := range f.Match {
		g := f
		g.Match = slices.Delete(slices.Clone(f.Match), i, i+1)
		list = append(list, []flow.Flow{g})
	}
	return list
}

func lostMasks(f flow.Flow) [][]flow.Flow {
	var list [][]flow.Flow
	for i, x := range f.Match {
		if x.Mask == "" || x.Field == flow.Metadata.Field() && x.Mask[3]&3 != 0 {
			continue // all of the metadata that is ever written
		}
		g := f
		g.Match = slices.Clone(f.Match)
		g.Match[i].Mask = ""
		list = append(list, []flow.Flow{g})
	}
	return list
}

// ignoredTunnelBit makes what is for frames from VIFs hold for all.
func ignoredTunnelBit(f flow.Flow) [][]flow.Flow {
	x, ok := f.Match.Get(flow.Metadata.Field())
	if !ok || x.Mask != "\x00\x00\x00\x01\xff\xff\xff\xff" {
		return nil
	}
	g := f
	g.Match = slices.Clone(f.Match)
	for i := range g.Match {
		if g.Match[i].Field == x.Field {
			g.Match[i].Mask = "\x00\x00\x00\x00\xff\xff\xff\xff"
			g.Match[i].Value = "\x00\x00\x00\x00" + x.Value[4:]
		}
	}
	return [][]flow.Flow{{g}}
}

func eachAction(f flow.Flow, replace func(flow.Action) (flow.Actions, bool)) [][]flow.Flow {
	var list [][]flow.Flow
	for i, a := range f.Actions {
		if with, ok := replace(a); ok {
			g := f
			g.Actions = slices.Concat(f.Actions[:i], with, f.Actions[i+1:])
			list = append(list, []flow.Flow{g})
		}
	}
	return list
}

func eachOutput(f flow.Flow, replace func(flow.Output) flow.Actions) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		o, ok := a.(flow.Output)
		if !ok {
			return nil, false
		}
		return replace(o), true
	})
}

// otherNetwork takes a port's frames for those of the other network.
func otherNetwork(f flow.Flow) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		w, ok := a.(flow.WriteMetadata)
		return flow.Actions{flow.WriteMetadata{Value: w.Value ^ 3, Mask: w.Mask}}, ok
	})
}

// noSplitHorizon forgets that a frame came from a tunnel.
func noSplitHorizon(f flow.Flow) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		w, ok := a.(flow.WriteMetadata)
		return flow.Actions{flow.WriteMetadata{Value: w.Value &^ (1 << 32), Mask: w.Mask}}, ok && w.Value>>32&1 != 0
	})
}

// TestLastWord holds that the plugin's drop is there for every tunnel port, and
// drops its broadcast should the flows above it be lost.
func TestLastWord(t *testing.T) {
	for name, w := range mutationWorlds() {
		if err := w.build(); err != nil {
			t.Fatal(err)
		}
		for id, b := range w.bridges {
			b.flows = slices.DeleteFunc(b.flows, func(f flow.Flow) bool {
				return pipeline.ReasonOf(f.Cookie) == pipeline.ClassifyTunnel
			})
			if err := b.load(); err != nil {
				t.Fatal(err)
			}
			for number := range b.tunnels {
				for _, f := range [][]byte{
					eth(mac(3), broadcast, 0x88b5, nil), udpFrame(mac(3), toAll4, ip4(3), netip.MustParseAddr("224.0.0.1"), 1, 2),
				} {
					r, err := b.forward.Run(number, parse(f))
					if err != nil || len(r.Steps) != 1 || pipeline.ReasonOf(r.Steps[0].Flow.Cookie) != pipeline.BroadcastDrop || len(r.Outputs) != 0 {
						t.Error(name, id, number, r, err)
					}
				}
			}
		}
	}
}
