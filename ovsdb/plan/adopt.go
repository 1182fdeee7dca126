package plan

import (
	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// Adopt returns the operations that make the rows of some bridges ours which
// another owner has: the bridges, their ports with the interfaces, and their
// controllers. Nothing but the mark is changed, so nothing of it is anything to
// ovs-vswitchd, and no ofport, flow or packet is touched. Rows of anybody else
// on these bridges stay as they are, as do bridges that are not from's. rows is
// how many are marked.
func Adopt(db *schema.DB, owner, from string, bridges []string) (ops []ovsdb.Operation, rows int) {
	take := func(table, uuid string, ids map[string]string) {
		if from == "" || ids[schema.KeyOwner] != from {
			return
		}
		rows++
		ops = append(ops, mutate(table, byUUID(uuid), patch("external_ids", ids, map[string]string{schema.KeyOwner: owner})...))
	}
	for _, name := range bridges {
		b := db.BridgeByName(name)
		if b == nil || from == "" || b.ExternalIDs[schema.KeyOwner] != from {
			continue
		}
		take("Bridge", b.UUID, b.ExternalIDs)
		for _, id := range b.Controllers {
			if c := db.Controllers[id]; c != nil {
				take("Controller", c.UUID, c.ExternalIDs)
			}
		}
		for _, id := range b.Ports {
			p := db.Ports[id]
			if p == nil || p.ExternalIDs[schema.KeyOwner] != from {
				continue
			}
			take("Port", p.UUID, p.ExternalIDs)
			for _, id := range p.Interfaces {
				if i := db.Interfaces[id]; i != nil {
					take("Interface", i.UUID, i.ExternalIDs)
				}
			}
		}
	}
	return ops, rows
}
