package controller

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// difference is what one network's flows on a bridge are to be, and what it
// takes to get there.
type difference struct {
	from  source
	have  []flow.Flow // that it starts from
	want  []flow.Flow
	delta flow.Delta
}

// source is what flows are compiled from: a network, or what a bridge has
// beside its networks.
type source struct {
	network pipeline.Network // ID 0 where it is not to be there
	bridge  pipeline.Bridge
}

func (s *source) equal(o *source) bool {
	return s.network.Equal(&o.network) && reflect.DeepEqual(s.bridge, o.bridge)
}

// difference compares the flows of one network with those that the switch
// holds. While the switch makes ports it reports false, and works the flows out
// already for the port numbers that it has been asked for.
func (h *host) difference(b *bridge, id uint32) (difference, bool, error) {
	var from source
	sure := true
	if id == 0 {
		from.bridge = h.base(b)
	} else {
		from.network, sure = h.network(b, id)
	}
	have := b.installed[id]
	if p, ok := b.prepared[id]; ok && p.from.equal(&from) && len(p.have) == len(have) &&
		(len(have) == 0 || &p.have[0] == &have[0]) {
		return p, sure, nil
	}
	d := difference{from: from, have: have}
	switch {
	case id == 0:
		d.want = h.gate.base(from.bridge)
	case from.network.ID != 0:
		var err error
		if d.want, err = h.gate.compile(from.network); err != nil {
			return d, false, fmt.Errorf("network %s: %w", b.nets[id], err)
		}
	}
	if len(have) == 0 {
		d.delta.Add = d.want // in order, and each once
	} else {
		d.delta = flow.Diff(d.want, have)
	}
	if !sure {
		b.prepared[id] = d
	}
	return d, sure, nil
}

// base returns what a bridge has beside its networks.
func (h *host) base(b *bridge) pipeline.Bridge {
	base := pipeline.Bridge{Learning: len(b.learning) > 0 && !b.crowded(), Taken: h.standalone(b)}
	r := h.att.db.BridgeByName(b.name)
	if r == nil {
		return base
	}
	for _, id := range r.Ports {
		p := h.att.db.Ports[id]
		if p == nil {
			continue
		}
		owner := p.ExternalIDs[schema.KeyOwner]
		for _, id := range p.Interfaces {
			i := h.att.db.Interfaces[id]
			switch {
			case i == nil || i.OFPort <= 0:
			case owner == h.env.owner && topology.IsCarrier(p.ExternalIDs[schema.KeyNetwork]):
				base.Carriers = append(base.Carriers, uint32(i.OFPort))
			case b.takes() && owner == "" && h.vifs[i.Name] == "":
				base.Host = append(base.Host, hostPort(i.OFPort))
			}
		}
	}
	slices.Sort(base.Carriers)
	slices.Sort(base.Host)
	return base
}

// hostPort returns the number by which OpenFlow 1.3 knows a port: the
// database calls a bridge's own port by its number in OpenFlow 1.0.
func hostPort(ofport int64) uint32 {
	if ofport == 0xfffe {
		return flow.PortLocal
	}
	return uint32(ofport)
}

// network returns one network as it is to be on a bridge; ID 0 where it is not
// to be there. It reports false while ports are being made, and then takes them
// to get the numbers that were asked for.
func (h *host) network(b *bridge, id uint32) (pipeline.Network, bool) {
	on := h.on[b.nets[id]]
	if on == nil || on.Bridge != b.name || on.Net.Learning && b.crowded() {
		return pipeline.Network{}, true
	}
	sure := true
	n := pipeline.Network{
		ID: id, PortSecurity: on.Net.PortSecurity,
		DropBroadcast: on.Net.DropBroadcast, DropUnknown: on.Net.DropUnknown,
		Learning: on.Net.Learning, Protected: on.Net.Learning && h.att.db.Has("Port", "protected"),
	}
	h.asPlugin(b, &n)
	for _, v := range on.VIFs {
		i := h.att.db.InterfaceByName(v.Interface)
		if i == nil || i.OFPort < 0 {
			continue
		}
		if i.OFPort == 0 {
			sure = sure && !h.settling.active()
			continue
		}
		n.VIFs = append(n.VIFs, vifOn(uint32(i.OFPort), v))
	}
	tunnels, _ := h.tunnels(h.att.db, on)
	via := make(map[string]int, len(tunnels)) // index in n.Tunnels by peer
	n.Tunnels = make([]pipeline.Tunnel, 0, len(tunnels))
	members := on.Net.Members
	for _, t := range tunnels {
		for members[0].Host != t.Peer {
			members = members[1:] // tunnels are in their order
		}
		number, there := h.numberOf(t)
		sure = sure && there
		if number <= 0 {
			continue
		}
		way := pipeline.Tunnel{OFPort: uint32(number), DHCPServer: members[0].DHCPServer, Router: members[0].Router}
		if t.Carrier != "" {
			way.Key = uint64(t.Key)
		}
		if on.Net.TunnelPorts == topology.TunnelPortsFlow {
			way.Remote = t.RemoteIP
		}
		via[t.Peer] = len(n.Tunnels)
		n.Tunnels = append(n.Tunnels, way)
	}
	n.Tunnels = append(n.Tunnels, h.narrower(on, n.Tunnels, via)...)
	macs := topology.MACTable(on)
	n.Remotes = make([]pipeline.Remote, 0, len(macs))
	places := make([]int, 0, len(macs)) // most addresses are in one
	for i := range macs {
		from := len(places)
		for _, peer := range macs[i].Peers {
			if at, ok := via[peer]; ok {
				places = append(places, at)
			}
		}
		if to := len(places); to > from {
			n.Remotes = append(n.Remotes, pipeline.Remote{MAC: macs[i].MAC, Via: places[from:to:to]})
		}
	}
	if n.Learning {
		return n, sure // who asks is answered by who is asked
	}
	for _, s := range topology.Stations(on) {
		n.Stations = append(n.Stations, pipeline.Station{IP: s.IP, MAC: s.MAC})
	}
	return n, sure
}

// numberOf returns the OpenFlow port number of a tunnel, 0 if it has none. It
// reports false while that is only the number which has been asked for.
func (h *host) numberOf(t wantedTunnel) (number int64, there bool) {
	switch {
	case t.row == nil:
		number = h.asking[t.Name]
		return number, number == 0
	case t.row.OFPort != 0:
		return t.row.OFPort, true
	case h.settling.active():
		return t.row.OFPortRequest, false
	}
	return 0, true
}

func vifOn(ofport uint32, v topology.LocalVIF) pipeline.VIF {
	vif := pipeline.VIF{OFPort: ofport, IPs: v.IPs, DHCPServer: v.DHCPServer, Router: v.Router}
	for _, m := range v.MACs {
		vif.MACs = append(vif.MACs, m)
	}
	for _, a := range v.Allowed {
		vif.Allowed = append(vif.Allowed, pipeline.Pair{MAC: a.MAC, IP: a.IP})
	}
	return vif
}

// narrower returns the ports by which packets of a network on a carrier arrive
// as long as they are there: of the ports that fit a packet Open vSwitch gives
// it to the one that matches most of it, its key and its source before its
// source alone before neither.
func (h *host) narrower(on *topology.OnHost, wanted []pipeline.Tunnel, via map[string]int) []pipeline.Tunnel {
	name := h.carrierOf(on)
	if name == "" {
		return nil
	}
	var ways []pipeline.Tunnel
	add := func(under string, key uint64) {
		for _, p := range h.att.db.PortsOfNetwork(under) {
			at, ok := via[p.ExternalIDs[schema.KeyPeer]]
			if !ok || p.ExternalIDs[schema.KeyOwner] != h.env.owner || len(p.Interfaces) != 1 {
				continue
			}
			i, r := h.att.db.Interfaces[p.Interfaces[0]], h.att.db.BridgeOfPort(p.UUID)
			if i == nil || i.OFPort <= 0 || i.Type != string(on.Net.Encap) || r == nil || r.Name != on.Bridge ||
				key == 0 && i.Options["key"] != strconv.FormatUint(uint64(on.Net.Key), 10) {
				continue
			}
			ways = append(ways, pipeline.Tunnel{
				OFPort: uint32(i.OFPort), Key: key, ReceiveOnly: true,
				DHCPServer: wanted[at].DHCPServer, Router: wanted[at].Router,
			})
		}
	}
	add(on.Net.Name, 0)
	if beside := topology.SharedBeside(name); beside != "" {
		add(beside, uint64(on.Net.Key))
	}
	return ways
}

// compile returns the flows that a bridge should hold for one network; none
// where the network is not on it. It reports false while ports are being made.
func (h *host) compile(b *bridge, id uint32) ([]flow.Flow, bool, error) {
	d, ok, err := h.difference(b, id)
	return d.want, ok, err
}

// wantedTunnel is a tunnel port that is wanted, with the rows that are there
// for it.
type wantedTunnel struct {
	*topology.Tunnel
	port *schema.Port
	row  *schema.Interface
}

// tunnels joins the tunnels that are wanted for a network with their rows, by
// peer and key: a port taken over from the old plugin has a name of its own.
// Tunnels that can't be wanted come second.
func (h *host) tunnels(db *schema.DB, on *topology.OnHost) ([]wantedTunnel, []topology.TunnelProblem) {
	want, failed := h.tunnelsWanted(on)
	var byPeer map[string][]*schema.Port // made for the first that is not there under its name
	list := make([]wantedTunnel, len(want))
	for n := range want {
		t, w := &want[n], &list[n]
		if w.Tunnel = t; n > 0 && t.Name == list[n-1].Name { // one port to all peers
			w.port, w.row = list[n-1].port, list[n-1].row
			continue
		}
		w.port = db.PortByName(t.Name)
		if w.row = h.rowOf(db, on, t, w.port); w.row != nil {
			continue
		}
		if w.port = nil; t.Carrier != "" {
			continue
		}
		if byPeer == nil {
			byPeer = map[string][]*schema.Port{}
			for _, p := range db.PortsOfNetwork(on.Net.Name) {
				byPeer[p.ExternalIDs[schema.KeyPeer]] = append(byPeer[p.ExternalIDs[schema.KeyPeer]], p)
			}
		}
		for _, p := range byPeer[t.Peer] {
			if i := h.rowOf(db, on, t, p); i != nil {
				w.port, w.row = p, i
				break
			}
		}
	}
	return list, failed
}

// rowOf returns the Interface of a port if it is that of a tunnel.
func (h *host) rowOf(db *schema.DB, on *topology.OnHost, t *topology.Tunnel, p *schema.Port) *schema.Interface {
	if p == nil || len(p.Interfaces) != 1 || p.ExternalIDs[schema.KeyOwner] != h.env.owner {
		return nil
	}
	network, peer, key := on.Net.Name, t.Peer, strconv.FormatUint(uint64(t.Key), 10)
	if t.Carrier != "" {
		network, key = t.Carrier, "flow"
		if b := db.BridgeOfPort(p.UUID); b == nil || b.Name != on.Bridge {
			return nil // it serves networks of another bridge
		}
	}
	if on.Net.TunnelPorts == topology.TunnelPortsFlow {
		peer = ""
	}
	if p.ExternalIDs[schema.KeyNetwork] != network || p.ExternalIDs[schema.KeyPeer] != peer {
		return nil
	}
	if i := db.Interfaces[p.Interfaces[0]]; i != nil && i.Type == string(t.Encap) && i.Options["key"] == key {
		return i
	}
	return nil
}

// wants is what topology.Tunnels says of on, which stays the same as long as on
// does: it is asked several times in a step.
type wants struct {
	on      *topology.OnHost
	tunnels []topology.Tunnel
	failed  []topology.TunnelProblem
}

func (h *host) tunnelsWanted(on *topology.OnHost) ([]topology.Tunnel, []topology.TunnelProblem) {
	w := h.wantsOf(on)
	return w.tunnels, w.failed
}

func (h *host) wantsOf(on *topology.OnHost) *wants {
	w := h.wants[on.Net.Name]
	if w == nil || w.on != on {
		w = &wants{on: on}
		w.tunnels, w.failed = topology.Tunnels(on)
		h.wants[on.Net.Name] = w
	}
	return w
}
