package controller

import (
	"slices"
	"strconv"

	"ovsmesh/openflow/verify"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

func setOf(list []uint32) map[uint32]struct{} {
	set := make(map[uint32]struct{}, len(list))
	for _, x := range list {
		set[x] = struct{}{}
	}
	return set
}

// hostPorts returns the ports of a bridge that are neither VMs' nor ours.
func (h *host) hostPorts(b *bridge) map[uint32]struct{} {
	ports := map[uint32]struct{}{}
	r := h.att.db.BridgeByName(b.name)
	if r == nil {
		return ports
	}
	for _, id := range r.Ports {
		p := h.att.db.Ports[id]
		if p == nil || p.ExternalIDs[schema.KeyOwner] != "" {
			continue
		}
		for _, id := range p.Interfaces {
			if i := h.att.db.Interfaces[id]; i != nil && i.OFPort > 0 && h.vifs[i.Name] == "" {
				ports[hostPort(i.OFPort)] = struct{}{}
			}
		}
	}
	return ports
}

// ownPorts returns the roles of the ports that a network has for itself on a
// bridge, by the rows in the host's database and not by what flows were compiled
// from; and whether the switch itself keeps all its tunnels apart.
func (h *host) ownPorts(b *bridge, on *topology.OnHost, soon bool) (roles map[uint32]verify.Role, protected bool) {
	db := h.att.db
	size := len(on.VIFs)
	if on.Net.TunnelPorts == topology.TunnelPortsPerNetwork {
		size += len(on.Net.Members)
	}
	roles = make(map[uint32]verify.Role, size)
	for i := range on.VIFs {
		v := db.InterfaceByName(on.VIFs[i].Interface)
		if v == nil || v.OFPort <= 0 || h.vifs[v.Name] != on.Net.Name {
			continue
		}
		p := db.PortOfInterface(v.UUID)
		if p == nil || p.ExternalIDs[schema.KeyOwner] != "" {
			continue
		}
		if r := db.BridgeOfPort(p.UUID); r != nil && r.Name == b.name {
			roles[uint32(v.OFPort)] = verify.VIF
		}
	}
	protected = true
	key := strconv.FormatUint(uint64(on.Net.Key), 10)
	db.EachPortOfNetwork(on.Net.Name, func(p *schema.Port) {
		if p.ExternalIDs[schema.KeyOwner] != h.env.owner || len(p.Interfaces) != 1 {
			return
		}
		i, r := db.Interfaces[p.Interfaces[0]], db.BridgeOfPort(p.UUID)
		if i == nil || i.OFPort <= 0 || r == nil || r.Name != b.name || i.Type != string(on.Net.Encap) || i.Options["key"] != key {
			return
		}
		protected = protected && p.Protected
		roles[uint32(i.OFPort)] = verify.Tunnel
		if on.Net.Learning && !hasMember(on, p.ExternalIDs[schema.KeyPeer]) {
			roles[uint32(i.OFPort)] = verify.Leaving
		}
	})
	if soon {
		h.askedPorts(on, roles)
	}
	return roles, protected
}

func hasMember(on *topology.OnHost, host string) bool {
	return slices.ContainsFunc(on.Net.Members, func(m topology.Member) bool { return m.Host == host })
}

// askedPorts adds tunnels that are about to be made, by the numbers that were
// asked for.
func (h *host) askedPorts(on *topology.OnHost, roles map[uint32]verify.Role) {
	for _, t := range h.portsWanted(on) {
		number := h.asking[t.Name]
		if p := h.att.db.PortByName(t.Name); number == 0 && p != nil && len(p.Interfaces) == 1 {
			if i := h.att.db.Interfaces[p.Interfaces[0]]; i != nil {
				number = i.OFPortRequest
			}
		}
		switch {
		case number <= 0:
		case t.Carrier != "":
			roles[uint32(number)] = verify.Carrier
		default:
			roles[uint32(number)] = verify.Tunnel
		}
	}
}
