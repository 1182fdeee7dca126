package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"ovsmesh/controller/api"
)

func planColumns(pairs ...string) []api.PlanColumn {
	var list []api.PlanColumn
	for i := 0; i+2 < len(pairs); i += 3 {
		list = append(list, api.PlanColumn{Column: pairs[i], Old: pairs[i+1], New: pairs[i+2]})
	}
	return list
}

// takenBridge is the plugin's bridge, which becomes managed with a tunnel in place
// and another one that is missing.
func takenBridge() api.PlanBridge {
	return api.PlanBridge{
		Bridge: "xapi1", Verb: api.PlanTake, Settings: 8, Make: 1, Take: 1,
		Rows: []api.PlanRow{
			{Table: "Bridge", Name: "xapi1", Verb: api.PlanTake, Columns: planColumns(
				"fail_mode", "", "secure", "stp_enable", "true", "false", "external_ids:ovsmesh-owner", "", "uuid-1",
				"external_ids:ovsmesh-saved", "", `{"version":1}`, "other_config:disable-in-band", "", "true")},
			{Table: "Controller", Name: "tcp:192.0.2.1:6653", Verb: api.PlanMake, Columns: planColumns(
				"target", "", "tcp:192.0.2.1:6653", "type", "", "service", "external_ids:ovsmesh-owner", "", "uuid-1")},
			{Table: "Interface", Name: "t103-1-3", Verb: api.PlanTake, Network: "blue", Peer: "xen3", Columns: planColumns(
				"ofport_request", "", "5", "external_ids:ovsmesh-owner", "", "uuid-1")},
			{Table: "Port", Name: "t103-1-3", Verb: api.PlanTake, Network: "blue", Peer: "xen3", Columns: planColumns(
				"protected", "false", "true", "external_ids:ovsmesh-owner", "", "uuid-1")},
			{Table: "Interface", Name: "t103-1-4", Verb: api.PlanMake, Network: "blue", Peer: "xen4", Columns: planColumns(
				"name", "", "t103-1-4", "type", "", "gre", "ofport_request", "", "20000", "options:key", "", "103", "options:remote_ip", "", "192.0.2.14")},
			{Table: "Port", Name: "t103-1-4", Verb: api.PlanMake, Network: "blue", Peer: "xen4", Columns: planColumns("name", "", "t103-1-4", "protected", "", "true")},
		},
		Flows: api.PlanFlows{Wanted: 2, List: []string{"+ table=0, priority=0 actions=drop", "+ table=0, priority=1000,in_port=5,dl_dst=ff:ff:ff:ff:ff:ff actions=drop"}},
	}
}

// changedBridge is one of ours that is not as wanted, and connected.
func changedBridge() api.PlanBridge {
	return api.PlanBridge{
		Bridge: "br-red", Verb: api.PlanNothing, Change: 1, Delete: 1,
		Rows: []api.PlanRow{
			{Table: "Interface", Name: "v5000-3-1", Verb: api.PlanChange, Network: "red", Peer: "xen1", Columns: planColumns("options:remote_ip", "192.0.2.99", "192.0.2.11")},
			{Table: "Interface", Name: "v5000-3-9", Verb: api.PlanDelete, Network: "red", Peer: "kvm9", Columns: planColumns("type", "vxlan", "")},
			{Table: "Port", Name: "v5000-3-9", Verb: api.PlanDelete, Network: "red", Peer: "kvm9", Columns: planColumns("name", "v5000-3-9", "")},
		},
		Flows: api.PlanFlows{Wanted: 21, Read: true, Add: 1, Delete: 2, List: []string{"+ table=0, priority=1 actions=drop", "- table=60, priority=2 actions=drop", "- table=60, priority=3 actions=drop"}},
	}
}

// planServer serves plans: of an operator who looks on, of one whose network is
// "done", and of one whose network is "large".
func planServer(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/plan", func(w http.ResponseWriter, r *http.Request) {
		p := api.Plan{Observing: true, Held: "a start", Complete: true, Hosts: []api.PlanHost{
			{Host: "kvm1", Bridges: []api.PlanBridge{}, Rows: []api.PlanRow{}, Problems: []string{}},
			{Host: "xen1", Bridges: []api.PlanBridge{takenBridge()}, Problems: []string{"network blue: port name t103-1-9 is taken by a port that is not ours on bridge xapi1"}},
			{Host: "xen3", Bridges: []api.PlanBridge{changedBridge()}, Rows: []api.PlanRow{{Table: "Open_vSwitch", Verb: api.PlanChange, Columns: planColumns("external_ids:ovsmesh-leave", "done", "")}},
				Changes: 1, Problems: []string{}},
		}}
		switch r.FormValue("network") {
		case "done":
			p = api.Plan{Clean: true, Complete: true, Hosts: p.Hosts[:1]}
		case "large":
			p.Observing, p.Held, p.Hosts = false, "the restored store to be accepted", nil
			for n := range 30 {
				b := takenBridge()
				for i := range 20 {
					b.Rows = append(b.Rows, api.PlanRow{Table: "Port", Name: fmt.Sprintf("t9-%d-%d", n, i), Verb: api.PlanMake, Network: "nine", Columns: planColumns("name", "", "x")})
				}
				p.Hosts = append(p.Hosts, api.PlanHost{Host: fmt.Sprintf("h%02d", n), Bridges: []api.PlanBridge{b, changedBridge()}, Problems: []string{"too old for bfd"}})
			}
		case "away":
			p.Complete = false
			p.Hosts = append(p.Hosts, api.PlanHost{Host: "xen9", Unseen: []string{"it is not connected"}})
		}
		if hosts := r.FormValue("hosts"); hosts != "" {
			p.Hosts = slices.DeleteFunc(p.Hosts, func(h api.PlanHost) bool { return !slices.Contains(strings.Split(hosts, ","), h.Host) })
			if len(p.Hosts) == 0 {
				answer(w, http.StatusNotFound, api.Error{Message: "host \"nosuch\": not found"})
				return
			}
		}
		for i := range p.Hosts {
			h := &p.Hosts[i]
			if r.FormValue("details") != "true" {
				h.Rows = nil
			}
			for j := range h.Bridges {
				if r.FormValue("details") != "true" {
					h.Bridges[j].Rows = nil
				}
				if r.FormValue("flows") != "true" {
					h.Bridges[j].Flows.List = nil
				}
			}
		}
		answer(w, http.StatusOK, p)
	})
	mux.HandleFunc("GET /v1/hosts", func(w http.ResponseWriter, _ *http.Request) {
		one := api.HostObject{Status: api.HostStatus{Observed: true, Connected: true, OVSVersion: "3.1.0", Networks: []string{"blue"}}}
		two := api.HostObject{Status: api.HostStatus{Observed: true, Connected: true, Problems: []string{"no address"}}}
		one.Name, two.Name = "xen1", "xen3"
		answer(w, http.StatusOK, api.Objects{Hosts: []api.HostObject{one, two}})
	})
	mux.HandleFunc("GET /v1/version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.Version{Version: "v1", StoreID: "uuid-1", Observing: true})
	})
	mux.HandleFunc("GET /v1/topology", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.Topology{
			Networks: []api.TopologyNetwork{{Name: "blue", Tenant: "acme", Encap: "gre", Key: 103, Hosts: []string{"xen1", "xen3"}, TunnelsWanted: 2, TunnelsPending: 2}},
			Hosts: []api.TopologyHost{{Name: "xen1", ID: 1, Connected: true, Observed: true, OVSVersion: "3.1.0", Bridges: []api.TopologyBridge{{Name: "xapi1"}}},
				{Name: "xen3", ID: 3, Connected: true, Observed: true, OVSVersion: "3.1.0", Bridges: []api.TopologyBridge{{Name: "xapi1", Error: "bridge xapi1 has a controller of somebody else"}}}},
			Problems: []string{"nothing is written to hosts: this controller was started to look on (--observe)"},
		})
	})
	mux.HandleFunc("GET /v1/sync", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.SyncStatus{Generation: 7, Hosts: 2, Held: "a start without --observe"})
	})
	mux.HandleFunc("POST /v1/apply", serveApply)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// What an operator sees of a controller that observes.
func TestPlanCommand(t *testing.T) {
	server := planServer(t)
	for _, tt := range []struct{ name, args string }{
		{"plan", "plan"},
		{"plan-wide", "plan xen1 -o wide"},
		{"plan-flows", "plan --flows xen3 xen1"},
		{"plan-json", "plan xen3 -o json"},
		{"plan-done", "plan --network done"},
		{"plan-large", "plan --network large"},
		{"plan-away", "plan --network away"},
		{"plan-no-host", "plan nosuch"},
		{"plan-limit-negative", "plan --limit -1"},
		{"plan-complete", "__complete plan xen1 x"},
		{"observe-hosts", "get hosts"},
		{"observe-topology", "topology"},
		{"observe-wait", "apply -f testdata/specs/blue.yaml --wait"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := command(t, []string{"OVSMESH_SERVER=" + server}, "", strings.Fields(tt.args)...)
			text := fmt.Sprintf("$ ovsmesh %s\n%s", tt.args, got.stdout)
			if got.stderr != "" {
				text += "--- stderr\n" + got.stderr
			}
			golden(t, tt.name, text+fmt.Sprintf("--- exit %d\n", got.code))
		})
	}
	got := command(t, []string{"OVSMESH_SERVER=" + server}, "", "version")
	if got.code != 0 || !strings.Contains(got.stdout, "it observes (--observe)") {
		t.Errorf("version: %+v", got)
	}
}
