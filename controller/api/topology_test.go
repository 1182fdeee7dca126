package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"
)

// asked is a Backend that keeps what was asked of Topology.
type asked struct {
	failing
	filter TopologyFilter
}

func (a *asked) Topology(_ context.Context, f TopologyFilter) (Topology, error) {
	a.filter = f
	return Topology{Networks: []TopologyNetwork{}, Hosts: []TopologyHost{}}, nil
}

func TestTopologyParametersRefused(t *testing.T) {
	s := NewServer(&asked{}, "", zap.NewNop())
	for query, want := range map[string]string{
		"limit=-1":                    "limit=-1: want a number from 0 on",
		"limit=many":                  "limit=many",
		"limit=1e3":                   "limit=1e3",
		"offset=-2":                   "offset=-2",
		"offset=99999999999999999999": "offset=9999",
		"down=perhaps":                "down=perhaps: want true or false",
		"counters=2":                  "counters=2",
		"limit=1&limit=2":             "given 2 times",
		"limits=1":                    `unknown parameter \"limits\"`,
	} {
		if w := get(s, "/v1/topology?"+query); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	// Events know only what narrows them.
	if w := get(s, "/v1/events?limit=1"); w.Code != http.StatusBadRequest {
		t.Errorf("events: %d %s", w.Code, w.Body)
	}
}

// What a client asks for is what the server asks its backend for.
func TestTopologyFilterTravels(t *testing.T) {
	b := &asked{}
	h := httptest.NewServer(NewServer(b, "", zap.NewNop()).routes())
	defer h.Close()
	c := &Client{BaseURL: h.URL}
	for _, want := range []TopologyFilter{
		{},
		{Network: "blue", Host: "xen 1/&", Tenant: "acme"},
		{Down: true, Limit: 50, Offset: 100, Counters: true},
		{Limit: NoTunnels},
	} {
		if _, err := c.Topology(t.Context(), want); err != nil || b.filter != want {
			t.Errorf("%+v, %v; want %+v", b.filter, err, want)
		}
	}
	if got, want := (TopologyFilter{Network: "n", Host: "h", Tenant: "t", Down: true, Limit: 3}).Events(), (EventFilter{"n", "h", "t"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
