package topology

// planPorts plans the ports; networks and hosts are planned by then.
func (p *planner) planPorts() {
	networks, hosts := map[string]bool{}, map[string]bool{}
	for i := range p.spec.Networks {
		networks[p.spec.Networks[i].Name] = true
	}
	for i := range p.spec.Hosts {
		hosts[p.spec.Hosts[i].Name] = true
	}
	matches, stations := newClaims(p.in.matches), newClaims(p.in.stations)
	free := func(old Port) {
		if k, ok := matchKey(old.Match); ok {
			matches.free(k)
		}
		if !old.MAC.IsZero() {
			stations.free(station{old.Network, old.MAC})
		}
	}
	for _, name := range p.c.DeletePorts {
		free(p.in.ports[name])
	}
	for i := range p.spec.Ports {
		if old, ok := p.in.ports[p.spec.Ports[i].Name]; ok {
			free(old)
		}
	}
	for i := range p.spec.Ports {
		r := p.spec.Ports[i]
		r.IPs, r.AllowedAddresses = cloneList(r.IPs), cloneList(r.AllowedAddresses)
		if _, have := p.in.networks[r.Network]; !p.stays(have, r.Network, networks, p.c.DeleteNetworks) {
			p.refuse(listPorts, i, r.Name, "network", "there is no network %s", r.Network)
		}
		if h := r.Match.Host; h != "" {
			if _, have := p.in.hosts[h]; !p.stays(have, h, hosts, p.c.DeleteHosts) {
				p.refuse(listPorts, i, r.Name, "match.host", "there is no host %s", h)
			}
		}
		if k, ok := matchKey(r.Match); ok {
			if owner := matches.take(k, r.Name); owner != "" {
				p.refuse(listPorts, i, r.Name, "match", "%s is what port %s matches", r.Match, owner)
			}
		}
		if !r.MAC.IsZero() {
			if owner := stations.take(station{r.Network, r.MAC}, r.Name); owner != "" {
				p.refuse(listPorts, i, r.Name, "mac", "%s is the address of port %s of the same network", r.MAC, owner)
			}
		}
		p.planPort(r)
	}
}

func (p *planner) planPort(r Port) {
	old, known := p.in.ports[r.Name]
	if !known {
		p.c.item(KindPorts, r.Name, VerbCreated)
		p.c.PutPorts = append(p.c.PutPorts, r)
		return
	}
	fields := diffPorts(&old, &r)
	if len(fields) == 0 {
		p.c.item(KindPorts, r.Name, VerbUnchanged)
		return
	}
	p.c.item(KindPorts, r.Name, VerbUpdated, fields...)
	p.c.PutPorts = append(p.c.PutPorts, r)
}
