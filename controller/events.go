package controller

import (
	"sync"
	"time"

	"ovsmesh/controller/api"
)

// eventsKept is how many events are kept. A reader that falls further behind,
// or comes back later, is told that it has lost some. A thousand tunnel ends
// that come up at once are a thousand events.
const eventsKept = 8192

// events is where what became true is told: publish is called by the hub and
// by every host's loop, which must never wait for a reader. Readers have no
// queues: each asks for what came after the last event that it has.
//
// It may be used by several goroutines.
type events struct {
	mu    sync.Mutex
	last  uint64        // number of the newest event, or of the one before the first
	count int           // events in ring
	ring  []api.Event   // the last events, each at its number modulo the length
	more  chan struct{} // closed by what comes next; nil if nobody has asked since the last
	asked time.Time     // when somebody last did
}

// followedFor is how long a reader who is gone may take to come back and find
// nothing missing.
const followedFor = 10 * time.Minute

// followed reports whether somebody reads, or may come back. To draw up what
// nobody reads would be a good part of what a large change costs; see skip.
func (s *events) followed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.more != nil || time.Since(s.asked) < followedFor
}

// skip is for what became true and was not drawn up. Whoever has read before
// is told that he has lost some.
func (s *events) skip() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.count = 0
	s.wake()
}

// newEvents makes a log that keeps so many events. Its numbers begin with the
// time in microseconds: they go on growing when the controller is started
// anew, and a reader that comes back with a number of the former one finds
// that it has lost some.
func newEvents(kept int) *events {
	return &events{last: uint64(time.Now().UnixMicro()), ring: make([]api.Event, kept)}
}

// publish numbers events, keeps them and wakes those who wait for them. It
// costs the same however many readers there are.
func (s *events) publish(list ...api.Event) {
	if len(list) == 0 {
		return
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range list {
		s.last++
		e.ID, e.Time = s.last, now
		s.ring[s.place(e.ID)] = e
	}
	s.count = min(s.count+len(list), len(s.ring))
	s.wake()
}

func (s *events) wake() {
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
}

// since returns what came after an event; with 0 nothing but the place to ask
// on from.
func (s *events) since(after uint64) api.EventPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = time.Now()
	if s.more == nil {
		s.more = make(chan struct{})
	}
	page := api.EventPage{Last: s.last, More: s.more}
	switch oldest := s.last - uint64(s.count) + 1; {
	case after == 0:
	case after+1 < oldest, after > s.last:
		page.Lost = true
	default:
		page.Last = min(s.last, after+api.EventPageSize)
		for id := after + 1; id <= page.Last; id++ {
			page.Events = append(page.Events, s.ring[s.place(id)])
		}
		if page.Last < s.last {
			now := make(chan struct{})
			close(now)
			page.More = now
		}
	}
	return page
}

func (s *events) place(id uint64) int { return int(id % uint64(len(s.ring))) }
