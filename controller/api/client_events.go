package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// EventStream is a connection to GET /v1/events. It is used by one goroutine.
type EventStream struct {
	client *Client
	lines  *bufio.Scanner
	body   io.Closer
	cancel context.CancelCauseFunc
	ctx    context.Context
	silent *time.Timer
	last   uint64
}

// Bounds of what a client takes from a server.
const (
	maxEventLine  = 16 << 20         // bytes
	silenceLimit  = 50 * time.Second // three beats of the server and some
	connectedTime = 20 * time.Second // for the answer's header
)

var errSilent = errors.New("the server has fallen silent")

// Events opens a stream of what becomes true, narrowed by a filter. With after
// it goes on behind that event, as EventStream.Last has returned it, or begins
// with a reset where events since then are lost; with 0 it begins now: what is
// asked of the server once Events has returned is not older than the stream.
// The caller must Close it.
func (c *Client) Events(ctx context.Context, f EventFilter, after uint64) (*EventStream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &EventStream{client: c, cancel: cancel, ctx: ctx, last: after}
	s.silent = time.AfterFunc(connectedTime, func() { cancel(errSilent) })
	if err := s.open(f); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *EventStream) open(f EventFilter) error {
	req, err := s.client.request(s.ctx, http.MethodGet, "/v1/events", query("network", f.Network, "host", f.Host, "tenant", f.Tenant), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", eventStream)
	if s.last > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatUint(s.last, 10))
	}
	hc := http.Client{}
	if s.client.HTTP != nil {
		hc = *s.client.HTTP
	}
	hc.Timeout = 0 // a stream takes as long as it takes
	resp, err := hc.Do(req)
	if err != nil {
		return s.why(err)
	}
	s.body = resp.Body
	if resp.StatusCode/100 != 2 {
		return s.client.read(resp, nil)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != eventStream {
		return fmt.Errorf("%s: does not answer as ovsmesh serve does: events of type %q", s.client.BaseURL, kind)
	}
	s.silent.Reset(silenceLimit)
	s.lines = bufio.NewScanner(resp.Body)
	s.lines.Buffer(nil, maxEventLine)
	return nil
}

// Next waits for the next event. It returns an error when the stream has ended,
// io.EOF where the server ended it in order.
func (s *EventStream) Next() (Event, error) {
	var data []string
	id := s.last
	for s.lines.Scan() {
		s.silent.Reset(silenceLimit)
		line := s.lines.Text()
		if line == "" {
			s.last = id
			if len(data) == 0 {
				continue // a comment, or a number alone
			}
			var e Event
			if err := json.Unmarshal([]byte(strings.Join(data, "\n")), &e); err != nil {
				return e, fmt.Errorf("%s: does not answer as ovsmesh serve does: event: %w", s.client.BaseURL, err)
			}
			return e, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "data":
			data = append(data, value)
		case "id":
			if n, err := strconv.ParseUint(value, 10, 64); err == nil {
				id = n
			}
		}
	}
	if err := s.lines.Err(); err != nil {
		return Event{}, s.why(err)
	}
	return Event{}, io.EOF
}

// Last returns the number of the newest event that the reader knows of; 0 where
// it knows none.
func (s *EventStream) Last() uint64 { return s.last }

// Close ends the stream. It may be called again.
func (s *EventStream) Close() {
	s.silent.Stop()
	s.cancel(nil)
	if s.body != nil {
		_ = s.body.Close() // only read from
	}
}

// why explains an error of a stream that may have been ended by ourselves.
func (s *EventStream) why(err error) error {
	if errors.Is(context.Cause(s.ctx), errSilent) {
		return fmt.Errorf("%s: %w", s.client.BaseURL, errSilent)
	}
	return s.client.explain(err)
}
