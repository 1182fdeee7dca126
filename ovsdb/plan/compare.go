package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"ovsmesh/ovsdb/schema"
)

// Change is what becomes of one row of a host's database.
type Change struct {
	Table   string
	Name    string // of the row; of a Controller its target
	Bridge  string // that holds it, or is it; "" for Open_vSwitch
	Port    string // that holds an Interface, or is it; "" for other rows
	Verb    string // one of the Verbs
	Columns []ColumnChange

	Network, Peer string // of a tunnel's rows
}

// What becomes of a row.
const (
	VerbMake    = "make"    // it is not there
	VerbTake    = "take"    // it is nobody's, and becomes ours in place
	VerbChange  = "change"  // whose it is stays as it is
	VerbRelease = "release" // it was ours, and becomes nobody's in place
	VerbDelete  = "delete"
)

// ColumnChange is a column, or one key of a map as COLUMN:KEY, with what it holds
// before and after; "" where it is not set. Members of a set are joined by
// commas; references between rows are left out, as rows are told by their names.
type ColumnChange struct {
	Column   string
	Old, New string
}

// Compare returns what differs between two states of a host's database of what is
// configured, by bridge, table and name. What ovs-vswitchd alone writes, the
// counters of Open_vSwitch's configuration and rows' UUIDs are no differences.
func Compare(before, after *schema.DB) []Change {
	c := comparer{before: before, after: after}
	if before.Open != after.Open {
		c.row(schema.TableOpen, before.Open, after.Open, Change{})
	}
	each(before.Bridges, after.Bridges, func(was, is *schema.Bridge) {
		some := cmp.Or(is, was)
		c.row(schema.TableBridge, columned(was), columned(is), Change{Name: some.Name, Bridge: some.Name})
	})
	each(before.Controllers, after.Controllers, func(was, is *schema.Controller) {
		some, db := is, after
		if is == nil {
			some, db = was, before
		}
		c.row(schema.TableController, columned(was), columned(is), Change{Name: some.Target, Bridge: bridgeOf(db, some.UUID)})
	})
	each(before.Ports, after.Ports, func(was, is *schema.Port) {
		some, db := is, after
		if is == nil {
			some, db = was, before
		}
		at := Change{Name: some.Name, Port: some.Name, Network: some.ExternalIDs[schema.KeyNetwork], Peer: some.ExternalIDs[schema.KeyPeer]}
		if b := db.BridgeOfPort(some.UUID); b != nil {
			at.Bridge = b.Name
		}
		c.row(schema.TablePort, columned(was), columned(is), at)
	})
	each(before.Interfaces, after.Interfaces, func(was, is *schema.Interface) {
		some, db := is, after
		if is == nil {
			some, db = was, before
		}
		at := Change{Name: some.Name, Network: some.ExternalIDs[schema.KeyNetwork], Peer: some.ExternalIDs[schema.KeyPeer]}
		if p := db.PortOfInterface(some.UUID); p != nil {
			at.Port = p.Name
			if b := db.BridgeOfPort(p.UUID); b != nil {
				at.Bridge = b.Name
			}
		}
		c.row(schema.TableInterface, columned(was), columned(is), at)
	})
	slices.SortFunc(c.list, func(a, b Change) int {
		return cmp.Or(strings.Compare(a.Bridge, b.Bridge), strings.Compare(a.Port, b.Port), strings.Compare(a.Table, b.Table),
			strings.Compare(a.Name, b.Name), strings.Compare(a.Verb, b.Verb))
	})
	return c.list
}

type comparer struct {
	before, after *schema.DB
	list          []Change
}

// each calls f with all rows that are not the same in both, nil for none.
func each[R schema.Row](before, after map[string]*R, f func(was, is *R)) {
	for id, was := range before {
		if is := after[id]; is != was {
			f(was, is)
		}
	}
	for id, is := range after {
		if before[id] == nil {
			f(nil, is)
		}
	}
}

// columned is nil where there is no row.
func columned[R any, P interface {
	*R
	schema.Columned
}](row P) schema.Columned {
	if row == nil {
		return nil
	}
	return row
}

// reported reports whether nobody configures a column.
func reported(table, column string) bool {
	switch table {
	case schema.TableOpen:
		return column != "external_ids" && column != "other_config"
	case schema.TableBridge:
		if column == "datapath_id" {
			return true
		}
	case schema.TableInterface:
		switch column {
		case "ofport", "error", "link_state", "mtu", "bfd_status", "status":
			return true
		}
	}
	return refersTo(table, column) != ""
}

// row adds what differs of one row.
func (c *comparer) row(table string, was, is schema.Columned, at Change) {
	at.Table = table
	switch {
	case was == nil:
		at.Verb = VerbMake
	case is == nil:
		at.Verb = VerbDelete
	default:
		at.Verb = VerbChange
		switch before, after := owner(was), owner(is); {
		case before == "" && after != "":
			at.Verb = VerbTake
		case before != "" && after == "":
			at.Verb = VerbRelease
		}
	}
	for _, column := range schema.Columns(table) {
		if reported(table, column) {
			continue
		}
		var old, now schema.Value
		if was != nil {
			old, _ = schema.Get(was, column)
		}
		if is != nil {
			now, _ = schema.Get(is, column)
		}
		at.add(column, old, now, was == nil || is == nil)
	}
	if len(at.Columns) > 0 {
		c.list = append(c.list, at)
	}
}

// add notes a column that differs; of a row that comes or goes, not those that
// hold what they hold by themselves.
func (c *Change) add(column string, old, now schema.Value, whole bool) {
	was, is := strings.Join(old.Atoms, ","), strings.Join(now.Atoms, ",")
	if was != is && !(whole && was+is == "false") {
		c.Columns = append(c.Columns, ColumnChange{Column: column, Old: was, New: is})
	}
	keys := map[string]bool{}
	for _, pairs := range []map[string]string{old.Pairs, now.Pairs} {
		for k := range pairs {
			keys[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if old.Pairs[k] != now.Pairs[k] {
			c.Columns = append(c.Columns, ColumnChange{Column: column + ":" + k, Old: old.Pairs[k], New: now.Pairs[k]})
		}
	}
}

func owner(row schema.Columned) string {
	v, _ := schema.Get(row, "external_ids")
	return v.Pairs[schema.KeyOwner]
}

// bridgeOf returns the bridge that has a Controller.
func bridgeOf(db *schema.DB, controller string) string {
	name := ""
	for _, b := range db.Bridges {
		if slices.Contains(b.Controllers, controller) && (name == "" || b.Name < name) {
			name = b.Name
		}
	}
	return name
}
