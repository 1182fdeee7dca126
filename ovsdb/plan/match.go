package plan

import (
	"slices"
	"strings"

	"ovsmesh/ovsdb/schema"
)

// match is one network with what is there of it.
type match struct {
	Network
	have []*schema.Port // by index of Tunnels; nil: not there
	rows []*schema.Interface
	gone []*schema.Port // ours, not wanted and not kept
}

// match finds the ports of ours that are wanted tunnels already, and notes
// which others go. A port is known by its name, one under a name that is not
// ours to choose by its peer.
func (d *differ) match(n Network) match {
	n.Tunnels = sorted(n.Tunnels, func(t Tunnel) string { return t.Name })
	m := match{Network: n, have: make([]*schema.Port, len(n.Tunnels)), rows: make([]*schema.Interface, len(n.Tunnels))}
	at := finder{tunnels: n.Tunnels, have: m.have}
	for _, p := range d.ports(n.Name) {
		if !d.ours(p.ExternalIDs) || d.gone[p.UUID] {
			continue
		}
		i, wanted := d.only(p), -1
		if b := d.db.BridgeOfPort(p.UUID); b != nil && b.Name == n.Bridge && i != nil {
			if p.ExternalIDs[keyAdopted] != "" {
				wanted = at.peer(p.ExternalIDs[schema.KeyPeer], i.Type)
			} else {
				wanted = at.name(p.Name, i.Type)
			}
		}
		switch {
		case wanted >= 0:
			m.have[wanted], m.rows[wanted] = p, i
			if !fits(i, n.Tunnels[wanted]) {
				d.changing[i.UUID] = true
			}
		case d.keeps(n, p), d.givesBack(p):
		default:
			d.gone[p.UUID] = true
			m.gone = append(m.gone, p)
		}
	}
	return m
}

// finder finds wanted tunnels, sorted by name, that are not there yet.
type finder struct {
	tunnels []Tunnel
	have    []*schema.Port
	byPeer  map[string][]int // made for the first that is looked for by it
}

// name returns the place of a tunnel of a name and type, -1 if there is none.
func (f *finder) name(name, kind string) int {
	at, _ := slices.BinarySearchFunc(f.tunnels, name, func(t Tunnel, name string) int { return strings.Compare(t.Name, name) })
	for ; at < len(f.tunnels) && f.tunnels[at].Name == name; at++ {
		if f.tunnels[at].Type == kind && f.have[at] == nil {
			return at
		}
	}
	return -1
}

// peer returns the place of a tunnel to a peer, -1 if there is none.
func (f *finder) peer(peer, kind string) int {
	if f.byPeer == nil {
		f.byPeer = make(map[string][]int, len(f.tunnels))
		for i, t := range f.tunnels {
			f.byPeer[t.Peer] = append(f.byPeer[t.Peer], i)
		}
	}
	for _, at := range f.byPeer[peer] {
		if f.tunnels[at].Type == kind && f.have[at] == nil {
			return at
		}
	}
	return -1
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
