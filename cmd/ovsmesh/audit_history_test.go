package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/controller/api/apitest"
)

// TestAuditHistory holds what audit --history prints to files, and what it asks
// for to what was wanted.
func TestAuditHistory(t *testing.T) {
	text, err := os.ReadFile("testdata/api/history.json")
	if err != nil {
		t.Fatal(err)
	}
	d, err := apitest.Parse(api.Description("test"))
	if err != nil {
		t.Fatal(err)
	}
	op, err := d.Operation(http.MethodGet, "/v1/audit/history")
	if err != nil {
		t.Fatal(err)
	}
	if err := op.CheckAnswer(http.StatusOK, "application/json", text); err != nil {
		t.Error(err)
	}
	var asked atomic.Value // of the test and of the server
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String())
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("network") == "quiet" {
			fmt.Fprintln(w, `{"entries":[],"dropped":0}`)
			return
		}
		_, _ = w.Write(text)
	}))
	defer server.Close()
	for _, c := range []struct{ name, args, asked string }{
		{"audit-history", "audit --history", "/v1/audit/history"},
		{"audit-history-wide", "audit --history -o wide --host xen1", "/v1/audit/history?host=xen1"},
		{"audit-history-json", "audit --history -o json", "/v1/audit/history"},
		{"audit-history-since", "audit --history --network quiet --since 2026-01-31T11:59:00Z", "/v1/audit/history?network=quiet&since=2026-01-31T11%3A59%3A00Z"},
		{"audit-history-bad-since", "audit --history --since yesterday", ""},
		{"audit-history-repair", "audit --history --repair", ""},
		{"audit-since-alone", "audit --since 10m", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked.Store("")
			got := command(t, []string{"TZ=UTC", "OVSMESH_SERVER=" + server.URL}, "", strings.Fields(c.args)...)
			out := fmt.Sprintf("$ ovsmesh %s\n%s", c.args, got.stdout)
			if got.stderr != "" {
				out += "--- stderr\n" + got.stderr
			}
			golden(t, c.name, out+fmt.Sprintf("--- exit %d\n", got.code))
			if got := asked.Load(); got != c.asked {
				t.Errorf("asked for %q, want %q", got, c.asked)
			}
		})
	}
}

func TestParseSince(t *testing.T) {
	zone := time.FixedZone("here", 3600)
	now := time.Date(2026, 1, 31, 15, 0, 0, 0, zone)
	for _, c := range []struct{ text, want string }{
		{"", "0001-01-01T00:00:00Z"},
		{"10m", "2026-01-31T14:50:00+01:00"},
		{"1h30m", "2026-01-31T13:30:00+01:00"},
		{"0s", "2026-01-31T15:00:00+01:00"},
		{"12:30:00", "2026-01-31T12:30:00+01:00"},
		{"23:50:00", "2026-01-30T23:50:00+01:00"}, // it has not been so late today
		{"2026-01-30", "2026-01-30T00:00:00+01:00"},
		{"2026-01-30 08:15", "2026-01-30T08:15:00+01:00"},
		{"2026-01-30 08:15:30", "2026-01-30T08:15:30+01:00"},
		{"2026-01-30T08:15:30Z", "2026-01-30T08:15:30Z"},
		{"-10m", ""},
		{"10", ""},
		{"soon", ""},
		{"2026-02-30", ""},
	} {
		got, err := parseSince(c.text, now)
		switch {
		case c.want == "":
			if err == nil {
				t.Errorf("%q: %v, want an error", c.text, got)
			}
		case err != nil || got.Format(time.RFC3339) != c.want:
			t.Errorf("%q: %v, %v, want %s", c.text, got, err, c.want)
		}
	}
}
