package controller_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/zap"

	"ovsmesh/controller/api"
)

var update = flag.Bool("update", false, "write golden files")

// web is the API of a controller that has no hosts.
type web struct {
	t      *testing.T
	addr   string
	token  string
	client *http.Client
	stop   func() time.Duration // tells how long it took
}

func startWeb(t *testing.T, token string, opts ...func(*api.Limits)) *web {
	t.Helper()
	return serveWeb(t, startController(t, t.TempDir(), loopback(t), loopback(t), 0), token, opts...)
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func serveWeb(t *testing.T, b api.Backend, token string, opts ...func(*api.Limits)) *web {
	t.Helper()
	return serveServer(t, b, token, func(s *api.Server) {
		for _, o := range opts {
			o(&s.Limits)
		}
	})
}

// serveServer serves the API of a backend; set changes the server before it runs.
func serveServer(t *testing.T, b api.Backend, token string, set func(*api.Server)) *web {
	t.Helper()
	s := api.NewServer(b, token, zap.NewNop())
	set(s)
	l := loopback(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	transport := &http.Transport{}
	w := &web{t: t, addr: l.Addr().String(), token: token, client: &http.Client{Transport: transport, Timeout: 20 * time.Second}}
	stopped := false
	w.stop = func() time.Duration {
		if stopped {
			return 0
		}
		stopped = true
		begin := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
		return time.Since(begin)
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		w.stop()
	})
	return w
}

// call is one request of a client.
type call struct {
	method, path, contentType, body, token string
}

func (w *web) do(c call) (status int, header http.Header, body string) {
	w.t.Helper()
	req, err := http.NewRequest(c.method, "http://"+w.addr+c.path, strings.NewReader(c.body))
	if err != nil {
		w.t.Fatal(err)
	}
	if c.contentType != "" {
		req.Header.Set("Content-Type", c.contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", c.token)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	w.conforms(c, resp, b)
	return resp.StatusCode, resp.Header, string(b)
}

const (
	asJSON = "application/json"
	asYAML = "application/yaml"

	webSpec = `keyPools:
  - {encap: gre, range: 100-110}
networks:
  - {name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1, hosts: [xen1]}
  - {name: red, encap: gre, bridge: xapi2}
hosts:
  - {name: xen1, systemID: s1, endpoint: 192.0.2.1}
ports:
  - {name: web-1, network: blue, match: {ifaceID: i1}, mac: "02:00:00:00:01:01", ips: [10.1.1.63]}
  - {name: web-2, network: blue, match: {host: xen1, interface: vif1}}
`
)

func inFile(name, spec, more string) string {
	b, _ := json.Marshal([]api.File{{Name: name, Data: spec}}) // strings always can be
	return `{"files":` + string(b) + more + `}`
}

// Every path, each with what goes right and what may go wrong, against a
// golden file of statuses and bodies.
func TestHTTPGolden(t *testing.T) {
	w := startWeb(t, "")
	calls := []call{
		{method: "GET", path: "/healthz"},
		{method: "GET", path: "/readyz"},
		{method: "GET", path: "/v1/networks"},
		{method: "GET", path: "/v1/topology"},
		{method: "GET", path: "/v1/inventory"},
		{method: "GET", path: "/v1/export"},

		// Refused specs.
		{method: "POST", path: "/v1/apply", contentType: asJSON, body: inFile("a.yaml", "networks:\n  - name: blue\n    encap: gre\n    key: 0x0\n    brigde: b\n", "")},
		{method: "POST", path: "/v1/apply", contentType: asYAML, body: "networks:\n  - {name: Blue, encap: ipip, key: 7}\n"},
		{method: "POST", path: "/v1/apply", contentType: asYAML, body: "networks: [\n"},
		{method: "POST", path: "/v1/apply", contentType: asYAML, body: "\x00\xff"},
		{method: "POST", path: "/v1/apply", contentType: asYAML, body: "ports:\n  - {name: p, network: none, match: {ifaceID: i}}\n"},

		// Bodies that are no request.
		{method: "POST", path: "/v1/apply", contentType: asJSON, body: ""},
		{method: "POST", path: "/v1/apply", contentType: asJSON, body: "{"},
		{method: "POST", path: "/v1/apply", contentType: asJSON, body: "[]"},
		{method: "POST", path: "/v1/apply", contentType: asJSON, body: `{"files":7}`},
		{method: "POST", path: "/v1/apply", contentType: asJSON, body: `{"fles":[]}`},
		{method: "POST", path: "/v1/apply", contentType: asJSON, body: `{"files":[]} {}`},
		{method: "POST", path: "/v1/apply?prune=perhaps", contentType: asYAML, body: webSpec},
		{method: "POST", path: "/v1/apply?dryrun=true", contentType: asYAML, body: webSpec},
		{method: "GET", path: "/v1/networks"},

		// A spec that is right.
		{method: "POST", path: "/v1/apply", contentType: asJSON, body: inFile("a.yaml", webSpec, `,"dryRun":true`)},
		{method: "GET", path: "/v1/hosts"},
		{method: "POST", path: "/v1/apply", contentType: asJSON, body: inFile("a.yaml", webSpec, "")},
		{method: "POST", path: "/v1/apply", contentType: asYAML, body: webSpec},
		{method: "POST", path: "/v1/apply?dryRun=1&prune=1", contentType: asYAML, body: "networks:\n  - {name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi9}\n"},
		{method: "GET", path: "/v1/sync?generation=2"},
		{method: "GET", path: "/v1/networks"},
		{method: "GET", path: "/v1/networks/blue"},
		{method: "GET", path: "/v1/hosts"},
		{method: "GET", path: "/v1/hosts/xen1"},
		{method: "GET", path: "/v1/ports"},
		{method: "GET", path: "/v1/ports/web-2"},
		{method: "GET", path: "/v1/ports/xen1%2Fvif1"},
		{method: "GET", path: "/v1/keypools"},
		{method: "GET", path: "/v1/topology"},
		{method: "GET", path: "/v1/topology?network=red"},
		{method: "GET", path: "/v1/topology?host=xen1"},
		{method: "GET", path: "/v1/topology?tenant=nobody"},
		{method: "GET", path: "/v1/audit"},
		{method: "GET", path: "/v1/audit?foreign=true&network=red"},
		{method: "POST", path: "/v1/audit?dryRun=true"},
		{method: "POST", path: "/v1/audit?network=red"},
		{method: "GET", path: "/v1/flows/xen1/xapi1"},
		{method: "GET", path: "/v1/export"},
		{method: "GET", path: "/v1/inventory"},
		{method: "GET", path: "/v1/version"},

		// What isn't there, and what can't be done.
		{method: "GET", path: "/"},
		{method: "GET", path: "/v2/networks"},
		{method: "GET", path: "/v1/nets"},
		{method: "GET", path: "/v1/networks/green"},
		{method: "GET", path: "/v1/hosts/xen9"},
		{method: "GET", path: "/v1/ports/xen1/vif1"},
		{method: "GET", path: "/v1/topology?network=green"},
		{method: "GET", path: "/v1/topology?host=xen9"},
		{method: "GET", path: "/v1/audit?network=green"},
		{method: "GET", path: "/v1/audit?host=xen9"},
		{method: "GET", path: "/v1/flows/xen9/xapi1"},
		{method: "GET", path: "/v1/flows/xen1/xapi1?network=green"},
		{method: "GET", path: "/v1/flows/xen1/xapi1?view=all"},
		{method: "POST", path: "/v1/audit?dryRun=perhaps"},
		{method: "POST", path: "/v1/flows/xen1/xapi1"},
		{method: "DELETE", path: "/v1/networks/green"},
		{method: "DELETE", path: "/v1/nets/blue"},
		{method: "DELETE", path: "/v1/networks/blue"},
		{method: "DELETE", path: "/v1/hosts/xen1"},
		{method: "DELETE", path: "/v1/networks"},
		{method: "PUT", path: "/v1/networks/blue"},
		{method: "GET", path: "/v1/apply"},
		{method: "POST", path: "/healthz"},
		{method: "GET", path: "/v1/sync"},
		{method: "GET", path: "/v1/sync?generation=-1"},
		{method: "GET", path: "/v1/sync?generation=1&generation=2"},
		{method: "GET", path: "/v1/audit?foreign=yes"},
		{method: "GET", path: "/v1/topology?netwrok=blue"},
		{method: "GET", path: "/v1/topology?network=%zz"},

		{method: "DELETE", path: "/v1/ports/web-2"},
		{method: "DELETE", path: "/v1/ports/web-1"},
		{method: "DELETE", path: "/v1/networks/blue"},
		{method: "DELETE", path: "/v1/keypools/gre-100-110"},
		{method: "GET", path: "/v1/export"},
	}
	var got strings.Builder
	storeID := w.version().StoreID
	for _, c := range calls {
		status, header, body := w.do(c)
		fmt.Fprintf(&got, "# %s %s\n", c.method, c.path)
		if c.body != "" {
			fmt.Fprintf(&got, "%q\n", c.body)
		}
		fmt.Fprintf(&got, "%d %s %s\n", status, header.Get("Content-Type"), header.Get("Allow"))
		var out bytes.Buffer
		if header.Get("Content-Type") != asJSON {
			out.WriteString(body)
		} else if err := json.Indent(&out, []byte(body), "", "  "); err != nil {
			t.Errorf("%s %s: %v: %s", c.method, c.path, err, body)
		}
		got.WriteString(strings.ReplaceAll(out.String(), storeID, "STORE-ID") + "\n")
	}
	golden := filepath.Join("testdata", "http.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func (w *web) version() (v api.Version) {
	w.t.Helper()
	v, err := (&api.Client{BaseURL: "http://" + w.addr, Token: w.token, HTTP: w.client}).Version(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// Every problem of a refused spec names its file, line, field and reason, and
// the store is as before.
func TestHTTPProblems(t *testing.T) {
	w := startWeb(t, "")
	status, _, body := w.do(call{method: "POST", path: "/v1/apply", contentType: asJSON,
		body: inFile("nets.yaml", "networks:\n  - name: ok\n    encap: gre\n    key: 5\n    bridge: b\n  - name: bad\n    encap: gre\n    key: 99999999999\n", "")})
	var e api.Error
	if err := json.Unmarshal([]byte(body), &e); err != nil || status != http.StatusBadRequest || len(e.Problems) == 0 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if p := e.Problems[0]; p.File != "nets.yaml" || p.Line != 8 || p.Column == 0 || p.Field != "networks[1].key" || p.Reason == "" {
		t.Errorf("problem: %+v", p)
	}
	if status, _, body := w.do(call{method: "GET", path: "/v1/networks/ok"}); status != http.StatusNotFound {
		t.Errorf("half of it was taken: %d %s", status, body)
	}
}

func TestHTTPBodySize(t *testing.T) {
	w := startWeb(t, "", func(l *api.Limits) { l.Body = 10_000 })
	for _, contentType := range []string{asJSON, asYAML} {
		status, header, body := w.do(call{method: "POST", path: "/v1/apply", contentType: contentType, body: strings.Repeat(" ", 10_001)})
		if status != http.StatusRequestEntityTooLarge || header.Get("Content-Type") != asJSON || !strings.Contains(body, "too large") {
			t.Errorf("%s: %d %s", contentType, status, body)
		}
	}
	spec := webSpec + strings.Repeat("#", 10_000-len(webSpec))
	if status, _, body := w.do(call{method: "POST", path: "/v1/apply", contentType: asYAML, body: spec}); status != http.StatusOK {
		t.Errorf("at the limit: %d %s", status, body)
	}
}

func TestHTTPToken(t *testing.T) {
	w := startWeb(t, "s3cret")
	guarded := []call{
		{method: "GET", path: "/v1/networks"}, {method: "GET", path: "/v1/topology"}, {method: "GET", path: "/v1/version"}, {method: "GET", path: "/metrics"},
		{method: "POST", path: "/v1/apply", contentType: asYAML, body: webSpec}, {method: "DELETE", path: "/v1/networks/blue"}, {method: "GET", path: "/nothing"},
	}
	for _, c := range guarded {
		for _, token := range []string{"", "s3cret", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Basic s3cret", "bearer"} {
			c.token = token
			status, header, body := w.do(c)
			if status != http.StatusUnauthorized || header.Get("WWW-Authenticate") != "Bearer" || !strings.Contains(body, "token") {
				t.Errorf("%s %s with %q: %d %s", c.method, c.path, token, status, body)
			}
		}
		c.token = "Bearer s3cret"
		if status, _, _ := w.do(c); status == http.StatusUnauthorized {
			t.Errorf("%s %s: the right token is refused", c.method, c.path)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, _, body := w.do(call{method: "GET", path: path}); status != http.StatusOK || body != "ok\n" {
			t.Errorf("%s without a token: %d %s", path, status, body)
		}
	}
}

func TestHTTPMetrics(t *testing.T) {
	w := startWeb(t, "")
	w.do(call{method: "POST", path: "/v1/apply", contentType: asYAML, body: webSpec + "  - {name: p3, network: red, match: {ifaceID: i3}}\n"})
	status, _, body := w.do(call{method: "GET", path: "/metrics"})
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		kind   dto.MetricType
		series []string // values of the only label; none for a metric without
	}{
		{"ovsmesh_hosts", dto.MetricType_GAUGE, []string{"false", "true"}},
		{"ovsmesh_hosts_health", dto.MetricType_GAUGE, []string{"ok", "slow", "stuck", "unreachable"}},
		{"ovsmesh_hosts_in_sync", dto.MetricType_GAUGE, nil},
		{"ovsmesh_networks", dto.MetricType_GAUGE, nil},
		{"ovsmesh_tunnels", dto.MetricType_GAUGE, []string{"down", "pending", "unreachable", "up"}},
		{"ovsmesh_bridges", dto.MetricType_GAUGE, []string{"false", "true"}},
		{"ovsmesh_flows", dto.MetricType_GAUGE, nil},
		{"ovsmesh_reconcile_seconds", dto.MetricType_HISTOGRAM, nil},
		{"ovsmesh_ovsdb_transactions_total", dto.MetricType_COUNTER, nil},
		{"ovsmesh_ovsdb_transaction_errors_total", dto.MetricType_COUNTER, nil},
		{"ovsmesh_openflow_flow_mods_total", dto.MetricType_COUNTER, nil},
		{"ovsmesh_openflow_bundle_errors_total", dto.MetricType_COUNTER, nil},
	}
	for _, tt := range tests {
		f := families[tt.name]
		if f == nil {
			t.Errorf("%s is missing", tt.name)
			continue
		}
		var series []string
		for _, m := range f.Metric {
			for _, l := range m.Label {
				series = append(series, l.GetValue())
			}
		}
		if f.GetType() != tt.kind || cmp.Diff(tt.series, series) != "" || f.GetHelp() == "" {
			t.Errorf("%s: type %v, series %q, help %q", tt.name, f.GetType(), series, f.GetHelp())
		}
	}
	if got := families["ovsmesh_networks"].Metric[0].GetGauge().GetValue(); got != 2 {
		t.Errorf("ovsmesh_networks = %v, want 2", got)
	}
}
