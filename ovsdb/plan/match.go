package plan

import (
	"slices"

	"ovsmesh/ovsdb/schema"
)

// match is one network with what is there of it.
type match struct {
	Network
	have []*schema.Port // by index of Tunnels; nil: not there
	gone []*schema.Port // ours, not wanted and not kept
}

// match finds the ports of ours that are wanted tunnels already, and notes
// which others go. A port is known by its name, one under a name that is not
// ours to choose by its peer.
func (d *differ) match(n Network) match {
	n.Tunnels = sorted(n.Tunnels, func(t Tunnel) string { return t.Name })
	m := match{Network: n, have: make([]*schema.Port, len(n.Tunnels))}
	type identity struct{ name, peer, kind string }
	index := map[identity][]int{}
	for i, t := range n.Tunnels {
		for _, id := range []identity{{name: t.Name, kind: t.Type}, {peer: t.Peer, kind: t.Type}} {
			index[id] = append(index[id], i)
		}
	}
	for _, p := range d.ports(n.Name) {
		if !d.ours(p.ExternalIDs) || d.gone[p.UUID] {
			continue
		}
		at := -1
		if b, i := d.db.BridgeOfPort(p.UUID), d.only(p); b != nil && b.Name == n.Bridge && i != nil {
			id := identity{name: p.Name, kind: i.Type}
			if p.ExternalIDs[keyAdopted] != "" {
				id = identity{peer: p.ExternalIDs[schema.KeyPeer], kind: i.Type}
			}
			at = slices.IndexFunc(index[id], func(at int) bool { return m.have[at] == nil })
			if at >= 0 {
				at = index[id][at]
			}
		}
		if at < 0 && d.keeps(n, p) {
			continue
		}
		if at < 0 {
			d.gone[p.UUID] = true
			m.gone = append(m.gone, p)
			continue
		}
		m.have[at] = p
		if i := d.only(p); !fits(i, n.Tunnels[at]) {
			d.changing[i.UUID] = true
		}
	}
	return m
}

// keeps reports whether a port that is not wanted stays for now. One that is in
// the way of a wanted one, by its name or by what Open vSwitch tells tunnels
// apart by, can't.
func (d *differ) keeps(n Network, p *schema.Port) bool {
	if !slices.Contains(n.Keep, p.Name) {
		return false
	}
	i, b := d.only(p), d.db.BridgeOfPort(p.UUID)
	if i == nil || b == nil {
		return false
	}
	claim := keyOf(b.DatapathType, i.Type, i.Options)
	return !slices.ContainsFunc(n.Tunnels, func(t Tunnel) bool {
		return t.Name == p.Name || d.claimKey(n, t) == claim
	})
}

// ports returns the ports that carry a network, or an owner and no network, by
// name.
func (d *differ) ports(network string) []*schema.Port {
	if network != "" {
		return d.db.PortsOfNetwork(network)
	}
	return slices.DeleteFunc(d.db.OwnedPorts(), func(p *schema.Port) bool { return p.ExternalIDs[schema.KeyNetwork] != "" })
}

// only returns the one Interface of a port; nil if it is a bond.
func (d *differ) only(p *schema.Port) *schema.Interface {
	if len(p.Interfaces) != 1 {
		return nil
	}
	return d.db.Interfaces[p.Interfaces[0]]
}
