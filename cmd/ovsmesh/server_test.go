package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	mux.HandleFunc("GET /v1/topology", func(w http.ResponseWriter, r *http.Request) { serveTopology(t, w, r) })
	for _, kind := range append(kinds(), "export", "inventory", "version") {
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

// serveTopology answers with what of testdata/api/topology.json a request wants,
// as the server does.
func serveTopology(t *testing.T, w http.ResponseWriter, r *http.Request) {
	b, err := os.ReadFile(filepath.Join("testdata", "api", "topology.json"))
	if err != nil {
		t.Error(err)
	}
	var all api.Topology
	if err := json.Unmarshal(b, &all); err != nil {
		t.Error(err)
	}
	answer(w, http.StatusOK, narrowed(all, r))
}

// narrowed is a topology as a request wants it.
func narrowed(all api.Topology, r *http.Request) api.Topology {
	sortTopology(&all)
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil {
		limit = math.MaxInt
	}
	down := r.FormValue("down") == "true"
	is := func(parameter, value string) bool {
		return r.FormValue(parameter) == "" || r.FormValue(parameter) == value
	}
	some := api.Topology{Networks: []api.TopologyNetwork{}, Hosts: []api.TopologyHost{}}
	for _, n := range all.Networks {
		if !is("network", n.Name) || !is("tenant", n.Tenant) || down && !networkTrouble(n) || r.FormValue("host") != "" && !slices.Contains(n.Hosts, r.FormValue("host")) {
			continue
		}
		n.Tunnels = slices.DeleteFunc(n.Tunnels, func(e api.Tunnel) bool { return !is("host", e.From) || down && e.State == api.TunnelUp })
		ends := len(n.Tunnels)
		n.Tunnels = n.Tunnels[:min(ends, limit)]
		if r.FormValue("limit") != "0" {
			n.TunnelsOmitted = ends - len(n.Tunnels)
		}
		limit -= len(n.Tunnels)
		for i := range n.Tunnels {
			if r.FormValue("counters") != "true" {
				n.Tunnels[i].Counters = nil
			}
		}
		some.Networks = append(some.Networks, n)
	}
	for _, h := range all.Hosts {
		if r.FormValue("counters") != "true" {
			h.CountersError = ""
		}
		member := r.FormValue("network") == "" && r.FormValue("tenant") == "" ||
			slices.ContainsFunc(some.Networks, func(n api.TopologyNetwork) bool { return slices.Contains(n.Hosts, h.Name) })
		if is("host", h.Name) && member && (!down || hostTrouble(h)) {
			some.Hosts = append(some.Hosts, h)
		}
	}
	return some
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
