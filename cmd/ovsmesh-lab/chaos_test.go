package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/faults"
)

func TestChaosMarkdown(t *testing.T) {
	table := chaosTable{once: []faults.Result{
		{Fault: faults.Fault{Name: "some-fault", What: "something breaks", Limits: faults.Limits{Within: 2 * time.Second, Rows: faults.Any}},
			Sent: 12345, Lost: 3, RowsWritten: 2, FlowsWritten: 40, Took: 1234 * time.Millisecond, Why: "3 packets lost\nand more"},
	}}
	const row = "| something breaks | 12,345 | 3 | 2 | 40 | 1.23 s | ≤ 2 s, 0 lost, 0 flow-mods | no |"
	tests := []struct{ name, text, want string }{
		{"no lines", "text\n", ""},
		{"no end", "text\n" + chaosBegin + "\nmore\n", ""},
		{"no begin", "text\n" + chaosEnd + "\nmore\n", ""},
		{"wrong order", chaosEnd + "\n" + chaosBegin + "\n", ""},
		{"nothing between", "above\n" + chaosBegin + "\n" + chaosEnd + "\nbelow\n", "above\n" + chaosBegin + "\n%" + chaosEnd + "\nbelow\n"},
		{"an old table", "above\n" + chaosBegin + "\n| old |\n" + chaosEnd + "\nbelow\n", "above\n" + chaosBegin + "\n%" + chaosEnd + "\nbelow\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "page.md")
			if err := os.WriteFile(file, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			check, write := checkMarkdown(file), table.writeMarkdown(file)
			if (check == nil) != (tt.want != "") || (write == nil) != (tt.want != "") {
				t.Fatalf("check: %v, write: %v", check, write)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if string(got) != tt.text {
					t.Errorf("a refused file was changed: %q", got)
				}
				return
			}
			before, after, _ := strings.Cut(tt.want, "%")
			if !strings.HasPrefix(string(got), before) || !strings.HasSuffix(string(got), after) ||
				!strings.Contains(string(got), row+"\n") || !strings.Contains(string(got), "- some-fault: 3 packets lost\n") || strings.Contains(string(got), "old") {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func TestChaosVerdict(t *testing.T) {
	met, missed := faults.Result{Met: true}, faults.Result{Why: "took 3 s"}
	tests := []struct {
		name  string
		table chaosTable
		met   bool
	}{
		{"all met", chaosTable{once: []faults.Result{met, met}}, true},
		{"one missed", chaosTable{once: []faults.Result{met, missed}}, false},
		{"a random one missed", chaosTable{once: []faults.Result{met}, duration: time.Minute, report: faults.Report{Results: []faults.Result{met, missed}}}, false},
		{"random ones ended early", chaosTable{duration: time.Minute, wrong: errors.New("step 3")}, false},
		{"random ones met", chaosTable{duration: time.Minute, report: faults.Report{Results: []faults.Result{met}}}, true},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		if err := tt.table.print(&out); err != nil {
			t.Fatal(err)
		}
		if tt.table.met() != tt.met || strings.Contains(out.String(), "  no\n") == tt.met {
			t.Errorf("%s: met %v, table\n%s", tt.name, tt.table.met(), out.String())
		}
	}
}

// What can't be made is told before anything is.
func TestChaosRefuses(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"--fault", "nonsense"}, `no fault is called "nonsense"`},
		{[]string{"--hosts", "2"}, "--hosts 2"},
		{[]string{"--markdown", "/nonexistent/page.md"}, "--markdown"},
		{[]string{"extra"}, "extra"},
	}
	for _, tt := range tests {
		cmd := newChaosCommand()
		cmd.SetArgs(tt.args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want it to name %q", tt.args, err, tt.want)
		}
	}
}

func TestChaosList(t *testing.T) {
	var out bytes.Buffer
	cmd := newChaosCommand()
	cmd.SetArgs([]string{"--list"})
	cmd.SetOut(&out)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, f := range faults.Faults() {
		if !strings.Contains(out.String(), "\n"+f.Name+" ") {
			t.Errorf("%s is not listed:\n%s", f.Name, out.String())
		}
	}
}
