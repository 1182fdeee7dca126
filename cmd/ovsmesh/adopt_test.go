package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// adoptServer offers a store; name "torn" is refused, "half" is adopted on one
// host of two.
func adoptServer(t *testing.T, offer api.AdoptOffer) string {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/adopt", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, offer) })
	mux.HandleFunc("POST /v1/adopt", func(w http.ResponseWriter, r *http.Request) {
		var req api.AdoptRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		if req.Name == "torn" {
			answer(w, http.StatusConflict, api.Error{Message: "nothing was adopted or changed", Problems: []api.Problem{{Reason: "network torn: h1 and h2 tell different things: key: 103 → 104"}}})
			return
		}
		res := api.AdoptResult{Generation: 7, DryRun: req.DryRun, Store: "uuid-1", Warnings: []string{"host h4 is not connected"},
			Items: []topology.Item{{Kind: "networks", Name: "blue", Verb: "created", Fields: []string{"key: 103"}}},
			Hosts: []api.AdoptedHost{{Host: "h1", Bridges: []string{"xapi1"}, Rows: 1}, {Host: "h2", Bridges: []string{"xapi1"}, Rows: 12}}}
		if req.Name == "half" {
			res.Hosts[1].Error = "it is not connected"
		}
		if len(req.Files) > 0 {
			res.Items[0].Name = strings.TrimSpace(req.Files[0].Data)
		}
		answer(w, http.StatusOK, res)
	})
	mux.HandleFunc("GET /v1/sync", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.SyncStatus{Generation: 7, Done: true, Hosts: 2, InSync: 2})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func TestAdoptCommand(t *testing.T) {
	offer := api.AdoptOffer{Unseen: []string{"h9"}, Stores: []api.AdoptStore{{
		ID:       "uuid-1",
		Networks: []api.AdoptNetwork{{Name: "blue", Tenant: "acme", Encap: "gre", Key: 103, Told: true, Hosts: []string{"h1", "h2", "h3", "h5", "h6"}, Bridges: []string{"xapi1"}, Tunnels: 6}},
		Hosts:    []api.AdoptHost{{Host: "h1", Called: "xen1", ID: 11, Bridges: []string{"xapi1"}, Tunnels: 2}},
		Away:     []api.AdoptAway{{Host: "h4", ID: 4}}, Problems: []string{"host h1: two names"},
	}}}
	spec := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(spec, []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args   string
		code   int
		stdout []string
		stderr string
	}{
		{"adopt", exitOK, []string{"store uuid-1", "blue      acme     gre     103   all    xapi1     h1,h2,h3,h5,+1   6", "h1     xen1     11   yes", "h4     h4       4    no", "to be settled", "two names"}, "not looked at: h9"},
		{"adopt -o wide", exitOK, []string{"h1,h2,h3,h5,h6"}, ""},
		{"adopt -o json", exitOK, []string{`"called": "xen1"`}, ""},
		{"adopt --all --dry-run", exitOK, []string{"network/blue created (key: 103) (dry run)", "h1: 1 row marked on xapi1 (dry run)"}, "note: host h4"},
		{"adopt blue --wait", exitOK, []string{"h2: 12 rows marked on xapi1\n"}, ""},
		{"adopt --all -f " + spec, exitOK, []string{"network/mine created"}, ""},
		{"adopt half", exitError, []string{"h2: NOT adopted: it is not connected"}, "1 host of 2 not adopted"},
		{"adopt torn", exitError, nil, "network torn: h1 and h2 tell different things: key: 103 → 104\novsmesh: 1 problem: nothing was adopted or changed"},
		{"adopt a b", exitError, nil, `what is "b"?`},
		{"adopt 30s", exitError, nil, "--wait=30s"},
		{"adopt --all blue", exitError, nil, "--all, or blue alone?"},
		{"adopt --force", exitError, nil, "what is to be adopted?"},
		{"__complete adopt b", exitOK, []string{"blue", "h1"}, ""},
		{"__complete adopt --store u", exitOK, []string{"uuid-1"}, ""},
	} {
		t.Setenv("OVSMESH_SERVER", adoptServer(t, offer))
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(tc.args), nil, &stdout, &stderr); code != tc.code {
			t.Errorf("%s: exit code %d: %s", tc.args, code, &stderr)
		}
		for _, want := range tc.stdout {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%s: no %q in\n%s", tc.args, want, &stdout)
			}
		}
		if !strings.Contains(stderr.String(), tc.stderr) {
			t.Errorf("%s: no %q in %s", tc.args, tc.stderr, &stderr)
		}
	}
	t.Setenv("OVSMESH_SERVER", adoptServer(t, api.AdoptOffer{}))
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"adopt"}, nil, io.Discard, &stderr); code != exitOK || !strings.Contains(stderr.String(), "nothing to adopt") {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
}
