package verify_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/trace"
	"ovsmesh/openflow/verify"
)

// cloud is hosts, networks and VMs of which topology's work has been done: every
// host of a network has a tunnel to every other one. It is a trace.World.
type cloud struct {
	nets   []*net
	vms    []vm
	shared bool // all networks of a host on one bridge, else one each

	hosts   map[string]*trace.Host
	bridges map[site]*bridge
}

// site is a bridge of a host.
type site struct{ host, bridge string }

// bridge is what a bridge is to hold.
type bridge struct {
	flows    map[uint32][]flow.Flow // by network, 0 for the base
	carriers []uint32
	learning bool
	tables   *forward.Bridge // made when asked for
	next     uint32
}

// net is a network with its options.
type net struct {
	id                                            uint32
	secure, quiet, known, answers, learning, bare bool   // bare: learning without protected ports
	tunnels                                       string // own, shared or flow
	listed                                        []int  // hosts without a VM
}

// vm is a VM on a host; an external one is what is behind an endpoint that is not
// ours.
type vm struct {
	host, net int // index in nets
	macs      [][6]byte
	ips       []netip.Addr
	allowed   []verify.Pair
	dhcp      bool
	router    bool
	external  bool
	name      string
	port      uint32
}

func (n *net) name() string     { return fmt.Sprintf("net%d", n.id) }
func (n *net) key() uint64      { return uint64(n.id)&0xffff + 100 }
func hostName(i int) string     { return fmt.Sprintf("h%d", i) }
func endpoint(i int) netip.Addr { return netip.AddrFrom4([4]byte{172, 16, 0, byte(i)}) }
func ip4(n byte) netip.Addr     { return netip.AddrFrom4([4]byte{10, 0, 0, n}) }
func ip6(n byte) netip.Addr     { return netip.AddrFrom16([16]byte{0xfd, 15: n}) }
func (c *cloud) Host(name string) (*trace.Host, error) {
	if h := c.hosts[name]; h != nil {
		return h, nil
	}
	return nil, fmt.Errorf("no host %s", name)
}

func (c *cloud) HostAt(at netip.Addr) string {
	for _, h := range c.hosts {
		if h.Endpoint == at {
			return h.Name
		}
	}
	return ""
}

func (c *cloud) Tables(host, name string) (*forward.Bridge, error) {
	b := c.bridges[site{host, name}]
	if b.tables == nil {
		b.load(c.hosts[host].Bridge(name), c.stations(host, name))
	}
	return b.tables, nil
}

func (b *bridge) load(ports *trace.Bridge, stations []forward.Station) {
	s := forward.Switch{Stations: stations}
	for _, id := range slices.Sorted(maps.Keys(b.flows)) {
		s.Flows = append(s.Flows, b.flows[id]...)
	}
	for _, p := range ports.Ports {
		s.Ports = append(s.Ports, forward.Port{Number: p.OFPort, Protected: b.learning && p.Kind == trace.KindTunnel && !b.bare()})
	}
	b.tables = forward.Load(s)
}

// bare reports whether tunnels are not protected.
func (b *bridge) bare() bool {
	return slices.ContainsFunc(slices.Concat(slices.Collect(maps.Values(b.flows))...), func(f flow.Flow) bool {
		return pipeline.ReasonOf(f.Cookie) == pipeline.LearnEcho
	})
}

func (c *cloud) bridgeName(n *net) string {
	if c.shared && !n.learning {
		return "br-int"
	}
	return "br-" + n.name()
}

func (c *cloud) bridge(host int, n *net) (*trace.Bridge, *bridge) {
	at := site{hostName(host), c.bridgeName(n)}
	h := c.hosts[at.host]
	if h == nil {
		h = &trace.Host{Name: at.host, Endpoint: endpoint(host)}
		c.hosts[at.host] = h
	}
	if c.bridges[at] == nil {
		c.bridges[at] = &bridge{flows: map[uint32][]flow.Flow{}, learning: n.learning}
		h.Bridges = append(h.Bridges, trace.Bridge{Name: at.bridge})
	}
	return h.Bridge(at.bridge), c.bridges[at]
}

func (b *bridge) newPort() uint32 {
	b.next++
	return b.next
}

// build compiles everything.
func (c *cloud) build() error {
	c.hosts, c.bridges = map[string]*trace.Host{}, map[site]*bridge{}
	for i := range c.vms {
		v := &c.vms[i]
		n := c.nets[v.net]
		v.name = fmt.Sprintf("vm%d", i)
		if v.external {
			c.hosts[hostName(v.host)] = &trace.Host{Name: hostName(v.host), Endpoint: endpoint(v.host), External: true}
			continue
		}
		t, b := c.bridge(v.host, n)
		v.port = b.newPort()
		t.Ports = append(t.Ports, trace.Port{OFPort: v.port, Name: fmt.Sprintf("vif%d", i), Kind: trace.KindVIF, Network: n.name(), VIF: v.name})
	}
	for _, n := range c.nets {
		for _, host := range c.members(n) {
			if c.external(host) {
				continue
			}
			_, b := c.bridge(host, n)
			flows, err := pipeline.Compile(c.network(host, n))
			if err != nil {
				return err
			}
			b.flows[n.id] = flows
		}
	}
	for _, b := range c.bridges {
		b.flows[0] = pipeline.Base(pipeline.Bridge{Carriers: b.carriers, Learning: b.learning})
	}
	return nil
}

func (c *cloud) members(n *net) []int {
	list := slices.Clone(n.listed)
	for _, v := range c.vms {
		if c.nets[v.net] == n {
			list = append(list, v.host)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (c *cloud) external(host int) bool {
	return slices.ContainsFunc(c.vms, func(v vm) bool { return v.host == host && v.external })
}

// tunnel returns a bridge's port from a host to a peer, as it is or is to be.
func (c *cloud) tunnel(host, peer int, n *net) uint32 {
	t, b := c.bridge(host, n)
	p := trace.Port{Kind: trace.KindTunnel, Tunnel: trace.Tunnel{Type: "gre", Key: n.key(), Remote: endpoint(peer)}, Network: n.name(),
		Name: fmt.Sprintf("t%d-%d-%d", n.key(), host, peer)}
	if n.tunnels != "own" && c.shared && !c.external(peer) {
		p.Network, p.Tunnel.Key, p.Tunnel.KeyFlow, p.Name = "", 0, true, fmt.Sprintf("sg-%d-%d", host, peer)
		if n.tunnels == "flow" {
			p.Tunnel.Remote, p.Tunnel.RemoteFlow, p.Name = netip.Addr{}, true, "fg0"
		}
	}
	for _, have := range t.Ports {
		if have.Name == p.Name {
			return have.OFPort
		}
	}
	p.OFPort = b.newPort()
	if p.Tunnel.KeyFlow {
		b.carriers = append(b.carriers, p.OFPort)
	}
	t.Ports = append(t.Ports, p)
	return p.OFPort
}

// network is what one host is told of a network.
func (c *cloud) network(host int, n *net) pipeline.Network {
	to := pipeline.Network{ID: n.id, PortSecurity: n.secure, DropBroadcast: n.quiet, DropUnknown: n.known,
		Learning: n.learning, Protected: n.learning && !n.bare}
	index := map[int]int{}
	for _, peer := range c.members(n) {
		if peer == host {
			continue
		}
		index[peer] = len(to.Tunnels)
		t := pipeline.Tunnel{OFPort: c.tunnel(host, peer, n)}
		if n.tunnels != "own" && c.shared && !c.external(peer) {
			t.Key = n.key()
			if n.tunnels == "flow" {
				t.Remote = endpoint(peer)
			}
		}
		for _, v := range c.vms {
			if v.host == peer && c.nets[v.net] == n {
				t.DHCPServer, t.Router = t.DHCPServer || v.dhcp, t.Router || v.router
			}
		}
		to.Tunnels = append(to.Tunnels, t)
		if t.Remote.IsValid() {
			to.Tunnels = append(to.Tunnels, c.narrower(host, peer, t)...)
		}
	}
	for _, v := range c.vms {
		switch {
		case c.nets[v.net] != n:
		case v.host == host:
			p := pipeline.VIF{OFPort: v.port, MACs: v.macs, IPs: v.ips, DHCPServer: v.dhcp, Router: v.router}
			for _, a := range v.allowed {
				p.Allowed = append(p.Allowed, pipeline.Pair{MAC: a.MAC, IP: a.IP})
			}
			to.VIFs = append(to.VIFs, p)
		default:
			for _, m := range v.macs {
				to.Remotes = append(to.Remotes, pipeline.Remote{MAC: m, Via: []int{index[v.host]}})
			}
		}
	}
	for ip, m := range c.addresses(n) {
		to.Stations = append(to.Stations, pipeline.Station{IP: ip, MAC: m})
	}
	return to
}

// narrower returns the port of other networks to the same peer, to which Open
// vSwitch gives what comes from there before it gives it to one for all peers.
func (c *cloud) narrower(host, peer int, t pipeline.Tunnel) []pipeline.Tunnel {
	for _, o := range c.nets {
		if members := c.members(o); o.tunnels == "shared" && slices.Contains(members, host) && slices.Contains(members, peer) {
			t.OFPort, t.Remote, t.ReceiveOnly = c.tunnel(host, peer, o), netip.Addr{}, true
			return []pipeline.Tunnel{t}
		}
	}
	return nil
}

// addresses are the IP addresses of a network that exactly one MAC has.
func (c *cloud) addresses(n *net) map[netip.Addr][6]byte {
	all, clash := map[netip.Addr][6]byte{}, map[netip.Addr]bool{}
	if !n.answers || n.learning {
		return all
	}
	for _, v := range c.vms {
		for _, ip := range v.ips {
			if c.nets[v.net] != n || len(v.macs) == 0 {
				continue
			}
			if m, ok := all[ip]; ok && m != v.macs[0] {
				clash[ip] = true
			}
			all[ip] = v.macs[0]
		}
	}
	for ip := range clash {
		delete(all, ip)
	}
	return all
}

// overlay is what a network promises.
func (c *cloud) overlay(n *net) *verify.Overlay {
	o := &verify.Overlay{
		Name: n.name(), Key: n.key(), Type: "gre", Strict: n.tunnels == "flow", Learning: n.learning, PortSecurity: n.secure,
		DropBroadcast: n.quiet, DropUnknown: n.known, Known: c.addresses(n),
	}
	for _, host := range c.members(n) {
		m := verify.Member{Host: hostName(host), Bridge: c.bridgeName(n), Endpoint: endpoint(host), External: c.external(host)}
		for i, v := range c.vms {
			if v.host == host && c.nets[v.net] == n {
				m.Machines = append(m.Machines, verify.Machine{Name: v.name, Interface: fmt.Sprintf("vif%d", i), OFPort: v.port,
					MACs: v.macs, IPs: v.ips, Allowed: v.allowed, DHCPServer: v.dhcp, Router: v.router})
			}
		}
		o.Members = append(o.Members, m)
	}
	return o
}

// stations are the addresses that a learning bridge has learned.
func (c *cloud) stations(host, bridge string) []forward.Station {
	for _, n := range c.nets {
		if !n.learning || c.bridgeName(n) != bridge {
			continue
		}
		o := c.overlay(n)
		return verify.Learned(o, host, func(peer string) uint32 {
			for _, p := range c.hosts[host].Bridge(bridge).Ports {
				if p.Kind == trace.KindTunnel && p.Tunnel.Remote == c.hosts[peer].Endpoint {
					return p.OFPort
				}
			}
			return 0
		})
	}
	return nil
}

// check verifies all networks, and has the gate look at each on every bridge.
func (c *cloud) check() (violations []verify.Violation, unseen []verify.Unseen) {
	for _, n := range c.nets {
		r := verify.Check(c.overlay(n), verify.Request{World: c, Want: true})
		violations = append(violations, r.Violations...)
		unseen = append(unseen, r.Unseen...)
	}
	return violations, unseen
}

// gated has a Gate look at one network's flows on one bridge.
func (c *cloud) gated(at site, n *net) []verify.Breach {
	b, t := c.bridges[at], c.hosts[at.host].Bridge(at.bridge)
	v := verify.Network{
		ID: n.id, Key: n.key(), Flows: b.flows[n.id], Base: verify.Passages(b.flows[0]), Alone: n.learning, Protected: n.learning && !n.bare,
		Ports: verify.Ports{Own: map[uint32]verify.Role{}, Shared: map[uint32]struct{}{}},
	}
	for _, p := range t.Ports {
		switch {
		case p.Kind == trace.KindTunnel && p.Tunnel.KeyFlow:
			v.Ports.Shared[p.OFPort] = struct{}{}
		case p.Network != n.name():
		case p.Kind == trace.KindTunnel:
			v.Ports.Own[p.OFPort] = verify.Tunnel
		default:
			v.Ports.Own[p.OFPort] = verify.VIF
		}
	}
	var g verify.Gate
	return g.Check(&v)
}
