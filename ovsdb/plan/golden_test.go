package plan_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"ovsmesh/ovsdb/plan"
)

var updateGolden = flag.Bool("update", false, "write the golden files of what the plans are now")

func cases(t testing.TB) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/*/have.json")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for i := range dirs {
		dirs[i] = filepath.Dir(dirs[i])
	}
	return dirs
}

func TestPlans(t *testing.T) {
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			w := readWorld(t, dir)
			got := w.text(t, plan.Diff(database(t, w.have), w.want))
			path := filepath.Join(dir, "plan.golden")
			if *updateGolden {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// A second look at what the first one's operations made finds nothing to do,
// save for what had to wait for them.
func TestSecondPlanIsEmpty(t *testing.T) {
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			w := readWorld(t, dir)
			db := database(t, w.have)
			p := plan.Diff(db, w.want)
			after := w.have.apply(t, p.Ops(db))
			if len(p.Later) > 0 {
				db = database(t, after)
				after = after.apply(t, plan.Diff(db, w.want).Ops(db))
			}
			if again := plan.Diff(database(t, after), w.want); len(again.Groups) > 0 {
				t.Errorf("second plan:\n%s", w.text(t, again))
			}
		})
	}
}

// Each group is accepted by itself, bridges first.
func TestGroupsStandAlone(t *testing.T) {
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			w := readWorld(t, dir)
			db, state := database(t, w.have), w.have
			p := plan.Diff(db, w.want)
			for _, g := range p.Groups {
				state = state.apply(t, plan.Plan{Groups: []plan.Group{g}}.Ops(db))
			}
			if len(p.Later) > 0 {
				db = database(t, state)
				state = state.apply(t, plan.Diff(db, w.want).Ops(db))
			}
			if again := plan.Diff(database(t, state), w.want); len(again.Groups) > 0 {
				t.Errorf("second plan:\n%s", w.text(t, again))
			}
		})
	}
}
