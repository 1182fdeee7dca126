package verify

import (
	"net/netip"
	"slices"

	"ovsmesh/openflow/trace"
)

// fromTunnels tries what tunnels may bring to the nth member.
func (c *checker) fromTunnels(n int, at *Member) {
	host, err := c.World.Host(at.Host)
	if err != nil {
		c.unlooked(at.Host, at.Bridge, err.Error())
		return
	}
	tried := 0
	for i := range c.Members {
		peer := &c.Members[(n+i)%len(c.Members)]
		if peer == at || !at.reaches(peer) {
			continue
		}
		in, ok := trace.Receiver(host, c.Type, c.Key, peer.Endpoint, at.Endpoint, c.DstPort)
		if !ok {
			c.unlooked(at.Host, at.Bridge, "it has no tunnel port for packets from "+peer.Host)
			continue
		}
		if tried++; tried > maxPeers || c.Learning && len(peer.Machines) == 0 {
			continue // what peers do send is followed from where it starts
		}
		if c.Learning {
			c.loops(in, at, peer)
		}
		for _, p := range c.incoming(at, peer) {
			p.frame = p.frame.Tunnelled(c.Key, peer.Endpoint, at.Endpoint)
			k := kindOf(&p.frame)
			c.compare(in, &p, c.send(in, &p), c.comesIn(at, peer, &k), true)
		}
	}
	c.fromStrangers(host, at)
}

// loops tries what a switch that learns can't learn from, and must send to no
// tunnel all the same.
func (c *checker) loops(in trace.Place, at, peer *Member) {
	p := probe{"a frame from a group address", local([6]byte{0x03}, broadcast()).Tunnelled(c.Key, peer.Endpoint, at.Endpoint), true}
	t := c.send(in, &p)
	for _, h := range t.Hops {
		for i := range h.Ends {
			c.strays(in, &p, h, &h.Ends[i], &h.Result.Outputs[i])
		}
	}
}

// fromStrangers tries carriers with keys that nobody has, and, where peers are
// told apart, with the network's own from a stranger.
func (c *checker) fromStrangers(host *trace.Host, at *Member) {
	b := host.Bridge(at.Bridge)
	if b == nil || !at.Endpoint.IsValid() {
		return
	}
	stranger := c.stranger(at.Endpoint)
	for i := range b.Ports {
		t := &b.Ports[i]
		if t.Kind != trace.KindTunnel || !t.Tunnel.KeyFlow || t.Tunnel.Type != c.Type {
			continue
		}
		from := t.Tunnel.Remote
		if t.Tunnel.RemoteFlow {
			from = stranger
			for _, f := range c.atStrangers(at) {
				f.frame = f.frame.Tunnelled(c.Key, from, at.Endpoint)
				f.name += " of a stranger"
				c.nothing(at, t, f)
			}
		}
		for _, f := range c.bare(at) {
			f.frame = f.frame.Tunnelled(unusedKey, from, at.Endpoint)
			f.name += " with a key that nobody has"
			c.nothing(at, t, f)
		}
	}
}

// atStrangers are frames of strangers, where these are told from peers.
func (c *checker) atStrangers(at *Member) []probe {
	if !c.Strict {
		return nil
	}
	return c.bare(at)
}

// bare are frames that reach somebody on a member if anything lets them in.
func (c *checker) bare(at *Member) []probe {
	list := []probe{{"broadcast", local(c.nobody, broadcast()), true}, {"unicast to nobody", local(c.nobody, c.strangeMAC()), true}}
	if len(at.Machines) > 0 {
		list = append(list, probe{"unicast to a VM", local(c.nobody, c.sends[&at.Machines[0]].mac), false})
	}
	return list
}

// strangeMAC is an address that nobody has, nor sends from.
func (c *checker) strangeMAC() [6]byte {
	mac := c.nobody
	mac[2] ^= 0xff
	return mac
}

// unusedKey is too large for any encapsulation that is used here.
const unusedKey = 1 << 40

// stranger returns an address of the family that is no member's.
func (c *checker) stranger(like netip.Addr) netip.Addr {
	ip := netip.AddrFrom4([4]byte{198, 51, 100, 1}) // RFC 5737
	if like.Is6() {
		ip = netip.MustParseAddr("2001:db8:6f6d::1") // RFC 3849
	}
	for slices.ContainsFunc(c.Members, func(m Member) bool { return m.Endpoint == ip }) {
		ip = ip.Next()
	}
	return ip
}

// nothing demands that a frame from a tunnel goes nowhere.
func (c *checker) nothing(at *Member, t *trace.Port, p probe) {
	in := trace.Place{Host: at.Host, Bridge: at.Bridge, OFPort: t.OFPort}
	c.compare(in, &p, c.send(in, &p), map[arrival]int{}, true)
}
