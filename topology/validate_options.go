package topology

import "fmt"

// What an MTU may be: an IPv4 link carries 68 bytes at least (RFC 791 §3.2),
// and every IPv4 host takes 576, below which no underlay is. Neither is more
// than an IP packet's length can say.
const (
	minMTU         = 68
	minUnderlayMTU = 576
	maxMTU         = 65535
)

// options judges how a network is to be carried: each field by itself, and the
// combinations that can't work whatever else the intent holds.
func (c *checker) options(n *Network) {
	c.word("profile", n.Profile, ProfileProgrammed, ProfileLearning)
	c.word("broadcast", n.Broadcast, BroadcastSplitHorizon, BroadcastDrop)
	c.word("unknownUnicast", n.UnknownUnicast, UnknownUnicastFlood, UnknownUnicastDrop)
	c.word("tunnelPorts", n.TunnelPorts, TunnelPortsPerNetwork, TunnelPortsShared, TunnelPortsFlow)
	if n.MTU != 0 {
		c.bad("mtu", outOfRange(n.MTU, minMTU, maxMTU, "0 or nothing for the one that follows from the underlay"))
	}
	if n.BFD && n.TunnelPorts == TunnelPortsFlow {
		c.bad("bfd", "can't be with tunnelPorts: flow, as BFD watches one peer and that port leads to all: "+
			"leave bfd out, or use tunnelPorts: shared")
	}
	if n.Profile == ProfileLearning {
		c.learning(n)
	}
}

// learning judges what goes with NORMAL, which forwards by the addresses that
// it has learned and knows nothing of networks, owners or keys.
func (c *checker) learning(n *Network) {
	const wayOut = ": leave it out, or use profile: programmed"
	if n.PortSecurity != nil && *n.PortSecurity {
		c.bad("portSecurity", "can't be with profile: learning, where any VM may speak with any address"+wayOut)
	}
	if n.Broadcast == BroadcastDrop {
		c.bad("broadcast", "drop can't be with profile: learning, which finds addresses by broadcast"+wayOut)
	}
	if n.UnknownUnicast == UnknownUnicastDrop {
		c.bad("unknownUnicast", "drop can't be with profile: learning, which knows no address before it has heard it"+wayOut)
	}
	if n.TunnelPorts == TunnelPortsShared || n.TunnelPorts == TunnelPortsFlow {
		c.bad("tunnelPorts", fmt.Sprintf("%s can't be with profile: learning, which can't tell the networks on one port apart"+wayOut, n.TunnelPorts))
	}
	if n.TakeBridge {
		c.bad("takeBridge", "can't be with profile: learning, which would join the network with the physical NIC"+wayOut+
			", or name a bridge of its own")
	}
}

// kind judges what a host is, and what goes with that.
func (c *checker) kind(h *Host) {
	c.word("kind", h.Kind, KindManaged, KindExternal)
	if h.UnderlayMTU != 0 {
		c.bad("underlayMTU", outOfRange(h.UnderlayMTU, minUnderlayMTU, maxMTU, "0 or nothing for the one that the host reports"))
	}
	if h.Kind != KindExternal {
		return
	}
	if !h.Endpoint.IsValid() {
		c.bad("endpoint", "is missing: an external host never dials in and can't say its address: add endpoint, or use kind: managed")
	}
	if h.SystemID != "" {
		c.bad("systemID", "can't be with kind: external, as such a host never dials in: leave it out, or use kind: managed")
	}
}

// outOfRange judges a number that is not 0, with what else may be said.
func outOfRange(n, first, last int, otherwise string) string {
	if n >= first && n <= last {
		return ""
	}
	return fmt.Sprintf("%d is out of range (%d..%d; %s)", n, first, last, otherwise)
}
