package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

// noted returns the notes on a bridge, by key.
func noted(w world, bridge string) map[string]string {
	notes := map[string]string{}
	for k, v := range w.have["Bridge"][uuidOf(bridge)]["external_ids"].pairs {
		if strings.HasPrefix(k, "ovsmesh-spec-") || k == "ovsmesh-host" {
			notes[k] = v
		}
	}
	return notes
}

// openUUID is that of the one row of Open_vSwitch.
func openUUID(w world) string {
	for id := range w.have["Open_vSwitch"] {
		return id
	}
	return ""
}

func (w *world) diff(t *testing.T) plan.Plan {
	t.Helper()
	p := plan.Diff(database(t, w.have), w.want)
	w.have = w.have.apply(t, p.Ops(database(t, w.have)))
	return p
}

func TestNotes(t *testing.T) {
	w := readWorld(t, "testdata/as-wanted")
	next := func() string { return one(w.have["Open_vSwitch"][openUUID(w)]["next_cfg"]) }
	before := next()
	w.want.Bridges[0].Note = `{"host":1}`
	w.want.Networks[0].Note = `{"net":1}`
	bridge, key := w.want.Bridges[0].Name, "ovsmesh-spec-"+w.want.Networks[0].Name

	w.diff(t)
	if got := fmt.Sprint(noted(w, bridge)); got != fmt.Sprintf(`map[ovsmesh-host:{"host":1} %s:{"net":1}]`, key) {
		t.Errorf("notes %s", got)
	}
	if p := w.diff(t); len(p.Groups) > 0 {
		t.Errorf("a second time: %v", p.Steps())
	}
	w.want.Networks[0].Note = `{"net":2}`
	w.diff(t)
	if got := noted(w, bridge)[key]; got != `{"net":2}` {
		t.Errorf("the note is %s", got)
	}
	if next() != before {
		t.Error("notes alone made ovs-vswitchd look")
	}

	// A network that is nowhere any longer is not told of either, nor is one that
	// only the note knows.
	b := w.have["Bridge"][uuidOf(bridge)]["external_ids"]
	b.pairs["ovsmesh-spec-gone"] = "{}"
	w.want.Networks[0].Note, w.want.Networks[0].Tunnels = "", nil
	w.want.Complete = true
	w.diff(t)
	if got := noted(w, bridge); len(got) != 1 {
		t.Errorf("notes %v", got)
	}
	if next() == before {
		t.Error("ports went, and ovs-vswitchd was not told to look")
	}
}

// What another store notes is not ours to take away.
func TestNotesOfAnotherStore(t *testing.T) {
	w := readWorld(t, "testdata/as-wanted")
	bridge := w.want.Bridges[0].Name
	ids := w.have["Bridge"][uuidOf(bridge)]["external_ids"].pairs
	ids["ovsmesh-spec-gone"], ids["ovsmesh-owner"] = "{}", "somebody else"
	w.want.Complete = true
	w.want.Networks[0].Note = "{}"
	if p := w.diff(t); strings.Contains(strings.Join(p.Steps(), "\n"), "tells") {
		t.Errorf("%q", p.Steps())
	}
	if got := noted(w, bridge); got["ovsmesh-spec-gone"] != "{}" || len(got) != 1 {
		t.Errorf("notes %v", got)
	}
}

// Adopt changes marks and nothing else; what follows is as the new owner has it.
func TestAdopt(t *testing.T) {
	for _, dir := range []string{"testdata/as-wanted", "testdata/carriers-as-wanted", "testdata/taken"} {
		w := readWorld(t, dir)
		db := database(t, w.have)
		all := slices.Sorted(func(yield func(string) bool) {
			for _, b := range db.Bridges {
				if !yield(b.Name) {
					return
				}
			}
		})
		from := w.want.Owner
		const owner = "5c1bd1c5-0000-4000-8000-000000000005"
		for _, none := range []struct {
			from    string
			bridges []string
		}{{"", all}, {"nobody", all}, {from, nil}, {from, []string{"nowhere"}}} {
			if ops, rows := plan.Adopt(db, owner, none.from, none.bridges); len(ops) != 0 || rows != 0 {
				t.Errorf("%s: from %q, bridges %v: %d operations", dir, none.from, none.bridges, len(ops))
			}
		}
		ops, rows := plan.Adopt(db, owner, from, all)
		if rows != len(ops) || rows == 0 {
			t.Errorf("%s: %d rows in %d operations", dir, rows, len(ops))
		}
		text, err := json.Marshal(ops)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{`"insert"`, `"delete"`, `"update"`, "next_cfg"} {
			if word == `"insert"` || word == `"delete"` {
				word = `"op":` + word
			}
			if strings.Contains(string(text), word) {
				t.Errorf("%s: has %s: %s", dir, word, text)
			}
		}
		before := plan.Tunnels(db, from)
		w.have = w.have.apply(t, ops)
		after := database(t, w.have)
		if d := cmp.Diff(before, plan.Tunnels(after, owner)); d != "" {
			t.Errorf("%s: was (-) and is (+):\n%s", dir, d)
		}
		w.want.Owner = owner
		if p := plan.Diff(after, w.want); len(p.Groups) > 0 {
			t.Errorf("%s: still to be done: %v", dir, p.Steps())
		}
		if _, rows := plan.Adopt(after, owner, from, all); rows != 0 {
			t.Errorf("%s: %d rows are left", dir, rows)
		}
		for _, p := range after.Ports {
			if p.ExternalIDs[schema.KeyOwner] == from {
				t.Errorf("%s: port %s is left", dir, p.Name)
			}
		}
	}
}
