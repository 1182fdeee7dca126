package plan_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovsmesh/ovsdb/plan"
)

// world is a testdata case: rows by a readable name, and what is wanted.
type world struct {
	have rows
	want plan.Want
	ids  map[string]string // readable names by UUID
}

// readWorld reads have.json and want.json of a case. A column in have.json is
// a text, a list of texts or an object of texts; names of rows stand for UUIDs.
func readWorld(t testing.TB, dir string) world {
	t.Helper()
	w := world{have: rows{}, ids: map[string]string{}}
	var have map[string]map[string]map[string]any
	readJSON(t, filepath.Join(dir, "have.json"), &have)
	readJSON(t, filepath.Join(dir, "want.json"), &w.want)
	var bridges []any
	for _, name := range slices.Sorted(maps.Keys(have["Bridge"])) {
		bridges = append(bridges, name)
	}
	open := have["Open_vSwitch"]["open"]
	if open == nil {
		open = map[string]any{}
	}
	open["bridges"], open["next_cfg"], open["cur_cfg"] = bridges, "0", "0"
	have["Open_vSwitch"] = map[string]map[string]any{"open": open}
	for table, byName := range have {
		w.have[table] = map[string]map[string]value{}
		for name, columns := range byName {
			row := map[string]value{}
			for c, raw := range columns {
				row[c] = column(c, raw)
			}
			w.ids[uuidOf(name)] = name
			w.have[table][uuidOf(name)] = row
		}
	}
	return w
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func column(name string, raw any) value {
	v := value{}
	switch raw := raw.(type) {
	case map[string]any:
		v.pairs = map[string]string{}
		for k, a := range raw {
			v.pairs[k] = fmt.Sprint(a)
		}
	case []any:
		for _, a := range raw {
			v.atoms = append(v.atoms, fmt.Sprint(a))
		}
	default:
		v.atoms = []string{fmt.Sprint(raw)}
	}
	if isRef(name) {
		for i, a := range v.atoms {
			v.atoms[i] = uuidOf(a)
		}
	}
	slices.Sort(v.atoms)
	return v
}

// text prints a plan: problems, then each group with its steps and operations,
// one a line.
func (w world) text(t testing.TB, p plan.Plan) string {
	t.Helper()
	var b strings.Builder
	for _, pr := range p.Problems {
		fmt.Fprintf(&b, "problem bridge=%s network=%s tunnel=%s: %s\n", pr.Bridge, pr.Network, pr.Tunnel, pr.Text)
	}
	for _, name := range p.Later {
		fmt.Fprintf(&b, "later network=%s\n", name)
	}
	for _, g := range p.Groups {
		fmt.Fprintf(&b, "group bridge=%s network=%s\n", g.Bridge, g.Network)
		for _, s := range g.Steps {
			fmt.Fprintf(&b, "  # %s\n", s)
		}
		wire, err := json.Marshal(g.Ops)
		if err != nil {
			t.Fatal(err)
		}
		var ops []map[string]any
		if err := json.Unmarshal(wire, &ops); err != nil {
			t.Fatal(err)
		}
		for _, op := range ops {
			fmt.Fprintf(&b, "  %s %s", op["op"], op["table"])
			if id, ok := op["uuid-name"]; ok {
				fmt.Fprintf(&b, " @%s", id)
			}
			if where, ok := op["where"].([]any); ok {
				c := where[0].([]any)
				fmt.Fprintf(&b, " %s", w.show(parse(c[2])))
			}
			row, _ := op["row"].(map[string]any)
			for _, c := range slices.Sorted(maps.Keys(row)) {
				fmt.Fprintf(&b, " %s=%s", c, w.show(parse(row[c])))
			}
			ms, _ := op["mutations"].([]any)
			for _, m := range ms {
				m := m.([]any)
				fmt.Fprintf(&b, " %s:%s%s", m[1], m[0], w.show(parse(m[2])))
			}
			b.WriteByte('\n')
		}
	}
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return b.String()
}

func (w world) show(v value) string {
	if v.pairs != nil {
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v.pairs)) {
			parts = append(parts, k+"="+v.pairs[k])
		}
		return "{" + strings.Join(parts, " ") + "}"
	}
	var parts []string
	for _, a := range v.atoms {
		if name, ok := w.ids[a]; ok {
			a = "@" + name
		}
		parts = append(parts, a)
	}
	return "[" + strings.Join(parts, " ") + "]"
}
