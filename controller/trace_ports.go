package controller

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/trace"
	"ovsmesh/ovsdb/schema"
)

// traceHost describes the bridges on which a network's frames may be: its own,
// those with tunnel ports that take its key, and what patch ports lead to from
// there. A host with thousands of bridges has few of these.
func (h *host) traceHost(endpoint netip.Addr, network string, key uint64) *trace.Host {
	db := h.att.db
	names := map[string]bool{}
	if on := h.on[network]; on != nil && on.Bridge != "" {
		names[on.Bridge] = true
	}
	want := strconv.FormatUint(key, 10)
	for _, i := range db.Interfaces {
		if i.Options["remote_ip"] != "" && (i.Options["key"] == want || i.Options["key"] == "flow") {
			if b := bridgeOf(db, i); b != nil {
				names[b.Name] = true
			}
		}
	}
	t := &trace.Host{Name: h.name, Endpoint: endpoint}
	queue := make([]string, 0, len(names))
	for name := range names {
		queue = append(queue, name)
	}
	for len(queue) > 0 {
		b := db.BridgeByName(queue[0])
		queue = queue[1:]
		if b == nil {
			continue
		}
		described := h.traceBridge(db, b)
		t.Bridges = append(t.Bridges, described)
		for _, p := range described.Ports {
			if peer := db.InterfaceByName(p.Peer); p.Kind == trace.KindPatch && peer != nil {
				if next := bridgeOf(db, peer); next != nil && !names[next.Name] {
					names[next.Name] = true
					queue = append(queue, next.Name)
				}
			}
		}
	}
	slices.SortFunc(t.Bridges, func(a, b trace.Bridge) int { return cmp.Compare(a.Name, b.Name) })
	return t
}

func bridgeOf(db *schema.DB, i *schema.Interface) *schema.Bridge {
	if p := db.PortOfInterface(i.UUID); p != nil {
		return db.BridgeOfPort(p.UUID)
	}
	return nil
}

func (h *host) traceBridge(db *schema.DB, b *schema.Bridge) trace.Bridge {
	t := trace.Bridge{Name: b.Name, Datapath: b.DatapathType}
	for _, id := range b.Ports {
		p := db.Ports[id]
		if p == nil {
			continue
		}
		for _, id := range p.Interfaces {
			if i := db.Interfaces[id]; i != nil && i.OFPort > 0 {
				t.Ports = append(t.Ports, h.tracePort(db, b, p, i))
			}
		}
	}
	slices.SortFunc(t.Ports, func(a, b trace.Port) int { return cmp.Compare(a.OFPort, b.OFPort) })
	return t
}

func (h *host) tracePort(db *schema.DB, b *schema.Bridge, p *schema.Port, i *schema.Interface) trace.Port {
	t := trace.Port{OFPort: hostPort(i.OFPort), Name: i.Name}
	network := h.vifs[i.Name]
	switch {
	case i.Name == b.Name || t.OFPort == flow.PortLocal:
		t.Kind = trace.KindLocal
	case i.Type == "patch":
		t.Kind, t.Peer = trace.KindPatch, i.Options["peer"]
	case i.Options["remote_ip"] != "":
		t.Kind, t.Tunnel = trace.KindTunnel, tunnelOf(i)
		t.Network, t.Peer = networkNamed(p.ExternalIDs[schema.KeyNetwork]), p.ExternalIDs[schema.KeyPeer]
	case network != "" && h.on[network] != nil && h.on[network].Bridge == b.Name:
		t.Kind, t.Network, t.VIF = trace.KindVIF, network, h.name+"/"+i.Name
		for _, v := range h.on[network].VIFs {
			if v.Interface == i.Name {
				t.VIF = v.Port
			}
		}
	case schema.Underlay(db, b, p):
		t.Kind = trace.KindPhysical
	}
	return t
}

func tunnelOf(i *schema.Interface) trace.Tunnel {
	t := trace.Tunnel{Type: i.Type, KeyFlow: i.Options["key"] == "flow", RemoteFlow: i.Options["remote_ip"] == "flow", LocalFlow: i.Options["local_ip"] == "flow"}
	t.Key, _ = strconv.ParseUint(i.Options["key"], 0, 64)
	t.Remote, _ = netip.ParseAddr(i.Options["remote_ip"])
	t.Local, _ = netip.ParseAddr(i.Options["local_ip"])
	if t.Type == "vxlan" {
		t.DstPort = 4789
	}
	if port, err := strconv.ParseUint(i.Options["dst_port"], 10, 16); err == nil {
		t.DstPort = uint16(port)
	}
	return t
}

// traceBeside describes what NORMAL and groups go by. Of the addresses that the
// switch has learned it is only known which it should have.
func (h *host) traceBeside(b *bridge) switchSide {
	var d switchSide
	db := h.att.db
	r := db.BridgeByName(b.name)
	if r == nil {
		return d
	}
	for _, id := range r.Ports {
		p := db.Ports[id]
		if p == nil {
			continue
		}
		for n, id := range p.Interfaces {
			i := db.Interfaces[id]
			if i == nil || i.OFPort <= 0 || n > 0 { // of a bond one member sends
				continue
			}
			d.ports = append(d.ports, forward.Port{
				Number: hostPort(i.OFPort), Protected: p.Protected, Down: i.LinkState == "down", VLANs: vlansOfPort(p),
			})
		}
	}
	for id := range b.learning {
		n, _ := h.network(b, id)
		for _, v := range n.VIFs {
			for _, mac := range v.MACs {
				d.stations = append(d.stations, forward.Station{MAC: mac, Port: v.OFPort})
			}
		}
		for _, far := range n.Remotes {
			if len(far.Via) > 0 {
				d.stations = append(d.stations, forward.Station{MAC: far.MAC, Port: n.Tunnels[far.Via[0]].OFPort})
			}
		}
	}
	return d
}

func vlansOfPort(p *schema.Port) forward.VLANs {
	v := forward.VLANs{Native: p.VLANMode == "native-tagged" || p.VLANMode == "native-untagged", Tagged: p.VLANMode == "native-tagged"}
	if p.Tag > 0 && p.VLANMode != "trunk" {
		v.Tag = uint16(p.Tag)
	}
	if v.Tag == 0 || v.Native {
		for _, vlan := range p.Trunks {
			v.Trunks = append(v.Trunks, uint16(vlan))
		}
	}
	return v
}
