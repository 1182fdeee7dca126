package plan

import (
	"maps"
	"slices"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// External_ids that only this package reads.
const (
	keyCreated = "ovsmesh-created" // on a Bridge: ovsmesh made it
	keyTaken   = "ovsmesh-taken"   // on a Bridge that is taken and not in secure mode: one of the three below; see Taken
	keyHello   = "ovsmesh-hello"   // on a Bridge: of no meaning; see Touch
	keyAdopted = "ovsmesh-adopted" // on a Port: its name is not the wanted one; it is known by its peer
)

// The values of keyTaken.
const (
	takenUnderlay = "true"     // with the host's own network in it
	takenOpen     = "open"     // as NORMAL forwards on it
	takenSpanning = "spanning" // likewise, and between tunnels, too, as far as STP lets it
)

func byUUID(uuid string) []ovsdb.Condition {
	return []ovsdb.Condition{ovsdb.NewCondition("_uuid", ovsdb.ConditionEqual, ovsdb.UUID{GoUUID: uuid})}
}

func byName(name string) []ovsdb.Condition {
	return []ovsdb.Condition{ovsdb.NewCondition("name", ovsdb.ConditionEqual, name)}
}

// bump is the write after which ovs-vswitchd sets cur_cfg to next_cfg.
func bump(db *schema.DB) ovsdb.Operation {
	return mutate("Open_vSwitch", byUUID(db.Open.UUID), *ovsdb.NewMutation("next_cfg", ovsdb.MutateOperationAdd, 1))
}

func mutate(table string, where []ovsdb.Condition, ms ...ovsdb.Mutation) ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationMutate, Table: table, Where: where, Mutations: ms}
}

func update(table string, where []ovsdb.Condition, row ovsdb.Row) ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationUpdate, Table: table, Where: where, Row: row}
}

func insert(table, id string, row ovsdb.Row) ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationInsert, Table: table, UUIDName: id, Row: row}
}

// uuids is a set of references, to rows by UUID or to inserts by uuid-name.
func uuids(ids []string) ovsdb.OvsSet {
	set := ovsdb.OvsSet{GoSet: make([]any, len(ids))}
	for i, id := range ids {
		set.GoSet[i] = ovsdb.UUID{GoUUID: id}
	}
	return set
}

func texts(list []string) ovsdb.OvsSet {
	set := ovsdb.OvsSet{GoSet: make([]any, len(list))}
	for i, s := range list {
		set.GoSet[i] = s
	}
	return set
}

func textMap(m map[string]string) ovsdb.OvsMap {
	out := ovsdb.OvsMap{GoMap: make(map[any]any, len(m))}
	for k, v := range m {
		out.GoMap[k] = v
	}
	return out
}

// refs returns the mutations that take references out of a column and put
// others in.
func refs(column string, gone, added []string) []ovsdb.Mutation {
	var ms []ovsdb.Mutation
	if len(gone) > 0 {
		ms = append(ms, *ovsdb.NewMutation(column, ovsdb.MutateOperationDelete, uuids(gone)))
	}
	if len(added) > 0 {
		ms = append(ms, *ovsdb.NewMutation(column, ovsdb.MutateOperationInsert, uuids(added)))
	}
	return ms
}

// patch returns the mutations that give a column of type map the wanted values
// of some keys, "" for none, and leave its other keys alone. A key that is
// there must be deleted first: an insert leaves its value as it is (RFC 7047
// §5.1).
func patch(column string, got, want map[string]string) []ovsdb.Mutation {
	var gone []string
	added := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		now, there := got[k]
		if there && now == want[k] && now != "" || !there && want[k] == "" {
			continue
		}
		if there {
			gone = append(gone, k)
		}
		if want[k] != "" {
			added[k] = want[k]
		}
	}
	var ms []ovsdb.Mutation
	if len(gone) > 0 {
		ms = append(ms, *ovsdb.NewMutation(column, ovsdb.MutateOperationDelete, texts(gone)))
	}
	if len(added) > 0 {
		ms = append(ms, *ovsdb.NewMutation(column, ovsdb.MutateOperationInsert, textMap(added)))
	}
	return ms
}
