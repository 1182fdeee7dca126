package topology

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// PlanDestroyTunnel returns what it takes to have the tunnel of that port on the
// host that is called no longer. One that no pin knows is an empty change. The
// mesh keeps the tunnel for as long as both hosts are members otherwise.
func (in *Intent) PlanDestroyTunnel(call PluginCall) (*Change, Pinned, error) {
	p := in.newPinner()
	done := Pinned{Port: call.Port}
	for _, name := range slices.Sorted(slices.Values(in.pins.on[hostBridge{call.Host, call.Bridge}])) {
		which := func(pin Pin) bool { return pin.From == call.Host && pin.To != "" && pin.Port == call.Port }
		if at := slices.IndexFunc(p.look(name).Pins, which); at >= 0 {
			done.Network, done.Remote = name, p.look(name).Pins[at].To
			p.drop(name, which)
		}
	}
	return p.change(), done, nil
}

// PlanDestroyBridge returns what it takes to have the network on that bridge of
// the host that is called no longer: no pin names the host in it, neither from
// nor to it. A bridge to which nothing is pinned is an empty change.
func (in *Intent) PlanDestroyBridge(call PluginCall) (*Change, Pinned, error) {
	p := in.newPinner()
	var done Pinned
	names := slices.Clone(in.pins.on[hostBridge{call.Host, call.Bridge}])
	if own := in.keys[tunnelKey{GRE, keyOfName(call.Bridge)}]; own != "" && !slices.Contains(names, own) && in.pinnedOnlyTo(own, call.Host) {
		names = append(names, own)
	}
	slices.Sort(names)
	for _, name := range names {
		done.Network = name
		p.drop(name, func(pin Pin) bool { return pin.From == call.Host || pin.To == call.Host })
	}
	return p.change(), done, nil
}

// pinnedOnlyTo reports whether no pin of a network says on which bridge of a
// host it is.
func (in *Intent) pinnedOnlyTo(network, host string) bool {
	r := in.networks[network]
	return len(r.pinsOf(host)) == 0
}

// PlanUnpin returns what it takes to take pins away again; those that are not
// there are no error.
func (in *Intent) PlanUnpin(network string, pins []Pin) *Change {
	p := in.newPinner()
	p.drop(network, func(pin Pin) bool { return slices.Contains(pins, pin) })
	return p.change()
}

// PlanForget returns what it takes to have no longer what only the plugin's calls
// made and what nothing keeps: networks without pin, ports entry and member, as
// populated says; Assumed hosts that nothing names. Most of the time that is
// nothing at all. It is for after each change and whenever members leave.
func (in *Intent) PlanForget(populated func(network string) bool) *Change {
	c := in.newChange()
	for _, name := range slices.Sorted(maps.Keys(in.pins.unpinned)) {
		if len(in.portsOf[name]) == 0 && !populated(name) {
			c.DeleteNetworks = append(c.DeleteNetworks, name)
			c.item(KindNetworks, name, VerbDeleted)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.pins.loose)) {
		c.DeleteHosts = append(c.DeleteHosts, name)
		c.item(KindHosts, name, VerbDeleted)
	}
	return c
}

// PlanAbsorb returns what it takes that a host takes the place of the Assumed
// one at whose address its tunnels begin, as facts say: whatever names that one
// names the host instead, and it has that one's ID where its own was only given
// to it. Mostly there is none, and the change is empty then.
func (in *Intent) PlanAbsorb(host string, f HostFacts) (*Change, error) {
	p := in.newPinner()
	r := p.host(host)
	if r == nil {
		return nil, fmt.Errorf("host %.64q: %w", host, ErrNotFound)
	}
	p.absorb(r, f)
	return p.change(), nil
}

// PlanLeave returns what it takes that a host leaves that no spec names. Where
// hosts that stay have tunnels to it because CloudStack asked for them, it is
// Assumed from then on, at its endpoint: its VMs stay, and the old plugin may
// serve them again. Else it is deleted.
func (in *Intent) PlanLeave(host string, endpoint netip.Addr) (*Change, error) {
	endpoint = endpoint.Unmap()
	led := slices.ContainsFunc(in.pins.hosts[host], func(name string) bool {
		n := in.networks[name]
		return slices.ContainsFunc(n.Pins, func(p Pin) bool { return p.To == host && in.hosts[p.From].Kind != KindExternal })
	})
	taken := in.endpoints[endpoint.String()]
	if !led || unusable(endpoint) != "" || taken != "" && taken != host || len(in.portsOn[host])+len(in.networksOn[host]) > 0 {
		return in.PlanDelete(KindHosts, host)
	}
	p := in.newPinner()
	r := p.host(host)
	r.Kind, r.Endpoint, r.SystemID, r.Registered, r.Assumed = KindExternal, endpoint, "", false, true
	for _, name := range slices.Sorted(slices.Values(in.pins.hosts[host])) {
		p.network(name)
	}
	return p.change(), nil
}

// assumedAt returns the Assumed host of an endpoint, "" if there is none.
func (in *Intent) assumedAt(a netip.Addr) string {
	if name := in.endpoints[a.String()]; a.IsValid() && in.hosts[name].Assumed {
		return name
	}
	return ""
}

// absorb has a host take the place of the Assumed one at its address, if there
// is one. It does not where the two have a ports entry for the same Interface
// each, or where a network lists that one and knows no bridge of a managed host.
func (p *pinner) absorb(r *HostRecord, f HostFacts) {
	was := p.in.assumedAt(EndpointOf(*r, f))
	if was == "" || was == r.Name || r.Kind == KindExternal || !p.in.bridged(was) || !p.rehome(was, r.Name) {
		return
	}
	old := p.host(was)
	p.remove(was)
	p.ids.free(old.ID)
	p.bound = min(p.bound, old.ID)
	if r.AutoID && old.PluginID {
		p.ids.free(r.ID)
		p.ids.then[old.ID] = r.Name
		r.ID, r.AutoID, r.PluginID = old.ID, false, true
	}
	p.repin(was, r.Name)
	for _, name := range slices.Sorted(slices.Values(p.in.networksOn[was])) {
		n := p.network(name)
		n.Hosts = slices.DeleteFunc(slices.Clone(n.Hosts), func(h string) bool { return h == r.Name })
		n.Hosts[slices.Index(n.Hosts, was)] = r.Name
	}
}

// rehome has ports entries name a host by another name, or reports that they
// can't.
func (p *pinner) rehome(was, is string) bool {
	var ports []Port
	for _, name := range slices.Sorted(slices.Values(p.in.portsOn[was])) {
		r := p.in.ports[name]
		r.Match.Host = is
		if k, _ := matchKey(r.Match); p.in.matches[k] != "" {
			return false
		}
		ports = append(ports, r)
	}
	p.c.PutPorts = append(p.c.PutPorts, ports...)
	return true
}

// repin has pins name a host by another name.
func (p *pinner) repin(was, is string) {
	for _, name := range slices.Sorted(slices.Values(p.in.pins.hosts[was])) {
		n := p.network(name)
		n.Pins = renamePins(n.Pins, was, is)
	}
}

// renamePins returns pins that name a host by another name. Where that has pins
// of its own, these count.
func renamePins(list []Pin, was, is string) []Pin {
	bridge := ""
	for _, pin := range list {
		if pin.From == is {
			bridge = cmp.Or(bridge, pin.Bridge)
		}
	}
	pins := make([]Pin, 0, len(list))
	for _, own := range []bool{true, false} {
		for _, pin := range list {
			if own == (pin.From == was || pin.To == was) {
				continue
			}
			if pin.From == was {
				pin.From, pin.Bridge = is, cmp.Or(bridge, pin.Bridge)
			}
			if pin.To == was {
				pin.To = is
			}
			if pin.From != pin.To {
				pins = append(pins, pin)
			}
		}
	}
	slices.SortStableFunc(pins, comparePins)
	return slices.CompactFunc(pins, func(a, b Pin) bool { return comparePins(a, b) == 0 })
}
