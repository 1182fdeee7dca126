package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// past is a Backend that has a history, and keeps what it was asked for.
type past struct {
	Backend
	asked HistoryRequest
}

func (p *past) AuditHistory(_ context.Context, r HistoryRequest) (History, error) {
	p.asked = r
	return History{Entries: []HistoryEntry{{Host: "xen1", Kind: "missing-flow", By: ByPush}}, Dropped: 3}, nil
}

// What a client asks for is what the backend is asked for, and a time that is
// none is refused before anybody looks.
func TestAuditHistory(t *testing.T) {
	backend := &past{}
	server := httptest.NewServer(NewServer(backend, "", nil).routes())
	defer server.Close()
	c := &Client{BaseURL: server.URL}
	since := time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.FixedZone("here", 3600))
	h, err := c.AuditHistory(t.Context(), HistoryRequest{Network: "blue", Host: "xen1", Since: since})
	if err != nil || len(h.Entries) != 1 || h.Entries[0].Host != "xen1" || h.Dropped != 3 {
		t.Errorf("%+v, %v", h, err)
	}
	if r := backend.asked; r.Network != "blue" || r.Host != "xen1" || !r.Since.Equal(since) {
		t.Errorf("asked for %+v", r)
	}
	if _, err := c.AuditHistory(t.Context(), HistoryRequest{}); err != nil || !backend.asked.Since.IsZero() || backend.asked.Host != "" {
		t.Errorf("asked for %+v, %v", backend.asked, err)
	}
	for query, want := range map[string]string{
		"since=yesterday":            "since=yesterday: want a time like",
		"since=2026-02-30T00:00:00Z": "want a time like",
		"since=10m":                  "want a time like",
		"sinec=2026-01-31T12:00:00Z": "unknown parameter",
	} {
		backend.asked = HistoryRequest{Host: "nobody"}
		rec := httptest.NewRecorder()
		NewServer(backend, "", nil).routes().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/v1/audit/history?"+query, nil))
		if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), want) || backend.asked.Host != "nobody" {
			t.Errorf("%s: %d %s", query, rec.Code, rec.Body)
		}
	}
}
