package api

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// HistoryRequest is GET /v1/audit/history[?network=N][&host=H][&since=T].
type HistoryRequest struct {
	Network string
	Host    string
	Since   time.Time // zero: from the oldest that is kept
}

// History answers GET /v1/audit/history: what somebody else changed of ours
// while we looked on.
type History struct {
	Entries []HistoryEntry `json:"entries"` // oldest first
	Dropped uint64         `json:"dropped"` // older entries that are no longer kept, whatever was asked for
}

// How a difference was noticed.
const (
	ByPush     = "push"     // the switch told of it
	BySweep    = "sweep"    // its flows were read back
	ByDatabase = "database" // the host's database told of it
)

// HistoryEntry is one difference that somebody else has made. Its fields up to
// Effect are those of a finding of the audit.
type HistoryEntry struct {
	Time    string `json:"time"` // when it was noticed, RFC 3339 with nanoseconds, UTC
	Host    string `json:"host"`
	Bridge  string `json:"bridge"`
	Network string `json:"network"`
	Kind    string `json:"kind"`
	Want    string `json:"want"`
	Got     string `json:"got"`
	Effect  string `json:"effect"`

	Repaired   bool   `json:"repaired"`
	RepairedAt string `json:"repairedAt,omitempty"` // as Time
	By         string `json:"by"`
	Note       string `json:"note,omitempty"` // why it is not mended
	More       int    `json:"more,omitempty"` // further differences of the same moment and network that are not listed
}

// AuditHistory asks what was found and mended; GET /v1/audit/history.
func (c *Client) AuditHistory(ctx context.Context, req HistoryRequest) (History, error) {
	var out History
	q := query("network", req.Network, "host", req.Host)
	if !req.Since.IsZero() {
		q.Set("since", req.Since.UTC().Format(time.RFC3339Nano))
	}
	return out, c.do(ctx, http.MethodGet, "/v1/audit/history", q, nil, &out)
}

func (s *Server) history(r *http.Request) (any, error) {
	q := r.URL.Query()
	req := HistoryRequest{Network: q.Get("network"), Host: q.Get("host")}
	if text := q.Get("since"); text != "" {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, fmt.Errorf("%w: since=%.64s: want a time like 2026-01-31T12:00:00Z", errBadRequest, text)
		}
		req.Since = t
	}
	return s.backend.AuditHistory(r.Context(), req)
}

// How changes that others make of a bridge's flows are noticed.
const (
	WatchedPush = "push" // its switch tells of them
	WatchedPoll = "poll" // its flows are read back once in a while
)
