package verify

import (
	"net/netip"

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

// maxUnseen bounds what is listed of one network that could not be looked at.
const maxUnseen = 100

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

func (c *checker) unlooked(host, bridge, why string) {
	u := Unseen{host, bridge, why}
	if !c.unseen[u] && len(c.unseen) < maxUnseen {
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
