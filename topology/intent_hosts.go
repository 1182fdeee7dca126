package topology

import "slices"

// claims says who has a value that one object alone may have, once a change is
// made: what the change says, else what the intent says.
type claims[K comparable] struct {
	now  map[K]string
	then map[K]string // "" is freed
}

func newClaims[K comparable](now map[K]string) claims[K] {
	return claims[K]{now: now, then: map[K]string{}}
}

func (c claims[K]) owner(k K) string {
	if name, ok := c.then[k]; ok {
		return name
	}
	return c.now[k]
}

func (c claims[K]) free(k K) { c.then[k] = "" }

// take returns the name of another object that has k, "" if name has it now.
func (c claims[K]) take(k K, name string) string {
	if owner := c.owner(k); owner != "" && owner != name {
		return owner
	}
	c.then[k] = name
	return ""
}

// planHosts gives hosts their IDs: first those that the spec names, for which
// automatic ones yield; then each keeps what it has; then the rest get the
// lowest free ones.
func (p *planner) planHosts() {
	ids, systemIDs, endpoints := newClaims(p.in.hostIDs), newClaims(p.in.systemIDs), newClaims(p.in.endpoints)
	bound := p.in.hostIDBound
	listed := map[string]bool{}
	free := func(r HostRecord, id, system, endpoint bool) {
		if id {
			ids.free(r.ID)
			bound = min(bound, r.ID)
		}
		if system {
			systemIDs.free(r.SystemID)
		}
		if endpoint && r.Endpoint.IsValid() {
			endpoints.free(r.Endpoint.String())
		}
	}
	for _, name := range p.c.DeleteHosts {
		free(p.in.hosts[name], true, true, true)
	}
	for i := range p.spec.Hosts {
		h := &p.spec.Hosts[i]
		listed[h.Name] = true
		if old, ok := p.in.hosts[h.Name]; ok {
			free(old, h.ID != 0 && h.ID != old.ID, h.Kind == KindExternal || h.SystemID != "" && h.SystemID != old.SystemID, h.Endpoint != old.Endpoint)
		}
	}
	yielding := p.claimHosts(ids, systemIDs, endpoints, listed)
	lowest := func(name string) int {
		for ids.owner(bound) != "" {
			bound++
		}
		ids.then[bound] = name
		return bound
	}
	for i := range p.spec.Hosts {
		p.planHost(i, func(r *HostRecord, old *HostRecord) {
			if old != nil && ids.take(old.ID, r.Name) == "" {
				r.ID = old.ID
				return
			}
			r.ID = lowest(r.Name)
		})
	}
	for _, name := range yielding {
		old := p.in.hosts[name]
		r := old
		r.ID = lowest(name)
		p.c.PutHosts = append(p.c.PutHosts, r)
		p.c.item(KindHosts, name, VerbUpdated, diffHosts(&old, &r)...)
	}
}

// claimHosts claims what the spec names, and returns the hosts not listed in
// it whose automatic IDs yield.
func (p *planner) claimHosts(ids claims[int], systemIDs, endpoints claims[string], listed map[string]bool) (yielding []string) {
	for i := range p.spec.Hosts {
		h := &p.spec.Hosts[i]
		if h.ID != 0 {
			switch owner := ids.owner(h.ID); {
			case owner == "" || owner == h.Name:
			case p.in.hosts[owner].PluginID:
				p.refuse(listHosts, i, h.Name, "id", "%d is how CloudStack's calls name host %s: %s", h.ID, owner, p.wayOutID(owner))
				continue
			case listed[owner]: // it names none: two that name the same are refused before
			case p.in.hosts[owner].AutoID:
				yielding = append(yielding, owner)
			default:
				p.refuse(listHosts, i, h.Name, "id", "%d is the ID of host %s", h.ID, owner)
				continue
			}
			ids.then[h.ID] = h.Name
		}
		if h.SystemID != "" {
			if owner := systemIDs.take(h.SystemID, h.Name); owner != "" {
				p.refuse(listHosts, i, h.Name, "systemID", "%s is the system-id of host %s%s", h.SystemID, owner, p.wayOut(owner))
			}
		}
		if h.Endpoint.IsValid() {
			if owner := endpoints.take(h.Endpoint.Unmap().String(), h.Name); owner != "" {
				p.refuse(listHosts, i, h.Name, "endpoint", "%s is the endpoint of host %s", h.Endpoint, owner)
			}
		}
	}
	slices.Sort(yielding)
	return yielding
}

// wayOut tells what to do about a host that dialled in before a spec named it.
func (p *planner) wayOut(owner string) string {
	if !p.in.hosts[owner].Registered {
		return ""
	}
	return ", which dialled in by that name: use it here too, or delete that host first"
}

func (p *planner) planHost(i int, automatic func(r, old *HostRecord)) {
	r := HostRecord{Host: p.spec.Hosts[i].Defaults()}
	if r.Endpoint.IsValid() {
		r.Endpoint = r.Endpoint.Unmap()
	}
	old, known := p.in.hosts[r.Name]
	if r.SystemID == "" && r.Kind != KindExternal {
		r.SystemID = old.SystemID
	}
	if known && old.Kind != r.Kind {
		p.checkListing(i, r.Name)
	}
	if r.ID == 0 {
		r.AutoID = true
		if id := p.pluginID(r.Name); id != 0 {
			r.ID, r.AutoID, r.PluginID = id, false, true
		} else if known {
			automatic(&r, &old)
		} else {
			automatic(&r, nil)
		}
	}
	if !known {
		p.c.item(KindHosts, r.Name, VerbCreated)
		p.c.PutHosts = append(p.c.PutHosts, r)
		return
	}
	fields := diffHosts(&old, &r)
	if len(fields) == 0 {
		p.c.item(KindHosts, r.Name, VerbUnchanged)
		return
	}
	p.c.item(KindHosts, r.Name, VerbUpdated, fields...)
	p.c.PutHosts = append(p.c.PutHosts, r)
}
