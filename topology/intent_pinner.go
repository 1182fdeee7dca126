package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pinner is one change of pins under way. It works on copies of the records that
// it touches.
type pinner struct {
	in    *Intent
	c     *Change
	nets  map[string]*NetworkRecord // touched or new
	hosts map[string]*HostRecord    // touched or new
	gone  map[string]struct{}       // hosts that go
	ids   claims[int]
	bound int // all IDs below are in use
}

func (in *Intent) newPinner() *pinner {
	return &pinner{
		in: in, c: in.newChange(), nets: map[string]*NetworkRecord{}, hosts: map[string]*HostRecord{},
		gone: map[string]struct{}{}, ids: newClaims(in.hostIDs), bound: in.hostIDBound,
	}
}

// network returns a network to work on, nil if there is none of that name.
func (p *pinner) network(name string) *NetworkRecord {
	if r := p.nets[name]; r != nil {
		return r
	}
	r, ok := p.in.networks[name]
	if !ok {
		return nil
	}
	r.Pins = slices.Clone(r.Pins)
	p.nets[name] = &r
	return &r
}

// look returns a network as it will be, not to be changed.
func (p *pinner) look(name string) *NetworkRecord {
	if r := p.nets[name]; r != nil {
		return r
	}
	r := p.in.networks[name]
	return &r
}

// host returns a host to work on, nil if there is none of that name.
func (p *pinner) host(name string) *HostRecord {
	if r := p.hosts[name]; r != nil {
		return r
	}
	r, ok := p.in.hosts[name]
	if _, gone := p.gone[name]; gone || !ok {
		return nil
	}
	p.hosts[name] = &r
	return &r
}

// put adds a pin to a network, or has the one of the same two hosts be like it.
func (n *NetworkRecord) put(pin Pin) (added bool) {
	at, found := slices.BinarySearchFunc(n.Pins, pin, comparePins)
	if found {
		n.Pins[at] = pin
	} else {
		n.Pins = slices.Insert(n.Pins, at, pin)
	}
	for i := range n.Pins { // one bridge of a host
		if n.Pins[i].From == pin.From {
			n.Pins[i].Bridge = pin.Bridge
		}
	}
	return !found
}

// drop takes pins away from a network.
func (p *pinner) drop(network string, which func(Pin) bool) {
	if !slices.ContainsFunc(p.look(network).Pins, which) {
		return
	}
	n := p.network(network)
	n.Pins = slices.DeleteFunc(n.Pins, which)
}

func (p *pinner) remove(host string) {
	p.gone[host] = struct{}{}
	delete(p.hosts, host)
}

// lowestID takes the lowest ID that no host has.
func (p *pinner) lowestID(name string) int {
	for p.ids.owner(p.bound) != "" {
		p.bound++
	}
	p.ids.then[p.bound] = name
	return p.bound
}

// setID gives a host the ID by which the plugin's calls name it; 0 is none. A
// host that has that ID and was only given it yields.
func (p *pinner) setID(r *HostRecord, id int) error {
	if id == 0 || id == r.ID && !r.AutoID {
		return nil
	}
	if r.ID != id {
		if !r.AutoID && !r.PluginID {
			return fmt.Errorf("%w: host %s has ID %d in the spec, and CloudStack calls it %d: write id: %d there, or leave it out", ErrConflict, r.Name, r.ID, id, id)
		}
		if owner := p.ids.owner(id); owner != "" && owner != r.Name {
			if err := p.yield(owner, r.Name, id); err != nil {
				return err
			}
		}
		p.ids.free(r.ID)
		p.bound = min(p.bound, r.ID)
		p.ids.then[id] = r.Name
	}
	r.ID, r.AutoID, r.PluginID = id, false, true
	return nil
}

// yield gives a host another ID because a call names another host by its own.
func (p *pinner) yield(owner, to string, id int) error {
	o := p.host(owner)
	switch {
	case o.AutoID:
		p.ids.then[id] = to
		o.ID = p.lowestID(owner)
		return nil
	case o.Assumed:
		return fmt.Errorf("%w: CloudStack calls host %s %d, and has told that %d is at %s, which is not where the tunnels of %s begin: "+
			"set external_ids:ovsmesh-endpoint-ip=%s on it if that is its address, or delete host %s", ErrConflict, to, id, id, o.Endpoint, to, o.Endpoint, owner)
	case o.PluginID:
		return fmt.Errorf("%w: CloudStack calls host %s %d, and has called host %s that before: name an id of %s in the spec, or delete it", ErrConflict, to, id, owner, owner)
	}
	return fmt.Errorf("%w: CloudStack calls host %s %d, which is the ID of host %s in the spec: write another id there", ErrConflict, to, id, owner)
}

// change returns what all that comes to.
func (p *pinner) change() *Change {
	for _, name := range slices.Sorted(maps.Keys(p.nets)) {
		r := p.nets[name]
		r.Pins = heldPins(r.Pins, func(host string) bool { h := p.host(host); return h != nil && h.Kind == KindExternal })
		old, known := p.in.networks[name]
		if !known {
			p.c.item(KindNetworks, name, VerbCreated, append([]string{fmt.Sprintf("key: %d", r.Key)}, diffPins(nil, r.Pins)...)...)
		} else if fields := diffNetworks(&old, r); len(fields) > 0 {
			p.c.item(KindNetworks, name, VerbUpdated, fields...)
		} else {
			continue
		}
		p.c.PutNetworks = append(p.c.PutNetworks, *r)
	}
	for _, name := range slices.Sorted(maps.Keys(p.hosts)) {
		r := p.hosts[name]
		old, known := p.in.hosts[name]
		switch {
		case !known:
			p.c.item(KindHosts, name, VerbCreated)
		case old == *r:
			continue
		default:
			p.c.item(KindHosts, name, VerbUpdated, diffHosts(&old, r)...)
		}
		p.c.PutHosts = append(p.c.PutHosts, *r)
	}
	for _, name := range slices.Sorted(maps.Keys(p.gone)) {
		if _, known := p.in.hosts[name]; known {
			p.c.DeleteHosts = append(p.c.DeleteHosts, name)
			p.c.item(KindHosts, name, VerbDeleted)
		}
	}
	for i := range p.c.PutPorts {
		r := &p.c.PutPorts[i]
		old := p.in.ports[r.Name]
		p.c.item(KindPorts, r.Name, VerbUpdated, diffPorts(&old, r)...)
	}
	return p.c
}

// diffPins says which pins come and go. Both lists are sorted: there may be one
// for each two hosts of a network.
func diffPins(was, is []Pin) []string {
	gone, come := without(was, is), without(is, was)
	var list []string
	for _, d := range []struct {
		verb string
		pins []Pin
	}{{"no longer pinned: ", gone}, {"pinned: ", come}} {
		const shown = 5
		var names []string
		for _, p := range d.pins[:min(shown, len(d.pins))] {
			names = append(names, p.String())
		}
		if more := len(d.pins) - shown; more > 0 {
			names = append(names, fmt.Sprintf("%d more", more))
		}
		if len(names) > 0 {
			list = append(list, d.verb+strings.Join(names, ", "))
		}
	}
	return list
}

// without returns the pins of a sorted list that another has not.
func without(list, others []Pin) (rest []Pin) {
	for _, p := range list {
		for len(others) > 0 && comparePins(others[0], p) < 0 {
			others = others[1:]
		}
		if len(others) == 0 || others[0] != p {
			rest = append(rest, p)
		}
	}
	return rest
}

// String returns what the pin keeps, like xen1/xapi3 → xen2 (t103-1-2).
func (p Pin) String() string {
	s := p.From
	if p.Bridge != "" {
		s += "/" + p.Bridge
	}
	if p.To != "" {
		s += " → " + p.To
	}
	if p.Port != "" {
		s += " (" + p.Port + ")"
	}
	return s
}
