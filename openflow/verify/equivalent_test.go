package verify_test

import (
	"slices"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

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
