package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"ovsmesh/controller/api/apitest"
)

func parseDescription(t *testing.T) *apitest.Document {
	t.Helper()
	d, err := apitest.Parse(Description("v1"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Every route that is served is described, with the parameters that it knows,
// and nothing else is.
func TestDescriptionHasAllRoutes(t *testing.T) {
	d := parseDescription(t)
	mux := NewServer(&failing{}, "", nil).routes().(*http.ServeMux)
	left := map[string]bool{}
	for path, item := range d.Paths {
		for method := range item {
			left[strings.ToUpper(method)+" "+path] = true
		}
	}
	for _, r := range (&Server{}).table() {
		op := d.Paths[r.path][strings.ToLower(r.method)]
		if op == nil {
			t.Errorf("%s %s is not described", r.method, r.path)
			continue
		}
		delete(left, r.method+" "+r.path)
		var query []string
		for _, p := range op.Parameters {
			if p.In == "query" {
				query = append(query, p.Name)
			}
		}
		if want := strings.Fields(r.query); !slices.Equal(query, want) {
			t.Errorf("%s %s: parameters %q, want %q", r.method, r.path, query, want)
		}
		path := strings.NewReplacer("{kind}", "networks", "{name}", "blue").Replace(r.path)
		if _, pattern := mux.Handler(httptest.NewRequest(r.method, path, nil)); pattern != r.path {
			t.Errorf("%s %s is served by %q", r.method, r.path, pattern)
		}
		if guarded := op.Responses["401"].Content != nil; guarded == r.open {
			t.Errorf("%s %s: open %v, and 401 described %v", r.method, r.path, r.open, guarded)
		}
	}
	for path := range left {
		t.Errorf("%s is described and not served", path)
	}
}

// Every type and field says what it means, and nothing is said of what isn't.
func TestDescriptionSaysAll(t *testing.T) {
	said := meanings()
	used := map[string]bool{}
	for name, s := range parseDescription(t).Components.Schemas {
		if s.Description == "" {
			t.Errorf("%s means what?", name)
		}
		used[name] = true
		for field, p := range s.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s means what?", name, field)
			}
			used[name+"."+field] = true
		}
	}
	// Objects have the fields of what is embedded in them.
	for _, pair := range [][2]string{{"HostFacts", "InventoryHost"}, {"Network", "NetworkObject"}, {"Host", "HostObject"}, {"Port", "PortObject"}, {"KeyPool", "KeyPoolObject"}} {
		for key := range maps.Clone(used) {
			if field, ok := strings.CutPrefix(key, pair[1]+"."); ok {
				used[pair[0]+"."+field] = true
			}
		}
	}
	for key := range said {
		if !used[key] {
			t.Errorf("%s has a meaning and is not there", key)
		}
	}
}

// What is encoded is what is described, for types with every field set and with
// none.
func TestDescriptionFitsTypes(t *testing.T) {
	d := parseDescription(t)
	full := Event{ID: 7, Time: "2026-01-02T03:04:05.6Z", Kind: EventTunnel, Tenant: "acme", Network: "blue", Host: "xen1", Peer: "xen3",
		Bridge: "xapi1", State: TunnelDown, Was: TunnelUp, Error: "no route", Generation: 3, Omitted: 1}
	for name, v := range map[string]any{
		"Event": full, "Tunnel": Tunnel{State: TunnelUp, Encap: "gre"}, "TopologyHost": TopologyHost{Kind: "external", Bridges: []TopologyBridge{{}}},
		"Error": Error{}, "HostStatus": HostStatus{Networks: []string{}},
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Validate(name, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
