package topology

import "fmt"

// The add functions take over a record that was found to be consistent with
// all others; the remove functions undo that and do nothing for a name that
// there is not.

func (in *Intent) addNetwork(r NetworkRecord) {
	in.networks[r.Name] = r
	in.keys[tunnelKey{r.Encap, r.Key}] = r.Name
	in.networkIDs[r.ID] = r.Name
	for _, h := range r.Hosts {
		in.networksOn.add(h, r.Name)
	}
	in.accords.add(&r.Network)
	in.pins.add(&r)
	in.loosenAll(&r)
}

func (in *Intent) removeNetwork(name string) {
	r, ok := in.networks[name]
	if !ok {
		return
	}
	delete(in.networks, name)
	delete(in.keys, tunnelKey{r.Encap, r.Key})
	delete(in.networkIDs, r.ID)
	for _, h := range r.Hosts {
		in.networksOn.remove(h, name)
	}
	in.accords.remove(&r.Network)
	in.pins.remove(&r)
	in.loosenAll(&r)
	in.lowerKeyBound(r.Encap, r.Key)
}

func (in *Intent) addHost(r HostRecord) {
	in.hosts[r.Name] = r
	in.hostIDs[r.ID] = r.Name
	if r.SystemID != "" {
		in.systemIDs[r.SystemID] = r.Name
	}
	if r.Endpoint.IsValid() {
		in.endpoints[r.Endpoint.String()] = r.Name
	}
	in.loosen(r.Name)
}

func (in *Intent) removeHost(name string) {
	r, ok := in.hosts[name]
	if !ok {
		return
	}
	delete(in.hosts, name)
	delete(in.hostIDs, r.ID)
	delete(in.systemIDs, r.SystemID)
	if r.Endpoint.IsValid() {
		delete(in.endpoints, r.Endpoint.String())
	}
	in.hostIDBound = min(in.hostIDBound, r.ID)
	in.loosen(name)
}

func (in *Intent) addPort(p Port) {
	in.ports[p.Name] = p
	in.portsOf.add(p.Network, p.Name)
	if k, ok := matchKey(p.Match); ok {
		in.matches[k] = p.Name
	}
	if p.Match.Host != "" {
		in.portsOn.add(p.Match.Host, p.Name)
		in.loosen(p.Match.Host)
	}
	if !p.MAC.IsZero() {
		in.stations[station{p.Network, p.MAC}] = p.Name
	}
	for _, ip := range plainAddrs(p.IPs) {
		if k := (networkIP{p.Network, ip}); in.ips[k] == "" { // a former version let several have one
			in.ips[k] = p.Name
		}
	}
}

func (in *Intent) removePort(name string) {
	p, ok := in.ports[name]
	if !ok {
		return
	}
	delete(in.ports, name)
	in.portsOf.remove(p.Network, name)
	if k, ok := matchKey(p.Match); ok {
		delete(in.matches, k)
	}
	if p.Match.Host != "" {
		in.portsOn.remove(p.Match.Host, name)
		in.loosen(p.Match.Host)
	}
	if !p.MAC.IsZero() {
		delete(in.stations, station{p.Network, p.MAC})
	}
	for _, ip := range plainAddrs(p.IPs) {
		if k := (networkIP{p.Network, ip}); in.ips[k] == name {
			delete(in.ips, k)
		}
	}
}

// The check functions say why a saved record can't stand beside those that
// were added before it.

func (in *Intent) checkNetwork(r NetworkRecord) error {
	if _, twice := in.networks[r.Name]; twice || r.Name == "" {
		return fmt.Errorf("saved twice, or without a name")
	}
	if r.Key == 0 || r.Key > r.Encap.MaxKey() {
		return fmt.Errorf("key %d does not suit %q", r.Key, r.Encap)
	}
	if other, taken := in.keys[tunnelKey{r.Encap, r.Key}]; taken {
		return fmt.Errorf("key %s %d is that of network %s", r.Encap, r.Key, other)
	}
	if other, taken := in.networkIDs[r.ID]; taken {
		return fmt.Errorf("ID %d is that of network %s", r.ID, other)
	}
	if r.ID == 0 || r.ID >= in.nextNetworkID {
		return fmt.Errorf("ID %d was not given out yet (the next is %d)", r.ID, in.nextNetworkID)
	}
	return nil
}

func (in *Intent) checkHost(r HostRecord) error {
	if _, twice := in.hosts[r.Name]; twice || r.Name == "" {
		return fmt.Errorf("saved twice, or without a name")
	}
	if r.ID <= 0 {
		return fmt.Errorf("ID %d is not positive", r.ID)
	}
	if other, taken := in.hostIDs[r.ID]; taken {
		return fmt.Errorf("ID %d is that of host %s", r.ID, other)
	}
	if other, taken := in.systemIDs[r.SystemID]; taken && r.SystemID != "" {
		return fmt.Errorf("system-id %s is that of host %s", r.SystemID, other)
	}
	if r.Endpoint.IsValid() {
		if other, taken := in.endpoints[r.Endpoint.String()]; taken {
			return fmt.Errorf("endpoint %s is that of host %s", r.Endpoint, other)
		}
	}
	return nil
}

func (in *Intent) checkPort(p Port) error {
	if _, twice := in.ports[p.Name]; twice || p.Name == "" {
		return fmt.Errorf("saved twice, or without a name")
	}
	if _, ok := in.networks[p.Network]; !ok {
		return fmt.Errorf("is in network %q, which there is not", p.Network)
	}
	k, ok := matchKey(p.Match)
	if !ok {
		return fmt.Errorf("matches nothing")
	}
	if other, taken := in.matches[k]; taken {
		return fmt.Errorf("matches the same interface as port %s", other)
	}
	if other, taken := in.stations[station{p.Network, p.MAC}]; taken && !p.MAC.IsZero() {
		return fmt.Errorf("has the same MAC %s as port %s of network %s", p.MAC, other, p.Network)
	}
	if _, ok := in.hosts[p.Match.Host]; !ok && p.Match.Host != "" {
		return fmt.Errorf("is on host %q, which there is not", p.Match.Host)
	}
	return nil
}

func (in *Intent) checkPools() (errs []error) {
	for i, p := range in.pools {
		if p.Range.First == 0 || p.Range.First > p.Range.Last || p.Range.Last > p.Encap.MaxKey() {
			errs = append(errs, fmt.Errorf("key pool %s: no such range", p.Name()))
		}
		for _, o := range in.pools[:i] {
			if o.Encap == p.Encap && o.Range.Overlaps(p.Range) {
				errs = append(errs, fmt.Errorf("key pool %s overlaps %s", p.Name(), o.Name()))
			}
		}
	}
	return errs
}
