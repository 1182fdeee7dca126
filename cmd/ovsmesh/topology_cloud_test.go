package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovsmesh/controller/api"
)

// cloud is a topology of many hosts and networks, each network on some of the
// hosts in a row. Wrong says what is not up.
func cloud(hosts, networks, members int, wrong func(network, from, to int) string) api.Topology {
	var top api.Topology
	name := func(i int) string { return fmt.Sprintf("hv%03d", i+1) }
	for i := range hosts {
		top.Hosts = append(top.Hosts, api.TopologyHost{
			Name: name(i), ID: i + 1, Kind: "managed", SystemID: fmt.Sprintf("8e9f0000-0000-4000-8000-%012d", i), Endpoint: fmt.Sprintf("10.0.%d.%d", i/250, i%250+1),
			UnderlayMTU: 1500, Connected: true, InSync: true, OVSVersion: "3.1.0", Health: api.HealthOK,
			Bridges: []api.TopologyBridge{{Name: "br-int", DPID: fmt.Sprintf("%016x", i+1), Connected: true, FlowsWanted: 500, FlowsInstalled: 500}},
		})
	}
	for k := range networks {
		n := api.TopologyNetwork{
			Name: fmt.Sprintf("net%03d", k), Tenant: fmt.Sprintf("tenant%02d", k/10), Encap: "vxlan", Key: uint32(5000 + k), Profile: "programmed",
			TunnelPorts: "shared", Broadcast: "split-horizon", UnknownUnicast: "flood", MTU: 1450, UnderlayMTU: 1500, InSync: true,
			Ports: 2 * members, Bridges: []string{"br-int"}, Hosts: []string{}, Tunnels: []api.Tunnel{}, Members: []api.TopologyMember{},
		}
		for i := range members {
			from := (k*members + i) % hosts
			m := api.TopologyMember{Host: name(from), Bridge: "br-int", Ports: 2, InSync: true, UnderlayMTU: 1500, MTU: 1450, VMMTU: 1450}
			for j := range members {
				to := (k*members + j) % hosts
				if to == from {
					continue
				}
				e := api.Tunnel{From: name(from), To: name(to), Bridge: "br-int", Port: fmt.Sprintf("sv-%d-%d", from+1, to+1), Encap: "vxlan", Key: n.Key, OFPort: 20000, State: api.TunnelUp, MTU: 1450}
				if s := wrong(k, from, to); s != "" {
					e.State, e.Error = s, "BFD gets no answer from "+e.To
				}
				switch e.State {
				case api.TunnelUp:
					m.TunnelsUp++
				case api.TunnelDown:
					n.TunnelsDown++
				case api.TunnelUnreachable:
					n.TunnelsUnreachable++
				}
				m.TunnelsWanted++
				n.Tunnels = append(n.Tunnels, e)
			}
			n.TunnelsUp += m.TunnelsUp
			n.TunnelsWanted += m.TunnelsWanted
			n.Hosts = append(n.Hosts, m.Host)
			n.Members = append(n.Members, m)
		}
		top.Networks = append(top.Networks, n)
	}
	return top
}

// serveCloud serves topologies as the server does, narrowed as requests want.
func serveCloud(t *testing.T, make func() api.Topology) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/topology", func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, narrowed(make(), r)) })
	mux.HandleFunc("GET /v1/events", serveEvents)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// A cloud of 200 hosts and some 20,000 tunnel ends fits a screen, in which what is
// wrong is not lost.
func TestCloud(t *testing.T) {
	healthy := func() api.Topology { return cloud(200, 100, 15, func(int, int, int) string { return "" }) }
	ill := func() api.Topology {
		top := cloud(200, 100, 15, func(k, from, to int) string {
			switch {
			case from == 20:
				return api.TunnelUnreachable
			case to == 20 || k == 7 && from == 110:
				return api.TunnelDown
			}
			return ""
		})
		top.Hosts[20].Connected, top.Hosts[20].InSync, top.Hosts[20].Health, top.Hosts[20].HealthReason = false, false, api.HealthUnreachable, "not connected since 03:04:05 UTC"
		top.Hosts[110].Health, top.Hosts[110].HealthReason = api.HealthStuck, "ovs-vswitchd (bridge br-int) has not answered since 03:04:05 UTC, for 12s"
		return top
	}
	large := func() api.Topology {
		top := cloud(120, 1, 120, func(_, from, to int) string {
			if from == 17 || to == 17 && from%30 == 2 {
				return api.TunnelDown
			}
			return ""
		})
		return top
	}
	fifty := func() api.Topology { return cloud(50, 1, 50, func(int, int, int) string { return "" }) }
	tests := []struct {
		name string
		of   func() api.Topology
		args string
	}{
		{"nothing", func() api.Topology { return api.Topology{} }, "topology"},
		{"nothing-tunnels", func() api.Topology { return api.Topology{} }, "topology tunnels"},
		{"nothing-down", func() api.Topology { return api.Topology{} }, "topology --down"},
		{"healthy", healthy, "topology"},
		{"healthy-down", healthy, "topology --down"},
		{"healthy-wide", healthy, "topology -o wide"},
		{"healthy-tenant", healthy, "topology --tenant tenant03"},
		{"healthy-tunnels", healthy, "topology tunnels --limit 5"},
		{"ill", ill, "topology"},
		{"ill-down", ill, "topology --down"},
		{"ill-tunnels-down", ill, "topology tunnels --down --limit 10"},
		{"large-network", large, "topology --network net000"},
		{"large-matrix", large, "topology matrix --network net000"},
		{"fifty-matrix", fifty, "topology matrix --network net000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := command(t, []string{"OVSMESH_SERVER=" + serveCloud(t, tt.of)}, "", strings.Fields(tt.args)...)
			text := fmt.Sprintf("$ ovsmesh %s\n%s", tt.args, got.stdout)
			if got.stderr != "" {
				text += "--- stderr\n" + got.stderr
			}
			golden(t, "cloud-"+tt.name, text+fmt.Sprintf("--- exit %d\n", got.code))
			if n := strings.Count(text, "\n"); n > 75 {
				t.Errorf("%d lines", n)
			}
			for line := range strings.Lines(got.stdout) {
				if len([]rune(line)) > 215 {
					t.Errorf("%d columns: %s", len([]rune(line)), line)
				}
			}
		})
	}
	server := serveCloud(t, ill)
	got := command(t, []string{"OVSMESH_SERVER=" + server}, "", "topology", "tunnels", "-o", "json")
	var list tunnelList
	if err := json.Unmarshal([]byte(got.stdout), &list); err != nil || len(list.Tunnels) != 100*15*14 {
		t.Errorf("%d tunnel ends in JSON, %v; want all", len(list.Tunnels), err)
	}
	if got := command(t, []string{"OVSMESH_SERVER=" + server}, "", "topology", "tunnels", "--limit", "0"); strings.Count(got.stdout, "\n") != 100*15*14+1 {
		t.Errorf("%d lines without a limit", strings.Count(got.stdout, "\n"))
	}
	if got := command(t, []string{"OVSMESH_SERVER=" + server}, "", "topology", "--limit", "0"); strings.Count(got.stdout, "hv199 ") != 1 {
		t.Errorf("without a limit not all hosts are there:\n%s", got.stdout)
	}
}

// A graph goes to the file that is named, in the format that its name says.
func TestGraphFile(t *testing.T) {
	server := startServer(t)
	for file, begin := range map[string]string{"x.svg": "<svg ", "x.mmd": "---\n", "x.dot": "graph ", "x": "graph "} {
		path := filepath.Join(t.TempDir(), file)
		got := command(t, []string{"OVSMESH_SERVER=" + server}, "", "topology", "graph", "--output", path)
		text, err := os.ReadFile(path)
		if err != nil || got != (ran{}) || !strings.HasPrefix(string(text), begin) {
			t.Errorf("%s: %+v, %v, %.40s", file, got, err, text)
		}
	}
}
