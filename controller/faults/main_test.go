package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ovsmesh/ovsdb/ovstest"
)

// ovsmesh is the program, built with the race detector.
var ovsmesh string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := ovstest.TempDir("faults")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	ovsmesh = filepath.Join(dir, "ovsmesh")
	if out, err := exec.Command("go", "build", "-race", "-o", ovsmesh, "ovsmesh/cmd/ovsmesh").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v: %s\n", err, out)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// startMesh makes a mesh that goes with the test. Its server's log must name no
// data race; it is printed if the test fails.
func startMesh(t *testing.T, hosts int) *Mesh {
	t.Helper()
	m, err := Start(t.Context(), Options{Binary: ovsmesh, Hosts: hosts, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range m.servers {
			if err := s.broken(); err != nil {
				t.Error(err)
			}
		}
		if t.Failed() {
			for _, s := range m.servers {
				t.Logf("=== %s\n%s", s.dir, s.tail())
			}
			for _, h := range m.Hosts() {
				t.Logf("=== host %s\n%s", h.Name, h.Logs())
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// injections is how often a fault is made at most whose target of time is missed.
const injections = 3

// runFault makes a fault of the table and demands that its targets are met. Where
// that of time alone is missed, the same fault is made again, as the machine may
// have been busy with something else just then: of three injections, all of which
// are told, one must be in time. What is lost, what is written and what state
// there is in the end is to be right each time.
func runFault(t *testing.T, m *Mesh, name string, seed uint64) {
	t.Helper()
	f, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	for {
		r, err := m.Run(t.Context(), f, seed)
		if err != nil {
			t.Fatal(err)
		}
		logResult(t, r)
		took = append(took, r.Took.Round(time.Millisecond))
		if r.Met {
			return
		}
		if r.Wrong || len(took) == injections {
			t.Errorf("%s: want %v, but %s; right after %v", name, f.Limits, r.Why, took)
			return
		}
		t.Logf("%s: want %v, but %s: made again", name, f.Limits, r.Why)
	}
}

func logResult(t *testing.T, r Result) {
	t.Helper()
	for _, p := range r.Loss.Pairs {
		if p.Lost > 0 {
			t.Logf("%s: %s to %s: %d of %d lost, silent for %v", p.Network, p.From, p.To, p.Lost, p.Sent, p.Gap.Round(time.Millisecond))
		}
	}
	t.Logf("%s on %q: %d sent, %d lost (%d elsewhere), gap %v, %d transactions, %d flow-mods, right after %v %s",
		r.Fault.Name, r.Host, r.Sent, r.Lost, r.Elsewhere, r.Gap.Round(time.Millisecond), r.RowsWritten, r.FlowsWritten, r.Took.Round(time.Millisecond), r.Why)
}
