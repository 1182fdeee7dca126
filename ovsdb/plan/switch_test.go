package plan_test

import (
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/ovsdb/plan"
)

// server is the database of a real switch.
type server struct {
	*ovstest.OVS
	t testing.TB
}

func startServer(t testing.TB) server {
	return server{ovstest.StartSwitch(t).OVS, t}
}

// VSCtl runs ovs-vsctl.
func (s server) VSCtl(args ...string) string {
	s.t.Helper()
	out, err := s.OVS.VSCtl(s.t.Context(), args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// OFCtl runs ovs-ofctl on a bridge.
func (s server) OFCtl(command, bridge string, args ...string) string {
	s.t.Helper()
	out, err := s.OVS.OFCtl(s.t.Context(), append([]string{command, s.BridgeSocket(bridge)}, args...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s server) call(ops any) []map[string]any {
	s.t.Helper()
	list := []any{"Open_vSwitch"}
	wire, err := json.Marshal(ops)
	if err != nil {
		s.t.Fatal(err)
	}
	var each []any
	if err := json.Unmarshal(wire, &each); err != nil {
		s.t.Fatal(err)
	}
	wire, err = json.Marshal(append(list, each...))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("ovsdb-client", "transact", "unix:"+s.DBSocket(), string(wire))
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("ovsdb-client: %v\n%s", err, out)
	}
	var results []map[string]any
	if err := json.Unmarshal(out, &results); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	for _, r := range results {
		if r["error"] != nil {
			s.t.Fatalf("refused: %v\n%s", r, wire)
		}
	}
	return results
}

// transact carries out a plan's operations and waits until ovs-vswitchd has
// done them.
func (s server) transact(ops []ovsdb.Operation) {
	s.t.Helper()
	if len(ops) == 0 {
		return
	}
	s.call(ops)
	for range 100 {
		out := strings.Fields(s.VSCtl("get", "Open_vSwitch", ".", "next_cfg", "cur_cfg"))
		if out[0] == out[1] {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatal("ovs-vswitchd has not carried the change out within 5 s")
}

// rows reads the database.
func (s server) rows() rows {
	s.t.Helper()
	tables := []string{"Open_vSwitch", "Bridge", "Port", "Interface", "Controller"}
	var ops []any
	for _, table := range tables {
		ops = append(ops, map[string]any{"op": "select", "table": table, "where": []any{}})
	}
	r := rows{}
	for i, result := range s.call(ops) {
		byID := map[string]map[string]value{}
		for _, raw := range result["rows"].([]any) {
			row := map[string]value{}
			for c, v := range raw.(map[string]any) {
				row[c] = parse(v)
			}
			byID[one(row["_uuid"])] = row
		}
		r[tables[i]] = byID
	}
	return r
}

// load inserts the rows of a case.
func (s server) load(w world) {
	s.t.Helper()
	var ops []ovsdb.Operation
	for _, table := range []string{"Interface", "Controller", "Port", "Bridge"} {
		for _, id := range slices.Sorted(maps.Keys(w.have[table])) {
			row := ovsdb.Row{}
			for c, v := range w.have[table][id] {
				if !slices.Contains([]string{"datapath_id", "ofport", "error", "status"}, c) {
					row[c] = wireValue(c, v)
				}
			}
			if table == "Bridge" {
				row["datapath_type"] = "dummy"
			}
			ops = append(ops, ovsdb.Operation{Op: "insert", Table: table, UUIDName: nameOf(id), Row: row})
		}
	}
	for id := range w.have["Bridge"] {
		ops = append(ops, ovsdb.Operation{Op: "mutate", Table: "Open_vSwitch", Where: s.open(),
			Mutations: []ovsdb.Mutation{*ovsdb.NewMutation("bridges", "insert", ovsdb.UUID{GoUUID: nameOf(id)})}})
	}
	s.transact(append(ops, ovsdb.Operation{Op: "mutate", Table: "Open_vSwitch", Where: s.open(),
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation("next_cfg", "+=", 1)}}))
}

// open selects the row of Open_vSwitch.
func (s server) open() []ovsdb.Condition {
	id := strings.TrimSpace(s.VSCtl("get", "Open_vSwitch", ".", "_uuid"))
	return []ovsdb.Condition{ovsdb.NewCondition("_uuid", "==", ovsdb.UUID{GoUUID: id})}
}

func nameOf(uuid string) string { return "r" + strings.ReplaceAll(uuid, "-", "") }

// wireValue is a column of a case as the database takes it.
func wireValue(column string, v value) any {
	if v.pairs != nil {
		m, _ := ovsdb.NewOvsMap(v.pairs)
		return m
	}
	set := ovsdb.OvsSet{GoSet: []any{}}
	for _, a := range v.atoms {
		switch {
		case isRef(column):
			set.GoSet = append(set.GoSet, ovsdb.UUID{GoUUID: nameOf(a)})
		case slices.Contains([]string{"tag", "trunks", "cvlans", "ofport_request"}, column):
			n, _ := strconv.Atoi(a)
			set.GoSet = append(set.GoSet, n)
		case a == "true" || a == "false":
			set.GoSet = append(set.GoSet, a == "true")
		default:
			set.GoSet = append(set.GoSet, a)
		}
	}
	return set
}

// A real database takes every case's operations, and a second look finds
// nothing to do, whatever ovs-vswitchd has made of the rows.
func TestCasesOnSwitch(t *testing.T) {
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			w := readWorld(t, dir)
			s := startServer(t)
			s.load(w)
			db := database(t, s.rows())
			p := plan.Diff(db, w.want)
			s.transact(p.Ops(db))
			if len(p.Later) > 0 {
				db = database(t, s.rows())
				s.transact(plan.Diff(db, w.want).Ops(db))
			}
			if again := plan.Diff(database(t, s.rows()), w.want); len(again.Groups) > 0 {
				t.Errorf("second plan:\n%s", w.text(t, again))
			}
		})
	}
}

// A host has got another number, and so its tunnel another name: the new port
// comes up, which it never does where the old one goes in the same transaction.
func TestRenumberedHostOnSwitch(t *testing.T) {
	w := readWorld(t, "testdata/renumbered-host")
	s := startServer(t)
	s.load(w)
	for range 2 {
		db := database(t, s.rows())
		s.transact(plan.Diff(db, w.want).Ops(db))
	}
	if got := strings.Fields(s.VSCtl("get", "Interface", "t103-1-7", "ofport", "error")); !slices.Equal(got, []string{"20000", "[]"}) {
		t.Errorf("ofport and error of t103-1-7 are %q", got)
	}
}
