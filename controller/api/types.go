// Package api is the HTTP face of the controller: the JSON shapes, the server
// and the client that the command line uses.
//
// The server knows the controller only as a Backend, so that this package does
// not import the one above it. It starts no goroutines beyond those of
// net/http, which Server.Run owns.
package api

import (
	"ovsmesh/openflow/audit"
	"ovsmesh/topology"
)

// File is one document of a spec, by the name that its user knows it by, so
// that errors can point into it.
type File struct {
	Name string `json:"name"`
	Data string `json:"data"`
}

// ApplyRequest is the body of POST /v1/apply. A body of another type than
// application/json is taken as one File of a spec.
type ApplyRequest struct {
	Files  []File `json:"files"`
	Prune  bool   `json:"prune,omitempty"`
	DryRun bool   `json:"dryRun,omitempty"`
}

// ApplyResult answers POST /v1/apply and DELETE /v1/KIND/NAME.
type ApplyResult struct {
	Generation uint64          `json:"generation"` // pass it to GET /v1/sync to learn when hosts follow
	DryRun     bool            `json:"dryRun,omitempty"`
	Items      []topology.Item `json:"items"`
}

// Error is the body of every answer that is not 2xx. Problems point into the
// files of a refused spec.
type Error struct {
	Message  string    `json:"error"`
	Problems []Problem `json:"problems,omitempty"`
}

// Problem is one thing that is wrong with a spec. Line and Column count from
// 1; 0 where there is no place to point to.
type Problem struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
}

// SyncStatus answers GET /v1/sync?generation=N: how far the connected hosts
// have followed. Hosts that are not connected don't count.
type SyncStatus struct {
	Generation uint64        `json:"generation"`     // the one asked for
	Done       bool          `json:"done"`           // every connected host has it on its switches
	Hosts      int           `json:"hosts"`          // connected hosts
	InSync     int           `json:"inSync"`         // of them, those that have it
	Held       string        `json:"held,omitempty"` // why nothing is carried out anywhere
	Pending    []HostPending `json:"pending"`
	Errors     []string      `json:"errors"` // what could not be done, host by host; Done does not wait for these
}

// HostPending is a connected host that is not there yet, and what it waits for.
type HostPending struct {
	Host   string `json:"host"`
	Reason string `json:"reason"`
}

// Topology answers GET /v1/topology[?network=N][&host=H][&tenant=T]
// [&down=true][&limit=N][&offset=N][&counters=true].
type Topology struct {
	Networks []TopologyNetwork `json:"networks"`
	Hosts    []TopologyHost    `json:"hosts"`
	Problems []string          `json:"problems,omitempty"` // with the controller itself: what it can't do, and what to do about it
}

// TopologyNetwork is one network with its mesh as it is.
type TopologyNetwork struct {
	Name    string         `json:"name"`
	Tenant  string         `json:"tenant"`
	Encap   topology.Encap `json:"encap"`
	Key     uint32         `json:"key"`
	Profile string         `json:"profile"`

	TunnelPorts    string   `json:"tunnelPorts"`
	Broadcast      string   `json:"broadcast"`
	UnknownUnicast string   `json:"unknownUnicast"`
	MTU            int      `json:"mtu"`                // bytes of IP that VMs can use between any two hosts; 0: not known yet
	MTUAssumed     bool     `json:"mtuAssumed"`         // some host's underlay MTU is only assumed
	UnderlayMTU    int      `json:"underlayMTU"`        // of the members' underlay, the smallest; 0: not known yet
	Warnings       []string `json:"warnings,omitempty"` // host: what works, but not as VMs expect, and what to do

	Hosts         []string `json:"hosts"`
	Ports         int      `json:"ports"` // VIFs in it, on all hosts
	TunnelsWanted int      `json:"tunnelsWanted"`
	TunnelsUp     int      `json:"tunnelsUp"`
	InSync        bool     `json:"inSync"`
	Problems      []string `json:"problems,omitempty"` // host: what can't be done there
	Tunnels       []Tunnel `json:"tunnels"`

	Members            []TopologyMember `json:"members"` // in the order of Hosts
	Bridges            []string         `json:"bridges"` // that carry it on any of the hosts
	TunnelsPending     int              `json:"tunnelsPending"`
	TunnelsDown        int              `json:"tunnelsDown"`
	TunnelsUnreachable int              `json:"tunnelsUnreachable"`
	TunnelsOmitted     int              `json:"tunnelsOmitted,omitempty"` // that a limit or an offset has kept out of Tunnels
}

// The states of a tunnel end.
const (
	TunnelUp          = "up"          // row there, ofport assigned, no error, and BFD up where it is on
	TunnelPending     = "pending"     // wanted, not there yet
	TunnelDown        = "down"        // see Error
	TunnelUnreachable = "unreachable" // its host is not connected
)

// Tunnel is one end of a tunnel: the port on From that leads to To.
type Tunnel struct {
	From     string         `json:"from"`
	To       string         `json:"to"`
	Bridge   string         `json:"bridge"`
	Port     string         `json:"port"`
	Encap    topology.Encap `json:"encap"`
	Key      uint32         `json:"key"`
	LocalIP  string         `json:"localIP"`
	RemoteIP string         `json:"remoteIP"`
	OFPort   int64          `json:"ofport"`
	State    string         `json:"state"`
	BFD      string         `json:"bfd"` // session state of ovs-vswitchd.conf.db(5): up, down, init, admin_down; "" where BFD is off
	MTU      int            `json:"mtu"` // bytes of IP that fit through it; 0: not known
	Error    string         `json:"error"`

	BFDStatus *BFDStatus      `json:"bfdStatus,omitempty"` // nil where BFD is off, or Open vSwitch reports nothing of it
	Counters  *TunnelCounters `json:"counters,omitempty"`  // nil where nobody asked for them, or the host does not answer
}

// TopologyHost is one host as it is.
type TopologyHost struct {
	Name     string `json:"name"`
	ID       int    `json:"id"`
	Kind     string `json:"kind"` // managed, or external: never connected
	SystemID string `json:"systemID"`
	Endpoint string `json:"endpoint"`

	UnderlayMTU        int  `json:"underlayMTU"`        // of the interface that its tunnels leave by, in bytes; 0: not known
	UnderlayMTUAssumed bool `json:"underlayMTUAssumed"` // neither the spec nor the host has said it

	Connected  bool             `json:"connected"`
	Left       bool             `json:"left,omitempty"` // "host leave" took it out
	InSync     bool             `json:"inSync"`
	OVSVersion string           `json:"ovsVersion"`
	Bridges    []TopologyBridge `json:"bridges"`
	Problems   []string         `json:"problems,omitempty"`

	Health        string      `json:"health"`         // one of the Health… words; "" of one that is external or has left
	HealthReason  string      `json:"healthReason"`   // why it is not ok
	Echo          *HostEchoes `json:"echo,omitempty"` // nil while it is not connected
	OtherWriter   bool        `json:"otherWriter,omitempty"`
	Observed      bool        `json:"observed,omitempty"`      // we only look on
	CountersError string      `json:"countersError,omitempty"` // why its counters, which were asked for, are not there
}

// TopologyBridge is one managed bridge of a host.
type TopologyBridge struct {
	Name           string `json:"name"`
	DPID           string `json:"dpid"`
	Connected      bool   `json:"connected"` // its OpenFlow connection
	FlowsWanted    int    `json:"flowsWanted"`
	FlowsInstalled int    `json:"flowsInstalled"`
	Watched        string `json:"watched,omitempty"` // how changes that others make of its flows are noticed; left out while it is not connected
	Error          string `json:"error,omitempty"`
}

// Object kinds, as in paths and commands.
const (
	KindNetworks = "networks"
	KindHosts    = "hosts"
	KindPorts    = "ports"
	KindKeyPools = "keypools"
)

// Objects answers GET /v1/KIND and GET /v1/KIND/NAME: the one list of the
// kind that was asked for, even if it is empty; the others are nil.
type Objects struct {
	Networks []NetworkObject `json:"networks,omitzero"`
	Hosts    []HostObject    `json:"hosts,omitzero"`
	Ports    []PortObject    `json:"ports,omitzero"`
	KeyPools []KeyPoolObject `json:"keypools,omitzero"`
}

// NetworkObject is a network with its status.
type NetworkObject struct {
	topology.Network
	Status NetworkStatus `json:"status"`
}

// NetworkStatus is what became of a network.
type NetworkStatus struct {
	ID            uint32   `json:"id"`
	AutoKey       bool     `json:"autoKey"` // its key came from a pool
	Hosts         []string `json:"hosts"`
	Ports         int      `json:"ports"`
	TunnelsWanted int      `json:"tunnelsWanted"`
	TunnelsUp     int      `json:"tunnelsUp"`
	InSync        bool     `json:"inSync"`
	Problems      []string `json:"problems,omitempty"`

	Plugin bool           `json:"plugin,omitempty"` // CloudStack's calls made it; no spec names it
	Pins   []topology.Pin `json:"pins,omitempty"`   // what CloudStack's calls keep in it
}

// HostObject is a host with its status.
type HostObject struct {
	topology.Host
	Status HostStatus `json:"status"`
}

// HostStatus is what is known of a host now.
type HostStatus struct {
	Registered bool     `json:"registered"`        // it dialled in; no spec names it
	Assumed    bool     `json:"assumed,omitempty"` // only CloudStack's calls tell of it; no spec names it, and it has not dialled in
	Connected  bool     `json:"connected"`
	Address    string   `json:"address,omitempty"` // where its OVSDB connection comes from
	Endpoint   string   `json:"endpoint,omitempty"`
	InSync     bool     `json:"inSync"`
	Writer     bool     `json:"writer"`             // we hold its lock and so may write
	Observed   bool     `json:"observed,omitempty"` // we only look on
	LockHolder string   `json:"lockHolder,omitempty"`
	Owners     []string `json:"owners,omitempty"`
	Foreign    bool     `json:"foreign,omitempty"` // all rows of ovsmesh there are other stores'
	Left       bool     `json:"left,omitempty"`
	OVSVersion string   `json:"ovsVersion,omitempty"`
	Networks   []string `json:"networks"`
	Problems   []string `json:"problems,omitempty"`

	Health       string `json:"health"` // as in TopologyHost
	HealthReason string `json:"healthReason"`
}

// PortObject is a spec's port with its status.
type PortObject struct {
	topology.Port
	Status PortStatus `json:"status"`
}

// PortStatus says where a port was found: on several hosts during a migration.
type PortStatus struct {
	Places []PortPlace `json:"places"`
}

// PortPlace is an Interface of a host.
type PortPlace struct {
	Host      string `json:"host"`
	Interface string `json:"interface"`
}

// KeyPoolObject is a key pool with its status.
type KeyPoolObject struct {
	topology.KeyPool
	Status KeyPoolStatus `json:"status"`
}

// KeyPoolStatus counts a pool's keys.
type KeyPoolStatus struct {
	Used int `json:"used"`
	Free int `json:"free"`
}

// AuditRequest is GET /v1/audit[?network=N][&host=H][&foreign=true]; POST with
// Repair.
type AuditRequest struct {
	Network string
	Host    string
	Foreign bool // list others' flows too
	Repair  bool // put right what is off, on all hosts that are looked at
	DryRun  bool // with Repair: only say what would be done
}

// AuditReport answers GET and POST /v1/audit.
type AuditReport = audit.Report

// Version answers GET /v1/version.
type Version struct {
	Version string `json:"version"`
	StoreID string `json:"storeID"` // the store's UUID, which marks our rows

	Observing bool `json:"observing,omitempty"` // nothing is written to hosts
}
