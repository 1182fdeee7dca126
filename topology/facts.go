package topology

import "net/netip"

// HostFacts is what a host's Open vSwitch database says that matters for the
// mesh: who the host is, where its tunnels start, and what is plugged in.
// Rows that ovsmesh made itself (external_ids:ovsmesh-owner) are not in it.
// It is kept on disk, so that a controller that starts anew knows the members
// of every network before their hosts have dialled in again.
type HostFacts struct {
	SystemID   string        `json:"systemID"`             // external_ids:system-id
	Hostname   string        `json:"hostname,omitempty"`   // external_ids:hostname
	LocalIP    string        `json:"localIP,omitempty"`    // other_config:local_ip
	EndpointIP string        `json:"endpointIP,omitempty"` // external_ids:ovsmesh-endpoint-ip
	PeerAddr   netip.Addr    `json:"peerAddr,omitzero"`    // where its OVSDB connection comes from
	Bridges    []BridgeFacts `json:"bridges,omitempty"`    // sorted by name
}

// BridgeFacts describes one bridge of a host.
type BridgeFacts struct {
	Name           string           `json:"name"`
	XSNetworkUUIDs []string         `json:"xsNetworkUUIDs,omitempty"` // external_ids:xs-network-uuids, split at ";"
	Physical       []string         `json:"physical,omitempty"`       // names of its physical NICs, bonds and VLAN fake bridges
	Interfaces     []InterfaceFacts `json:"interfaces,omitempty"`     // VIF candidates only, sorted by name
}

// InterfaceFacts describes an Interface that may be a VIF: not LOCAL, no
// patch, tunnel, bond member or physical NIC, and not one of ours.
type InterfaceFacts struct {
	Name        string `json:"name"`
	Type        string `json:"type,omitempty"`        // Interface.type: "" (system), internal, tap, dummy, …
	AttachedMAC string `json:"attachedMAC,omitempty"` // external_ids:attached-mac, as found
	IfaceID     string `json:"ifaceID,omitempty"`     // external_ids:iface-id
	IfaceStatus string `json:"ifaceStatus,omitempty"` // external_ids:iface-status
	XSVifUUID   string `json:"xsVifUUID,omitempty"`   // external_ids:xs-vif-uuid
	Network     string `json:"network,omitempty"`     // external_ids:ovsmesh-network
	IPs         string `json:"ips,omitempty"`         // external_ids:ovsmesh-ips, as found
}
