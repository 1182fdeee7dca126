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

// equivalent says why nothing follows from a mutation for any frame, "" if
// something does.
func equivalent(c *cloud, at site, n *net, name string, f *flow.Flow, wrong []flow.Flow) string {
	r := pipeline.ReasonOf(f.Cookie)
	alone := c.count(at, n, func(*vm) bool { return true }) == 1 // one VM of the network on the host
	outputs := slices.Contains([]string{"output lost", "output twice", "port swapped for one of the same network"}, name)
	gone := slices.Contains([]string{"flow lost", "another table next"}, name)
	switch r {
	case pipeline.BroadcastDrop:
		return "it lies under the flow that takes all of the tunnel"
	case pipeline.LearnToVIFs:
		return "neither VMs nor tunnels send what it takes: it lies under the flows of their ports"
	case pipeline.LearnTunnel:
		if !n.bare && slices.Contains([]string{"flow lost", "match dropped"}, name) {
			return "the bridge's own NORMAL does the same, and Open vSwitch keeps tunnels apart"
		}
	case pipeline.LearnVIF:
		return "the bridge's own NORMAL does the same"
	case pipeline.GroupSource:
		if name == "drop lost" {
			return "there is nothing in the table that it would go to"
		}
	case pipeline.GroupToFlood:
		if gone && !n.known {
			return "what is not known is flooded, too"
		}
	case pipeline.UnknownDrop:
		if gone {
			return "what misses is dropped, too"
		}
	case pipeline.UnicastLocal:
		if alone && !n.known && name != "match dropped" && !strings.Contains(f.Actions.String(), "NORMAL") {
			return "what is flooded reaches the only VM as well"
		}
		if alone && n.bare && slices.Contains([]string{"flow lost", "match dropped"}, name) {
			return "what is flooded reaches the only VM as well"
		}
	case pipeline.FloodFromVIF, pipeline.FloodHome, pipeline.DiscoveryFromVIF:
		if outputs && alone && c.onlyOwnOutput(at, n, f, &wrong[0]) {
			return "the only VM on the host gets nothing of its own"
		}
	case pipeline.ServiceFromVIF, pipeline.ServiceFromTunnel:
		if name == "match dropped" && !has(&wrong[0], flow.EthDst) {
			return "unicast to nobody goes to all, too"
		}
		if name == "tunnel bit not matched" {
			return "the bit for what is behind the tunnel says the same"
		}
		if outputs && c.sameBut(f, &wrong[0], number(f, flow.InPort)) {
			return "a switch sends nothing back to where it came from"
		}
	case pipeline.DiscoveryFromTunnel:
		if alone && (name == "tunnel bit not matched" || name == "match dropped" && !has(&wrong[0], flow.EthDst)) {
			return "the only VM on the host asks nobody here, and unicast to nobody goes to it, too"
		}
	case pipeline.Stolen:
		if (gone || name == "drop lost" || name == "match dropped") && c.count(at, n, func(v *vm) bool { return c.binds(v, f) }) == 0 {
			return "all VMs on the host are held to what they have, or have the address"
		}
	case pipeline.AnswerARP, pipeline.DirectND:
		if c.count(at, n, func(v *vm) bool { return !c.has(v, f) }) == 0 {
			return "all VMs on the host have the address, and are never answered about it"
		}
	case pipeline.Security:
		if name == "match dropped" && f.Table == pipeline.TableAddresses && !has(&wrong[0], flow.EthSrc) {
			return "the table before has looked at the sender"
		}
		if gone && c.count(at, n, func(v *vm) bool { return v.router && v.port == number(f, flow.InPort) }) == 1 && !strings.Contains(f.Text(), "arp") {
			return "what a router sends passes from any address"
		}
	}
	return ""
}

// count returns how many VMs of a network on a host are so.
func (c *cloud) count(at site, n *net, is func(*vm) bool) int {
	count := 0
	for i := range c.vms {
		if v := &c.vms[i]; hostName(v.host) == at.host && c.nets[v.net] == n && is(v) {
			count++
		}
	}
	return count
}

// about returns the address that a flow is about, of IP or of Ethernet.
func about(f *flow.Flow) string {
	for _, n := range []flow.Name{flow.IPv4Src, flow.IPv6Src, flow.ARPSPA, flow.ARPTPA, flow.NDTarget, flow.EthSrc} {
		if x, ok := f.Match.Get(n.Field()); ok {
			return x.Value
		}
	}
	return ""
}

// has reports whether the address that a flow is about is a VM's, by IP or by
// the MAC that has it.
func (c *cloud) has(v *vm, f *flow.Flow) bool {
	address := about(f)
	for _, ip := range v.ips {
		if string(ip.AsSlice()) == address {
			return true
		}
	}
	for ip, owner := range c.addresses(c.nets[v.net]) {
		if string(ip.AsSlice()) == address && slices.Contains(v.macs, owner) {
			return true
		}
	}
	return false
}

// binds reports whether a flow against stolen addresses is what keeps a VM from
// one.
func (c *cloud) binds(v *vm, f *flow.Flow) bool {
	if len(about(f)) == 6 {
		return len(v.macs) == 0
	}
	strict := len(v.macs) > 0 && len(v.ips) > 0
	if strict && (!v.router || strings.Contains(f.Text(), "arp") || strings.Contains(f.Text(), "nd_target")) {
		return false // held by what it may use
	}
	return !c.has(v, f)
}

// onlyOwnOutput reports whether two flows differ in outputs to the only VM of a
// network on a host.
func (c *cloud) onlyOwnOutput(at site, n *net, f, wrong *flow.Flow) bool {
	for i := range c.vms {
		if v := &c.vms[i]; hostName(v.host) == at.host && c.nets[v.net] == n {
			return c.sameBut(f, wrong, v.port)
		}
	}
	return false
}

// sameBut reports whether flows do the same, apart from sending to a port.
func (c *cloud) sameBut(f, g *flow.Flow, port uint32) bool {
	without := func(f *flow.Flow) flow.Actions {
		return slices.DeleteFunc(slices.Clone(f.Actions), func(a flow.Action) bool {
			o, ok := a.(flow.Output)
			return ok && o.Port == port
		})
	}
	return without(f).Equal(without(g))
}

// role is what a port is, for mutations.
type role struct {
	number  uint32
	network string
	tunnel  bool
}

func (c *cloud) roles(at site) []role {
	var list []role
	for _, p := range c.hosts[at.host].Bridge(at.bridge).Ports {
		list = append(list, role{p.OFPort, p.Network, strings.HasPrefix(p.Name, "t") || !strings.HasPrefix(p.Name, "vif")})
	}
	return list
}

// swapped sends each output to the first other port that fits.
func (c *cloud) swapped(at site, f flow.Flow, fits func(old, with *role) bool) [][]flow.Flow {
	roles := c.roles(at)
	return eachOutput(f, func(o flow.Output) flow.Actions {
		for i := range roles {
			for j := range roles {
				if roles[i].number == o.Port && i != j && fits(&roles[i], &roles[j]) && !sends(&f, roles[j].number) {
					return flow.Actions{flow.Output{Port: roles[j].number}}
				}
			}
		}
		return nil
	})
}

// named returns the name of a flow's network.
func (c *cloud) named(f *flow.Flow) string {
	for _, n := range c.nets {
		if n.id == pipeline.NetworkOf(f.Cookie) {
			return n.name()
		}
	}
	return ""
}

// added sends to one port more, before all that is there.
func (c *cloud) added(at site, f flow.Flow, fits func(network string, with *role) bool) [][]flow.Flow {
	if len(f.Actions) == 0 {
		return nil
	}
	for _, r := range c.roles(at) {
		if fits(c.named(&f), &r) && !sends(&f, r.number) && r.number != number(&f, flow.InPort) {
			f.Actions = append(flow.Actions{flow.Output{Port: r.number}}, f.Actions...)
			return [][]flow.Flow{{f}}
		}
	}
	return nil
}

func number(f *flow.Flow, n flow.Name) (v uint32) {
	x, _ := f.Match.Get(n.Field())
	for _, b := range []byte(x.Value) {
		v = v<<8 | uint32(b)
	}
	return v
}

func sends(f *flow.Flow, port uint32) bool {
	return slices.ContainsFunc(f.Actions, func(a flow.Action) bool {
		o, ok := a.(flow.Output)
		return ok && o.Port == port
	})
}

// fromTunnels reports whether frames from tunnels meet f.
func fromTunnels(f *flow.Flow) bool {
	x, ok := f.Match.Get(flow.Metadata.Field())
	if !ok {
		return pipeline.ReasonOf(f.Cookie) == pipeline.ClassifyTunnel
	}
	return f.Table >= 60 && (x.Mask[3]&1 == 0 || x.Value[3]&1 != 0)
}

// droppedFields leaves out each field that no other one needs: without those a
// switch does not take the flow.
func droppedFields(f flow.Flow) [][]flow.Flow {
	var list [][]flow.Flow
	for i, x := range f.Match {
		last := f.Match[len(f.Match)-1].Field
		if x.Field == flow.EthType.Field() && last.Class == x.Field.Class && last.ID > flow.IPProto.Field().ID-1 && last.ID < flow.TunnelID.Field().ID ||
			x.Field == flow.IPProto.Field() && last.ID > flow.IPv6Dst.Field().ID && last.Class == x.Field.Class ||
			x.Field == flow.IPProto.Field() && has(&f, flow.UDPSrc) || x.Field == flow.ICMPv6Type.Field() && (has(&f, flow.NDTarget) || has(&f, flow.NDSLL)) {
			continue
		}
		g := f
		g.Match = slices.Delete(slices.Clone(f.Match), i, i+1)
		list = append(list, []flow.Flow{g})
	}
	return list
}

func has(f *flow.Flow, n flow.Name) bool {
	_, ok := f.Match.Get(n.Field())
	return ok
}

// ignoredTunnelBit makes what is for frames from VMs hold for all.
func ignoredTunnelBit(f flow.Flow) [][]flow.Flow {
	return metadata(f, func(value, mask []byte) bool {
		if mask[3]&1 == 0 {
			return false
		}
		value[3], mask[3] = value[3]&^1, mask[3]&^1
		return true
	})
}

// otherNetworkToo ignores the lowest bit in which networks 1 and 2 differ, and
// the next.
func otherNetworkToo(f flow.Flow) [][]flow.Flow {
	if len(f.Actions) == 0 || !slices.ContainsFunc(f.Actions, func(a flow.Action) bool { _, ok := a.(flow.Output); return ok }) {
		return nil
	}
	return metadata(f, func(value, mask []byte) bool {
		value[7], mask[7] = value[7]&^3, mask[7]&^3
		return true
	})
}

func metadata(f flow.Flow, change func(value, mask []byte) bool) [][]flow.Flow {
	for i, x := range f.Match {
		if x.Field == flow.Metadata.Field() && x.Mask != "" {
			value, mask := []byte(x.Value), []byte(x.Mask)
			if !change(value, mask) {
				return nil
			}
			f.Match = slices.Clone(f.Match)
			f.Match[i].Value, f.Match[i].Mask = string(value), string(mask)
			return [][]flow.Flow{{f}}
		}
	}
	return nil
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

// eachOutput replaces each output to a port; with nil it stays.
func eachOutput(f flow.Flow, replace func(flow.Output) flow.Actions) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		o, ok := a.(flow.Output)
		if !ok || o.Port > 0xffffff00 {
			return nil, false
		}
		with := replace(o)
		return with, with != nil
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

// otherKey sends with the key of the other network; 101 and 102 are those of 1
// and 2.
func otherKey(f flow.Flow) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		s, ok := a.(flow.SetField)
		if !ok || s.Field != flow.TunnelID.Field() {
			return nil, false
		}
		key := []byte(s.Value)
		key[7] ^= 3
		return flow.Actions{flow.SetField{OXM: flow.Exact(flow.TunnelID, string(key))}}, true
	})
}

// otherPeer sends to another host than the one meant, which may have the network
// or not.
func otherPeer(f flow.Flow) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		s, ok := a.(flow.SetField)
		if !ok || s.Field != flow.TunDst.Field() {
			return nil, false
		}
		ip := []byte(s.Value)
		ip[3] = ip[3]%3 + 1
		return flow.Actions{flow.SetField{OXM: flow.Exact(flow.TunDst, string(ip))}}, true
	})
}
