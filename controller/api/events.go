package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// events streams what becomes true as server-sent events (HTML Living Standard,
// "Server-sent events"): event: is the kind, data: an Event in JSON, id: its
// number. A comment, or the number of the newest event alone, is sent when
// nothing happens for as long as Limits.Beat.
//
// A reader that is slow or stuck holds nobody up: there is no queue for it, and
// when it has fallen behind what is kept it gets a reset and is cut off, as it
// is when it takes nothing for as long as Limits.Send.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	after, err := lastEvent(r)
	if err == nil {
		err = checkQuery(r, strings.Fields(filterParameters))
	}
	if err != nil {
		code, body := explain(err)
		send(w, code, body)
		return
	}
	if s.watching.Add(1) > int64(s.Limits.Watchers) {
		s.watching.Add(-1)
		w.Header().Set("Retry-After", "10")
		send(w, http.StatusServiceUnavailable, Error{Message: fmt.Sprintf("%d readers of events are here already", s.Limits.Watchers)})
		return
	}
	defer s.watching.Add(-1)
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	if r.Method == http.MethodHead {
		return
	}
	c := http.NewResponseController(w)
	// The request has been read; its deadline would end the stream. A connection
	// that knows no deadlines keeps none.
	_ = c.SetReadDeadline(time.Time{})
	out := stream{filter: filterOf(r), sent: after, write: func(b []byte) error {
		_ = c.SetWriteDeadline(time.Now().Add(s.Limits.Send))
		_, err := w.Write(b)
		return err
	}}
	out.begin()
	beat := time.NewTicker(s.Limits.Beat)
	defer beat.Stop()
	page := s.backend.Events(after)
	for first := true; ; first = false {
		if out.page(page) != nil || out.flush() != nil || c.Flush() != nil {
			return // it has gone away, or takes nothing
		}
		if page.Lost && !first {
			return
		}
		select {
		case <-page.More:
		case <-beat.C:
			out.beat(page.Last)
		case <-r.Context().Done():
			return
		}
		page = s.backend.Events(page.Last)
	}
}

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// lastEvent returns the number of the last event that a reader has got, 0 if it
// is a new one.
func lastEvent(r *http.Request) (uint64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%w: Last-Event-ID: %.64q is not the number of an event", errBadRequest, text)
	}
	return n, nil
}

// retry is how soon a reader that lost its connection should come back.
const retry = 2 * time.Second

// stream writes events for one reader, a piece at a time: a reader that has
// missed much, or that takes nothing, costs the memory of one piece, and no more
// of it is worked out than is taken.
type stream struct {
	filter EventFilter
	sent   uint64 // the last number that the reader was told
	buf    bytes.Buffer
	write  func([]byte) error
}

// piece is how much of a stream is written at once, in bytes.
const piece = 64 << 10

func (s *stream) begin() { fmt.Fprintf(&s.buf, "retry: %d\n\n", retry.Milliseconds()) }

// page writes what of a page the reader wants to know. Its end waits for flush.
func (s *stream) page(p EventPage) error {
	if p.Lost {
		s.event(&Event{ID: p.Last, Time: time.Now().UTC().Format(time.RFC3339Nano), Kind: EventReset})
	}
	for i := range p.Events {
		if passes(s.filter, &p.Events[i]) {
			s.event(&p.Events[i])
		}
		if s.buf.Len() < piece {
			continue
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
	if s.sent == 0 {
		s.number(p.Last) // so that it can come back even if nothing happens before
	}
	return nil
}

func (s *stream) event(e *Event) {
	fmt.Fprintf(&s.buf, "id: %d\nevent: %s\ndata: %s\n", e.ID, e.Kind, encode(e)) // which ends with a newline
	s.sent = e.ID
}

// beat shows that the stream lives.
func (s *stream) beat(last uint64) {
	if s.sent == last {
		s.buf.WriteString(":\n\n")
		return
	}
	s.number(last)
}

// number tells a reader where the stream is. Without data it is no event.
func (s *stream) number(last uint64) {
	fmt.Fprintf(&s.buf, "id: %d\n\n", last)
	s.sent = last
}

// flush writes what has been put together.
func (s *stream) flush() error {
	err := s.write(s.buf.Bytes())
	s.buf.Reset()
	return err
}
