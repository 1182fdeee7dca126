package verify

import "ovsmesh/openflow/flow"

// echoLabel is the MPLS label of frames that only teach a switch where their
// sender is. Whoever gets one by a tunnel drops it, RFC 3032 §2.1.
const echoLabel = 8

// normal looks at frames that are left to the switch's own forwarding, which
// knows no networks: it may send to all ports, but not from a protected one to
// another. An echo goes nowhere as long as the switch knows its sender, and
// should it not, no further than the next host, which drops it: see echoes.
func (g *Gate) normal(f *flow.Flow, from origin, d *doing) {
	switch {
	case !g.n.Alone:
		g.breach(Isolation, f, "%s goes NORMAL, which knows no networks", from)
	case from&fromTunnel == 0 || g.n.Protected:
	case d.labelled && d.toSender:
		g.guard.echoing = f
	default:
		g.breach(NoLoop, f, "what comes from a tunnel goes NORMAL, and so may leave on a tunnel")
	}
}

// guard is what keeps the tunnels of a learning network from flows that know no
// port: a flow for the port alone, above them.
type guard struct {
	takes   map[uint32]uint16 // priority of the highest flow for all that a port brings
	drops   map[uint32]uint16 // and of that which drops echoes from it
	lowest  uint16            // of takes, over all tunnels that are wanted
	bare    bool              // one of them has none
	echoing *flow.Flow        // a flow that makes echoes
}

func (g *guard) look(n *Network) {
	g.takes, g.drops = map[uint32]uint16{}, map[uint32]uint16{}
	g.lowest, g.bare, g.echoing = ^uint16(0), false, nil
	for i := range n.Flows {
		f := &n.Flows[i]
		if f.Table != 0 {
			break
		}
		switch port := read(f.Match).port; {
		case port == 0:
		case len(f.Match) == 1:
			g.takes[port] = max(g.takes[port], f.Priority)
		case len(f.Actions) == 0 && matchesEcho(f.Match):
			g.drops[port] = max(g.drops[port], f.Priority)
		}
	}
	for port, role := range n.Ports.Own {
		if role != Tunnel {
			continue
		}
		p, ok := g.takes[port]
		g.bare = g.bare || !ok
		g.lowest = min(g.lowest, p)
	}
}

// matchesEcho reports whether m, which matches a port, takes all echoes from it.
func matchesEcho(m flow.Match) bool {
	for _, x := range m {
		switch x.Field {
		case flow.InPort.Field():
		case flow.EthType.Field():
			if x.Mask != "" || number(x.Value) != 0x8847 {
				return false
			}
		case flow.MPLSLabel.Field():
			if x.Mask != "" || number(x.Value) != echoLabel {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// open reports whether frames from a tunnel may meet f, which knows no port.
func (g *guard) open(f *flow.Flow) bool { return g.bare || f.Priority >= g.lowest }

// echoes holds that echoes from tunnels are dropped where some are made: one
// that came back into the tables would make another.
func (g *Gate) echoes() {
	f := g.guard.echoing
	if f == nil {
		return
	}
	for port, role := range g.n.Ports.Own {
		if p, ok := g.guard.drops[port]; role == Tunnel && (!ok || p <= g.guard.takes[port]) {
			g.breach(NoLoop, f, "copies to learn from that come by tunnel port %d are not dropped", port)
		}
	}
}
