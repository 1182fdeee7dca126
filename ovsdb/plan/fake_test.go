package plan_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/ovn-org/libovsdb/ovsdb"
)

// value is a column: atoms as text, sorted, or a map.
type value struct {
	atoms []string
	pairs map[string]string
}

// rows is a database: rows by table and UUID.
type rows map[string]map[string]map[string]value

// uuidOf makes a UUID of a readable name.
func uuidOf(name string) string {
	h := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:32]
}

// isRef reports whether a column holds references to rows.
func isRef(column string) bool {
	return slices.Contains([]string{"bridges", "ports", "interfaces", "controller"}, column)
}

// parse reads a column as it stands in OVSDB's JSON (RFC 7047 §5.1).
func parse(raw any) value {
	list, ok := raw.([]any)
	if !ok {
		return value{atoms: []string{fmt.Sprint(raw)}}
	}
	v := value{}
	switch list[0] {
	case "set":
		for _, a := range list[1].([]any) {
			v.atoms = append(v.atoms, parse(a).atoms...)
		}
		slices.Sort(v.atoms)
	case "map":
		v.pairs = map[string]string{}
		for _, p := range list[1].([]any) {
			v.pairs[fmt.Sprint(p.([]any)[0])] = fmt.Sprint(p.([]any)[1])
		}
	default: // uuid, named-uuid
		v.atoms = []string{fmt.Sprint(list[1])}
	}
	return v
}

// clone returns a copy that shares no row.
func (r rows) clone() rows {
	out := rows{}
	for table, byID := range r {
		out[table] = map[string]map[string]value{}
		for id, row := range byID {
			out[table][id] = maps.Clone(row)
		}
	}
	return out
}

// apply carries out a transaction as strictly as ovsdb-server would for the
// operations that plans use: it must select a row, names are unique, and what
// nothing refers to is gone afterwards.
func (r rows) apply(t testing.TB, ops []ovsdb.Operation) rows {
	t.Helper()
	wire, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Op, Table string
		ID        string `json:"uuid-name"`
		Row       map[string]any
		Where     [][]any
		Mutations [][]any
	}
	if err := json.Unmarshal(wire, &list); err != nil {
		t.Fatal(err)
	}
	out := r.clone()
	named := map[string]bool{}
	for _, op := range list {
		if out[op.Table] == nil {
			out[op.Table] = map[string]map[string]value{}
		}
		if op.Op == "insert" {
			if named[op.ID] {
				t.Fatalf("uuid-name %s twice", op.ID)
			}
			named[op.ID] = true
			row := map[string]value{}
			for c, raw := range op.Row {
				row[c] = parse(raw)
			}
			out[op.Table][uuidOf(op.ID+wireSalt(r))] = row
			continue
		}
		found := false
		for id, row := range out[op.Table] {
			if len(op.Where) != 1 {
				t.Fatalf("%s %s: where %v", op.Op, op.Table, op.Where)
			}
			want := parse(op.Where[0][2]).atoms[0]
			if column := op.Where[0][0].(string); column == "_uuid" && id != want || column != "_uuid" && !slices.Contains(row[column].atoms, want) {
				continue
			}
			found = true
			for c, raw := range op.Row {
				row[c] = parse(raw)
			}
			for _, m := range op.Mutations {
				row[m[0].(string)] = mutated(t, row[m[0].(string)], m[1].(string), parse(m[2]))
			}
		}
		if !found {
			t.Fatalf("%s %s: no row where %v", op.Op, op.Table, op.Where)
		}
	}
	salt := wireSalt(r)
	for _, byID := range out {
		for _, row := range byID {
			for c, v := range row {
				if !isRef(c) {
					continue
				}
				for i, a := range v.atoms {
					if named[a] {
						v.atoms[i] = uuidOf(a + salt)
					}
				}
				slices.Sort(v.atoms)
			}
		}
	}
	out.collect(t)
	return out
}

// wireSalt makes the UUIDs of rows that are inserted differ from one
// transaction to the next.
func wireSalt(r rows) string {
	for _, row := range r["Open_vSwitch"] {
		return "#" + row["next_cfg"].atoms[0]
	}
	return "#"
}

func mutated(t testing.TB, v value, mutator string, arg value) value {
	out := value{atoms: slices.Clone(v.atoms), pairs: maps.Clone(v.pairs)}
	if out.pairs == nil {
		out.pairs = map[string]string{}
	}
	switch mutator {
	case "insert":
		for k, a := range arg.pairs {
			if _, there := out.pairs[k]; there {
				t.Errorf("insert of key %s that is there: it would do nothing", k)
			}
			out.pairs[k] = a
		}
		for _, a := range arg.atoms {
			if !slices.Contains(out.atoms, a) {
				out.atoms = append(out.atoms, a)
			}
		}
	case "delete":
		for _, a := range arg.atoms {
			delete(out.pairs, a)
		}
		out.atoms = slices.DeleteFunc(out.atoms, func(a string) bool { return slices.Contains(arg.atoms, a) })
	case "+=":
		var n int
		fmt.Sscan(out.atoms[0], &n)
		out.atoms = []string{fmt.Sprint(n + 1)}
	default:
		t.Fatalf("mutator %s", mutator)
	}
	slices.Sort(out.atoms)
	return out
}

// collect deletes the rows that nothing refers to, and checks names.
func (r rows) collect(t testing.TB) {
	t.Helper()
	for _, ref := range []struct{ from, column, to string }{
		{"Open_vSwitch", "bridges", "Bridge"},
		{"Bridge", "ports", "Port"},
		{"Bridge", "controller", "Controller"},
		{"Port", "interfaces", "Interface"},
	} {
		used := map[string]bool{}
		for _, row := range r[ref.from] {
			for _, id := range row[ref.column].atoms {
				if r[ref.to][id] == nil {
					t.Errorf("%s.%s refers to row %s, which is not there", ref.from, ref.column, id)
				}
				used[id] = true
			}
		}
		seen := map[string]bool{}
		for id, row := range r[ref.to] {
			if !used[id] {
				delete(r[ref.to], id)
				continue
			}
			if name := row["name"].atoms; len(name) > 0 {
				if seen[name[0]] {
					t.Errorf("%s %s is there twice", ref.to, name[0])
				}
				seen[name[0]] = true
			}
		}
	}
}
