package pipeline

import "ovsmesh/openflow/flow"

// Priorities of table 70.
const (
	prioServer    = 300 // a kind of frame from a VIF that serves it
	prioDiscovery = 200 // a kind of frame that servers are looked for by
	prioHome      = 150 // other broadcast and multicast where tunnels carry none
	prioFlood     = 100
)

// flood sends what comes from a VIF to all others and to all tunnels, and what
// comes from a tunnel to VIFs: that is the split horizon.
func (c *compiler) flood(n *Network, p *ports) {
	if len(p.vifs) == 0 {
		return // nothing comes from a VIF, and nothing goes to one
	}
	if n.DropBroadcast {
		c.stayHome(n, p)
	}
	c.add(TableFlood, prioFlood, FloodFromVIF, c.match(c.metadata(0, maskAll)), c.outputs(p.vifs, p.sending)...)
	if len(p.tunnels) > 0 {
		c.add(TableFlood, prioFlood, FloodFromTunnel, c.match(c.metadata(fromTunnel, maskAll)), c.outputs(p.vifs, nil)...)
	}
}

// service is what tunnels carry although they carry no broadcast: questions to
// those who serve, and what these tell everybody.
type service struct {
	ask, tell [][]flow.OXM
	bit       uint64 // of the metadata: from a tunnel behind which one serves
	vif       func(VIF) bool
	tunnel    func(*Tunnel) bool
}

func services() []service {
	return []service{
		{
			ask:    [][]flow.OXM{udp(etherTypeIPv4, 68, 67), udp(etherTypeIPv6, 546, 547)},
			tell:   [][]flow.OXM{udp(etherTypeIPv4, 67, 68), udp(etherTypeIPv6, 547, 546)},
			bit:    fromDHCP,
			vif:    func(v VIF) bool { return v.DHCPServer },
			tunnel: func(t *Tunnel) bool { return t.DHCPServer },
		}, {
			ask:    [][]flow.OXM{icmpv6(routerSolicitation)},
			tell:   [][]flow.OXM{icmpv6(routerAdvertisement)},
			bit:    fromRouter,
			vif:    func(v VIF) bool { return v.Router },
			tunnel: func(t *Tunnel) bool { return t.Router },
		},
	}
}

// stayHome keeps broadcast and multicast on the host, but for services.
func (c *compiler) stayHome(n *Network, p *ports) {
	c.add(TableFlood, prioHome, FloodHome, c.match(c.metadata(0, maskAll), group()), c.outputs(p.vifs, nil)...)
	if len(p.tunnels) > 0 {
		c.add(TableFlood, prioHome, FloodDrop, c.match(c.metadata(fromTunnel, maskAll), group()))
	}
	for _, s := range services() {
		var servers []uint32
		for _, v := range n.VIFs {
			if s.vif(v) {
				servers = append(servers, v.OFPort)
			}
		}
		c.questions(p, s, servers)
		c.announcements(p, s, servers)
	}
}

// questions go from VIFs to tunnels behind which one serves as well, and from
// tunnels to the VIFs that serve.
func (c *compiler) questions(p *ports, s service, servers []uint32) {
	ways := through(p.sending, s.tunnel)
	servers = sorted(servers)
	for _, ask := range s.ask {
		if len(ways) > 0 {
			c.add(TableFlood, prioDiscovery, DiscoveryFromVIF,
				c.with([]flow.OXM{c.metadata(0, maskAll), group()}, ask), c.outputs(p.vifs, ways)...)
		}
		if len(p.tunnels) > 0 && len(servers) > 0 {
			c.add(TableFlood, prioDiscovery, DiscoveryFromTunnel,
				c.with([]flow.OXM{c.metadata(fromTunnel, maskAll), group()}, ask), c.outputs(servers, nil)...)
		}
	}
}

// announcements go from VIFs that serve to everybody, and from tunnels behind
// which one serves to all VIFs.
func (c *compiler) announcements(p *ports, s service, servers []uint32) {
	told := len(through(p.tunnels, s.tunnel)) > 0
	for _, tell := range s.tell {
		if len(p.sending) > 0 {
			for _, port := range servers {
				in := []flow.OXM{flow.MatchInPort(port), group()}
				c.add(TableFlood, prioServer, ServiceFromVIF, c.with(in, tell), c.outputs(p.vifs, p.sending)...)
			}
		}
		if told {
			from := []flow.OXM{c.metadata(fromTunnel|s.bit, maskAll|s.bit), group()}
			c.add(TableFlood, prioServer, ServiceFromTunnel, c.with(from, tell), c.outputs(p.vifs, nil)...)
		}
	}
}
