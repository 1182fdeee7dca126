package verify_test

import (
	"flag"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/verify"
)

// clouds have every kind of flow between them: several networks of the same
// addresses on one bridge, addresses on two VMs of a host and on two hosts, VMs of
// unknown address, every way of tunnel ports, services, learning of both kinds.
func clouds() map[string]*cloud {
	v6 := func(n byte) []netip.Addr { return []netip.Addr{ip4(n), ip6(n)} }
	v4 := func(n byte) []netip.Addr { return []netip.Addr{ip4(n)} }
	macs := func(list ...byte) (all [][6]byte) {
		for _, n := range list {
			all = append(all, mac(n))
		}
		return all
	}
	vrrp := []verify.Pair{{MAC: virtual(), IP: virtualIP()}}
	learning := []vm{
		{host: 1, macs: macs(1)}, {host: 1, macs: macs(2)}, {host: 2, macs: macs(3)}, {host: 2}, {host: 3, macs: macs(4)},
	}
	return map[string]*cloud{
		"simple": {shared: true, nets: []*net{{id: 1, secure: true, tunnels: "own"}, {id: 2, tunnels: "own"}}, vms: []vm{
			{host: 1, macs: macs(1)}, {host: 1, macs: macs(2, 4)}, {host: 2, macs: macs(2)}, {host: 2}, {host: 3, macs: macs(3)}, {host: 3},
			{host: 1, net: 1, macs: macs(1)}, {host: 2, net: 1, macs: macs(2)}, {host: 3, net: 1, macs: macs(3)}, {host: 3, net: 1, macs: macs(4)},
			{host: 1, net: 1}, {host: 2, net: 1},
		}},
		"addressed": {shared: true, nets: []*net{{id: 1, secure: true, answers: true, tunnels: "shared"}, {id: 2, secure: true, known: true, answers: true, tunnels: "shared"}}, vms: []vm{
			{host: 1, macs: macs(1), ips: v6(1), allowed: vrrp}, {host: 2, macs: macs(2), ips: v6(2)}, {host: 3, macs: macs(3), ips: v6(3)},
			{host: 1, macs: macs(4)}, {host: 2},
			{host: 1, net: 1, macs: macs(1), ips: v4(1), router: true}, {host: 2, net: 1, macs: macs(2), ips: v6(2)},
			{host: 2, net: 1, macs: macs(3), ips: v6(3), router: true}, {host: 3, net: 1, macs: macs(4), ips: v6(4)},
		}},
		"quiet": {shared: true, nets: []*net{{id: 1, quiet: true, tunnels: "flow"}, {id: 2, quiet: true, tunnels: "flow"}}, vms: []vm{
			{host: 1, macs: macs(1), dhcp: true}, {host: 1, macs: macs(4)}, {host: 2, macs: macs(2), router: true},
			{host: 2, macs: macs(3), allowed: vrrp}, {host: 3},
			{host: 3, net: 1, macs: macs(1), dhcp: true, router: true}, {host: 2, net: 1, macs: macs(2)}, {host: 1, net: 1, macs: macs(3)},
		}},
		"learning": {nets: []*net{{id: 1, learning: true, tunnels: "own"}}, vms: learning},
		"bare":     {nets: []*net{{id: 1, learning: true, bare: true, tunnels: "own"}}, vms: learning},
	}
}

// mutation is one kind of wrong done to a flow.
type mutation struct {
	name   string
	gate   bool // it joins networks or makes a loop: the gate has to find it
	mutate func(c *cloud, at site, f flow.Flow) [][]flow.Flow
}

func mutations() []mutation {
	each := func(f func(flow.Flow) [][]flow.Flow) func(*cloud, site, flow.Flow) [][]flow.Flow {
		return func(_ *cloud, _ site, g flow.Flow) [][]flow.Flow { return f(g) }
	}
	return []mutation{
		{"flow lost", false, each(func(flow.Flow) [][]flow.Flow { return [][]flow.Flow{nil} })},
		{"match dropped", false, each(droppedFields)},
		{"output lost", false, each(func(f flow.Flow) [][]flow.Flow {
			return eachOutput(f, func(flow.Output) flow.Actions { return flow.Actions{} })
		})},
		{"output twice", false, each(func(f flow.Flow) [][]flow.Flow {
			return eachOutput(f, func(o flow.Output) flow.Actions { return flow.Actions{o, o} })
		})},
		{"port swapped for one of the same network", false, func(c *cloud, at site, f flow.Flow) [][]flow.Flow {
			return c.swapped(at, f, func(old, with *role) bool { return old.network == with.network && !old.tunnel && !with.tunnel })
		}},
		{"port swapped for another network's", true, func(c *cloud, at site, f flow.Flow) [][]flow.Flow {
			return c.swapped(at, f, func(_, with *role) bool { return with.network != "" && with.network != c.named(&f) })
		}},
		{"port of another network as well", true, func(c *cloud, at site, f flow.Flow) [][]flow.Flow {
			return c.added(at, f, func(id string, with *role) bool { return with.network != "" && id != with.network })
		}},
		{"tunnel as well for what a tunnel brings", true, func(c *cloud, at site, f flow.Flow) [][]flow.Flow {
			if !fromTunnels(&f) {
				return nil
			}
			return c.added(at, f, func(id string, with *role) bool { return with.tunnel && (with.network == "" || with.network == id) })
		}},
		{"tunnel bit not written", true, each(noSplitHorizon)},
		{"tunnel bit not matched", false, each(ignoredTunnelBit)},
		{"taken for another network", true, each(otherNetwork)},
		{"another network's taken as well", true, each(otherNetworkToo)},
		{"wrong key sent", true, each(otherKey)},
		{"wrong peer sent to", false, each(otherPeer)},
		{"not set", false, each(func(f flow.Flow) [][]flow.Flow {
			return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
				switch a.(type) {
				case flow.SetField, flow.Move, flow.PushMPLS:
					return nil, true
				}
				return nil, false
			})
		})},
		{"another table next", false, each(func(f flow.Flow) [][]flow.Flow {
			return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
				_, ok := a.(flow.GotoTable)
				return nil, ok
			})
		})},
		{"NORMAL as well", true, each(func(f flow.Flow) [][]flow.Flow {
			if len(f.Actions) == 0 || sends(&f, flow.PortNormal) || pipeline.NetworkOf(f.Cookie) == 0 {
				return nil
			}
			f.Actions = append(flow.Actions{flow.Output{Port: flow.PortNormal}}, f.Actions...)
			return [][]flow.Flow{{f}}
		})},
		{"drop lost", false, each(func(f flow.Flow) [][]flow.Flow {
			if len(f.Actions) > 0 || f.Table == 70 {
				return nil
			}
			f.Actions = flow.Actions{flow.GotoTable{Table: map[uint8]uint8{0: 10, 10: 20, 20: 60, 60: 70}[f.Table]}}
			return [][]flow.Flow{{f}}
		})},
	}
}

// TestMutationsAreFound does every small wrong to every flow, one at a time. Check
// finds it, save where nothing follows from it for any frame; and the gate does
// where it would join networks or make a loop.
func TestMutationsAreFound(t *testing.T) {
	tried, shown := map[string]int{}, map[string]int{} // shown: by a frame
	for name, c := range clouds() {
		if err := c.build(); err != nil {
			t.Fatal(err)
		}
		if violations, unseen := c.check(); len(violations)+len(unseen) > 0 {
			t.Fatalf("%s: %+v, %+v", name, violations, unseen)
		}
		for _, m := range mutations() {
			for _, list := range c.mutants(m) {
				for i, w := range some(list) {
					tried[m.name]++
					if c.try(t, name, m, w, i == 0 || *every) {
						shown[m.name]++
					}
				}
			}
		}
	}
	for _, m := range mutations() {
		t.Logf("%-45s %d, of which frames show %d", m.name, tried[m.name], shown[m.name])
		if tried[m.name] < 3 || shown[m.name] == 0 {
			t.Errorf("%s: tried %d times only, of which frames show %d", m.name, tried[m.name], shown[m.name])
		}
	}
}

// every tries all mutants, some five thousand, which takes a minute.
var every = flag.Bool("every", false, "try every mutation, not two of a kind, and follow frames where the gate has found it, too")

// some returns the first and the last of a list.
func some(list []mutant) []mutant {
	if *every || len(list) <= 2 {
		return list
	}
	return []mutant{list[0], list[len(list)-1]}
}

// mutant is a flow that stands in another's place.
type mutant struct {
	at    site
	net   *net
	index int
	wrong []flow.Flow
}

// mutants returns all that follow from one kind of wrong, by what the flow that
// it is done to is for.
func (c *cloud) mutants(m mutation) map[pipeline.Reason][]mutant {
	all := map[pipeline.Reason][]mutant{}
	for _, at := range slices.SortedFunc(maps.Keys(c.bridges), func(a, b site) int { return strings.Compare(a.host+a.bridge, b.host+b.bridge) }) {
		for _, n := range c.nets {
			for i, f := range c.bridges[at].flows[n.id] {
				for _, wrong := range m.mutate(c, at, f) {
					if r := pipeline.ReasonOf(f.Cookie); equivalent(c, at, n, m.name, &f, wrong) == "" {
						all[r] = append(all[r], mutant{at, n, i, wrong})
					}
				}
			}
		}
	}
	return all
}

// try puts a mutant in, looks, and puts the right flow back. It reports whether a
// frame has shown what is wrong; where the gate has found it, frames are followed
// only if asked for.
func (c *cloud) try(t *testing.T, name string, m mutation, w mutant, frames bool) (shown bool) {
	t.Helper()
	b := c.bridges[w.at]
	right := b.flows[w.net.id]
	defer func() { b.flows[w.net.id], b.tables = right, nil }()
	b.flows[w.net.id], b.tables = slices.Concat(right[:w.index], w.wrong, right[w.index+1:]), nil
	refused := len(c.gated(w.at, w.net)) > 0
	for _, n := range append([]*net{w.net}, c.nets...) {
		if !shown && (frames || !refused) {
			r := verify.Check(c.overlay(n), verify.Request{World: c, Want: true})
			shown = len(r.Violations)+len(r.Unseen) > 0
		}
	}
	if !shown && !refused {
		t.Errorf("%s: %s: on %v: %s\nbecame %v\nand verify did not notice", name, m.name, w.at, right[w.index].String(), w.wrong)
	}
	if m.gate && !refused {
		t.Errorf("%s: %s: on %v: %s\nbecame %v\nand the gate did not notice", name, m.name, w.at, right[w.index].String(), w.wrong)
	}
	return shown
}
