package controller

import (
	"net/netip"
	"slices"
	"strings"

	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// factsOf reads out of a host's database what the mesh needs to know. Rows
// that carry ovsmesh-owner are left out, whoever's they are: a tunnel is never
// a VIF.
func factsOf(db *schema.DB, peer netip.Addr) topology.HostFacts {
	f := topology.HostFacts{
		SystemID:   db.Open.ExternalIDs["system-id"],
		Hostname:   db.Open.ExternalIDs["hostname"],
		LocalIP:    db.Open.OtherConfig["local_ip"],
		EndpointIP: db.Open.ExternalIDs["ovsmesh-endpoint-ip"],
		PeerAddr:   peer.Unmap(),
	}
	for _, b := range db.Bridges {
		f.Bridges = append(f.Bridges, bridgeFacts(db, b))
	}
	slices.SortFunc(f.Bridges, func(a, b topology.BridgeFacts) int { return strings.Compare(a.Name, b.Name) })
	return f
}

func bridgeFacts(db *schema.DB, b *schema.Bridge) topology.BridgeFacts {
	f := topology.BridgeFacts{Name: b.Name}
	// The toolstack writes the list, CloudStack's plugin one alone.
	for id := range strings.SplitSeq(b.ExternalIDs["xs-network-uuids"]+";"+b.ExternalIDs["xs-network-uuid"], ";") {
		if id = strings.TrimSpace(id); id != "" && !slices.Contains(f.XSNetworkUUIDs, id) {
			f.XSNetworkUUIDs = append(f.XSNetworkUUIDs, id)
		}
	}
	for _, id := range b.Ports {
		p := db.Ports[id]
		if p == nil || p.ExternalIDs[schema.KeyOwner] != "" {
			continue
		}
		if schema.Underlay(db, b, p) {
			f.Physical = append(f.Physical, p.Name)
			continue
		}
		for _, id := range p.Interfaces {
			if i := db.Interfaces[id]; i != nil && maybeVIF(b, i) {
				f.Interfaces = append(f.Interfaces, interfaceFacts(i))
			}
		}
	}
	slices.Sort(f.Physical)
	slices.SortFunc(f.Interfaces, func(a, b topology.InterfaceFacts) int { return strings.Compare(a.Name, b.Name) })
	return f
}

// maybeVIF reports whether an Interface can be a VM's: LOCAL, patch ports and
// tunnels can't.
func maybeVIF(b *schema.Bridge, i *schema.Interface) bool {
	if i.Name == b.Name || i.ExternalIDs[schema.KeyOwner] != "" {
		return false
	}
	switch i.Type {
	case "", "system", "internal", "tap", "dummy", "dpdk", "dpdkvhostuser", "dpdkvhostuserclient", "afxdp":
		return true
	}
	return false
}

func interfaceFacts(i *schema.Interface) topology.InterfaceFacts {
	return topology.InterfaceFacts{
		Name:        i.Name,
		Type:        i.Type,
		AttachedMAC: i.ExternalIDs["attached-mac"],
		IfaceID:     i.ExternalIDs["iface-id"],
		IfaceStatus: i.ExternalIDs["iface-status"],
		XSVifUUID:   i.ExternalIDs["xs-vif-uuid"],
		Network:     i.ExternalIDs[schema.KeyNetwork],
		IPs:         i.ExternalIDs["ovsmesh-ips"],
	}
}
