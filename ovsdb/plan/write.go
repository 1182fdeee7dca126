package plan

import (
	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// Touch returns the operations that write a bridge once without changing what
// it does. Written while its controller is connected, it makes ovs-vswitchd
// redial every 1 to 1.5 s from then on; without it the time between dials
// grows to 8 s. value must differ from that of the last time. None where the
// bridge is not there.
func Touch(db *schema.DB, bridge, value string) []ovsdb.Operation {
	b := db.BridgeByName(bridge)
	if b == nil {
		return nil
	}
	ms := patch("external_ids", b.ExternalIDs, map[string]string{keyHello: value})
	if len(ms) == 0 {
		return nil
	}
	return []ovsdb.Operation{mutate("Bridge", byUUID(b.UUID), ms...), bump(db)}
}

// MarkLeave returns the operations that set external_ids:ovsmesh-leave of the
// host to value; none where it is that already.
func MarkLeave(db *schema.DB, value string) []ovsdb.Operation {
	ms := patch("external_ids", db.Open.ExternalIDs, map[string]string{schema.KeyLeave: value})
	if len(ms) == 0 {
		return nil
	}
	return []ovsdb.Operation{mutate("Open_vSwitch", byUUID(db.Open.UUID), ms...)}
}

// ClearLeave returns the operations that take external_ids:ovsmesh-leave away;
// none where it is not there.
func ClearLeave(db *schema.DB) []ovsdb.Operation { return MarkLeave(db, "") }
