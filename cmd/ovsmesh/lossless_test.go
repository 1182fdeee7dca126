package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/controller/api"
	"ovsmesh/controller/api/apitest"
	"ovsmesh/topology"
)

// fullSpec has every field set, as far as one object can have them all.
func fullSpec() topology.Spec {
	no := false
	return topology.Spec{
		KeyPools: []topology.KeyPool{{Encap: topology.GRE, Range: topology.KeyRange{First: 100, Last: 110}}},
		Networks: []topology.Network{{
			Name: "blue", Tenant: "acme", Encap: topology.VXLAN, Key: 5000, Bridge: "br-int", XSNetworkUUIDs: []string{"7f3a0000-0000-4000-8000-000000000001"},
			CreateBridge: true, DatapathType: "netdev", TakeBridge: true, Hosts: []string{"xen1"}, Profile: topology.ProfileProgrammed,
			Broadcast: topology.BroadcastDrop, UnknownUnicast: topology.UnknownUnicastDrop, PortSecurity: &no,
			TunnelPorts: topology.TunnelPortsShared, BFD: true, MTU: 1400, DstPort: 8472,
		}},
		Hosts: []topology.Host{{
			Name: "xen1", ID: 7, SystemID: "8e9f0000-0000-4000-8000-000000000001", Endpoint: netip.MustParseAddr("2001:db8::1"),
			Kind: topology.KindManaged, UnderlayMTU: 9000,
		}},
		Ports: []topology.Port{{
			Name: "web-1", Network: "blue", Match: topology.PortMatch{IfaceID: "aaaa"}, MAC: topology.MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56},
			IPs:              []netip.Addr{netip.MustParseAddr("10.1.1.63"), netip.MustParseAddr("fd00::63")},
			AllowedAddresses: []topology.Address{{MAC: topology.MAC{0, 0, 0x5e, 0, 1, 7}, IP: netip.MustParseAddr("10.1.1.100")}, {IP: netip.MustParseAddr("10.1.1.101")}},
			DHCPServer:       true, Router: true,
		}},
	}
}

// Every field of the spec goes through export and get, as YAML and as JSON, and
// back into apply, and nothing of it is lost.
func TestSpecIsLossless(t *testing.T) {
	spec := fullSpec()
	for _, v := range []any{spec.Networks[0], spec.Hosts[0], spec.Ports[0], spec.KeyPools[0]} {
		for i, r := 0, reflect.ValueOf(v); i < r.NumField(); i++ {
			if r.Field(i).IsZero() {
				t.Errorf("%T.%s is not set", v, r.Type().Field(i).Name)
			}
		}
	}
	mux := http.NewServeMux()
	sent := make(chan string, 1)
	mux.HandleFunc("GET /v1/export", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, spec) })
	mux.HandleFunc("GET /v1/networks", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.Objects{Networks: []api.NetworkObject{{Network: spec.Networks[0]}}})
	})
	mux.HandleFunc("GET /v1/hosts", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.Objects{Hosts: []api.HostObject{{Host: spec.Hosts[0]}}})
	})
	mux.HandleFunc("GET /v1/ports", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.Objects{Ports: []api.PortObject{{Port: spec.Ports[0]}}})
	})
	mux.HandleFunc("POST /v1/apply", func(w http.ResponseWriter, r *http.Request) {
		var req api.ApplyRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil || len(req.Files) != 1 {
			answer(w, http.StatusBadRequest, api.Error{Message: fmt.Sprint(err)})
			return
		}
		sent <- req.Files[0].Data
		answer(w, http.StatusOK, api.ApplyResult{Items: []topology.Item{}})
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	run := func(stdin string, args ...string) string {
		t.Helper()
		got := command(t, []string{"OVSMESH_SERVER=" + s.URL}, stdin, args...)
		if got.code != 0 {
			t.Fatalf("%s: %+v", strings.Join(args, " "), got)
		}
		return got.stdout
	}
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	for _, format := range []string{"yaml", "json"} {
		text := run("", "export", "-o", format)
		run(text, "apply", "-f", "-")
		got, _, err := topology.Parse(topology.File{Name: "sent", Data: []byte(<-sent)})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(spec, *got, same); d != "" {
			t.Errorf("%s: -spec +applied\n%s", format, d)
		}
	}
	var got struct {
		Networks []topology.Network
		Hosts    []topology.Host
		Ports    []topology.Port
	}
	for _, kind := range []string{"networks", "hosts", "ports"} {
		if err := json.Unmarshal([]byte(run("", "get", kind, "-o", "json")), &got); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(spec, topology.Spec{KeyPools: spec.KeyPools, Networks: got.Networks, Hosts: got.Hosts, Ports: got.Ports}, same); d != "" {
		t.Errorf("get: -spec +got\n%s", d)
	}
}

// The stub server of these tests answers as the real one does: its answers are
// what the description of the API says.
func TestStubAnswersAsDescribed(t *testing.T) {
	d, err := apitest.Parse(api.Description("test"))
	if err != nil {
		t.Fatal(err)
	}
	for file, path := range map[string]string{
		"audit.json": "audit", "audit-clean.json": "audit", "audit-incomplete.json": "audit", "events.txt": "events", "export.json": "export",
		"hosts.json": "hosts", "inventory.json": "inventory", "keypools.json": "keypools", "networks.json": "networks", "ports.json": "ports",
		"topology.json": "topology", "version.json": "version",
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "api", file))
		if err != nil {
			t.Fatal(err)
		}
		op, err := d.Operation(http.MethodGet, "/v1/"+path)
		if err != nil {
			t.Fatal(err)
		}
		contentType := "application/json"
		if path == "events" {
			contentType = "text/event-stream"
		}
		if err := op.CheckAnswer(http.StatusOK, contentType, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
