package api

import "ovsmesh/topology"

// InventoryRequest is GET /v1/inventory[?rows=true].
type InventoryRequest struct {
	Rows bool // with what is on each connected host's bridges
}

// Inventory answers GET /v1/inventory: what the hosts report of themselves,
// and, with rows, all else that one needs beside the spec to work out without a
// controller what every bridge should hold.
type Inventory struct {
	StoreID  string             `json:"storeID"` // the store's UUID, which marks our rows
	Networks []InventoryNetwork `json:"networks"`
	Hosts    []InventoryHost    `json:"hosts"`
}

// InventoryNetwork is what a controller has given a network.
type InventoryNetwork struct {
	Name  string         `json:"name"`
	ID    uint32         `json:"id"` // in the cookies of its flows
	Encap topology.Encap `json:"encap"`
	Key   uint32         `json:"key"`
	Pins  []topology.Pin `json:"pins,omitempty"` // what CloudStack's calls keep in it, which no spec says
}

// InventoryHost is one host's facts by its name.
type InventoryHost struct {
	Name               string           `json:"name"`
	ID                 int              `json:"id"`
	Left               bool             `json:"left,omitempty"` // "host leave" took it out
	topology.HostFacts `yaml:",inline"` // as encoding/json has it of itself
	OVS                *InventoryOVS    `json:"ovs,omitempty"`     // nil: not asked for, or not known
	Missing            string           `json:"missing,omitempty"` // why OVS is not known
}

// InventoryOVS is the part of a host's Open vSwitch database that decides what
// belongs on its bridges. Of the options of interfaces it has those of tunnels
// and patch ports and nothing secret.
type InventoryOVS struct {
	Version string            `json:"version,omitempty"`
	Target  string            `json:"target,omitempty"` // where managed bridges are to dial in
	Lacks   []string          `json:"lacks,omitempty"`  // TABLE.COLUMN that we use and this version has not
	Bridges []InventoryBridge `json:"bridges"`          // sorted by name
}

// InventoryBridge is a row of table Bridge, ovs-vswitchd.conf.db(5).
type InventoryBridge struct {
	Name         string            `json:"name"`
	DatapathID   string            `json:"datapathID,omitempty"`
	DatapathType string            `json:"datapathType,omitempty"`
	FailMode     string            `json:"failMode,omitempty"`
	Protocols    []string          `json:"protocols,omitempty"`
	STP          bool              `json:"stp,omitempty"`
	RSTP         bool              `json:"rstp,omitempty"`
	ExternalIDs  map[string]string `json:"externalIDs,omitempty"`
	OtherConfig  map[string]string `json:"otherConfig,omitempty"`
	Ports        []InventoryPort   `json:"ports,omitempty"` // sorted by name

	Controllers []InventoryController `json:"controllers,omitempty"` // sorted by target
}

// InventoryController is a row of table Controller.
type InventoryController struct {
	Target         string            `json:"target"`
	Type           string            `json:"type,omitempty"`
	ConnectionMode string            `json:"connectionMode,omitempty"`
	ExternalIDs    map[string]string `json:"externalIDs,omitempty"`
}

// InventoryPort is a row of table Port.
type InventoryPort struct {
	Name        string               `json:"name"`
	Mode        string               `json:"mode,omitempty"` // vlan_mode
	Tag         *int64               `json:"tag,omitempty"`  // nil: none
	Trunks      []int64              `json:"trunks,omitempty"`
	CVLANs      []int64              `json:"cvlans,omitempty"`
	FakeBridge  bool                 `json:"fakeBridge,omitempty"`
	Protected   bool                 `json:"protected,omitempty"`
	ExternalIDs map[string]string    `json:"externalIDs,omitempty"`
	Interfaces  []InventoryInterface `json:"interfaces"` // sorted by name
}

// InventoryInterface is a row of table Interface.
type InventoryInterface struct {
	Name          string            `json:"name"`
	Type          string            `json:"type,omitempty"`
	OFPort        int64             `json:"ofport,omitempty"` // 0: none yet; -1: it could not be made
	OFPortRequest int64             `json:"ofportRequest,omitempty"`
	Error         string            `json:"error,omitempty"`
	LinkState     string            `json:"linkState,omitempty"`
	MTU           int64             `json:"mtu,omitempty"`
	BFD           map[string]string `json:"bfd,omitempty"`
	Options       map[string]string `json:"options,omitempty"`
	ExternalIDs   map[string]string `json:"externalIDs,omitempty"`
}
