package controller

import (
	"maps"
	"net/netip"
	"slices"

	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// carrier is the tunnel ports that all networks of one mode and encapsulation
// share on a host; see topology.Tunnel.Carrier. One that a network joins or
// leaves costs no look at the other networks.
type carrier struct {
	homes map[string]*home // by bridge; more than one is a mistake of the operator
}

// home is a carrier on one bridge.
type home struct {
	users map[uint32]string      // names of the networks by their IDs
	ports map[string]*sharedPort // by name
}

// sharedPort is a port with how many tunnels go through it, and how many of
// those ask for BFD.
type sharedPort struct {
	plan.Tunnel
	tunnels, bfd int
}

// bridge returns the one bridge that has the carrier's ports: that of the
// oldest network. Two can't have them, for Open vSwitch tells the tunnel ports
// of a host apart by what they match and not by their bridges.
func (c *carrier) bridge() string {
	if c == nil {
		return ""
	}
	best, lowest := "", uint32(0)
	for name, h := range c.homes {
		if len(c.homes) == 1 {
			return name
		}
		if id := slices.Min(slices.Collect(maps.Keys(h.users))); best == "" || id < lowest {
			best, lowest = name, id
		}
	}
	return best
}

// tunnels returns the ports that are wanted, by name.
func (c *carrier) tunnels() []plan.Tunnel {
	if c == nil {
		return nil
	}
	h := c.homes[c.bridge()]
	if h == nil {
		return nil
	}
	list := make([]plan.Tunnel, 0, len(h.ports))
	for _, name := range slices.Sorted(maps.Keys(h.ports)) {
		t := h.ports[name].Tunnel
		t.BFD = h.ports[name].bfd > 0
		list = append(list, t)
	}
	return list
}

// users returns the networks that a carrier carries.
func (c *carrier) users() []string {
	if c == nil {
		return nil
	}
	var list []string
	for _, h := range c.homes {
		list = slices.AppendSeq(list, maps.Values(h.users))
	}
	return list
}

// carrierOf returns the name of the carrier that a network is wanted on, "" if
// it has ports of its own or no tunnels at all.
func (h *host) carrierOf(on *topology.OnHost) string {
	if on == nil || on.Bridge == "" {
		return ""
	}
	if tunnels, _ := h.tunnelsWanted(on); len(tunnels) > 0 {
		return tunnels[0].Carrier
	}
	return ""
}

// joinCarrier counts a network's tunnels in with those of its carrier.
func (h *host) joinCarrier(on *topology.OnHost) {
	name := h.carrierOf(on)
	if name == "" {
		return
	}
	c := h.carriers[name]
	if c == nil {
		c = &carrier{homes: map[string]*home{}}
		h.carriers[name] = c
	}
	at := c.homes[on.Bridge]
	if at == nil {
		at = &home{users: map[uint32]string{}, ports: map[string]*sharedPort{}}
		c.homes[on.Bridge] = at
		h.dirty[name] = struct{}{}
		if len(c.homes) > 1 {
			h.dirtyUsers(name)
		}
	}
	at.users[on.Net.ID] = on.Net.Name
	wanted := h.portsWanted(on)
	for i := range wanted {
		t := &wanted[i]
		p, want := at.ports[t.Name], sharedTunnel(on, t)
		if p == nil {
			p = &sharedPort{}
			at.ports[t.Name] = p
		}
		if t.BFD {
			p.bfd++
		}
		if p.Tunnel != want || t.BFD && p.bfd == 1 {
			p.Tunnel = want
			h.dirty[name] = struct{}{}
		}
		p.tunnels++
	}
}

// portsWanted returns tunnels of a network, one for each port.
func (h *host) portsWanted(on *topology.OnHost) []topology.Tunnel {
	tunnels, _ := h.tunnelsWanted(on)
	if on.Net.TunnelPorts == topology.TunnelPortsFlow {
		return tunnels[:min(1, len(tunnels))]
	}
	return tunnels
}

// leaveCarrier takes back what joinCarrier counted in.
func (h *host) leaveCarrier(on *topology.OnHost) {
	name := h.carrierOf(on)
	c := h.carriers[name]
	if c == nil || c.homes[on.Bridge] == nil {
		return
	}
	at := c.homes[on.Bridge]
	delete(at.users, on.Net.ID)
	wanted := h.portsWanted(on)
	for i := range wanted {
		t := &wanted[i]
		p := at.ports[t.Name]
		if p == nil {
			continue
		}
		if t.BFD {
			p.bfd--
		}
		if p.tunnels--; p.tunnels == 0 {
			delete(at.ports, t.Name)
		}
		if p.tunnels == 0 || t.BFD && p.bfd == 0 {
			h.dirty[name] = struct{}{}
		}
	}
	if len(at.users) > 0 {
		return
	}
	delete(c.homes, on.Bridge)
	h.dirty[name] = struct{}{}
	h.dirtyUsers(name)
	if len(c.homes) == 0 {
		delete(h.carriers, name)
	}
}

// dirtyUsers notes that a carrier may have moved to another bridge.
func (h *host) dirtyUsers(carrier string) {
	for _, network := range h.carriers[carrier].users() {
		h.dirty[network] = struct{}{}
	}
}

// touchCarrier notes that the flows and the status of a carrier's networks may be
// off: of all of them, or of those that have one of some peers. Networks of flow
// ports get what comes by shared ones, see narrower.
func (h *host) touchCarrier(name string, peers map[string]struct{}) {
	users := h.carriers[name].users()
	if beside := topology.FlowBeside(name); beside != "" {
		users = append(users, h.carriers[beside].users()...)
	}
	for _, network := range users {
		if peers == nil || h.hasPeer(network, peers) {
			h.dirtyFlows(network)
			h.status.touch(network)
		}
	}
	for _, b := range h.bridges {
		b.dirty[0] = struct{}{} // it guards every carrier's ports
	}
}

func (h *host) hasPeer(network string, peers map[string]struct{}) bool {
	on := h.on[network]
	if on == nil {
		return false
	}
	tunnels, _ := h.tunnelsWanted(on)
	return slices.ContainsFunc(tunnels, func(t topology.Tunnel) bool {
		_, has := peers[t.Peer]
		return has
	})
}

// peersOf returns to which peers the ports of a carrier lead that are among
// some interfaces; nil if one leads to all.
func (h *host) peersOf(carrier string, interfaces []string) map[string]struct{} {
	peers := map[string]struct{}{}
	for _, name := range interfaces {
		p := h.att.db.PortByName(name)
		if p == nil || p.ExternalIDs[schema.KeyNetwork] != carrier {
			continue
		}
		peer := p.ExternalIDs[schema.KeyPeer]
		if peer == "" {
			return nil
		}
		peers[peer] = struct{}{}
	}
	if len(peers) == 0 {
		return nil
	}
	return peers
}

// sharedTunnel is the port through which a tunnel goes. What the networks
// differ in, each packet has of its own.
func sharedTunnel(on *topology.OnHost, t *topology.Tunnel) plan.Tunnel {
	p := ownTunnel(t)
	p.Key, p.BFD = 0, false // what asks for BFD is counted
	if on.Net.TunnelPorts == topology.TunnelPortsFlow {
		p.Peer, p.RemoteIP = "", netip.Addr{}
	}
	return p
}
