package pipeline

import (
	"net/netip"
	"slices"
)

// Network is one network as one bridge carries it.
type Network struct {
	ID            uint32 // 1 or more
	PortSecurity  bool   // VIFs of known addresses may use those only
	DropBroadcast bool   // tunnels carry no broadcast and multicast but DHCP and router discovery
	DropUnknown   bool   // unicast to unknown addresses is dropped
	VIFs          []VIF
	Tunnels       []Tunnel
	Remotes       []Remote
	Stations      []Station // whose IP addresses are known, on this host and others; each IP once

	// Learning forwards by NORMAL, which learns addresses. It goes with none of
	// the options above, and with tunnels of its own only.
	Learning bool
	// Protected says, with Learning, that the switch itself sends nothing from
	// tunnel to tunnel (Port.protected).
	Protected bool
	// Deaf, with Learning and without Protected, has the switch learn nothing, and
	// send what comes from a VIF to all: for the moment in which others still send
	// by detours.
	Deaf bool
	// Like, with Learning, has the switch forward as the old plugin does, from
	// tunnel to tunnel, too: while it runs other hosts of the network.
	Like PluginKinds
}

// PluginKinds says which kinds of flows the old plugin has, see Plugin, where it is
// to be taken for a model.
type PluginKinds struct{ Model, Tunnels, VIFs, Deliver bool }

// VIF is a VM's port. Two of them may have the same MAC: both get its frames.
type VIF struct {
	OFPort     uint32
	MACs       [][6]byte    // none: not known, so not secured and reached by flooding
	IPs        []netip.Addr // none: not known
	Allowed    []Pair       // further addresses that it may use
	DHCPServer bool         // gets DHCP requests from tunnels where broadcast is dropped
	Router     bool         // likewise router solicitations; forwards others' packets
}

// Pair is an address that a VIF may use beside its own.
type Pair struct {
	MAC [6]byte // zero: its own MACs
	IP  netip.Addr
}

// Tunnel is the way to one other host of the network's mesh.
type Tunnel struct {
	OFPort uint32
	Key    uint64     // tun_id, of a port that several networks share; 0: the port is the network's own
	Remote netip.Addr // tun_src and tun_dst, of a port that several peers share; invalid: the port leads to one

	DHCPServer bool // a DHCP server is behind it
	Router     bool // a router is behind it

	// ReceiveOnly takes what arrives and sends nothing: the port is about to
	// go, or its peer is reached by another one.
	ReceiveOnly bool
}

// Remote is an address on other hosts.
type Remote struct {
	MAC [6]byte
	Via []int // indexes of Tunnels: those behind which the MAC is
}

// Station is an address of the network with the MAC that has it.
type Station struct {
	IP  netip.Addr
	MAC [6]byte
}

// Equal reports whether two networks are the same, in the same order, so that
// their flows are.
func (n *Network) Equal(o *Network) bool {
	return n.ID == o.ID && n.PortSecurity == o.PortSecurity && n.DropBroadcast == o.DropBroadcast && n.DropUnknown == o.DropUnknown &&
		n.Learning == o.Learning && n.Protected == o.Protected && n.Deaf == o.Deaf && n.Like == o.Like &&
		slices.EqualFunc(n.VIFs, o.VIFs, VIF.equal) && slices.Equal(n.Tunnels, o.Tunnels) &&
		slices.EqualFunc(n.Remotes, o.Remotes, func(a, b Remote) bool { return a.MAC == b.MAC && slices.Equal(a.Via, b.Via) }) &&
		slices.Equal(n.Stations, o.Stations)
}

func (v VIF) equal(o VIF) bool {
	return v.OFPort == o.OFPort && v.DHCPServer == o.DHCPServer && v.Router == o.Router &&
		slices.Equal(v.MACs, o.MACs) && slices.Equal(v.IPs, o.IPs) && slices.Equal(v.Allowed, o.Allowed)
}
