package plan

import (
	"slices"
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
	Key      string
	RemoteIP string
	LocalIP  string // "" where the host's routing chooses
	OFPort   int64  // 0: not assigned yet; -1: could not be made
	Error    string
}

// Tunnels returns the tunnel ports that carry an owner's mark, by bridge and
// name.
func Tunnels(db *schema.DB, owner string) []TunnelPort {
	var list []TunnelPort
	for _, p := range db.OwnedPorts() {
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
			OFPort: i.OFPort, Error: i.Error,
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
