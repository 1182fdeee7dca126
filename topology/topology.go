// Package topology is the model of ovsmesh: tenants' networks, hosts, VM ports
// and tunnel keys as the operator declares them; what hosts report of
// themselves; and the mesh that follows from both.
//
//	files ──Parse──► Spec ──Intent.Plan──► Change ──Intent.Commit──► Intent
//	                                                                  │
//	host inventories ──HostFacts────────────────────────────► Mesh ◄──┘
//	                                                           │
//	                                     []Update, one a host and network
//
// It is pure: no I/O, no clock, no logger, no goroutines. Intent and Mesh are
// owned by one goroutine; what they hand out is immutable and may be shared.
package topology

import "net/netip"

// Encap is a tunnel encapsulation.
type Encap string

// The encapsulations, with the interface types of ovs-vswitchd.conf.db(5).
const (
	GRE   Encap = "gre"
	VXLAN Encap = "vxlan"
)

// Network is one tenant network as a spec declares it. JSON and YAML names and
// defaults are those of the interface; Defaults fills them in. DatapathType is
// nothing to a bridge that is there already, and so may stand in a spec that
// makes none; CreateBridge without a host to make it on is refused, for it reads
// as if the bridge came about wherever a VM starts.
type Network struct {
	Name           string   `json:"name"`
	Tenant         string   `json:"tenant,omitempty"`
	Encap          Encap    `json:"encap"`
	Key            uint32   `json:"key,omitempty"` // 0: from the pool
	Bridge         string   `json:"bridge,omitempty"`
	XSNetworkUUIDs []string `json:"xsNetworkUUIDs,omitempty"`
	CreateBridge   bool     `json:"createBridge,omitempty"`
	DatapathType   string   `json:"datapathType,omitempty"`
	TakeBridge     bool     `json:"takeBridge,omitempty"`
	Hosts          []string `json:"hosts,omitempty"`
	Profile        string   `json:"profile,omitempty"`
	Broadcast      string   `json:"broadcast,omitempty"`
	UnknownUnicast string   `json:"unknownUnicast,omitempty"`
	PortSecurity   *bool    `json:"portSecurity,omitempty"`
	TunnelPorts    string   `json:"tunnelPorts,omitempty"`
	BFD            bool     `json:"bfd,omitempty"`
	MTU            int      `json:"mtu,omitempty"`
	DstPort        uint16   `json:"dstPort,omitempty"`
}

// Host is one hypervisor as a spec declares it.
type Host struct {
	Name        string     `json:"name"`
	ID          int        `json:"id,omitempty"` // 0: lowest free
	SystemID    string     `json:"systemID,omitempty"`
	Endpoint    netip.Addr `json:"endpoint,omitzero"`
	Kind        string     `json:"kind,omitempty"`
	UnderlayMTU int        `json:"underlayMTU,omitempty"`
}

// Port is a VM's interface as a spec declares it.
type Port struct {
	Name             string       `json:"name"`
	Network          string       `json:"network"`
	Match            PortMatch    `json:"match"`
	MAC              MAC          `json:"mac,omitzero"`
	IPs              []netip.Addr `json:"ips,omitempty"`
	AllowedAddresses []Address    `json:"allowedAddresses,omitempty"`
	DHCPServer       bool         `json:"dhcpServer,omitempty"`
	Router           bool         `json:"router,omitempty"`
}

// PortMatch says which Interface row a Port is: exactly one of IfaceID,
// XSVifUUID, MAC, or Host and Interface together.
type PortMatch struct {
	IfaceID   string `json:"ifaceID,omitempty"`   // external_ids:iface-id
	XSVifUUID string `json:"xsVifUUID,omitempty"` // external_ids:xs-vif-uuid
	MAC       MAC    `json:"mac,omitzero"`        // external_ids:attached-mac
	Host      string `json:"host,omitempty"`
	Interface string `json:"interface,omitempty"` // Interface name on Host
}

// Address is a further address pair that a Port may use.
type Address struct {
	MAC MAC        `json:"mac,omitzero"`
	IP  netip.Addr `json:"ip"`
}

// KeyPool is a range of tunnel keys, both ends included, from which networks
// without a key of their own draw.
type KeyPool struct {
	Encap Encap    `json:"encap"`
	Range KeyRange `json:"range"`
}

// Spec is what one apply names: any number of each kind of object.
type Spec struct {
	KeyPools []KeyPool `json:"keyPools,omitempty"`
	Networks []Network `json:"networks,omitempty"`
	Hosts    []Host    `json:"hosts,omitempty"`
	Ports    []Port    `json:"ports,omitempty"`
}
