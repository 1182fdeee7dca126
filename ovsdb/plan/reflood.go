package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// When STP of a bridge is switched off, Open vSwitch (3.1.0) goes on leaving out
// those ports that took part in it when NORMAL floods. It looks at that anew when
// a port's NO_FLOOD changes, which only OpenFlow 1.0 can do, or when the port
// loses one of several interfaces. So each gets a second interface for a moment,
// which leads nowhere: the port is a bond then, of which the first carries
// everything. In the meantime, milliseconds, NORMAL sends nothing to it that
// floods.

// refloodPeer is the peer of these interfaces, which are patch ports: those have
// no device.
const refloodPeer = "ovsmesh-none"

// Reflood returns the operations that belong into the transaction that switches
// STP of a bridge off, and those to be sent once ovs-vswitchd has carried these
// out: then NORMAL floods to all ports again.
func Reflood(db *schema.DB, owner, bridge string) (now, then []ovsdb.Operation) {
	b := db.BridgeByName(bridge)
	if b == nil {
		return nil, nil
	}
	for _, id := range slices.Sorted(slices.Values(b.Ports)) {
		p := db.Ports[id]
		if p == nil || p.Name == b.Name || len(p.Interfaces) != 1 {
			continue
		}
		i := db.Interfaces[p.Interfaces[0]]
		if i == nil || i.OFPort <= 0 || i.Type == "internal" || i.Type == "patch" {
			continue // they take no part in STP
		}
		sum := sha256.Sum256([]byte(p.Name))
		name := "om" + hex.EncodeToString(sum[:6])
		now = append(now,
			insert("Interface", name, ovsdb.Row{
				"name": name, "type": "patch", "options": textMap(map[string]string{"peer": refloodPeer}),
				"external_ids": textMap(map[string]string{schema.KeyOwner: owner}),
			}),
			mutate("Port", byUUID(id), append(refs("interfaces", nil, []string{name}),
				*ovsdb.NewMutation("other_config", ovsdb.MutateOperationInsert, textMap(map[string]string{bondPrimary: i.Name})))...))
		then = append(then, update("Port", byUUID(id), ovsdb.Row{"interfaces": uuids(p.Interfaces)}), primaryGone(id))
	}
	if len(then) > 0 {
		then = append(then, bump(db))
	}
	return now, then
}

// bondPrimary is the key of Port.other_config that names the interface which
// carries what a bond gets, as long as it is up.
const bondPrimary = "bond-primary"

func primaryGone(port string) ovsdb.Operation {
	return mutate("Port", byUUID(port), *ovsdb.NewMutation("other_config", ovsdb.MutateOperationDelete, texts([]string{bondPrimary})))
}

// Unflood returns the operations that take second interfaces away again which
// stayed because somebody was stopped between the two steps of Reflood; none
// where there are none.
func Unflood(db *schema.DB, owner string) []ovsdb.Operation {
	var ops []ovsdb.Operation
	for _, id := range slices.Sorted(maps.Keys(db.Interfaces)) {
		i := db.Interfaces[id]
		if i.Type != "patch" || owner == "" || i.ExternalIDs[schema.KeyOwner] != owner || i.Options["peer"] != refloodPeer {
			continue
		}
		if p := db.PortOfInterface(id); p != nil {
			ops = append(ops, mutate("Port", byUUID(p.UUID), refs("interfaces", []string{id}, nil)...), primaryGone(p.UUID))
		}
	}
	if len(ops) > 0 {
		ops = append(ops, bump(db))
	}
	return ops
}
