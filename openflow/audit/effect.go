package audit

import (
	"cmp"
	"fmt"
	"net/netip"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// lack says in plain words what follows from a wanted flow's absence.
func (l *look) lack(w *flow.Flow) string {
	port := l.port(w)
	switch pipeline.ReasonOf(w.Cookie) {
	case pipeline.Miss:
		return "nothing while the switch itself drops what no flow matches"
	case pipeline.ClassifyVIF:
		return port + " can send nothing"
	case pipeline.ClassifyTunnel:
		return fmt.Sprintf("nothing from %s arrives at %s", l.peer(w), l.Host)
	case pipeline.BroadcastDrop:
		return l.unguarded(w)
	case pipeline.Security:
		if mac := macText(w, flow.EthSrc); mac != "" {
			return fmt.Sprintf("%s can't send as %s", port, mac)
		}
		return port + " can send nothing"
	case pipeline.GroupSource:
		return "VMs whose addresses are not checked may send from group addresses"
	case pipeline.UnicastLocal, pipeline.UnicastRemote:
		if l.stands(pipeline.UnknownToFlood, w) {
			return l.indirect(w, "flooded")
		}
		return l.indirect(w, "lost")
	case pipeline.UnicastBoth: // the flow for those that are here takes them
		return fmt.Sprintf("%s can't be reached from %s if it runs on another host by now", l.owner(w), l.Host)
	case pipeline.GroupToFlood:
		if l.stands(pipeline.UnknownToFlood, w) {
			return "nothing while unknown unicast is flooded, too"
		}
		return "broadcast and multicast are lost on " + l.Host
	case pipeline.UnknownToFlood:
		return "unicast to unknown addresses is lost on " + l.Host
	case pipeline.FloodFromVIF:
		return "broadcast from VMs on " + l.Host + " reaches nobody"
	case pipeline.FloodFromTunnel:
		return "broadcast from other hosts reaches nobody on " + l.Host
	}
	return l.lackOption(w, port)
}

// lackOption is lack for the flows that come with a network's options.
func (l *look) lackOption(w *flow.Flow, port string) string {
	switch pipeline.ReasonOf(w.Cookie) {
	case pipeline.Pass:
		return "VMs on " + l.Host + " can send nothing"
	case pipeline.HostNormal:
		return fmt.Sprintf("%s itself is cut off from what is at %s", l.Host, port)
	case pipeline.SecurityDrop:
		return port + " can send with addresses of others"
	case pipeline.Stolen:
		return "VMs whose addresses are not known may send with those of others"
	case pipeline.AskOwner:
		return port + " is told that its own address is taken"
	case pipeline.AnswerARP, pipeline.DirectND:
		return fmt.Sprintf("VMs on %s ask all hosts for %s", l.Host, cmp.Or(address(w), "an address"))
	case pipeline.UnknownDrop:
		return "nothing while the switch itself drops what no flow matches"
	case pipeline.FloodHome:
		return "broadcast from VMs on " + l.Host + " goes to other hosts, too"
	case pipeline.FloodDrop:
		return "broadcast from other hosts reaches VMs on " + l.Host
	case pipeline.DiscoveryFromVIF, pipeline.DiscoveryFromTunnel:
		return "DHCP and router solicitations of VMs do not reach who serves them on another host"
	case pipeline.ServiceFromVIF, pipeline.ServiceFromTunnel:
		return "VMs on other hosts than the server's miss what DHCP servers and routers tell all"
	case pipeline.Normal, pipeline.LearnVIF:
		return "VMs on " + l.Host + " can send nothing, or broadcast of theirs is lost"
	case pipeline.LearnToVIFs:
		return "broadcast may be lost on " + l.Host
	case pipeline.LearnTunnel:
		return fmt.Sprintf("broadcast from %s is lost on %s, and where VMs are there is not learned", l.peer(w), l.Host)
	case pipeline.LearnEcho:
		return "VMs on " + l.Host + " see frames that are for switches only"
	}
	return "frames may be lost"
}

// peer names whom a tunnel's frames come from, of a port that leads to several
// by the address.
func (l *look) peer(f *flow.Flow) string {
	for _, n := range []flow.Name{flow.TunSrc, flow.TunIPv6Src} {
		if x, ok := f.Match.Get(n.Field()); ok {
			if ip, ok := netip.AddrFromSlice([]byte(x.Value)); ok {
				return ip.String()
			}
		}
	}
	return l.port(f)
}

// address is the IP address that a flow of ARP or neighbour discovery is about,
// "" of any other.
func address(f *flow.Flow) string {
	for _, n := range []flow.Name{flow.ARPTPA, flow.NDTarget} {
		if x, ok := f.Match.Get(n.Field()); ok {
			if ip, ok := netip.AddrFromSlice([]byte(x.Value)); ok {
				return ip.String()
			}
		}
	}
	return ""
}

// unguarded says what follows from the loss of a tunnel's broadcast drop, which
// lies under the flow that takes all of the tunnel, on purpose.
func (l *look) unguarded(w *flow.Flow) string {
	what := "broadcast"
	if _, ok := w.Match.Get(flow.IPv4Dst.Field()); ok {
		what = "multicast"
	}
	if l.stands(pipeline.ClassifyTunnel, w) {
		return fmt.Sprintf("%s from %s loops if the flow above this one is lost, too", what, l.port(w))
	}
	return fmt.Sprintf("%s from %s loops if any other flow takes it", what, l.port(w))
}

func (l *look) indirect(w *flow.Flow, fate string) string {
	return fmt.Sprintf("%s can't be reached directly from %s: frames to it are %s", l.owner(w), l.Host, fate)
}

// change says what follows from g standing in w's place.
func (l *look) change(w, g *flow.Flow) string {
	switch {
	case !g.Actions.Equal(w.Actions):
	case g.IdleTimeout != w.IdleTimeout || g.HardTimeout != w.HardTimeout:
		return "nothing until the flow ends by itself"
	default:
		return "nothing for frames: only its cookie or flags differ"
	}
	drops := len(g.Actions) == 0
	switch r := pipeline.ReasonOf(w.Cookie); r {
	case pipeline.Miss:
		return fmt.Sprintf("frames that no flow of table %d matches are not dropped", w.Table)
	case pipeline.BroadcastDrop, pipeline.GroupSource:
		return l.lack(w)
	case pipeline.UnicastLocal, pipeline.UnicastRemote, pipeline.UnicastBoth:
		if drops {
			return l.indirect(w, "dropped")
		}
		return l.indirect(w, "sent elsewhere")
	case pipeline.GroupToFlood:
		if drops {
			return "broadcast and multicast are lost on " + l.Host
		}
		return "broadcast and multicast go wrong on " + l.Host
	case pipeline.FloodFromVIF:
		if !drops {
			return "broadcast from VMs on " + l.Host + l.otherOutputs(w, g)
		}
	case pipeline.FloodFromTunnel:
		if !drops {
			return "broadcast from other hosts" + l.otherOutputs(w, g)
		}
	case pipeline.ClassifyVIF, pipeline.ClassifyTunnel, pipeline.Security:
		if !drops {
			return "what comes from " + l.port(w) + " may go where it should not"
		}
	case pipeline.UnknownToFlood:
		if !drops {
			return "unicast to unknown addresses goes wrong on " + l.Host
		}
	}
	return l.lack(w)
}

// otherOutputs says to whom g sends less and more than w.
func (l *look) otherOutputs(w, g *flow.Flow) string {
	text := ""
	if ports := l.outputsBeyond(w, g); ports != "" {
		text = " does not reach " + ports
	}
	if ports := l.outputsBeyond(g, w); ports != "" {
		if text != "" {
			text += ", and"
		}
		text += " also goes to " + ports
	}
	if text == "" {
		return " goes wrong"
	}
	return text
}

// outputsBeyond names the ports to which a sends and b does not.
func (l *look) outputsBeyond(a, b *flow.Flow) string {
	there := map[uint32]bool{}
	for _, x := range b.Actions {
		if o, ok := x.(flow.Output); ok {
			there[o.Port] = true
		}
	}
	text := ""
	for _, x := range a.Actions {
		o, ok := x.(flow.Output)
		if !ok || there[o.Port] {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += l.portName(o.Port)
	}
	return text
}

// misplaced says what follows from w standing at g's table and priority only.
func (l *look) misplaced(w, g *flow.Flow) string {
	if w.Table != g.Table {
		return l.lack(w)
	}
	return fmt.Sprintf("%s, unless it serves at priority %d as well", l.lack(w), g.Priority)
}

// shadowed says what follows from another program's flow in w's place.
func (l *look) shadowed(w, foreign *flow.Flow) string {
	if foreign.Actions.Equal(w.Actions) {
		return "nothing while the other program's flow stands, which does the same"
	}
	return l.change(w, foreign)
}

// unexpected says what g may do, which nobody wants.
func (l *look) unexpected(g *flow.Flow) string {
	frames := "frames that it matches"
	if port := inPort(g); port != 0 {
		frames = "frames from " + l.portName(port)
	} else if to, ok := g.Match.Get(flow.EthDst.Field()); ok && to.Mask == "" {
		frames = "frames to " + l.addressOwner(to)
	}
	if len(g.Actions) == 0 {
		return frames + " may be lost"
	}
	if ports := l.outputsBeyond(g, &flow.Flow{}); ports != "" {
		return frames + " may go to " + ports
	}
	return frames + " may go where they should not"
}
