package topology

import (
	"cmp"
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
// of hosts that are replaced name the others from then on, and of hosts that are
// external from then on those stay that heldPins says.
func (in *Intent) unpinHosts(c *Change, replaced map[string]string) {
	gone, kinds, networks := map[string]bool{}, map[string]string{}, map[string]struct{}{}
	touch := func(host string) {
		for _, n := range in.pins.hosts[host] {
			networks[n] = struct{}{}
		}
	}
	for _, h := range c.DeleteHosts {
		gone[h] = true
		touch(h)
	}
	for i := range c.PutHosts {
		r := &c.PutHosts[i]
		kinds[r.Name] = r.Kind
		if r.Kind == KindExternal && in.hosts[r.Name].Kind != KindExternal {
			touch(r.Name)
		}
	}
	for _, name := range c.DeleteNetworks {
		delete(networks, name)
	}
	for _, name := range slices.Sorted(maps.Keys(networks)) {
		old := in.networks[name]
		at := slices.IndexFunc(c.PutNetworks, func(r NetworkRecord) bool { return r.Name == name })
		r := old
		if at >= 0 {
			r = c.PutNetworks[at]
		}
		for was, is := range replaced {
			r.Pins = renamePins(r.Pins, was, is)
		}
		r.Pins = heldPins(slices.DeleteFunc(slices.Clone(r.Pins), func(pin Pin) bool { return gone[pin.From] || gone[pin.To] }), func(host string) bool {
			return cmp.Or(kinds[host], in.hosts[host].Kind) == KindExternal
		})
		fields := diffNetworks(&old, &r)
		if len(fields) == 0 {
			continue
		}
		if at >= 0 {
			c.PutNetworks[at] = r
		} else {
			c.PutNetworks = append(c.PutNetworks, r)
		}
		c.say(KindNetworks, name, VerbUpdated, fields)
	}
}

// heldPins returns the pins that something can end. Of an external host the old
// plugin takes its tunnels and bridge away, and tells nobody of us: its own pins
// stay for as long as those that lead to it from a host that is ours.
func heldPins(pins []Pin, external func(host string) bool) []Pin {
	some, last := false, ""
	for _, p := range pins { // sorted by From
		if p.From != last {
			some, last = some || external(p.From), p.From
		}
	}
	if !some {
		return cloneList(pins)
	}
	led := map[[2]string]bool{}
	for _, p := range pins {
		if p.To != "" && !external(p.From) {
			led[[2]string{p.To, p.From}], led[[2]string{p.To, ""}] = true, true
		}
	}
	return cloneList(slices.DeleteFunc(slices.Clone(pins), func(p Pin) bool { return external(p.From) && !led[[2]string{p.From, p.To}] }))
}

// say has an item that there is say what becomes of an object, or adds one.
func (c *Change) say(kind, name, verb string, fields []string) {
	at := slices.IndexFunc(c.Items, func(i Item) bool { return i.Kind == kind && i.Name == name })
	if at < 0 {
		c.item(kind, name, verb, fields...)
		return
	}
	if c.Items[at].Verb != VerbCreated {
		c.Items[at].Verb = verb
	}
	c.Items[at].Fields = fields
}
