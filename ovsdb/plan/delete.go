package plan

import (
	"slices"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// Occupants returns the ports of a bridge that would be missed if it went,
// sorted: all but its own and the tunnels of a mesh, be they ours or of the old
// plugin, which are of no use without the bridge.
func Occupants(db *schema.DB, owner, bridge string) []string {
	b := db.BridgeByName(bridge)
	if b == nil {
		return nil
	}
	var names []string
	for _, id := range b.Ports {
		p := db.Ports[id]
		if p == nil || p.Name == b.Name || p.ExternalIDs[schema.KeyOwner] == owner || pluginTunnel(db, p) {
			continue
		}
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// pluginTunnel reports whether a port is a tunnel that the old plugin made.
func pluginTunnel(db *schema.DB, p *schema.Port) bool {
	if p.ExternalIDs[schema.KeyOwner] != "" || len(p.Interfaces) != 1 {
		return false
	}
	i := db.Interfaces[p.Interfaces[0]]
	return i != nil && i.Type == "gre" && pluginName(p.Name)
}

// DeleteBridge returns the operations that delete a bridge with the ports that
// it is known to have; they are refused where it has others by then.
func DeleteBridge(db *schema.DB, bridge string) []ovsdb.Operation {
	b := db.BridgeByName(bridge)
	if b == nil {
		return nil
	}
	now := 0
	return []ovsdb.Operation{
		{
			Op: ovsdb.OperationWait, Table: schema.TableBridge, Where: byUUID(b.UUID), Timeout: &now,
			Columns: []string{"ports"}, Until: string(ovsdb.WaitConditionEqual), Rows: []ovsdb.Row{{"ports": uuids(b.Ports)}},
		},
		mutate("Open_vSwitch", byUUID(db.Open.UUID), refs("bridges", []string{b.UUID}, nil)...),
		bump(db),
	}
}
