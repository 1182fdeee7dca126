// Package schema holds the rows of the Open_vSwitch database that ovsmesh
// uses, as Go values, and one host's copy of them. Column meanings are those
// of ovs-vswitchd.conf.db(5).
//
// It does no I/O and starts no goroutines. A DB is owned by one goroutine.
package schema

import "strings"

// OpenvSwitch is the one row of table Open_vSwitch.
type OpenvSwitch struct {
	UUID          string
	Bridges       []string // Bridge UUIDs
	NextCfg       int64
	CurCfg        int64
	OVSVersion    string // "" where the start script did not set it
	DatapathTypes []string
	IfaceTypes    []string
	ExternalIDs   map[string]string
	OtherConfig   map[string]string
}

// Bridge is a row of table Bridge.
type Bridge struct {
	UUID         string
	Name         string
	DatapathID   string // 16 hex digits; "" until ovs-vswitchd has set it
	DatapathType string
	Ports        []string // Port UUIDs
	Controllers  []string // Controller UUIDs
	FailMode     string   // "", standalone or secure
	Protocols    []string
	STPEnable    bool
	RSTPEnable   bool
	ExternalIDs  map[string]string
	OtherConfig  map[string]string
}

// Port is a row of table Port.
type Port struct {
	UUID        string
	Name        string
	Interfaces  []string // Interface UUIDs; more than one is a bond
	VLANMode    string   // "": follows from Tag and Trunks
	Tag         int64    // VLAN; -1: none
	Trunks      []int64  // VLANs; none: all
	CVLANs      []int64  // customer VLANs of mode dot1q-tunnel; none: all
	FakeBridge  bool
	Protected   bool
	ExternalIDs map[string]string
}

// Interface is a row of table Interface.
type Interface struct {
	UUID          string
	Name          string
	Type          string
	OFPort        int64 // 0: not assigned yet; -1: could not be made
	OFPortRequest int64 // 0: none
	Error         string
	LinkState     string            // "", up or down
	MTU           int64             // bytes; 0: not known
	BFD           map[string]string // configuration
	BFDStatus     map[string]string // state and more, where BFD is on
	Options       map[string]string
	ExternalIDs   map[string]string
	Status        map[string]string
}

// Controller is a row of table Controller.
type Controller struct {
	UUID           string
	Target         string
	Type           string // "", primary or service
	ConnectionMode string // "", in-band or out-of-band
	ExternalIDs    map[string]string
}

// The external_ids keys that ovsmesh writes.
const (
	KeyOwner   = "ovsmesh-owner"   // the store's UUID, on every row that is ours or that we manage
	KeyNetwork = "ovsmesh-network" // the network a tunnel port serves; on a VIF, the operator's word for the network it joins
	KeyPeer    = "ovsmesh-peer"    // name of the host at the far end of a tunnel port
	KeySaved   = "ovsmesh-saved"   // on a Bridge: JSON of the settings that it had before
	KeyLeave   = "ovsmesh-leave"   // on Open_vSwitch: this host is to leave, or has left, the mesh
	KeyPlugin  = "ovsmesh-plugin"  // on what CloudStack's ovstunnel plugin has made: JSON of what to give it back, see package plan
	KeyHost    = "ovsmesh-host"    // on a Bridge: the host as the store has it, topology.HostNote

	prefixNote = "ovsmesh-spec-" // on a Bridge, and the name of a network on it: see NoteKey
)

// NoteKey returns the key under which a Bridge carries what the store has of a
// network on it, topology.NetworkNote.
func NoteKey(network string) string { return prefixNote + network }

// Noted returns the network whose note stands under a key of a Bridge.
func Noted(key string) (network string, ok bool) { return strings.CutPrefix(key, prefixNote) }
