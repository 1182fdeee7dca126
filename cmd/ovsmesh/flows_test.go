package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ovsmesh/controller/api"
)

// serveFlows answers with a list that fits what is asked for.
func serveFlows(w http.ResponseWriter, r *http.Request) {
	list := api.FlowList{Host: r.PathValue("host"), Bridge: r.PathValue("bridge"), View: r.FormValue("view"), Foreign: 1}
	vif := api.FlowEntry{Flow: "cookie=0x6f6d000000010002, table=0, priority=100,in_port=1 actions=write_metadata:0x1/0x1ffffffff,goto_table:10",
		Purpose: "classify: which network a port belongs to", Network: "blue", Reason: "classify-vif", About: "web-1"}
	miss := api.FlowEntry{Flow: "cookie=0x6f6d000000000001, table=70, priority=0 actions=drop", Table: 70, Purpose: "flood: all else", Reason: "miss"}
	foreign := api.FlowEntry{Flow: "cookie=0x1, table=5, priority=4000,in_port=1 actions=drop", Table: 5, Foreign: true, About: "web-1"}
	switch {
	case list.Bridge == "xapi9":
		answer(w, http.StatusNotFound, api.Error{Message: `bridge "xapi9" of host xen1: not found (managed there: xapi1)`})
		return
	case list.Bridge == "same":
	case list.View == api.ViewDiff:
		wanted, held := vif, vif
		wanted.Sign, held.Sign = "-", "+"
		held.Flow = "cookie=0x6f6d000000010002, table=0, priority=100,in_port=1 actions=drop"
		list.Flows = []api.FlowEntry{wanted, held}
	case r.FormValue("foreign") == "true":
		list.Flows = []api.FlowEntry{vif, foreign, miss}
	default:
		list.Flows = []api.FlowEntry{vif, miss}
	}
	if list.Bridge == "odd" {
		odd := foreign
		odd.Flow, odd.Opaque = "cookie=0x1, table=5, priority=1 actions=raw(ffff)", true
		list.Flows = append(list.Flows, odd)
	}
	answer(w, http.StatusOK, list)
}

func TestFlowsCommand(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/flows/{host}/{bridge}", serveFlows)
	mux.HandleFunc("GET /v1/topology", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.Topology{Hosts: []api.TopologyHost{{Name: "xen1", Bridges: []api.TopologyBridge{{Name: "xapi1"}, {Name: "xapi2"}}}}})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for _, tt := range [][2]string{
		{"flows", "flows xen1 xapi1"},
		{"flows-want", "flows xen1 xapi1 --want"},
		{"flows-with-foreign", "flows xen1 xapi1 --with-foreign"},
		{"flows-diff", "flows xen1 xapi1 --diff"},
		{"flows-diff-none", "flows xen1 same --diff"},
		{"flows-json", "flows xen1 xapi1 -o json"},
		{"flows-opaque", "flows xen1 odd --with-foreign"},
		{"flows-unknown", "flows xen1 xapi9"},
		{"flows-both", "flows xen1 xapi1 --want --diff"},
		{"flows-part-with-foreign", "flows xen1 xapi1 --network blue --with-foreign"},
		{"flows-diff-with-foreign", "flows xen1 xapi1 --diff --with-foreign"},
		{"flows-no-bridge", "flows xen1"},
		{"complete-flows-bridge", "__complete flows xen1 x"},
		{"audit-dry-run-alone", "audit --dry-run"},
	} {
		got := command(t, []string{"OVSMESH_SERVER=" + s.URL}, "", strings.Fields(tt[1])...)
		text := fmt.Sprintf("$ ovsmesh %s\n%s", tt[1], got.stdout)
		if got.stderr != "" {
			text += "--- stderr\n" + got.stderr
		}
		golden(t, tt[0], text+fmt.Sprintf("--- exit %d\n", got.code))
	}
}
