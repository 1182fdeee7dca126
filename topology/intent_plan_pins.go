package topology

import (
	"fmt"
	"maps"
	"slices"
)

// leaveToPlugin has a network that a pruning spec does not name stay as one of
// CloudStack's calls.
func (p *planner) leaveToPlugin(old NetworkRecord) {
	r := old
	r.Plugin, r.Hosts, r.CreateBridge = true, nil, false
	p.c.PutNetworks = append(p.c.PutNetworks, r)
	p.c.item(KindNetworks, r.Name, VerbUpdated, diffNetworks(&old, &r)...)
}

// replaceAssumed finds the Assumed hosts whose endpoint the spec gives to
// another name: that one takes their place, unless something names them that the
// spec does not.
func (p *planner) replaceAssumed() {
	p.replaced = map[string]string{}
	listed := map[string]bool{}
	for i := range p.spec.Hosts {
		listed[p.spec.Hosts[i].Name] = true
	}
	for i := range p.spec.Hosts {
		h := &p.spec.Hosts[i]
		was := p.in.assumedAt(h.Endpoint.Unmap())
		if was == "" || listed[was] || len(p.in.networksOn[was])+len(p.in.portsOn[was]) > 0 {
			continue
		}
		if _, twice := p.replaced[was]; twice {
			continue // refused with the endpoint
		}
		p.replaced[was] = h.Name
		p.c.DeleteHosts = append(p.c.DeleteHosts, was)
	}
	slices.Sort(p.c.DeleteHosts)
}

// pluginID returns the ID that CloudStack's calls give a host of the spec, 0 if
// they give none that it can have.
func (p *planner) pluginID(host string) int {
	if r := p.in.hosts[host]; r.PluginID {
		return r.ID
	}
	for was, is := range p.replaced {
		if r := p.in.hosts[was]; is == host && r.PluginID && p.in.hosts[host].ID == 0 {
			return r.ID
		}
	}
	return 0
}

// wayOutID tells what to do about an ID that CloudStack has given to a host.
func (p *planner) wayOutID(owner string) string {
	if r := p.in.hosts[owner]; r.Assumed {
		return fmt.Sprintf("write endpoint: %s here too if it is that host, or another id", r.Endpoint)
	}
	return "write another id"
}

// checkPinned judges a network against pins, its own and those of others.
func (p *planner) checkPinned(i int, r, old *NetworkRecord) {
	if len(r.Pins) > 0 && (r.Encap != old.Encap || r.Key != 0 && r.Key != old.Key) {
		p.refuse(listNetworks, i, r.Name, "key", "CloudStack's calls know this network as GRE key %d and have pinned hosts to it (%s): leave encap and key as they are",
			old.Key, old.Pins[0])
		return
	}
	clash := func(names []string) (other string) {
		for _, name := range slices.Sorted(slices.Values(names)) {
			if o := p.network(name); name != r.Name && o != nil && (o.learning() || r.learning()) {
				return name
			}
		}
		return ""
	}
	if r.Bridge != "" {
		if other := clash(p.in.pins.bridges[r.Bridge]); other != "" {
			p.refuse(listNetworks, i, r.Name, "bridge", "CloudStack's calls have pinned network %s to a bridge %s, and NORMAL would join the two: "+
				"name this network's bridges by xsNetworkUUIDs, or another bridge", other, r.Bridge)
		}
	}
	for _, b := range r.pinnedBridges() {
		if other := clash(p.in.pins.on[b]); other != "" {
			p.refuse(listNetworks, i, r.Name, "profile", "CloudStack's calls have pinned this network and network %s to bridge %s of host %s, and learning would join the two: "+
				"use profile: programmed", other, b.bridge, b.host)
		}
		if other := clash(p.namers(b.bridge)); other != "" {
			p.refuse(listNetworks, i, r.Name, "profile", "CloudStack's calls have pinned this network to bridge %s of host %s, which network %s names, and learning would join the two: "+
				"use profile: programmed", b.bridge, b.host, other)
		}
	}
}

// namers returns the networks that name a bridge before and, of those in the
// spec, after the change.
func (p *planner) namers(bridge string) []string {
	var names []string
	for _, set := range p.in.accords[accord{bridgeForwarding, bridge}] {
		for name := range set {
			if n := p.network(name); n != nil && n.Bridge == bridge {
				names = append(names, name)
			}
		}
	}
	return names
}

// unpinHosts takes the pins away that name hosts which a change deletes; those
// of hosts that are replaced name the others from then on.
func (in *Intent) unpinHosts(c *Change, replaced map[string]string) {
	networks := map[string]struct{}{}
	for _, h := range c.DeleteHosts {
		for _, n := range in.pins.hosts[h] {
			if !slices.Contains(c.DeleteNetworks, n) {
				networks[n] = struct{}{}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(networks)) {
		old := in.networks[name]
		at := slices.IndexFunc(c.PutNetworks, func(r NetworkRecord) bool { return r.Name == name })
		if at < 0 {
			at = len(c.PutNetworks)
			c.PutNetworks = append(c.PutNetworks, old)
		}
		r := &c.PutNetworks[at]
		for was, is := range replaced {
			r.Pins = renamePins(r.Pins, was, is)
		}
		r.Pins = cloneList(slices.DeleteFunc(slices.Clone(r.Pins), func(pin Pin) bool {
			return slices.Contains(c.DeleteHosts, pin.From) || slices.Contains(c.DeleteHosts, pin.To)
		}))
		fields := diffNetworks(&old, r)
		said := slices.IndexFunc(c.Items, func(i Item) bool { return i.Kind == KindNetworks && i.Name == name })
		if said < 0 {
			c.item(KindNetworks, name, VerbUpdated, fields...)
			continue
		}
		c.Items[said].Verb, c.Items[said].Fields = VerbUpdated, fields
	}
}
