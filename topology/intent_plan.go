package topology

import (
	"fmt"
	"slices"
	"strings"
)

// Plan returns what it takes to make a spec true; it changes nothing. Each
// entry of the spec replaces the former one of its name; what the spec does
// not name stays, or goes where prune is set, save hosts that only dialled in.
// An entry that leaves out its key, ID or systemID keeps the one that it has.
// Pins stay as they are, save where prune deletes a host that they name. What
// CloudStack's calls alone have made is none of a spec's and stays, too, and what
// they pin becomes theirs where a pruning spec does not name it: see prune.
// The error is SpecErrors with all that is wrong; src may be nil.
func (in *Intent) Plan(spec *Spec, src *Source, prune bool) (*Change, error) {
	p := &planner{
		in: in, spec: in.nameHosts(spec), src: src, c: in.newChange(),
		nets: map[string]*NetworkRecord{}, kinds: map[string]string{}, ports: map[string]bool{},
	}
	checkSpec(p.spec, src, &p.problems)
	if err := p.problems.err(); err != nil {
		return nil, err
	}
	pools := mergePools(in.pools, spec.KeyPools, prune, p.c)
	if !slices.Equal(pools, in.pools) {
		p.c.SetKeyPools = &pools
	}
	if prune {
		p.prune()
	}
	p.replaceAssumed()
	for i := range p.spec.Hosts {
		p.kinds[p.spec.Hosts[i].Name] = p.spec.Hosts[i].Kind
	}
	for i := range p.spec.Ports {
		p.ports[p.spec.Ports[i].Name] = true
	}
	p.planNetworks(pools)
	p.planHosts()
	p.planPorts()
	p.in.unpinHosts(p.c, p.replaced)
	p.sayDeleted()
	if err := p.problems.err(); err != nil {
		return nil, err
	}
	return p.c, nil
}

// nameHosts returns the spec with hosts that it ties to a system-id only called
// as they are, or by their system-id where they are new.
func (in *Intent) nameHosts(spec *Spec) *Spec {
	if !slices.ContainsFunc(spec.Hosts, func(h Host) bool { return h.Name == "" }) {
		return spec
	}
	named := *spec
	named.Hosts = slices.Clone(spec.Hosts)
	for i := range named.Hosts {
		h := &named.Hosts[i]
		if h.Name != "" || h.SystemID == "" {
			continue
		}
		if r, ok := in.HostBySystemID(h.SystemID); ok {
			h.Name = r.Name
		} else {
			h.Name = strings.ToLower(h.SystemID)
		}
	}
	return &named
}

func (in *Intent) newChange() *Change {
	return &Change{Items: []Item{}, NextNetworkID: in.nextNetworkID, generation: in.generation}
}

// planner is one Plan under way.
type planner struct {
	in    *Intent
	spec  *Spec
	src   *Source
	c     *Change
	nets  map[string]*NetworkRecord // of the spec, planned
	kinds map[string]string         // of the spec's hosts
	ports map[string]bool           // of the spec

	replaced map[string]string // Assumed hosts by whose endpoint the spec names a host, and that
	problems
}

func (p *planner) refuse(list string, i int, name, field, format string, args ...any) {
	e := p.src.at(list, i, name, field)
	e.Reason = fmt.Sprintf(format, args...)
	p.add(e)
}

// prune marks for deletion what the spec does not name. A network with pins, and
// an external host that pins name, are CloudStack's from then on and stay: VMs run
// there that it alone knows of.
func (p *planner) prune() {
	networks, hosts, ports := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range p.spec.Networks {
		networks[p.spec.Networks[i].Name] = true
	}
	for i := range p.spec.Hosts {
		hosts[p.spec.Hosts[i].Name] = true
	}
	for i := range p.spec.Ports {
		ports[p.spec.Ports[i].Name] = true
	}
	for _, r := range p.in.Networks() {
		switch {
		case networks[r.Name] || r.Plugin:
		case len(r.Pins) > 0:
			p.leaveToPlugin(r)
		default:
			p.c.DeleteNetworks = append(p.c.DeleteNetworks, r.Name)
		}
	}
	for _, r := range p.in.Hosts() {
		switch {
		case hosts[r.Name] || r.Registered || r.Assumed:
		case r.Kind == KindExternal && len(p.in.pins.hosts[r.Name]) > 0:
			is := r
			is.Assumed, is.PluginID = true, !r.AutoID
			p.c.PutHosts = append(p.c.PutHosts, is)
			p.c.item(KindHosts, r.Name, VerbUpdated, diffHosts(&r, &is)...)
		default:
			p.c.DeleteHosts = append(p.c.DeleteHosts, r.Name)
		}
	}
	for _, r := range p.in.Ports() {
		if !ports[r.Name] {
			p.c.DeletePorts = append(p.c.DeletePorts, r.Name)
		}
	}
}

func (p *planner) sayDeleted() {
	for _, name := range p.c.DeleteNetworks {
		p.c.item(KindNetworks, name, VerbDeleted)
	}
	for _, name := range p.c.DeleteHosts {
		p.c.item(KindHosts, name, VerbDeleted)
	}
	for _, name := range p.c.DeletePorts {
		p.c.item(KindPorts, name, VerbDeleted)
	}
}

func (p *planner) planNetworks(pools []KeyPool) {
	d := &keyDraw{in: p.in, taken: map[tunnelKey]string{}, pools: pools}
	for _, name := range p.c.DeleteNetworks {
		r := p.in.networks[name]
		d.taken[tunnelKey{r.Encap, r.Key}] = ""
	}
	for i := range p.spec.Networks {
		n := &p.spec.Networks[i]
		if old, ok := p.in.networks[n.Name]; ok && (old.Encap != n.Encap || n.Key != 0 && n.Key != old.Key) {
			d.taken[tunnelKey{old.Encap, old.Key}] = ""
		}
	}
	for i := range p.spec.Networks {
		n := &p.spec.Networks[i]
		if n.Key == 0 {
			continue
		}
		k := tunnelKey{n.Encap, n.Key}
		if owner := d.owner(k); owner != "" && owner != n.Name {
			p.refuse(listNetworks, i, n.Name, "key", "%s key %d is that of network %s", n.Encap, n.Key, owner)
			continue
		}
		d.taken[k] = n.Name
	}
	d.start()
	agreed := p.agreed()
	for i := range p.spec.Networks {
		p.planNetwork(i, d, agreed)
		if p.full() {
			return
		}
	}
}

// agreed returns what networks agree on apart from those of the change.
func (p *planner) agreed() *accordPlan {
	agreed := newAccordPlan(p.in.accords)
	leave := func(name string) {
		if old, ok := p.in.networks[name]; ok {
			agreed.leave(&old.Network)
		}
	}
	for _, name := range p.c.DeleteNetworks {
		leave(name)
	}
	for i := range p.spec.Networks {
		leave(p.spec.Networks[i].Name)
	}
	return agreed
}

func (p *planner) planNetwork(i int, d *keyDraw, agreed *accordPlan) {
	old, known := p.in.networks[p.spec.Networks[i].Name]
	r := NetworkRecord{Network: cloneNetwork(p.spec.Networks[i]).Defaults()}
	p.nets[r.Name] = &r
	r.Pins = old.Pins
	p.checkNetwork(i, &r, &old, agreed)
	p.checkPinned(i, &r, &old)
	switch sameEncap := known && old.Encap == r.Encap; {
	case sameEncap && (r.Key == 0 || r.Key == old.Key):
		r.Key, r.AutoKey = old.Key, old.AutoKey
	case r.Key == 0:
		key, err := d.draw(r.Encap, r.Name)
		if err != nil {
			p.refuse(listNetworks, i, r.Name, "key", "%v", err)
			return
		}
		r.Key, r.AutoKey = key, true
	}
	if known {
		r.ID = old.ID
		fields := diffNetworks(&old, &r)
		if len(fields) == 0 {
			p.c.item(KindNetworks, r.Name, VerbUnchanged)
			return
		}
		p.c.item(KindNetworks, r.Name, VerbUpdated, fields...)
	} else {
		r.ID = p.c.NextNetworkID
		p.c.NextNetworkID++
		p.c.item(KindNetworks, r.Name, VerbCreated, fmt.Sprintf("key: %d", r.Key))
	}
	p.c.PutNetworks = append(p.c.PutNetworks, r)
}

func cloneNetwork(n Network) Network {
	n.XSNetworkUUIDs = cloneList(n.XSNetworkUUIDs)
	n.Hosts = cloneList(n.Hosts)
	if n.PortSecurity != nil {
		v := *n.PortSecurity
		n.PortSecurity = &v
	}
	return n
}

// cloneList copies a list; an empty one is nil, as it is after a restart.
func cloneList[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return slices.Clone(list)
}
