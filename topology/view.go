package topology

import "net/netip"

// Update says that what one host should do for one network is now other than
// it was. On nil means that the host has left the network, or that the network
// is gone: everything of it on that host goes.
type Update struct {
	Host    string // host name
	Network string // network name
	On      *OnHost
}

// OnHost is one network as one host sees it. It is immutable and shared.
type OnHost struct {
	Net          *NetworkView
	Bridge       string     // the bridge that carries the network on this host; "" where none is known
	CreateBridge bool       // make it where it is missing
	VIFs         []LocalVIF // this host's VIFs in the network, sorted by interface name
	Self         Member     // this host's entry in Net.Members
	Problems     []string   // why something of this network can't be done on this host, for people
	Listed       bool       // the network lists this host
	HostNote     string     // the host as the store has it, for the bridge; see HostNote
}

// LocalVIF is a VM's interface on the host itself.
type LocalVIF struct {
	Port       string       // the spec's port name, or HOST/INTERFACE
	Interface  string       // Interface name on the host
	MACs       []MAC        // none: not known, reached by flooding, not secured
	IPs        []netip.Addr // sorted, each once; none: not known
	Allowed    []Address    // further addresses that it may use, sorted by IP and MAC, each once; MAC zero: with its own MAC
	DHCPServer bool         // DHCP requests reach it where broadcast is dropped
	Router     bool         // router solicitations reach it where broadcast is dropped; it forwards others' packets
}

// NetworkView is a network with all its members, the same for all its hosts.
// It is immutable and shared; a change makes a new one.
type NetworkView struct {
	ID            uint32 // never reused while the store lives; 1 or more
	Name          string
	Tenant        string
	Encap         Encap
	Key           uint32 // as allocated; never 0
	DstPort       uint16 // UDP, VXLAN only
	DatapathType  string // for a bridge that is made for it
	PortSecurity  bool
	Learning      bool   // profile learning: the bridge forwards by NORMAL
	DropBroadcast bool   // tunnels carry no broadcast and multicast but DHCP and router discovery
	DropUnknown   bool   // unicast to unknown addresses is dropped
	TunnelPorts   string // one of the TunnelPorts… words
	BFD           bool
	TakeBridge    bool     // also a bridge that holds physical NICs or VLAN fake bridges
	MTU           int      // that the spec names for VMs; 0: follows from the underlay
	Note          string   // the network as the store has it; see OnHost.Note
	Members       []Member // sorted by HostID

	// Addresses follows from Members: whose MAC each address is of which that
	// is known. See Stations.
	Addresses []KnownAddress

	// MACs follows from Members: which hosts have each MAC, by MAC. See
	// MACTable.
	MACs []RemoteMAC
}

// Member is a host in a network's mesh, as its peers need to know it.
type Member struct {
	Host     string
	HostID   int
	Endpoint netip.Addr // tunnel destination for its peers; invalid where none is usable
	Explicit bool       // Endpoint was named by the spec: also local_ip of this host's own tunnels
	Error    string     // why it has no usable endpoint: peers make no tunnel to it and show this
	External bool       // a tunnel endpoint that nobody of us programs
	Assumed  bool       // likewise: CloudStack's plugin does, see HostRecord.Assumed
	Stations []Station  // of its VIFs in the network, sorted by MAC, each MAC once

	// Floating are the IP addresses that its VIFs may use beside their own,
	// sorted, each once: nobody knows which of several machines has one now.
	Floating []netip.Addr

	DHCPServer bool // one of its VIFs is a DHCP server
	Router     bool // one of its VIFs is a router
}

// Station is an address on the wire with the IP addresses that are known of it.
type Station struct {
	MAC MAC
	IPs []netip.Addr // sorted, each once; none: not known
}
