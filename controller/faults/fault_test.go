package faults

import (
	"regexp"
	"testing"
	"time"
)

// The table is what people read, and names are what they type.
func TestTable(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := make(map[string]bool)
	for _, f := range Faults() {
		if !name.MatchString(f.Name) || seen[f.Name] || f.What == "" || f.Expect == "" || f.Inject == nil {
			t.Errorf("fault %q: malformed, twice, or not all said: %+v", f.Name, f)
		}
		seen[f.Name] = true
		if found, err := Find(f.Name); err != nil || found.What != f.What {
			t.Errorf("find %s: %q, %v", f.Name, found.What, err)
		}
	}
	if _, err := Find("nonsense"); err == nil {
		t.Error("a fault that nobody has made was found")
	}
}

func TestJudge(t *testing.T) {
	strict := Limits{Within: time.Second}
	free := Limits{Lost: Any, Others: Any, Rows: Any, Flows: Any}
	tests := []struct {
		name   string
		limits Limits
		got    Result
		met    bool
		slow   bool
		wrong  bool
	}{
		{"nothing", strict, Result{Sent: 1000}, true, false, false},
		{"in time", strict, Result{Took: time.Second}, true, false, false},
		{"late", strict, Result{Took: 1001 * time.Millisecond}, false, true, false},
		{"late, and one lost", strict, Result{Took: time.Minute, Lost: 1}, false, true, true},
		{"one lost", strict, Result{Lost: 1}, false, false, true},
		{"lost elsewhere", Limits{Lost: Any}, Result{Lost: 5, Elsewhere: 1}, false, false, true},
		{"lost here", Limits{Lost: Any}, Result{Lost: 5}, true, false, false},
		{"few lost", Limits{Lost: 5}, Result{Lost: 7, Elsewhere: 0}, false, false, true},
		{"some allowed", Limits{Lost: 5, Others: 2}, Result{Lost: 7, Elsewhere: 2}, true, false, false},
		{"a transaction", strict, Result{RowsWritten: 1}, false, false, true},
		{"a flow", strict, Result{FlowsWritten: 1}, false, false, true},
		{"anything", free, Result{Lost: 9, Elsewhere: 9, RowsWritten: 9, FlowsWritten: 9, Took: time.Hour}, true, false, false},
	}
	for _, tt := range tests {
		tt.got.Fault.Limits = tt.limits
		tt.got.judge()
		if tt.got.Met != tt.met || tt.got.Slow != tt.slow || tt.got.Wrong != tt.wrong || tt.met != (tt.got.Why == "") {
			t.Errorf("%s: met %v, slow %v, wrong %v, %q", tt.name, tt.got.Met, tt.got.Slow, tt.got.Wrong, tt.got.Why)
		}
	}
}
