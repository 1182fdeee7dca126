package pipeline_test

import (
	"fmt"
	"slices"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// mutationWorld has every kind of flow: three hosts, two networks of the same
// addresses on one bridge each, an address on two VIFs of a host and one on two
// hosts, a VIF of unknown address.
func mutationWorld(t *testing.T) *world {
	w := &world{shared: true, secure: map[uint32]bool{1: true}, vifs: []vif{
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
	}}
	if err := w.build(); err != nil {
		t.Fatal(err)
	}
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
	return w
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
		{"another table next", func(f flow.Flow) [][]flow.Flow {
			return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
				_, ok := a.(flow.GotoTable)
				return nil, ok
			})
		}},
	}
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			w, tried := mutationWorld(t), 0
			for id, b := range w.bridges {
				right := b.flows
				for i, f := range right {
					if harmless(f) {
						continue
					}
					for _, wrong := range m.mutate(f) {
						tried++
						b.flows = slices.Concat(right[:i], wrong, right[i+1:])
						if w.load() == nil && w.check() == nil {
							t.Errorf("on %v: %s\nbecame %v\nand nobody noticed", id, f, wrong)
						}
					}
				}
				b.flows = right
			}
			if tried == 0 {
				t.Error("there was nothing to mutate")
			}
		})
	}
}

// harmless reports whether nothing follows from a mutation of f: a switch drops
// what misses; the plugin's drop is there for the case that the flow above it
// is lost; and while unknown unicast is flooded, group addresses are so anyway.
func harmless(f flow.Flow) bool {
	switch pipeline.ReasonOf(f.Cookie) {
	case pipeline.Miss, pipeline.Pass, pipeline.BroadcastDrop, pipeline.GroupToFlood:
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

// TestLastWord holds that the plugin's drop is there for every tunnel, and
// drops its broadcast should the flow above it be lost.
func TestLastWord(t *testing.T) {
	w := mutationWorld(t)
	for id, b := range w.bridges {
		b.flows = slices.DeleteFunc(b.flows, func(f flow.Flow) bool {
			return pipeline.ReasonOf(f.Cookie) == pipeline.ClassifyTunnel
		})
		if err := w.load(); err != nil {
			t.Fatal(err)
		}
		for number := range b.peers {
			for _, f := range []frame{
				{src: mac(3), dst: broadcast, etherType: 0x0806},
				{src: mac(3), dst: [6]byte{1, 0, 0x5e, 0, 0, 1}, etherType: 0x0800, nwDst: [4]byte{224, 0, 0, 1}},
			} {
				hit, err := b.table.find(pipeline.TableClassify, number, 0, f)
				if err != nil || hit == nil || pipeline.ReasonOf(hit.Cookie) != pipeline.BroadcastDrop || len(hit.Actions) != 0 {
					t.Error(fmt.Sprint(id, number), f, hit, err)
				}
			}
		}
	}
}
