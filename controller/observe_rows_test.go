package controller_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

// hostRows is what a host's database holds: table, row by UUID, column; a map is
// one column for each key, as COLUMN:KEY. References are UUIDs, joined by commas.
type hostRows map[string]map[string]map[string]string

// rowsOf reads what is configured of a host, by another way than a controller's.
func rowsOf(t *testing.T, ctx context.Context, o *ovstest.OVS) hostRows {
	t.Helper()
	columns := map[string][]string{
		"Open_vSwitch": {"_uuid", "bridges", "external_ids", "other_config"},
		"Bridge": {"_uuid", "name", "ports", "controller", "datapath_type", "fail_mode", "protocols", "stp_enable", "rstp_enable",
			"external_ids", "other_config"},
		"Port":       {"_uuid", "name", "interfaces", "vlan_mode", "tag", "trunks", "cvlans", "fake_bridge", "protected", "external_ids"},
		"Interface":  {"_uuid", "name", "type", "ofport_request", "bfd", "options", "external_ids"},
		"Controller": {"_uuid", "target", "type", "connection_mode", "external_ids"},
	}
	tables := slices.Sorted(maps.Keys(columns))
	params := []any{"Open_vSwitch"}
	for _, table := range tables {
		params = append(params, map[string]any{"op": "select", "table": table, "where": []any{}, "columns": columns[table]})
	}
	text, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(ctx, "ovsdb-client", "transact", "unix:"+o.DBSocket(), string(text)).CombinedOutput()
	if err != nil {
		t.Fatalf("ovsdb-client: %v: %s", err, out)
	}
	var results []struct{ Rows []map[string]any }
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	all := hostRows{}
	for i, table := range tables {
		all[table] = map[string]map[string]string{}
		for _, raw := range results[i].Rows {
			row := map[string]string{}
			for c, v := range raw {
				flatten(row, c, v)
			}
			all[table][row["_uuid"]] = row
		}
	}
	return all
}

// flatten adds a column as OVSDB writes it, RFC 7047 §5.1, to a row.
func flatten(row map[string]string, column string, v any) {
	list, is := v.([]any)
	if !is {
		row[column] = fmt.Sprint(v)
		return
	}
	switch list[0] {
	case "map":
		for _, pair := range list[1].([]any) {
			p := pair.([]any)
			row[column+":"+fmt.Sprint(p[0])] = fmt.Sprint(p[1])
		}
	case "set":
		var atoms []string
		for _, a := range list[1].([]any) {
			one := map[string]string{}
			flatten(one, "", a)
			atoms = append(atoms, one[""])
		}
		slices.Sort(atoms)
		row[column] = strings.Join(atoms, ",")
	default: // uuid
		row[column] = fmt.Sprint(list[1])
	}
}

// where returns the bridge of each row, by its UUID.
func (r hostRows) where() map[string]string {
	at := map[string]string{}
	for _, b := range r["Bridge"] {
		at[b["_uuid"]] = b["name"]
		for id := range strings.SplitSeq(b["ports"]+","+b["controller"], ",") {
			at[id] = b["name"]
			if p := r["Port"][id]; p != nil {
				for i := range strings.SplitSeq(p["interfaces"], ",") {
					at[i] = b["name"]
				}
			}
		}
	}
	delete(at, "")
	return at
}

// changed is what differs between two states of a host, one line for each column:
// the bridge, what becomes of the row, the row, the column, from what to what.
func (r hostRows) changed(after hostRows) []string {
	was, is := r.where(), after.where()
	var lines []string
	for _, table := range []string{"Open_vSwitch", "Bridge", "Port", "Interface", "Controller"} {
		ids := map[string]bool{}
		for _, rows := range []hostRows{r, after} {
			for id := range rows[table] {
				ids[id] = true
			}
		}
		for id := range ids {
			old, now := r[table][id], after[table][id]
			verb := api.PlanChange
			owned, owns := old["external_ids:ovsmesh-owner"] != "", now["external_ids:ovsmesh-owner"] != ""
			switch {
			case old == nil:
				verb = api.PlanMake
			case now == nil:
				verb = api.PlanDelete
			case owns && !owned:
				verb = api.PlanTake
			case owned && !owns:
				verb = api.PlanRelease
			}
			name := cmp.Or(now["name"], now["target"], old["name"], old["target"])
			columns := map[string]bool{}
			for _, row := range []map[string]string{old, now} {
				for c := range row {
					columns[c] = true
				}
			}
			for c := range columns {
				if table == "Bridge" && unforeseen(c) {
					continue
				}
				if slices.Contains([]string{"_uuid", "bridges", "ports", "controller", "interfaces"}, c) || old[c] == now[c] ||
					(old == nil || now == nil) && old[c]+now[c] == "false" {
					continue
				}
				lines = append(lines, changeLine(cmp.Or(is[id], was[id]), verb, table, name, c, old[c], now[c]))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// unforeseen reports whether a plan can't tell a column of a bridge: when it first
// dialled in, and which flows of the plugin's were read then.
func unforeseen(column string) bool {
	return column == "external_ids:ovsmesh-hello" || column == "external_ids:ovsmesh-plugin"
}

func changeLine(bridge, verb, table, name, column, old, now string) string {
	return fmt.Sprintf("%s: %s %s %s: %s: %q → %q", bridge, verb, table, name, column, old, now)
}

// planned is what a plan says of a host, in the same words.
func planned(t *testing.T, p api.Plan, host string) []string {
	t.Helper()
	var lines []string
	for _, h := range p.Hosts {
		if h.Host != host {
			continue
		}
		add := func(bridge string, rows []api.PlanRow) (settings int, ports map[string]int) {
			ports = map[string]int{}
			changed := map[string]bool{}
			for _, r := range rows {
				for _, c := range r.Columns {
					if r.Table == "Bridge" && unforeseen(c.Column) {
						continue
					}
					lines = append(lines, changeLine(bridge, r.Verb, r.Table, r.Name, c.Column, c.Old, c.New))
				}
				switch {
				case r.Table == "Bridge" || r.Table == "Controller" || r.Table == "Open_vSwitch":
					settings += len(r.Columns)
				case r.Name == bridge:
				case r.Table == "Port":
					ports[r.Verb]++
					changed[r.Name] = true
				}
			}
			for _, r := range rows {
				if r.Table == "Interface" && r.Name != bridge && !changed[r.Name] {
					changed[r.Name] = true
					ports[api.PlanChange]++
				}
			}
			return settings, ports
		}
		if n, _ := add("", h.Rows); n != h.Changes {
			t.Errorf("%s: %d columns change, and %d are said to", host, n, h.Changes)
		}
		for _, b := range h.Bridges {
			settings, ports := add(b.Bridge, b.Rows)
			got := []int{settings, ports[api.PlanMake], ports[api.PlanTake], ports[api.PlanChange] + ports[api.PlanRelease], ports[api.PlanDelete]}
			if said := []int{b.Settings, b.Make, b.Take, b.Change, b.Delete}; !slices.Equal(said, got) {
				t.Errorf("%s/%s: settings and ports %v, and %v are said", host, b.Bridge, got, said)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// samePlan holds what a plan said of a host to what has been done there.
func samePlan(t *testing.T, host string, said, done []string) {
	t.Helper()
	for _, line := range said {
		if !slices.Contains(done, line) {
			t.Errorf("%s: said and not done: %s", host, line)
		}
	}
	for _, line := range done {
		if !slices.Contains(said, line) {
			t.Errorf("%s: done and not said: %s", host, line)
		}
	}
}
