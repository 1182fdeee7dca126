package audit_test

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/openflow/audit"
)

var update = flag.Bool("update", false, "write the golden file")

// TestReportJSON holds the shape that programs rely on: every field, of every
// kind of finding.
func TestReportJSON(t *testing.T) {
	b := bridge(t)
	edit(t, &b, []string{broadcastDrop}, nil)
	findings := audit.Flows(b)
	findings = append(findings, audit.Tunnels("xen1", []audit.Tunnel{gre}, nil)...)
	findings = append(findings, audit.Settings("xen1", "xapi1", map[string]string{"fail_mode": "secure"}, nil)...)
	findings = append(findings, audit.UnreachableHostFinding("xen2", "it is not connected"))
	r := audit.NewReport(audit.Checked{Hosts: 3, Bridges: 3, Tunnels: 6, Flows: 57}, findings)
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "testdata/report.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
}

func TestReportConcludes(t *testing.T) {
	of := func(kind string) audit.Finding { return audit.Finding{Host: "xen1", Kind: kind} }
	for _, c := range []struct {
		findings        []audit.Finding
		clean, complete bool
	}{
		{nil, true, true},
		{[]audit.Finding{of(audit.ForeignFlow)}, true, true},
		{[]audit.Finding{of(audit.ForeignFlow), of(audit.MissingFlow)}, false, true},
		{[]audit.Finding{of(audit.TunnelError)}, false, true},
		{[]audit.Finding{of(audit.UnreachableHost)}, false, false},
	} {
		r := audit.NewReport(audit.Checked{}, c.findings)
		if r.Clean != c.clean || r.Complete != c.complete || len(r.Findings) != len(c.findings) {
			t.Errorf("%v: %+v", c.findings, r)
		}
	}
	// A program that reads the list finds one, not null.
	if b, err := json.Marshal(audit.NewReport(audit.Checked{}, nil)); err != nil ||
		string(b) != `{"clean":true,"complete":true,"checked":{"hosts":0,"bridges":0,"tunnels":0,"flows":0},"findings":[]}` {
		t.Errorf("%s, %v", b, err)
	}
}

// TestReportSorts sorts by host, bridge, network, kind and texts, and leaves
// its argument alone.
func TestReportSorts(t *testing.T) {
	want := []audit.Finding{
		{Host: "xen1"},
		{Host: "xen1", Bridge: "xapi1", Kind: "b"},
		{Host: "xen1", Bridge: "xapi1", Network: "blue", Kind: "a", Want: "2"},
		{Host: "xen1", Bridge: "xapi1", Network: "blue", Kind: "b", Want: "1", Got: "1"},
		{Host: "xen1", Bridge: "xapi1", Network: "blue", Kind: "b", Want: "1", Got: "2"},
		{Host: "xen1", Bridge: "xapi1", Network: "red", Kind: "a"},
		{Host: "xen1", Bridge: "xapi2", Network: "blue"},
		{Host: "xen2"},
	}
	for range 20 {
		mixed := slices.Clone(want)
		rand.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		was := slices.Clone(mixed)
		if d := cmp.Diff(want, audit.NewReport(audit.Checked{}, mixed).Findings); d != "" {
			t.Fatal(d)
		}
		if !slices.Equal(mixed, was) {
			t.Fatal("its argument changed")
		}
	}
}
