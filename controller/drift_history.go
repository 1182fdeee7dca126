package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// historyKept is how many entries of the history are kept.
const historyKept = 4096

// history is what others changed of ours. Hosts' loops write it and anybody
// reads it.
type history struct {
	mu   sync.Mutex
	ring []api.HistoryEntry // entry n at n modulo its length
	at   []time.Time        // of each entry
	last uint64             // number of the newest entry; they count from 1
}

func newHistory(kept int) *history {
	return &history{ring: make([]api.HistoryEntry, kept), at: make([]time.Time, kept)}
}

// add keeps entries of one moment, and returns the number of the first.
func (s *history) add(now time.Time, list []api.HistoryEntry) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.last + 1
	for _, e := range list {
		s.last++
		e.Time = stamp(now)
		n := s.place(s.last)
		s.ring[n], s.at[n] = e, now
	}
	return first
}

// mended notes that count entries from first on have been mended, as far as they
// are still kept.
func (s *history) mended(now time.Time, first uint64, count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := first; n < first+uint64(count); n++ {
		if s.keeps(n) {
			e := &s.ring[s.place(n)]
			e.Repaired, e.RepairedAt, e.Note = true, stamp(now), ""
		}
	}
}

func (s *history) keeps(n uint64) bool {
	return n > 0 && n <= s.last && s.last-n < uint64(len(s.ring))
}

func (s *history) place(n uint64) int { return int(n % uint64(len(s.ring))) }

// list returns the entries that a request asks for, oldest first.
func (s *history) list(r api.HistoryRequest) api.History {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := api.History{Entries: []api.HistoryEntry{}}
	if kept := uint64(len(s.ring)); s.last > kept {
		h.Dropped = s.last - kept
	}
	for n := h.Dropped + 1; n <= s.last; n++ {
		e := &s.ring[s.place(n)]
		if r.Host != "" && e.Host != r.Host || r.Network != "" && e.Network != r.Network || s.at[s.place(n)].Before(r.Since) {
			continue
		}
		h.Entries = append(h.Entries, *e)
	}
	return h
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// AuditHistory says what others changed of ours, and what became of it.
func (c *Controller) AuditHistory(ctx context.Context, r api.HistoryRequest) (api.History, error) {
	if err := c.known(ctx, r.Network, r.Host); err != nil {
		return api.History{}, err
	}
	return c.env.history.list(r), nil
}

// known returns an error for a name that neither the intent nor the history
// knows: a network that has been deleted still has one.
func (c *Controller) known(ctx context.Context, network, host string) error {
	var haveNetwork, haveHost bool
	if err := c.hub.do(ctx, func() {
		_, haveNetwork = c.hub.intent.Network(network)
		_, haveHost = c.hub.intent.Host(host)
	}); err != nil {
		return err
	}
	if network != "" && !haveNetwork && len(c.env.history.list(api.HistoryRequest{Network: network}).Entries) == 0 {
		return fmt.Errorf("network %q: %w", network, topology.ErrNotFound)
	}
	if host != "" && !haveHost && len(c.env.history.list(api.HistoryRequest{Host: host}).Entries) == 0 {
		return fmt.Errorf("host %q: %w", host, topology.ErrNotFound)
	}
	return nil
}
