package plan_test

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

// configured are the columns that somebody configures, by table.
func configured() map[string][]string {
	return map[string][]string{
		"Open_vSwitch": {"external_ids", "other_config"},
		"Bridge":       {"name", "datapath_type", "fail_mode", "protocols", "stp_enable", "rstp_enable", "external_ids", "other_config"},
		"Port":         {"name", "vlan_mode", "tag", "trunks", "cvlans", "fake_bridge", "protected", "external_ids"},
		"Interface":    {"name", "type", "ofport_request", "bfd", "options", "external_ids"},
		"Controller":   {"target", "type", "connection_mode", "external_ids"},
	}
}

// flat is what is configured, one key of a map or column a line, under the place
// of its row: the bridge, the port, the table and the row's name, which is that of
// later where the row is there, too.
func (r rows) flat(later rows) map[string]string {
	place := map[string]string{}
	in := func(table, column, to, prefix string) {
		for id, row := range r[table] {
			for _, ref := range row[column].atoms {
				place[to+ref] = strings.TrimPrefix(place[table+id]+"/", "/") + prefix + cmp.Or(first(later[to][ref], "name", "target"), first(r[to][ref], "name", "target"))
			}
		}
	}
	in("Open_vSwitch", "bridges", "Bridge", "")
	in("Bridge", "ports", "Port", "")
	in("Bridge", "controller", "Controller", "controller ")
	in("Port", "interfaces", "Interface", "")
	out := map[string]string{}
	for table, columns := range configured() {
		for id, row := range r[table] {
			for _, c := range columns {
				at := fmt.Sprintf("%s %s %s", table, place[table+id], c)
				if text := strings.Join(row[c].atoms, ","); text != "" && text != "false" {
					out[at] = text
				}
				for k, v := range row[c].pairs {
					out[at+":"+k] = v
				}
			}
		}
	}
	return out
}

func first(row map[string]value, columns ...string) string {
	for _, c := range columns {
		if text := one(row[c]); text != "" {
			return text
		}
	}
	return ""
}

// differences is what differs between two databases, as Compare should tell it.
func differences(before, after rows) map[string]string {
	out := map[string]string{}
	was, is := before.flat(after), after.flat(after)
	for at, v := range was {
		if is[at] != v {
			out[at] = v + " → " + is[at]
		}
	}
	for at, v := range is {
		if was[at] == "" {
			out[at] = " → " + v
		}
	}
	return out
}

// told is what Compare tells, in the same words.
func told(changes []plan.Change) map[string]string {
	out, ends := map[string]string{}, map[string][2]string{}
	for _, c := range changes {
		parts := []string{c.Bridge, c.Port, c.Name}
		switch c.Table {
		case "Open_vSwitch":
			parts = nil
		case "Bridge":
			parts = parts[:1]
		case "Port":
			parts = parts[:2]
		case "Controller":
			parts = []string{c.Bridge, "controller " + c.Name}
		}
		for _, col := range c.Columns {
			at := fmt.Sprintf("%s %s %s", c.Table, strings.Join(parts, "/"), col.Column)
			e := ends[at]  // of a name that two rows have one after the other
			off := "false" // which a column of its own kind is where nobody has set it
			if strings.Contains(col.Column, ":") {
				off = ""
			}
			if e[0] == "" && col.Old != off {
				e[0] = col.Old
			}
			if e[1] == "" && col.New != off {
				e[1] = col.New
			}
			ends[at] = e
		}
	}
	for at, e := range ends {
		if e[0] != e[1] {
			out[at] = e[0] + " → " + e[1]
		}
	}
	return out
}

func sameChanges(t rapid.TB, want, got map[string]string) {
	t.Helper()
	if maps.Equal(want, got) {
		return
	}
	for _, at := range slices.Sorted(maps.Keys(want)) {
		if got[at] != want[at] {
			t.Errorf("%s: it is %q, and is told as %q", at, want[at], got[at])
		}
	}
	for _, at := range slices.Sorted(maps.Keys(got)) {
		if _, is := want[at]; !is {
			t.Errorf("%s: told as %q, and does not happen", at, got[at])
		}
	}
}

// rehearsed is what becomes of a database by plans until nothing is left to wait
// for.
func rehearsed(t rapid.TB, db *schema.DB, w plan.Want) (*schema.DB, int) {
	t.Helper()
	for rounds := 1; ; rounds++ {
		p := plan.Diff(db, w)
		after, err := p.After(db)
		if err != nil {
			t.Fatal(err)
		}
		if db = after; len(p.Later) == 0 {
			return db, rounds
		}
	}
}

// What a plan is told to do is what its operations do, from whatever state to
// whatever other, and a rehearsal leaves what it began with as it was.
func TestRehearsalIsWhatHappens(t *testing.T) {
	start := readWorld(t, "testdata/old-plugin").have
	addPort(start, "xapi1", "vif1.0", nil)
	nic := start.clone()
	addPort(nic, "xapi1", "eth0", nil)
	addPort(nic, "xapi1", "vif2.0", map[string]value{"tag": {atoms: []string{"7"}}})
	rapid.Check(t, func(rt *rapid.T) {
		state := rapid.SampledFrom([]rows{start, nic}).Draw(rt, "start")
		for range 4 {
			w := randomWant(rt)
			db := database(t, state)
			untouched := database(t, state)
			after, rounds := rehearsed(rt, db, w)
			if left := plan.Compare(untouched, db); len(left) > 0 {
				// other UUIDs are no difference, and rows are told by their names
				sameChanges(rt, map[string]string{}, told(left))
			}
			next := state
			for range rounds {
				now := database(t, next)
				next = next.apply(t, plan.Diff(now, w).Ops(now))
			}
			sameChanges(rt, differences(state, next), told(plan.Compare(db, after)))
			if again := plan.Diff(after, w); len(again.Groups) > 0 {
				rt.Fatalf("a plan after the rehearsal:\n%s", world{}.text(t, again))
			}
			state = next
		}
	})
}

// A real database becomes what the rehearsal of each case says, with the port
// numbers that it says.
func TestRehearsalOnSwitch(t *testing.T) {
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			w := readWorld(t, dir)
			s := startServer(t)
			s.load(w)
			before := s.rows()
			db := database(t, before)
			after, rounds := rehearsed(t, db, w.want)
			for range rounds {
				now := database(t, s.rows())
				s.transact(plan.Diff(now, w.want).Ops(now))
			}
			sameChanges(t, differences(before, s.rows()), told(plan.Compare(db, after)))
			real := database(t, s.rows())
			for _, i := range after.Interfaces {
				r := real.InterfaceByName(i.Name)
				if r == nil {
					t.Errorf("interface %s is not there", i.Name)
				} else if db.InterfaceByName(i.Name) == nil && r.OFPort != i.OFPort && r.Error == "" {
					t.Errorf("interface %s: number %d, and %d was said", i.Name, r.OFPort, i.OFPort)
				}
			}
		})
	}
}

// What becomes of rows is told by a verb.
func TestCompareVerbs(t *testing.T) {
	w := readWorld(t, "testdata/old-plugin")
	db := database(t, w.have)
	after, _ := rehearsed(t, db, w.want)
	verbs := map[string]string{}
	for _, c := range plan.Compare(db, after) {
		verbs[c.Table+" "+c.Name] = c.Verb
		if c.Table != "Bridge" && c.Table != "Controller" && (c.Network == "" || c.Bridge == "" || c.Port == "") {
			t.Errorf("%s %s is of network %q, bridge %q, port %q", c.Table, c.Name, c.Network, c.Bridge, c.Port)
		}
	}
	back := map[string]string{}
	for _, c := range plan.Compare(after, db) {
		back[c.Table+" "+c.Name] = c.Verb
	}
	for row, verb := range verbs {
		is := map[string]string{plan.VerbMake: plan.VerbDelete, plan.VerbDelete: plan.VerbMake, plan.VerbTake: plan.VerbRelease, plan.VerbChange: plan.VerbChange}[verb]
		if back[row] != is {
			t.Errorf("%s: %s there, %s back", row, verb, back[row])
		}
	}
	if len(plan.Compare(db, db)) > 0 || len(plan.Compare(after, after.Clone())) > 0 {
		t.Error("a database differs from itself")
	}
}

// An operation that a rehearsal does not know is an error: what it does must not
// be left out silently.
func TestRehearsalRefuses(t *testing.T) {
	db := database(t, readWorld(t, "testdata/as-wanted").have)
	bridge := db.BridgeByName("xapi1")
	if bridge == nil {
		t.Fatal("no bridge xapi1")
	}
	at := []ovsdb.Condition{ovsdb.NewCondition("_uuid", ovsdb.ConditionEqual, ovsdb.UUID{GoUUID: bridge.UUID})}
	for name, op := range map[string]ovsdb.Operation{
		"another operation": {Op: "delete", Table: "Bridge", Where: at},
		"a table":           {Op: "insert", Table: "QoS", UUIDName: "x"},
		"no such row":       {Op: "update", Table: "Port", Where: at, Row: ovsdb.Row{"protected": true}},
		"no condition":      {Op: "update", Table: "Bridge", Row: ovsdb.Row{"fail_mode": "secure"}},
		"another condition": {Op: "update", Table: "Bridge", Where: []ovsdb.Condition{ovsdb.NewCondition("_uuid", ovsdb.ConditionNotEqual, ovsdb.UUID{})}},
		"a mutator":         {Op: "mutate", Table: "Bridge", Where: at, Mutations: []ovsdb.Mutation{*ovsdb.NewMutation("ports", "-=", 1)}},
		"a column":          {Op: "mutate", Table: "Bridge", Where: at, Mutations: []ovsdb.Mutation{*ovsdb.NewMutation("mirrors", "insert", ovsdb.OvsSet{})}},
		"a number that isn't": {Op: "mutate", Table: "Open_vSwitch", Where: []ovsdb.Condition{ovsdb.NewCondition("_uuid", ovsdb.ConditionEqual, ovsdb.UUID{GoUUID: db.Open.UUID})},
			Mutations: []ovsdb.Mutation{*ovsdb.NewMutation("next_cfg", "+=", "x")}},
	} {
		p := plan.Plan{Groups: []plan.Group{{Bridge: "xapi1", Ops: []ovsdb.Operation{op}}}}
		if _, err := p.After(db); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
