package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/verify"
)

// A server with networks n000 to n249, of which what is asked for picks what is
// wrong.
func startVerify(t *testing.T, asked *[]api.VerifyRequest) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req api.VerifyRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil || r.URL.Path != "/v1/verify" || r.Method != http.MethodPost {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		*asked = append(*asked, req)
		report := api.VerifyReport{OK: true, Complete: true, Tables: "want", Networks: 1, Violations: []api.Violation{}, Unseen: []verify.Unseen{},
			Checked: api.VerifyChecked{Networks: 1, Bridges: 2, Flows: 30, Frames: 400}}
		switch {
		case req.Network == "nosuch":
			answer(w, http.StatusNotFound, api.Error{Message: `network "nosuch": not found`})
			return
		case req.Network == "looped":
			report.OK = false
			report.Violations = []api.Violation{
				{Invariant: verify.Broadcast, Network: "looped", Host: "xen1", Bridge: "xapi1", From: "xen1/vif1.0", Frame: "dl_dst=ff:ff:ff:ff:ff:ff",
					Effect: "broadcast from web-1 arrives 2 times at db-2", Flow: "table=70, priority=100 actions=output:1", Frames: 3,
					Trace: "ovsmesh trace --from xen1/vif1.0 --packet 'dl_dst=ff:ff:ff:ff:ff:ff' --want"},
				{Invariant: verify.NoLoop, Network: "looped", Host: "xen1", Bridge: "xapi1", Effect: "what comes from a tunnel may leave on tunnel port 20001",
					Flow: "table=70, priority=100 actions=output:20001"},
			}
		case req.Host == "xen9":
			report.Complete, report.Tables = false, "got"
			report.Unseen = []verify.Unseen{{Host: "xen9", Reason: "it is not connected"}, {Host: "xen8", Bridge: "xapi1", Reason: "it is slow"}}
		case req.Network == "many":
			report.OK = false
			for i := range 30 {
				report.Violations = append(report.Violations, api.Violation{Invariant: verify.Unicast, Network: "many", Host: fmt.Sprintf("xen%d", i%3), Bridge: "xapi1",
					Effect: fmt.Sprintf("unicast to vm-%d is lost", i), Frames: 1})
			}
		case req.Network == "":
			report.Networks, report.Checked.Networks = 250, 100
			report.Next = map[string]string{"": "n099", "n099": "n199"}[req.After]
			if report.Next == "" {
				report.Checked.Networks = 50
			}
		}
		answer(w, http.StatusOK, report)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestVerifyCommand(t *testing.T) {
	var asked []api.VerifyRequest
	server := startVerify(t, &asked)
	for _, c := range []struct {
		args   string
		code   int
		stdout string // parts of it, separated by |
		stderr string // a part
	}{
		{"--network blue", 0, "all invariants hold: verified 1 network, 30 flows on 2 bridges, as they should be, with 400 frames\n", ""},
		{"--network looped", 2, "looped on xen1, bridge xapi1\n  broadcast: broadcast from web-1 arrives 2 times at db-2\n      and 2 frames more like this\n|" +
			"      see    ovsmesh trace --from xen1/vif1.0|  loop: what comes from a tunnel may leave|\n2 violations: verified 1 network", ""},
		{"--network many", 2, "NETWORK   INVARIANT   VIOLATIONS   HOSTS\nmany      unicast     30           3\n|… and 10 more: ovsmesh verify -o wide", ""},
		{"--network many -o wide", 2, "unicast to vm-29 is lost", ""},
		{"--host xen9 --got", 1, "not looked at: xen8 xapi1: it is slow\nnot looked at: xen9: it is not connected\n|nothing violated in what could be looked at: |as the switches hold them now", "not everything could be looked at"},
		{"", 0, "verified 250 networks, 90 flows", ""},
		{"--network looped -o json", 2, `"ok": false|"violations": [|"invariant": "loop"`, ""},
		{"--network nosuch", 1, "", `network "nosuch": not found`},
		{"--want --got", 1, "", "want got"},
		{"blue", 1, "", "unknown command"},
	} {
		got := command(t, []string{"OVSMESH_SERVER=" + server}, "", append([]string{"verify"}, strings.Fields(c.args)...)...)
		if got.code != c.code || !strings.Contains(got.stderr, c.stderr) {
			t.Errorf("verify %s: exit %d, want %d: %s", c.args, got.code, c.code, got.stderr)
		}
		for part := range strings.SplitSeq(c.stdout, "|") {
			if !strings.Contains(got.stdout, part) {
				t.Errorf("verify %s: %q is not in\n%s", c.args, part, got.stdout)
			}
		}
	}
	var parts []string
	for _, r := range asked {
		if r.Network == "" && r.Host == "" {
			parts = append(parts, fmt.Sprintf("%s+%d", r.After, r.Limit))
		}
	}
	if got := strings.Join(parts, " "); got != "+100 n099+100 n199+100" {
		t.Errorf("asked for %q", got)
	}
	if help := command(t, nil, "", "verify", "--help"); help.code != 0 || !strings.Contains(help.stdout, "Examples:\n  ovsmesh verify\n") {
		t.Errorf("no help: %s", help.stdout)
	}
}
