package topology

// planPorts plans the ports; networks and hosts are planned by then.
func (p *planner) planPorts() {
	matches, stations, ips := newClaims(p.in.matches), newClaims(p.in.stations), newClaims(p.in.ips)
	free := func(old Port) {
		if k, ok := matchKey(old.Match); ok {
			matches.free(k)
		}
		if !old.MAC.IsZero() {
			stations.free(station{old.Network, old.MAC})
		}
		for _, ip := range old.IPs {
			if k := (networkIP{old.Network, ip.Unmap()}); p.in.ips[k] == old.Name {
				ips.free(k)
			}
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
		p.checkPort(i, &r)
		if h := r.Match.Host; h != "" && !p.hostStays(h) {
			p.refuse(listPorts, i, r.Name, "match.host", "there is no host %s", h)
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
		p.checkIPs(i, &r, ips)
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
