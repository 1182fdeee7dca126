package topology

import (
	"fmt"
	"slices"
)

// The checks of options that depend on more than one object: they look at what
// a change names and at what that names, nothing else.

// hostStays reports whether a host is there after the change.
func (p *planner) hostStays(name string) bool {
	_, listed := p.kinds[name]
	_, have := p.in.hosts[name]
	_, gone := slices.BinarySearch(p.c.DeleteHosts, name) // sorted by prune
	return listed || have && !gone
}

// network returns a network as it is after the change, nil if it is not there.
func (p *planner) network(name string) *NetworkRecord {
	if r, listed := p.nets[name]; listed {
		return r
	}
	r, have := p.in.networks[name]
	if _, gone := slices.BinarySearch(p.c.DeleteNetworks, name); !have || gone {
		return nil
	}
	return &r
}

// external reports whether a host is external after the change.
func (p *planner) external(name string) bool {
	kind, listed := p.kinds[name]
	if !listed {
		kind = p.in.hosts[name].Kind
	}
	return kind == KindExternal
}

// checkNetwork judges a network against hosts, ports and other networks; old is
// as it was, and empty if it is new.
func (p *planner) checkNetwork(i int, r, old *NetworkRecord, agreed *accordPlan) {
	for j, h := range r.Hosts {
		if !p.hostStays(h) {
			p.refuse(listNetworks, i, r.Name, fmt.Sprintf("hosts[%d]", j), "there is no host %s", h)
		}
	}
	if field, why := p.badHosts(&r.Network); why != "" {
		p.refuse(listNetworks, i, r.Name, field, "%s", why)
	}
	for _, h := range old.Hosts {
		if port, _ := p.checkBehind(h, r); port != "" {
			p.refuse(listNetworks, i, r.Name, "hosts", "port %s is behind external host %s, which has to be listed for it: "+
				"list it, or delete the port", port, h)
		}
	}
	if r.learning() && !old.learning() {
		p.checkLearners(i, r.Name)
	}
	if d := agreed.join(&r.Network); d != nil {
		field, why := d.refusal()
		p.refuse(listNetworks, i, r.Name, field, "%s", why)
	}
}

// badHosts judges what a network says of its bridges against the hosts that it
// lists: external ones have no bridge that concerns us.
func (p *planner) badHosts(n *Network) (field, why string) {
	if slices.ContainsFunc(n.Hosts, func(h string) bool { return !p.external(h) }) {
		if n.Bridge == "" && len(n.XSNetworkUUIDs) == 0 {
			return "hosts", "need to know which of their bridges is meant: add bridge or xsNetworkUUIDs"
		}
		return "", ""
	}
	if n.CreateBridge {
		return "createBridge", "makes the bridge on the managed hosts that the network lists, and it lists none: " +
			"add them to hosts, or leave createBridge out"
	}
	return "", ""
}

// checkListing refuses another kind of a host where a network that lists it, or
// a port behind it, and that is not in the spec would be wrong then.
func (p *planner) checkListing(i int, host string) {
	if port, of := p.checkBehind(host, nil); port != "" {
		p.refuse(listHosts, i, host, "kind", "port %s is behind this host, and as an external one it would not be in the mesh of network %s: "+
			"add it to the hosts of that, or delete the port", port, of)
		return
	}
	for _, name := range slices.Sorted(slices.Values(p.in.networksOn[host])) {
		if _, listed := p.nets[name]; listed {
			continue
		}
		n := p.network(name)
		if n == nil {
			continue
		}
		if field, why := p.badHosts(&n.Network); why != "" {
			p.refuse(listHosts, i, host, "kind", "network %s lists this host, and its %s %s", name, field, why)
			return
		}
	}
}

// checkLearners refuses that a network becomes one of profile learning while a
// port that is not in the spec has what that profile can't give.
func (p *planner) checkLearners(i int, network string) {
	for _, name := range slices.Sorted(slices.Values(p.in.portsOf[network])) {
		port := p.in.ports[name]
		if _, gone := slices.BinarySearch(p.c.DeletePorts, name); gone || p.ports[name] {
			continue
		}
		if field := port.programmedOnly(); field != "" {
			p.refuse(listNetworks, i, network, "profile", "port %s has %s, which learning can't give: take it off the port, or use profile: programmed", name, field)
			return
		}
	}
}

// programmedOnly returns the first field of a port that is nothing to a network
// of profile learning, "" if there is none.
func (p *Port) programmedOnly() string {
	switch {
	case len(p.AllowedAddresses) > 0:
		return "allowedAddresses"
	case p.DHCPServer:
		return "dhcpServer"
	case p.Router:
		return "router"
	}
	return ""
}

// checkPort judges a port against its network.
func (p *planner) checkPort(i int, r *Port) {
	n := p.network(r.Network)
	if n == nil {
		p.refuse(listPorts, i, r.Name, "network", "there is no network %s", r.Network)
		return
	}
	if field := r.programmedOnly(); field != "" && n.learning() {
		p.refuse(listPorts, i, r.Name, field, "has no effect in network %s, which is of profile: learning: "+
			"leave it out, or use profile: programmed there", n.Name)
	}
	if h := r.Match.Host; h != "" && p.hostStays(h) && p.unreachable(r, n) {
		p.refuse(listPorts, i, r.Name, "match.host", "%s is external and not in the mesh of network %s: "+
			"add it to the hosts of that", h, n.Name)
	}
}

// unreachable reports whether a port is behind an external host to which no
// tunnel of its network leads: such a host joins only where it is listed.
func (p *planner) unreachable(r *Port, n *NetworkRecord) bool {
	return r.Match.Host != "" && p.external(r.Match.Host) && !slices.Contains(n.Hosts, r.Match.Host)
}

// checkBehind returns the first port, by name, that is behind a host, not in
// the spec, and unreachable after the change; "" if there is none. With a
// network given, only ports of that are looked at.
func (p *planner) checkBehind(host string, network *NetworkRecord) (port, of string) {
	for _, name := range slices.Sorted(slices.Values(p.in.portsOn[host])) {
		r := p.in.ports[name]
		if _, gone := slices.BinarySearch(p.c.DeletePorts, name); gone || p.ports[name] || network != nil && r.Network != network.Name {
			continue
		}
		if n := p.network(r.Network); n != nil && p.unreachable(&r, n) {
			return name, n.Name
		}
	}
	return "", ""
}

// checkIPs claims a port's addresses, each of which one port of a network has.
func (p *planner) checkIPs(i int, r *Port, ips claims[networkIP]) {
	for j, ip := range r.IPs {
		if owner := ips.take(networkIP{r.Network, ip.Unmap()}, r.Name); owner != "" {
			p.refuse(listPorts, i, r.Name, fmt.Sprintf("ips[%d]", j), "%s is an address of port %s of the same network: "+
				"leave it to one of them, or list it in the allowedAddresses of both", ip, owner)
		}
	}
}
