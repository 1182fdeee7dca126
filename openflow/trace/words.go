package trace

import (
	"fmt"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/pipeline"
)

// Meaning says in words what a flow is for; nil is the lack of one.
func Meaning(f *flow.Flow) string {
	if f == nil {
		return "no flow of this table matches: the frame is dropped"
	}
	if !pipeline.Owned(f.Cookie) {
		return fmt.Sprintf("a flow of another program (cookie %#x)", f.Cookie)
	}
	switch pipeline.ReasonOf(f.Cookie) {
	case pipeline.Miss:
		return missWords(f.Table)
	case pipeline.ClassifyVIF:
		return "comes from a VM of the network"
	case pipeline.ClassifyTunnel:
		return "comes through a tunnel of the network"
	case pipeline.BroadcastDrop:
		return "a tunnel's broadcast goes no further where the flows that classify are missing"
	case pipeline.Security:
		return "the VM may use this source address"
	case pipeline.GroupSource:
		return "nobody may send from a multicast address: dropped"
	case pipeline.UnicastLocal:
		return "the receiver is a VM of this host"
	case pipeline.UnicastRemote:
		return "the receiver is on another host"
	case pipeline.UnicastBoth:
		return "the receiver's address is on this host and on another: it migrates, or is there twice"
	case pipeline.GroupToFlood:
		return "broadcast or multicast"
	case pipeline.UnknownToFlood:
		return "nobody is known to have the receiver's address: flooded"
	case pipeline.FloodFromVIF:
		return "from a VM: to all others of the network, and through all its tunnels"
	case pipeline.FloodFromTunnel:
		return "from a tunnel: to the VMs of this host only"
	}
	return moreWords(pipeline.ReasonOf(f.Cookie))
}

func missWords(table uint8) string {
	switch table {
	case pipeline.TableClassify:
		return "the port belongs to no network, or the tunnel's key or peer to none: dropped"
	case pipeline.TableSecurity:
		return "the VM may not use this source address: dropped"
	}
	return "nothing is known of such frames in this network: dropped"
}

func moreWords(r pipeline.Reason) string {
	switch r {
	case pipeline.Pass:
		return "nothing to be said about it here"
	case pipeline.HostNormal:
		return "a port of the host itself: as an ordinary switch among these"
	case pipeline.SecurityDrop:
		return "the VM does not have this source address: dropped"
	case pipeline.Stolen:
		return "the address is known as another VM's: dropped"
	case pipeline.AskOwner:
		return "the VM asks whether somebody else has its own address"
	case pipeline.AnswerARP:
		return "ARP for a known address: the switch answers it itself"
	case pipeline.DirectND:
		return "a neighbour solicitation for a known address: to its owner alone"
	case pipeline.UnknownDrop:
		return "nobody is known to have the receiver's address, and the network does not flood: dropped"
	case pipeline.FloodHome:
		return "to the VMs of this host only: the network's tunnels carry no broadcast"
	case pipeline.FloodDrop:
		return "broadcast from a tunnel, and the network's tunnels carry none: dropped"
	case pipeline.DiscoveryFromVIF:
		return "a request for DHCP or a router: to the VMs of this host, and to hosts with a server"
	case pipeline.DiscoveryFromTunnel:
		return "a request for DHCP or a router: to the VMs that serve it"
	case pipeline.ServiceFromVIF:
		return "from a DHCP server or router to everybody"
	case pipeline.ServiceFromTunnel:
		return "from another host's DHCP server or router to the VMs of this host"
	case pipeline.Normal:
		return "as an ordinary switch that learns addresses"
	case pipeline.LearnVIF:
		return "broadcast from a VM: as an ordinary switch"
	case pipeline.LearnToVIFs:
		return "broadcast: to VMs only"
	case pipeline.LearnTunnel:
		return "from a tunnel: to VMs only"
	case pipeline.LearnEcho:
		return "a copy that only another switch learns from: dropped"
	}
	return "a flow of ovsmesh (" + r.String() + ")"
}

// TableName returns the name of a table of ours; "" of others.
func TableName(id uint8) string {
	for _, t := range pipeline.Tables() {
		if t.Number == id {
			return t.Name
		}
	}
	return ""
}

// PacketText describes a frame by its fields, as ovs-ofctl writes them.
func PacketText(f forward.Frame) string {
	bare := f.Untunnelled()
	return bare.Match().String()
}

// DropText says why a bridge has sent a frame nowhere: by the last flow that it
// met.
func (h *Hop) DropText() string {
	if h.Err != nil {
		return h.Err.Error()
	}
	if len(h.Result.Steps) == 0 {
		return "it has met no flow"
	}
	if n := len(h.Result.Skips); n > 0 {
		return fmt.Sprintf("it would leave by port %d, but that and the one that it came by are protected: between such a switch sends nothing", h.Result.Skips[n-1].Port)
	}
	s := h.Result.Steps[len(h.Result.Steps)-1]
	where := fmt.Sprintf("table %d", s.Table)
	if name := TableName(s.Table); name != "" && (s.Flow == nil || pipeline.Owned(s.Flow.Cookie)) {
		where += " (" + name + ")"
	}
	if s.Flow == nil {
		return where + " has no flow for it, so that it is dropped"
	}
	if !pipeline.Owned(s.Flow.Cookie) {
		return fmt.Sprintf("%s: a flow of another program drops it (cookie %#x): %s", where, s.Flow.Cookie, s.Flow.Text())
	}
	return where + ": " + Meaning(s.Flow)
}

// Ways names the ports by which frames leave, in order and each once; at most so
// many.
func (h *Hop) Ways(most int) string {
	var names []string
	seen := map[string]bool{}
	for i, e := range h.Ends {
		name := fmt.Sprint(h.Result.Outputs[i].Port)
		switch {
		case e.Kind == EndController:
			name = "CONTROLLER"
		case e.Port != nil:
			name = e.Port.Name
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	if most > 0 && len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ","), len(names)-most)
	}
	return strings.Join(names, ",")
}
