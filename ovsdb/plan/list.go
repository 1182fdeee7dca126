package plan

import (
	"slices"
	"strconv"
	"strings"

	"ovsmesh/ovsdb/schema"
)

// TunnelPort is a tunnel port that is there, as its rows tell it.
type TunnelPort struct {
	Name     string
	Bridge   string
	Network  string
	Peer     string
	Type     string
	Key      string // a number, or flow
	RemoteIP string // an address, or flow
	LocalIP  string // "" where the host's routing chooses
	DstPort  uint16 // UDP, VXLAN only; 0: the usual one
	BFD      bool   // wanted of the switch; whether the session is up says Interface.BFDStatus
	Fenced   bool   // NORMAL never reaches it
	OFPort   int64  // 0: not assigned yet; -1: could not be made
	Error    string
}

// Tunnels returns the tunnel ports that carry an owner's mark, by bridge and
// name.
func Tunnels(db *schema.DB, owner string) []TunnelPort { return tunnels(db, owner, db.OwnedPorts()) }

// TunnelsOf returns those of one network, or of one carrier. Its work grows with
// these alone.
func TunnelsOf(db *schema.DB, owner, network string) []TunnelPort {
	return tunnels(db, owner, db.PortsOfNetwork(network))
}

func tunnels(db *schema.DB, owner string, ports []*schema.Port) []TunnelPort {
	var list []TunnelPort
	for _, p := range ports {
		if owner == "" || p.ExternalIDs[schema.KeyOwner] != owner || len(p.Interfaces) != 1 {
			continue
		}
		i := db.Interfaces[p.Interfaces[0]]
		if i == nil {
			continue
		}
		t := TunnelPort{
			Name: p.Name, Network: p.ExternalIDs[schema.KeyNetwork], Peer: p.ExternalIDs[schema.KeyPeer],
			Type: i.Type, Key: i.Options["key"], RemoteIP: i.Options["remote_ip"], LocalIP: i.Options["local_ip"],
			BFD: i.BFD["enable"] == "true", Fenced: fenced(p), OFPort: i.OFPort, Error: i.Error,
		}
		if text := i.Options["dst_port"]; text != defaultDstPort {
			port, _ := strconv.ParseUint(text, 10, 16) // what is no port is none
			t.DstPort = uint16(port)
		}
		if b := db.BridgeOfPort(p.UUID); b != nil {
			t.Bridge = b.Name
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b TunnelPort) int {
		if c := strings.Compare(a.Bridge, b.Bridge); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}
