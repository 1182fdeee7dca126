package controller_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"ovsmesh/controller/api"
)

const (
	tunnelPath = "/v1/ovstunnel"

	vpcTopology = `{"vpc":{"cidr":"10.1.0.0/16","hosts":[{"hostid":11,"ipaddress":"192.0.2.1"}],"tiers":[{"grekey":103,"networkuuid":"n1","gatewayip":"10.1.1.1","gatewaymac":"02:00:00:00:00:01","cidr":"10.1.1.0/24"}],` +
		`"vms":[{"hostid":11,"nics":[{"ipaddress":"10.1.1.5","macaddress":"02:00:00:00:00:05","networkuuid":"n1"}]}]}}`
	vpcPolicy = `{"vpc":{"id":"7","cidr":"10.1.0.0/16","tiers":[{"id":"t1","cidr":"10.1.1.0/24","aclid":"a1"}],"acls":[{"id":"a1","aclitems":[{"number":1,"uuid":"u1","action":"allow","direction":"ingress","sourceportstart":"80","sourceportend":"90","protocol":"tcp","sourcecidrs":["0.0.0.0/0"]}]}]}}`
)

// tunnelBody is the body of a call, with arguments in pairs.
func tunnelBody(host, function string, args ...string) string {
	c := api.TunnelCall{Function: function, Host: host, Args: map[string]string{}}
	for i := 0; i+1 < len(args); i += 2 {
		c.Args[args[i]] = args[i+1]
	}
	b, _ := json.Marshal(c) // strings always can be
	return string(b)
}

func post(body string) call {
	return call{method: "POST", path: tunnelPath, contentType: asJSON, body: body}
}

// What is refused, and what is kept of VPCs, against a golden file.
func TestTunnelHTTPGolden(t *testing.T) {
	w := startWeb(t, "")
	w.do(call{method: "POST", path: "/v1/apply", contentType: asYAML, body: "hosts: [{name: xen1, id: 1}, {name: vtep, kind: external, endpoint: 192.0.2.9}]"})
	topology := func(seq, config string) call {
		return post(tunnelBody("xen1", "configure_ovs_bridge_for_network_topology", "bridge", "xapi5", "host-id", "11", "seq-no", seq, "config", config))
	}
	calls := []call{
		// Bodies that are no call.
		post(``), post(`{`), post(`[]`), post(`null`), post(`7`), post(`{"function":7}`), post(`{"args":{"bridge":7}}`), post(`{"args":[]}`),
		post(`{"function":"create_tunnel","arguments":{}}`), post(`{} {}`), post(`{}`),
		post(tunnelBody("xen1", "is_xcp")),
		post(tunnelBody("xen1", strings.Repeat("x", 200))),
		{method: "GET", path: tunnelPath},
		{method: "POST", path: tunnelPath + "?host=xen1", contentType: asJSON, body: tunnelBody("xen1", "create_tunnel")},

		// Arguments that are missing, or wrong.
		post(tunnelBody("xen1", "setup_ovs_bridge")),
		post(tunnelBody("xen1", "setup_ovs_bridge", "bridge", "xapi/3", "key", "OVSTunnel103")),
		post(tunnelBody("xen1", "setup_ovs_bridge", "bridge", strings.Repeat("b", 300), "key", "OVSTunnel103")),
		post(tunnelBody("xen1", "setup_ovs_bridge", "bridge", "x\x00y", "key", "OVSTunnel103")),
		post(tunnelBody("xen1", "setup_ovs_bridge", "bridge", "xapi3")),
		post(tunnelBody("xen1", "setup_ovs_bridge", "bridge", "xapi3", "key", "OVSTunnel103", "cs_host_id", "x")),
		post(tunnelBody("xen1", "create_tunnel", "bridge", "xapi3")),
		post(tunnelBody("xen1", "create_tunnel", "bridge", "xapi3", "remote_ip", "192.0.2", "key", "103", "from", "1", "to", "2")),
		post(tunnelBody("xen1", "create_tunnel", "bridge", "xapi3", "remote_ip", "fe80::1%eth0", "key", "103", "from", "1", "to", "2")),
		post(tunnelBody("xen1", "create_tunnel", "bridge", "xapi3", "remote_ip", "192.0.2.2", "key", "0", "from", "1", "to", "2")),
		post(tunnelBody("xen1", "create_tunnel", "bridge", "xapi3", "remote_ip", "192.0.2.2", "key", "4294967296", "from", "1", "to", "2")),
		post(tunnelBody("xen1", "create_tunnel", "bridge", "xapi3", "remote_ip", "192.0.2.2", "key", "103", "from", "-1", "to", "2")),
		post(tunnelBody("xen1", "create_tunnel", "bridge", "xapi3", "remote_ip", "192.0.2.2", "key", "103", "from", "1", "to", "2147483648")),
		post(tunnelBody("xen1", "create_tunnel", "bridge", "xapi3", "remote_ip", "192.0.2.2", "key", "103", "from", "2", "to", "2")),
		post(tunnelBody("xen1", "destroy_tunnel", "bridge", "xapi3")),
		post(tunnelBody("xen1", "destroy_ovs_bridge", "cs_host_id", "1")),

		// Hosts that can't be told, or do nothing.
		post(tunnelBody("", "destroy_ovs_bridge", "bridge", "xapi3")),
		post(tunnelBody("xen9", "destroy_ovs_bridge", "bridge", "xapi3")),
		post(tunnelBody("vtep", "destroy_ovs_bridge", "bridge", "xapi3")),
		post(tunnelBody("xen1", "setup_ovs_bridge", "bridge", "xapi3", "key", "OVSTunnel103")),
		post(tunnelBody("xen1", "create_tunnel", "bridge", "xapi3", "remote_ip", "192.0.2.2", "key", "103", "from", "1", "to", "2")),
		post(tunnelBody("xen1", "destroy_tunnel", "bridge", "xapi3", "in_port", "t103-1-2")),
		post(tunnelBody("xen1", "destroy_ovs_bridge", "bridge", "xapi3")),

		// Documents of VPCs.
		topology("3", ""), topology("3", "vpc"), topology("3", `{"vpc":{"cidr":"10.1.0.0/16","hosts":[{"hostid":1,"ipaddress":"192.0.2"}]}}`),
		topology("x", vpcTopology), topology("-1", vpcTopology), topology("3", vpcPolicy[:50]),
		topology("3", vpcTopology), topology("3", vpcTopology), topology("2", vpcTopology), topology("4", vpcTopology),
		post(tunnelBody("xen1", "configure_ovs_bridge_for_routing_policies", "bridge", "xapi5", "host-id", "11", "seq-no", "3", "config", vpcPolicy)),
		post(tunnelBody("xen1", "configure_ovs_bridge_for_routing_policies", "bridge", "xapi5", "host-id", "11", "seq-no", "3", "config", vpcPolicy)),
		post(tunnelBody("xen1", "configure_ovs_bridge_for_routing_policies", "bridge", "OVS-DR-VPC-Bridge7", "config", vpcPolicy)),
		post(tunnelBody("xen1", "configure_ovs_bridge_for_routing_policies", "bridge", "OVS-DR-VPC-Bridge7", "config", vpcPolicy)),
		post(tunnelBody("xen1", "setup_ovs_bridge_for_distributed_routing", "bridge", "xapi5", "key", "OVS-DR-VPC-Bridge7", "xs_nw_uuid", "", "cs_host_id", "11")),
		post(tunnelBody("xen1", "setup_ovs_bridge_for_distributed_routing", "bridge", "xapi5", "key", "OVS-DR-VPC-Bridge7", "xs_nw_uuid", "", "cs_host_id", "11")),
		{method: "GET", path: "/v1/export"},
	}
	var got strings.Builder
	for _, c := range calls {
		status, _, body := w.do(c)
		fmt.Fprintf(&got, "# %s %s %.200q\n%d %s\n", c.method, c.path, c.body, status, body)
	}
	text := strings.ReplaceAll(got.String(), w.managerTarget(), "tcp:CONTROLLER:6640")
	golden := filepath.Join("testdata", "ovstunnel.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n")); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// managerTarget is what hosts are told to dial.
func (w *web) managerTarget() string {
	w.t.Helper()
	_, _, body := w.do(post(tunnelBody("nobody", "destroy_ovs_bridge", "bridge", "b")))
	_, after, ok := strings.Cut(body, "set-manager ")
	target, _, ok2 := strings.Cut(after, " ")
	if !ok || !ok2 {
		w.t.Fatalf("no target in %s", body)
	}
	return target
}

// Bodies that are too large, too deep or too many are refused, and others are
// served all the same.
func TestTunnelHTTPHostile(t *testing.T) {
	w := startWeb(t, "")
	w.do(call{method: "POST", path: "/v1/apply", contentType: asYAML, body: "hosts: [{name: xen1}]"})
	config := func(text string) string {
		return tunnelBody("xen1", "configure_ovs_bridge_for_network_topology", "bridge", "xapi5", "seq-no", "1", "config", text)
	}
	var many strings.Builder
	many.WriteString(`{"function":"destroy_tunnel","args":{`)
	for i := range 50_000 {
		fmt.Fprintf(&many, `"a%d":"",`, i)
	}
	many.WriteString(`"bridge":"b"}}`)
	for name, tt := range map[string]struct {
		body string
		want int
		says string
	}{
		"a body of 5 MiB":         {config(strings.Repeat(" ", 5<<20)), http.StatusRequestEntityTooLarge, "too large"},
		"a document of 2 MiB":     {config(strings.Repeat(" ", 2<<20)), http.StatusBadRequest, "config is longer than 1048576 bytes"},
		"a deep body":             {strings.Repeat(`{"args":`, 100_000), http.StatusBadRequest, "body"},
		"a deep list":             {`{"args":{"bridge":` + strings.Repeat("[", 1<<20), http.StatusBadRequest, "body"},
		"a deep document":         {config(`{"vpc":` + strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000) + "}"), http.StatusBadRequest, "not the JSON of a VPC"},
		"a long argument":         {tunnelBody("xen1", "destroy_tunnel", "bridge", "xapi3", "in_port", strings.Repeat("p", 1<<20)), http.StatusBadRequest, "in_port is longer than 255 bytes"},
		"a long host":             {tunnelBody(strings.Repeat("h", 1<<20), "destroy_tunnel", "bridge", "xapi3", "in_port", "p"), http.StatusNotFound, "not found"},
		"arguments by the dozen":  {many.String(), http.StatusBadRequest, "argument in_port is missing"},
		"text that is no text":    {"{\"function\":\"destroy_tunnel\",\"args\":{\"bridge\":\"\xff\xfe\"}}", http.StatusBadRequest, "argument bridge"},
		"an argument given twice": {`{"function":"destroy_tunnel","host":"xen1","args":{"bridge":"b","in_port":"p","in_port":"q"}}`, http.StatusServiceUnavailable, "not connected"},
	} {
		status, _, body := w.do(post(tt.body))
		if status != tt.want || !strings.Contains(body, tt.says) || len(body) > 2000 {
			t.Errorf("%s: %d %.300s", name, status, body)
		}
	}
	w.healthy()
}

// A host's token is good for that host's own calls and for nothing else; the file
// is read again when it changes, unless it makes no sense.
func TestTunnelHostTokens(t *testing.T) {
	const admin, one, two = "an-administrator", "token-of-host-one", "token-of-host-two"
	file := filepath.Join(t.TempDir(), "host-tokens")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	for text, says := range map[string]string{
		"xen1":                                   "host-tokens:1: want a host's name and its token, separated by a space, not 1 words",
		"# ok\nxen1 " + one + " x":               "host-tokens:2: want a host's name and its token",
		"xen1 short":                             "the token of host xen1 is too short",
		"xen1 " + strings.Repeat("x", 600):       "longer than 512",
		"xen1 " + one + "\nxen2 " + one:          "host-tokens:2: host xen2 has the token of host xen1",
		"xen1 " + admin:                          "is that of api.tokenFile",
		"xen1 token-of-h\u00f6st-one":            "characters that a header can't carry",
		strings.Repeat("h", 300) + " " + one:     "too long for a host's name",
		strings.Repeat("# no end\n", 500_000):    "is longer than 4194304 bytes",
		"xen1 " + one + "\n\n" + "xen2\u0000 \t": "host-tokens:3: want a host's name",
	} {
		write(text)
		if _, err := api.OpenHostTokens(file, admin, zap.NewNop()); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), one) {
			t.Errorf("%.60q: %v, want %q", text, err, says)
		}
	}
	if _, err := api.OpenHostTokens(file+".none", admin, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "host-tokens.none") {
		t.Errorf("no file: %v", err)
	}

	write("# hosts\n  xen1 \t " + one + "\n\nxen1 a-second-token-of-one\n" + "xen2 " + two + "\n")
	tokens, err := api.OpenHostTokens(file, admin, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	w := startWebWith(t, admin, tokens)
	spec := "hosts: [{name: xen1}, {name: xen2}]"
	w.do(call{method: "POST", path: "/v1/apply", contentType: asYAML, body: spec, token: "Bearer " + admin})
	as := func(token, host string) (int, string) {
		c := post(tunnelBody(host, "destroy_tunnel", "bridge", "xapi3", "in_port", "t103-1-2"))
		c.token = "Bearer " + token
		status, _, body := w.do(c)
		return status, body
	}
	expect := func(token, host string, want int, says string) {
		t.Helper()
		if status, body := as(token, host); status != want || !strings.Contains(body, says) || strings.Contains(body, token) {
			t.Errorf("%s as %q: %d %s, want %d %s", token, host, status, body, want, says)
		}
	}
	expect(one, "", http.StatusServiceUnavailable, "host xen1 is not connected")
	expect("a-second-token-of-one", "", http.StatusServiceUnavailable, "host xen1 is not connected")
	expect(one, "xen1", http.StatusServiceUnavailable, "host xen1 is not connected")
	expect(one, "xen2", http.StatusForbidden, "the token is that of host xen1, and the call says that it comes from host xen2")
	expect(two, "", http.StatusServiceUnavailable, "host xen2 is not connected")
	expect(admin, "xen2", http.StatusServiceUnavailable, "host xen2 is not connected")
	expect(admin, "", http.StatusBadRequest, "which host is called can't be told: the call comes from 127.0.0.1")
	expect("token-of-host-on", "", http.StatusUnauthorized, "token")
	for _, c := range []call{
		{method: "GET", path: "/v1/networks"}, {method: "GET", path: "/metrics"}, {method: "GET", path: "/v1/backup"}, {method: "GET", path: "/nothing"}, {method: "GET", path: "/openapi.json"},
		{method: "POST", path: "/v1/apply", contentType: asYAML, body: spec}, {method: "DELETE", path: "/v1/hosts/xen2"},
	} {
		c.token = "Bearer " + one
		if status, _, body := w.do(c); status != http.StatusForbidden || !strings.Contains(body, "xen1") {
			t.Errorf("%s %s with a host's token: %d %s", c.method, c.path, status, body)
		}
	}

	// Changed, then changed to nonsense, then gone, then back and empty.
	write("xen2 " + two + "\n")
	expect(one, "", http.StatusUnauthorized, "token")
	expect(two, "", http.StatusServiceUnavailable, "host xen2")
	write("xen1 " + one + "\nxen2\n")
	expect(one, "", http.StatusUnauthorized, "token")
	expect(two, "", http.StatusServiceUnavailable, "host xen2")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	expect(two, "", http.StatusServiceUnavailable, "host xen2")
	write("")
	expect(two, "", http.StatusUnauthorized, "token")
}

// startWebWith is startWeb with hosts' tokens.
func startWebWith(t *testing.T, token string, hosts *api.HostTokens) *web {
	t.Helper()
	ctl := startController(t, t.TempDir(), loopback(t), loopback(t), 0)
	return serveServer(t, ctl, token, func(s *api.Server) { s.HostTokens = hosts })
}

// The calling host is told by the address that it is connected from, as long as
// that is one host's alone.
func TestTunnelHostByAddress(t *testing.T) {
	c := startCloud(t, 1)
	w := serveWeb(t, c.ctl.Controller, "")
	client := &api.Client{BaseURL: "http://" + w.addr, HTTP: w.client}
	args := map[string]string{"bridge": "xapi3", "key": "OVSTunnel103", "cs_host_id": "11"}
	a, err := client.Tunnel(c.ctx, api.TunnelCall{Function: "setup_ovs_bridge", Args: args})
	if want := (api.TunnelAnswer{Value: "SUCCESS:xapi3", Host: "h1", Network: "ovstunnel103"}); err != nil || a != want {
		t.Errorf("%+v %v, want %+v", a, err, want)
	}
	c.addHost()
	if _, err := client.Tunnel(c.ctx, api.TunnelCall{Function: "setup_ovs_bridge", Args: args}); err == nil || !strings.Contains(err.Error(), "hosts h1, h2 are all connected from 127.0.0.1") {
		t.Errorf("two hosts at one address: %v", err)
	}
	metrics, _, body := w.do(call{method: "GET", path: "/metrics"})
	for _, want := range []string{
		`ovsmesh_ovstunnel_calls_total{function="setup_ovs_bridge",outcome="done"} 1`, `ovsmesh_ovstunnel_calls_total{function="setup_ovs_bridge",outcome="refused"} 1`,
		`ovsmesh_ovstunnel_seconds_count{function="setup_ovs_bridge"} 2`, "ovsmesh_ovstunnel_waiting 0",
	} {
		if metrics != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// Documents and their numbers outlast a restart, and go with the bridge and with
// the host.
func TestTunnelDocuments(t *testing.T) {
	c := startCloud(t, 2)
	push := func(n int, bridge, seq string) (string, error) {
		return c.call(n, "configure_ovs_bridge_for_network_topology", "bridge", bridge, "host-id", fmt.Sprint(n+10), "seq-no", seq, "config", vpcTopology)
	}
	kept := func(n int, bridge, seq string) {
		t.Helper()
		if v, err := push(n, bridge, seq); err == nil || !strings.Contains(err.Error(), "is kept as sequence "+seq+"; routing between tiers is not there yet") {
			t.Fatalf("%s %s on %s: %q %v", bridge, seq, hostName(n), v, err)
		}
	}
	ignored := func(n int, bridge, seq, last string) {
		t.Helper()
		if v, err := push(n, bridge, seq); err != nil || v != "SUCCESS: Ignoring sequence number "+seq+" as the last one is "+last {
			t.Fatalf("%s %s on %s: %q %v", bridge, seq, hostName(n), v, err)
		}
	}
	c.must("SUCCESS:xapi5", 1, "setup_ovs_bridge_for_distributed_routing", "bridge", "xapi5", "key", "OVS-DR-VPC-Bridge7", "cs_host_id", "11")
	kept(1, "xapi5", "4")
	ignored(1, "xapi5", "4", "4")
	kept(2, "xapi5", "1") // another host's numbers are its own
	kept(1, "xapi6", "1")
	c.ctl.stop()
	db, of := c.ctl.ovsdb, c.ctl.openflow
	c.ctl = startController(t, c.dir, listenAt(t, db), listenAt(t, of), 0)
	c.connected("h1")
	c.connected("h2")
	ignored(1, "xapi5", "3", "4")
	c.must("SUCCESS:xapi5", 1, "setup_ovs_bridge_for_distributed_routing", "bridge", "xapi5", "key", "OVS-DR-VPC-Bridge7", "cs_host_id", "11")
	ignored(1, "xapi5", "4", "4") // a repeated setup forgets nothing
	if _, err := c.call(1, "create_tunnel", "bridge", "xapi5", "remote_ip", "192.0.2.2", "key", "103", "from", "11", "to", "12"); err == nil || !strings.Contains(err.Error(), "distributed routing") {
		t.Errorf("a tunnel for one tier: %v", err)
	}
	c.must("SUCCESS:xapi5", 1, "destroy_ovs_bridge", "bridge", "xapi5", "cs_host_id", "11")
	kept(1, "xapi5", "2")
	ignored(1, "xapi6", "1", "1")
	c.host(1).VSCtl("del-manager")
	if _, err := c.ctl.Delete(c.ctx, api.KindHosts, "h1"); err != nil {
		t.Fatal(err)
	}
	_, err := c.ctl.Apply(c.ctx, api.ApplyRequest{Files: []api.File{{Name: "s.yaml", Data: "hosts: [{name: h1}]"}}})
	c.check(err)
	kept(1, "xapi6", "1")
	ignored(2, "xapi5", "1", "1")
	c.nothing()
}

// A call under way when the controller is killed is carried out by the next one,
// and repeated it is answered; a call may also be the first that the next one
// hears of it.
func TestTunnelCallKilled(t *testing.T) {
	c := startCloud(t, 2)
	c.setup(1)
	c.setup(2)
	c.tunnel(1, 2)
	s := c.host(1)
	web := loopback(t)
	addr := web.Addr().String()
	c.check(web.Close())
	c.ctl.stop()
	killed := startAlone(t, c.dir, c.ctl.ovsdb, c.ctl.openflow, addr)
	client := &api.Client{BaseURL: "http://" + addr, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}}
	at := func(what string) {
		t.Helper()
		c.eventually(what, func() error {
			o, err := client.Objects(c.ctx, api.KindHosts, "h1")
			if err == nil && !o.Hosts[0].Status.InSync {
				return fmt.Errorf("%+v", o.Hosts[0].Status)
			}
			return err
		})
	}
	at("first process")
	c.check(s.Freeze())
	args := map[string]string{"bridge": "xapi4", "key": "OVSTunnel104", "cs_host_id": "11"}
	setup := api.TunnelCall{Function: "setup_ovs_bridge", Host: "h1", Args: args}
	answered := make(chan error, 1)
	go func() {
		_, err := client.Tunnel(c.ctx, setup)
		answered <- err
	}()
	c.eventually("the call in the spec", func() error {
		_, err := client.Objects(c.ctx, api.KindNetworks, "ovstunnel104")
		return err
	})
	c.check(killed.Kill())
	if err := <-answered; err == nil {
		t.Error("a call was answered by a controller that is killed, on a host that is frozen")
	}
	_, _ = killed.Wait() // the kill is what it reports
	startAlone(t, c.dir, c.ctl.ovsdb, c.ctl.openflow, addr)
	c.check(s.Thaw())
	at("second process")
	c.stands(1, 2)
	for range 2 {
		if a, err := client.Tunnel(c.ctx, setup); err != nil || a.Value != "SUCCESS:xapi4" {
			t.Fatalf("repeated: %+v %v", a, err)
		}
		if got := s.VSCtl("list-br"); got != "xapi3\nxapi4" {
			t.Fatalf("bridges: %q", got)
		}
	}
	for _, call := range []struct {
		host   int
		bridge string
	}{{1, "xapi4"}, {1, "xapi3"}, {2, "xapi3"}} {
		if a, err := client.Tunnel(c.ctx, api.TunnelCall{Function: "destroy_ovs_bridge", Host: hostName(call.host), Args: map[string]string{"bridge": call.bridge}}); err != nil || a.Value != "SUCCESS:"+call.bridge {
			t.Errorf("destroy: %+v %v", a, err)
		}
		if got := c.host(call.host).VSCtl("list-br"); strings.Contains(got, call.bridge) {
			t.Errorf("bridges: %q", got)
		}
	}
	if o, err := client.Objects(c.ctx, api.KindNetworks, ""); err != nil || len(o.Networks) != 0 {
		t.Errorf("networks left: %+v %v", o.Networks, err)
	}
}
