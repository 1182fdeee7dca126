package verify

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/trace"
)

// Request is what Check is asked to look at beside an Overlay.
type Request struct {
	World trace.World // ports and tables; ports that are not the network's may be left out
	Host  string      // frames that come in on this host only; "": on all
	Want  bool        // the tables are the compiled ones: for the commands that a Violation names
}

// Report is what a Check found.
type Report struct {
	Frames     int // that were sent
	Violations []Violation
	More       int      // violations that are not listed
	Unseen     []Unseen // what could not be looked at: then no violation is no proof
}

// Unseen is something that could not be looked at.
type Unseen struct {
	Host   string `json:"host"`
	Bridge string `json:"bridge"`
	Reason string `json:"reason"`
}

// Bounds of what is followed through all hosts; the cost is then that of a mesh's
// own size. Beyond them a frame to many is followed on its own host, and has to
// leave there just as a like one that was followed everywhere.
const (
	maxFollowed = 16 // hosts, of which every kind of frame is followed; of the others broadcast is
	maxPeers    = 16 // tunnels into a host that are tried with every kind of frame
	maxAbout    = 32 // addresses about which every kind of frame is tried on a host; others on each host
)

// Check sends representative frames through a network and holds what becomes of
// them against what its options promise: from every machine broadcast, multicast,
// questions, services, forged addresses, and unicast from every host to every
// address; and into every host what its tunnels may bring, of peers, of strangers
// and with the keys of others.
func Check(o *Overlay, r Request) Report {
	m := newModel(o)
	c := &checker{
		prober: newProber(m), Request: r, at: map[trace.Place]*place{}, external: map[string]*place{},
		causes: map[cause]int{}, followed: map[class]*way{}, unseen: map[Unseen]bool{},
	}
	if r.Want {
		c.how = " --want"
	}
	for _, p := range m.all {
		if p.member.External {
			c.external[p.member.Host] = p
		} else {
			c.at[p.trace()] = p
		}
	}
	for i := range o.Members {
		member := &o.Members[i]
		if member.External || r.Host != "" && r.Host != member.Host {
			continue
		}
		c.fromMachines(i, member)
		c.fromTunnels(i, member)
	}
	Sort(c.report.Violations)
	return c.report
}

// trace returns a machine's port.
func (p *place) trace() trace.Place {
	return trace.Place{Host: p.member.Host, Bridge: p.member.Bridge, OFPort: p.OFPort}
}

type checker struct {
	*prober
	Request
	how      string
	at       map[trace.Place]*place
	external map[string]*place // what is behind external members, by host
	followed map[class]*way
	causes   map[cause]int
	unseen   map[Unseen]bool
	report   Report
}

// fromMachines tries the machines of the nth member.
func (c *checker) fromMachines(n int, member *Member) {
	var mine []*place
	for _, p := range c.all {
		if p.member == member {
			mine = append(mine, p)
		}
	}
	if len(mine) > 0 {
		c.toAll(mine) // first, since that is what people understand at once
	}
	for i, p := range mine {
		other := c.other(p, n+i)
		for _, f := range c.of(p, other) {
			if f.wide && !(f.name == plainBroadcast && i == 0) && (i > 0 || n >= maxFollowed) && c.asFollowed(p, &f) {
				continue
			}
			c.follow(p, &f)
		}
	}
	if len(mine) > 0 {
		c.aboutAll(n, mine)
	}
}

// toAll sends unicast from a host to every address, from one machine after the
// other.
func (c *checker) toAll(mine []*place) {
	for i, to := range c.all {
		from := mine[i%len(mine)]
		if from == to {
			from = mine[(i+1)%len(mine)]
		}
		for _, mac := range to.MACs {
			if from != to && !c.ambiguous(mac) {
				c.follow(from, &probe{"unicast to " + to.Name, local(c.sends[from.Machine].mac, mac), false})
			}
		}
	}
}

// aboutAll asks on a host for every address that is known, and pretends to have
// it, by one machine after the other: of those that may be anybody, where there
// are some, and of all. Of unknown ones it takes the MAC as well.
func (c *checker) aboutAll(n int, mine []*place) {
	if c.Learning {
		return
	}
	var unsure, unknown []*place
	for _, p := range mine {
		if !p.strict() || p.Router {
			unsure = append(unsure, p)
		}
		if len(p.MACs) == 0 {
			unknown = append(unknown, p)
		}
	}
	for i, ip := range c.ips {
		from := []*place{c.someoneElse(mine, i, ip)}
		if len(unsure) > 0 {
			if p := c.someoneElse(unsure, i, ip); p != from[0] {
				from = append(from, p)
			}
		}
		for _, at := range from {
			for _, f := range c.about(at, ip, c.Known[ip]) {
				if f.wide && ((i+n)%len(c.ips) >= maxAbout || c.asFollowed(at, &f)) {
					continue
				}
				c.follow(at, &f)
			}
		}
	}
	if len(unknown) == 0 {
		return
	}
	for i, to := range c.all {
		for _, mac := range to.MACs {
			c.follow(unknown[i%len(unknown)], &probe{"a frame from the address of " + to.Name, local(mac, c.nobody), true})
		}
	}
}

// someoneElse returns the nth of some machines, or the next that has not the
// address.
func (c *checker) someoneElse(list []*place, n int, ip netip.Addr) *place {
	for i := range list {
		if p := list[(n+i)%len(list)]; !c.has(p, ip) {
			return p
		}
	}
	return list[n%len(list)]
}

// other returns a machine with addresses that is not p, on another host if there
// is one; another one for each n.
func (c *checker) other(p *place, n int) *place {
	var here *place
	for i := range c.all {
		o := c.all[(n+i)%len(c.all)]
		switch {
		case o.Machine == p.Machine || len(o.MACs) == 0 || o.owns(c.sends[p.Machine].mac):
		case o.member != p.member:
			return o
		default:
			here = o
		}
	}
	return here
}

// follow sends a probe from a machine and holds its way against what is
// expected.
func (c *checker) follow(from *place, p *probe) {
	k := kindOf(&p.frame)
	want := c.arrivals(from, k)
	t := c.send(from.trace(), p)
	c.compare(from.trace(), p, t, want, c.may(from, &k))
	if p.wide && len(t.Hops) > 0 {
		c.remember(from, p, t, want)
	}
}

func (c *checker) send(from trace.Place, p *probe) *trace.Trace {
	c.report.Frames++
	return trace.Run(c.World, from, p.frame)
}

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

func (c *checker) unlooked(host, bridge, why string) {
	u := Unseen{host, bridge, why}
	if !c.unseen[u] {
		c.unseen[u] = true
		c.report.Unseen = append(c.report.Unseen, u)
	}
}

// port returns the port of a place, nil if it is not known.
func (c *checker) port(at trace.Place) *trace.Port {
	host, err := c.World.Host(at.Host)
	if err != nil {
		return nil
	}
	if b := host.Bridge(at.Bridge); b != nil {
		return b.Port(at.OFPort)
	}
	return nil
}

// class is frames that differ in their sender only.
type class struct {
	host, name string
}

// way is how frames of a class leave their host.
type way struct {
	tunnels string // see leaving
	remote  int    // how many arrivals on other hosts were expected
}

// remember notes how a frame that was followed everywhere has left its host.
func (c *checker) remember(from *place, p *probe, t *trace.Trace, want map[arrival]int) {
	k := class{from.member.Host, p.name}
	if _, ok := c.followed[k]; !ok {
		b := c.bridgeOf(from)
		c.followed[k] = &way{leaving(b, t.Hops[0].Result.Outputs), remote(want, from)}
	}
}

// asFollowed sends a frame through its first bridge only, where it has to leave
// by the same tunnels as one of its class that was followed, or as broadcast did.
// It reports false if there is none, or another reach is expected of it.
func (c *checker) asFollowed(from *place, p *probe) bool {
	w := c.followed[class{from.member.Host, p.name}]
	if w == nil {
		w = c.followed[class{from.member.Host, plainBroadcast}]
	}
	k := kindOf(&p.frame)
	want := c.arrivals(from, k)
	if w == nil || w.remote != remote(want, from) {
		return false
	}
	b := c.bridgeOf(from)
	tables, err := c.World.Tables(from.member.Host, from.member.Bridge)
	if b == nil || err != nil {
		return false
	}
	r, err := tables.Run(from.OFPort, p.frame)
	if err != nil || len(r.Doubts) > 0 || leaving(b, r.Outputs) != w.tunnels {
		return false
	}
	got := map[arrival]int{}
	for _, out := range r.Outputs {
		port := b.Port(out.Port)
		if port == nil {
			return false
		}
		if port.Kind == trace.KindTunnel {
			continue
		}
		to := c.at[trace.Place{Host: from.member.Host, Bridge: from.member.Bridge, OFPort: out.Port}]
		if to == nil {
			return false
		}
		got[arrival{to, hw(&out.Frame, flow.EthDst), hw(&out.Frame, flow.EthSrc)}]++
	}
	for a, n := range want {
		if a.at.member == from.member && got[a] != n {
			return false
		}
		delete(got, a)
	}
	c.report.Frames++
	return len(got) == 0
}

func remote(want map[arrival]int, from *place) int {
	n := 0
	for a := range want {
		if a.at.member != from.member {
			n++
		}
	}
	return n
}

func (c *checker) bridgeOf(p *place) *trace.Bridge {
	host, err := c.World.Host(p.member.Host)
	if err != nil {
		return nil
	}
	return host.Bridge(p.member.Bridge)
}

// leaving says by which tunnels, with what key and to whom frames leave a
// bridge.
func leaving(b *trace.Bridge, outputs []forward.Output) string {
	if b == nil {
		return ""
	}
	var list []string
	for _, out := range outputs {
		if p := b.Port(out.Port); p == nil || p.Kind != trace.KindTunnel {
			continue
		}
		text := string(binary.BigEndian.AppendUint32(nil, out.Port)) + out.Frame.Get(flow.TunnelID)
		if out.Frame.Get(flow.TunDst) != "\x00\x00\x00\x00" {
			text += out.Frame.Get(flow.TunDst)
		}
		list = append(list, text+out.Frame.Get(flow.TunIPv6Dst))
	}
	slices.Sort(list)
	return fmt.Sprint(len(list)) + strings.Join(list, "")
}
