package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// startServer serves the answers of testdata/api. What the request asks for
// picks the answer: the network "clean" an audit without findings, the host
// "kvm1" one that is not complete; a spec with the word "refuse" is refused.
func startServer(t *testing.T) string {
	t.Helper()
	var syncs atomic.Int64
	mux := http.NewServeMux()
	for _, kind := range append(kinds(), "topology", "export", "inventory", "version") {
		mux.HandleFunc("GET /v1/"+kind, func(w http.ResponseWriter, _ *http.Request) { answerFile(t, w, kind) })
	}
	mux.HandleFunc("GET /v1/events", serveEvents)
	mux.HandleFunc("GET /v1/hosts/{name}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, api.Error{Message: "there is no host nosuch"})
	})
	mux.HandleFunc("GET /v1/audit", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.FormValue("network") == "clean":
			answerFile(t, w, "audit-clean")
		case r.FormValue("host") == "kvm1":
			answerFile(t, w, "audit-incomplete")
		default:
			answerFile(t, w, "audit")
		}
	})
	mux.HandleFunc("POST /v1/apply", serveApply)
	mux.HandleFunc("DELETE /v1/{kind}/{name}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("name") == "busy" {
			answer(w, http.StatusConflict, api.Error{Message: "network busy: port web-1 is in it"})
			return
		}
		answer(w, http.StatusOK, api.ApplyResult{Generation: 8, Items: []topology.Item{
			{Kind: r.PathValue("kind"), Name: r.PathValue("name"), Verb: "deleted"}}})
	})
	mux.HandleFunc("GET /v1/sync", func(w http.ResponseWriter, r *http.Request) {
		status := api.SyncStatus{Generation: 7, Hosts: 2, InSync: 1, Pending: []api.HostPending{{Host: "xen3", Reason: "waits for ovs-vswitchd"}}}
		if r.FormValue("generation") == "0" {
			answer(w, http.StatusOK, api.SyncStatus{Done: true, Hosts: 2, InSync: 2})
			return
		}
		if r.FormValue("generation") == "7" && syncs.Add(1) > 2 {
			status = api.SyncStatus{Generation: 7, Hosts: 2, InSync: 2, Done: true}
		}
		answer(w, http.StatusOK, status)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// serveEvents sends the events of testdata/api/events.txt, and then nothing until
// the client leaves. A reader that comes back gets a reset.
func serveEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	b, err := os.ReadFile(filepath.Join("testdata", "api", "events.txt"))
	if err != nil {
		panic(err)
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		b = fmt.Appendf(nil, "id: 90%s\nevent: reset\ndata: {\"id\":90%s,\"time\":\"2026-01-02T03:04:09Z\",\"kind\":\"reset\"}\n\n", last, last)
	}
	if _, err := w.Write(b); err != nil {
		return
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	<-r.Context().Done()
}

func serveApply(w http.ResponseWriter, r *http.Request) {
	var req api.ApplyRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		answer(w, http.StatusBadRequest, api.Error{Message: err.Error()})
		return
	}
	result := api.ApplyResult{Generation: 7, DryRun: req.DryRun}
	for _, f := range req.Files {
		if strings.Contains(f.Data, "refuse") {
			answer(w, http.StatusBadRequest, api.Error{Message: "the spec is refused", Problems: []api.Problem{
				{File: f.Name, Line: 3, Column: 10, Field: "networks[0].key", Reason: "5000000000 is out of range"},
				{File: f.Name, Line: 9, Field: "hosts[1].name", Reason: "xen1 is given twice"},
				{Reason: "no pool has a free gre key"}}})
			return
		}
		verb := "created"
		if strings.HasSuffix(f.Name, ".json") {
			verb = "updated"
		}
		item := topology.Item{Kind: "network", Name: filepath.Base(f.Name), Verb: verb}
		if verb == "updated" {
			item.Fields = []string{"key: 103 → 104", "bridge: xapi1 → xapi2"}
		}
		result.Items = append(result.Items, item)
	}
	answer(w, http.StatusOK, result)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func answerFile(t *testing.T, w http.ResponseWriter, name string) {
	b, err := os.ReadFile(filepath.Join("testdata", "api", name+".json"))
	if err != nil {
		t.Error(err)
	}
	fmt.Fprint(w, string(b))
}
