package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What the client sends for each of its methods.
func TestClientRequests(t *testing.T) {
	requests := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- strings.Join([]string{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization")}, " ")
		fmt.Fprint(w, "{}")
	}))
	defer s.Close()
	c := &Client{BaseURL: s.URL + "/", Token: "s3cret"}
	ctx := t.Context()
	tests := []struct {
		call func() error
		want string
	}{
		{func() error { _, err := c.Apply(ctx, ApplyRequest{}); return err }, "POST /v1/apply"},
		{func() error { _, err := c.Delete(ctx, KindNetworks, "blue"); return err }, "DELETE /v1/networks/blue"},
		{func() error { _, err := c.Delete(ctx, KindPorts, "a/b c"); return err }, "DELETE /v1/ports/a%2Fb%20c"},
		{func() error { _, err := c.Sync(ctx, 7); return err }, "GET /v1/sync?generation=7"},
		{func() error { _, err := c.Objects(ctx, KindHosts, ""); return err }, "GET /v1/hosts"},
		{func() error { _, err := c.Objects(ctx, KindHosts, "xen1"); return err }, "GET /v1/hosts/xen1"},
		{func() error { _, err := c.Topology(ctx, TopologyFilter{}); return err }, "GET /v1/topology"},
		{func() error {
			_, err := c.Topology(ctx, TopologyFilter{Network: "blue", Host: "xen1", Tenant: "acme"})
			return err
		}, "GET /v1/topology?host=xen1&network=blue&tenant=acme"},
		{func() error {
			_, err := c.Audit(ctx, AuditRequest{Network: "blue", Foreign: true})
			return err
		}, "GET /v1/audit?foreign=true&network=blue"},
		{func() error { _, err := c.Audit(ctx, AuditRequest{Host: "xen1", Repair: true}); return err }, "POST /v1/audit?host=xen1"},
		{func() error { _, err := c.Audit(ctx, AuditRequest{Repair: true, DryRun: true}); return err }, "POST /v1/audit?dryRun=true"},
		{func() error {
			_, err := c.Flows(ctx, FlowsRequest{Host: "xen 1", Bridge: "xapi1", View: ViewDiff, Network: "blue", Foreign: true})
			return err
		}, "GET /v1/flows/xen%201/xapi1?foreign=true&network=blue&view=diff"},
		{func() error { _, err := c.Export(ctx); return err }, "GET /v1/export"},
		{func() error { _, err := c.Inventory(ctx, InventoryRequest{Rows: true}); return err }, "GET /v1/inventory?rows=true"},
		{func() error { _, err := c.Version(ctx); return err }, "GET /v1/version"},
	}
	for _, tt := range tests {
		if err := tt.call(); err != nil {
			t.Errorf("%s: %v", tt.want, err)
		}
		if got, want := <-requests, tt.want+" Bearer s3cret"; got != want {
			t.Errorf("request = %q, want %q", got, want)
		}
	}
}

func TestClientErrors(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   string // SERVER stands for the server's URL
	}{
		{"not found", 404, `{"error":"there is no network blue"}`, "there is no network blue"},
		{"refused spec", 400, `{"error":"refused","problems":[{"file":"a.yaml","line":3,"reason":"x"}]}`, "refused"},
		{"no token", 401, `{"error":"no token"}`, "SERVER: no token: set OVSMESH_TOKEN to the token of the server's api.tokenFile"},
		{"trouble", 500, `{"error":"disk full"}`, "SERVER: disk full"},
		{"a proxy's page", 502, `<html>Bad Gateway</html>`, "SERVER: bad gateway (HTTP 502)"},
		{"half an error", 500, `{"error":`, "SERVER: internal server error (HTTP 500)"},
		{"not JSON", 200, `<html>hello</html>`, "SERVER: does not answer as ovsmesh serve does: invalid character '<' looking for beginning of value"},
		{"cut short", 200, `{"networks":[`, "SERVER: does not answer as ovsmesh serve does: unexpected end of JSON input"},
		{"wrong type", 200, `{"networks":7}`, "SERVER: does not answer as ovsmesh serve does: json: cannot unmarshal number into Go struct field Topology.networks of type []api.TopologyNetwork"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			defer s.Close()
			_, err := (&Client{BaseURL: s.URL}).Topology(t.Context(), TopologyFilter{})
			if want := strings.ReplaceAll(tt.want, "SERVER", s.URL); err == nil || err.Error() != want {
				t.Errorf("err = %v\nwant  %s", err, want)
			}
			if IsNotFound(err) != (tt.status == 404) {
				t.Errorf("IsNotFound = %v", IsNotFound(err))
			}
			var status *StatusError
			if tt.name == "refused spec" && (!errors.As(err, &status) || len(status.Body.Problems) != 1 || status.Body.Problems[0].Line != 3) {
				t.Errorf("problems are lost: %+v", status)
			}
		})
	}
}

func TestClientUnreachable(t *testing.T) {
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := refusing.Close(); err != nil {
		t.Fatal(err)
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	hasty := &http.Client{Timeout: 50 * time.Millisecond}
	tests := []struct {
		client Client
		want   string
	}{
		{Client{BaseURL: "http://" + refusing.Addr().String()}, "refuses connections: is ovsmesh serve running there? name another server with --server or OVSMESH_SERVER"},
		{Client{BaseURL: silent.URL, HTTP: hasty}, "does not answer in time"},
		{Client{BaseURL: "http://host.invalid:8640"}, `no such host "host.invalid"`},
		{Client{BaseURL: "127.0.0.1:8640"}, "is not a URL like http://127.0.0.1:8640"},
		{Client{BaseURL: "ftp://127.0.0.1"}, "is not a URL like http://127.0.0.1:8640"},
		{Client{}, "is not a URL like http://127.0.0.1:8640"},
	}
	for _, tt := range tests {
		_, err := tt.client.Version(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.client.BaseURL) {
			t.Errorf("%q: err = %v, want %q", tt.client.BaseURL, err, tt.want)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&Client{BaseURL: silent.URL}).Version(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
