package verify

import "net/netip"

// Overlay is one network on all its hosts, with what its options promise: what
// Check holds frames against. It says nothing of flows.
type Overlay struct {
	Name    string
	Key     uint64 // of its tunnels
	Type    string // of its tunnels: gre, vxlan
	DstPort uint16 // UDP, of VXLAN
	Strict  bool   // carriers tell peers apart by their addresses, and take nothing of strangers

	Learning      bool // the bridges forward by NORMAL; none of the options below then
	PortSecurity  bool // VMs may use their own addresses only, so far as these are known
	DropBroadcast bool // tunnels carry no broadcast and multicast but for services
	DropUnknown   bool // unicast to addresses that nobody is known to have is dropped

	Members []Member
	Known   map[netip.Addr][6]byte // whose IP addresses are known; ARP for them is answered
}

// Member is a host in the network's mesh.
type Member struct {
	Host     string
	Bridge   string
	Endpoint netip.Addr // of its tunnels; invalid: it has none that can be used
	External bool       // programmed by nobody of us; Machines then is what is known to be behind it, in one
	Machines []Machine
}

// Machine is a VM's interface.
type Machine struct {
	Name      string // what people call it
	Interface string
	OFPort    uint32
	MACs      [][6]byte    // none: not known
	IPs       []netip.Addr // none: not known
	Allowed   []Pair       // further addresses that it may use

	DHCPServer, Router bool
}

// Pair is an address that a machine may use beside its own.
type Pair struct {
	MAC [6]byte // zero: its own MACs
	IP  netip.Addr
}

// reaches reports whether there is to be a tunnel between two members.
func (m *Member) reaches(o *Member) bool {
	return m.Endpoint.IsValid() && o.Endpoint.IsValid() && m.Endpoint.Is4() == o.Endpoint.Is4()
}
