package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"ovsmesh/topology"
)

// source is a Backend that has events: those that a test puts in.
type source struct {
	Backend
	mu   sync.Mutex
	list []Event // numbered from first on
	gone int     // how many at its beginning are no longer kept
	more chan struct{}
}

// sourceStart is the number before the first event.
const sourceStart = 1000

func newSource() *source { return &source{more: make(chan struct{})} }

func (s *source) put(list ...Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range list {
		e.ID = sourceStart + uint64(len(s.list)) + 1
		e.Time = "2026-01-02T03:04:05Z"
		s.list = append(s.list, e)
	}
	close(s.more)
	s.more = make(chan struct{})
}

func (s *source) lose(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = n
}

func (s *source) Events(after uint64) EventPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := sourceStart + uint64(len(s.list))
	p := EventPage{Last: last, More: s.more}
	switch {
	case after == 0:
	case after > last || after < sourceStart+uint64(s.gone):
		p.Lost = true
	default:
		p.Events = s.list[after-sourceStart:]
	}
	return p
}

// reader is a client that looks at the bytes.
type reader struct {
	t     *testing.T
	lines chan string // closed at the end of the stream
}

func read(t *testing.T, addr, query string, last string) *reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/v1/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	r := &reader{t: t, lines: make(chan string, 100)}
	go func() {
		defer close(r.lines)
		defer resp.Body.Close()
		for in := bufio.NewScanner(resp.Body); in.Scan(); {
			select {
			case r.lines <- in.Text():
			case <-t.Context().Done():
				return
			}
		}
	}()
	return r
}

// want demands the next lines, of which empty ones don't count.
func (r *reader) want(lines ...string) {
	r.t.Helper()
	for _, want := range lines {
		if got := r.next(); got != want {
			r.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func (r *reader) next() string {
	r.t.Helper()
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				return "END"
			}
			if line != "" {
				return line
			}
		case <-time.After(30 * time.Second):
			return "NOTHING"
		}
	}
}

func eventServer(t *testing.T, limits func(*Limits)) (*source, string) {
	t.Helper()
	src := newSource()
	s := NewServer(src, "", zap.NewNop())
	if limits != nil {
		limits(&s.Limits)
	}
	return src, serve(t, s)
}

func TestEventsOnTheWire(t *testing.T) {
	src, addr := eventServer(t, nil)
	src.put(Event{Kind: EventHost, Host: "before"})
	r := read(t, addr, "", "")
	r.want("retry: 2000", "id: 1001")
	src.put(Event{Kind: EventTunnel, Network: "blue", Host: "xen1", Peer: "xen3", State: TunnelDown, Was: TunnelUp, Error: "no <route>"})
	r.want("id: 1002", "event: tunnel",
		`data: {"id":1002,"time":"2026-01-02T03:04:05Z","kind":"tunnel","network":"blue","host":"xen1","peer":"xen3","state":"down","was":"up","error":"no <route>"}`)
	src.put(Event{Kind: EventChange, Generation: 7, Items: []topology.Item{{Kind: "networks", Name: "blue", Verb: "updated", Fields: []string{"key: 103 → 104"}}}})
	r.want("id: 1003", "event: change",
		`data: {"id":1003,"time":"2026-01-02T03:04:05Z","kind":"change","generation":7,"items":[{"kind":"networks","name":"blue","verb":"updated","fields":["key: 103 → 104"]}]}`)

	again := read(t, addr, "", "1002") // lost its connection and comes back
	again.want("retry: 2000", "id: 1003", "event: change")
	upToDate := read(t, addr, "", "1003")
	upToDate.want("retry: 2000")
	src.put(Event{Kind: EventHost, Host: "xen1", State: EventConnected})
	upToDate.want("id: 1004", "event: host")

	src.lose(2)
	late := read(t, addr, "", "1001")
	late.want("retry: 2000", "id: 1004", "event: reset")
	if line := late.next(); !strings.HasPrefix(line, `data: {"id":1004,"time":"`) || !strings.HasSuffix(line, `","kind":"reset"}`) {
		t.Errorf("reset: %s", line)
	}
	src.put(Event{Kind: EventHost, Host: "xen2", State: EventConnected})
	late.want("id: 1005", "event: host") // it goes on from there
	ahead := read(t, addr, "", "99999999999")
	ahead.want("retry: 2000", "id: 1005", "event: reset")
}

func TestEventsBeat(t *testing.T) {
	src, addr := eventServer(t, func(l *Limits) {
		l.Beat, l.Read, l.Work, l.Send = 100*time.Millisecond, 200*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	})
	r := read(t, addr, "?network=blue", "")
	r.want("retry: 2000", "id: 1000")
	for range 8 { // beyond all limits of an ordinary request
		r.want(":")
	}
	// What is not for it moves its place in the stream nevertheless.
	src.put(Event{Kind: EventTunnel, Network: "red"})
	line := r.next()
	for line == ":" { // one that was on its way
		line = r.next()
	}
	if line != "id: 1001" {
		t.Fatalf("got %q, want id: 1001", line)
	}
	r.want(":")
}

func TestEventsRefused(t *testing.T) {
	_, addr := eventServer(t, func(l *Limits) { l.Watchers = 2 })
	get := func(query, last string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/v1/events"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Last-Event-ID", last)
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, last := range []string{"x", "-1", "0", "1.5", "99999999999999999999", "7 8"} {
		if code, body := get("", last); code != http.StatusBadRequest || !strings.Contains(body, "Last-Event-ID") {
			t.Errorf("%q: %d %s", last, code, body)
		}
	}
	if code, body := get("?netwrok=blue", ""); code != http.StatusBadRequest || !strings.Contains(body, "netwrok") {
		t.Errorf("misspelt filter: %d %s", code, body)
	}
	first := read(t, addr, "", "")
	first.want("retry: 2000")
	ctx, leave := context.WithCancel(t.Context())
	second, err := (&Client{BaseURL: "http://" + addr}).Events(ctx, EventFilter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if code, body := get("", ""); code != http.StatusServiceUnavailable || !strings.Contains(body, "2 readers") {
		t.Errorf("one too many: %d %s", code, body)
	}
	leave()
	second.Close()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		s, err := (&Client{BaseURL: "http://" + addr}).Events(t.Context(), EventFilter{}, 0)
		if err == nil {
			s.Close()
			break
		}
		if time.Since(begin) > 30*time.Second {
			t.Fatalf("the place of one who left stays taken: %v", err)
		}
	}
}

// stuck begins to read events at an address, and then takes nothing.
func stuck(t *testing.T, s *Server, addr string) {
	t.Helper()
	before := s.watching.Load()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for s.watching.Load() == before {
		time.Sleep(time.Millisecond)
	}
}

// large is an event of which a connection holds few.
func large() Event { return Event{Kind: EventProblem, Error: strings.Repeat("x", 60_000)} }

// A reader that takes nothing is cut off.
func TestEventsStuckReader(t *testing.T) {
	src := newSource()
	s := NewServer(src, "", zap.NewNop())
	s.Limits.Send = 300 * time.Millisecond
	stuck(t, s, serve(t, s))
	for range 200 {
		src.put(large())
	}
	for begin := time.Now(); s.watching.Load() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			t.Fatal("a reader that does not read keeps its place")
		}
	}
}

// Nobody waits for a reader that takes nothing: with all the time in the world
// for it, the others get what there is.
func TestEventsBesideStuckReader(t *testing.T) {
	src := newSource()
	s := NewServer(src, "", zap.NewNop())
	s.Limits.Send, s.Limits.Grace = time.Hour, 100*time.Millisecond
	addr := serve(t, s)
	stuck(t, s, addr)
	keen := read(t, addr, "", "")
	keen.want("retry: 2000", "id: 1000")
	for n := range 200 {
		src.put(large())
		keen.want(fmt.Sprintf("id: %d", 1001+n), "event: problem")
		keen.next()
	}
	if s.watching.Load() != 2 {
		t.Error("the reader that takes nothing has been cut off before its time")
	}
}

// A reader that takes nothing does not hold up the end of the server either.
func TestEventsStuckReaderAtTheEnd(t *testing.T) {
	src := newSource()
	s := NewServer(src, "", zap.NewNop())
	s.Limits.Send, s.Limits.Grace = time.Hour, 300*time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for s.watching.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 500 { // more than both ends of the connection hold
		src.put(Event{Kind: EventProblem, Error: strings.Repeat("x", 60_000)})
	}
	time.Sleep(100 * time.Millisecond)
	begin := time.Now()
	stop()
	if err := <-done; err != nil || time.Since(begin) > time.Minute { // far below the time that it has
		t.Errorf("stopped after %v, %v", time.Since(begin), err)
	}
	for s.watching.Load() != 0 { // its goroutine has ended, too
		time.Sleep(time.Millisecond)
		if time.Since(begin) > time.Minute {
			t.Fatal("a reader outlives the server")
		}
	}
}

// A reader that has fallen behind what is kept is told so, and cut off.
func TestEventsOvertaken(t *testing.T) {
	src, addr := eventServer(t, nil)
	r := read(t, addr, "", "")
	r.want("retry: 2000", "id: 1000")
	src.mu.Lock()
	src.list = make([]Event, 50)
	src.gone = 40
	src.mu.Unlock()
	src.put(Event{Kind: EventHost})
	r.want("id: 1051", "event: reset")
	r.next()
	r.want("END")
}

func TestEventsFilter(t *testing.T) {
	items := func(kind, name string) []topology.Item { return []topology.Item{{Kind: kind, Name: name}} }
	list := []Event{
		{Error: "blue-xen1-xen3", Kind: EventTunnel, Tenant: "acme", Network: "blue", Host: "xen1", Peer: "xen3"},
		{Error: "red-xen1-xen2", Kind: EventTunnel, Tenant: "globex", Network: "red", Host: "xen1", Peer: "xen2"},
		{Error: "xen1", Kind: EventHost, Host: "xen1"},
		{Error: "xen3-sync", Kind: EventSync, Host: "xen3"},
		{Error: "xen3-br", Kind: EventBridge, Host: "xen3", Bridge: "br"},
		{Error: "change-blue", Kind: EventChange, Items: items("networks", "blue")},
		{Error: "change-xen3", Kind: EventChange, Items: items("hosts", "xen3")},
		{Error: "change-many", Kind: EventChange, Items: items("hosts", "xen9"), Omitted: 5},
		{Error: "reset", Kind: EventReset},
	}
	tests := []struct {
		filter EventFilter
		want   string
	}{
		{EventFilter{}, "blue-xen1-xen3 red-xen1-xen2 xen1 xen3-sync xen3-br change-blue change-xen3 change-many reset"},
		{EventFilter{Network: "blue"}, "blue-xen1-xen3 xen1 change-blue change-many reset"},
		{EventFilter{Tenant: "acme"}, "blue-xen1-xen3 xen1 change-blue change-xen3 change-many reset"},
		{EventFilter{Host: "xen3"}, "blue-xen1-xen3 xen3-sync xen3-br change-xen3 change-many reset"},
		{EventFilter{Host: "xen2", Network: "red"}, "red-xen1-xen2 change-many reset"},
		{EventFilter{Network: "green", Tenant: "acme"}, "xen1 change-many reset"},
	}
	for _, tt := range tests {
		var got []string
		for i := range list {
			if passes(tt.filter, &list[i]) {
				got = append(got, list[i].Error)
			}
		}
		if want := strings.Fields(tt.want); !slices.Equal(got, want) {
			t.Errorf("%+v: %q, want %q", tt.filter, got, want)
		}
	}
}

func TestClientEvents(t *testing.T) {
	src, addr := eventServer(t, nil)
	c := &Client{BaseURL: "http://" + addr}
	s, err := c.Events(t.Context(), EventFilter{Network: "blue"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	src.put(Event{Kind: EventTunnel, Network: "red"}, Event{Kind: EventTunnel, Network: "blue", Error: "a\nb"})
	if e, err := s.Next(); err != nil || e.Network != "blue" || e.Error != "a\nb" || e.ID != 1002 || s.Last() != 1002 {
		t.Errorf("%+v, last %d, %v", e, s.Last(), err)
	}
	again, err := c.Events(t.Context(), EventFilter{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if e, err := again.Next(); err != nil || e.Network != "red" {
		t.Errorf("%+v, %v", e, err)
	}

	for text, want := range map[string]string{
		"data: {\n\n":     "does not answer as ovsmesh serve does",
		"id: 7\ndata: {}": "EOF", // without an empty line it is no event
		"":                "EOF",
	} {
		bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", eventStream)
			fmt.Fprint(w, text)
		}))
		s, err := (&Client{BaseURL: bad.URL}).Events(t.Context(), EventFilter{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
		s.Close()
		bad.Close()
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	defer page.Close()
	if _, err := (&Client{BaseURL: page.URL}).Events(t.Context(), EventFilter{}, 0); err == nil || !strings.Contains(err.Error(), `events of type "text/html"`) {
		t.Errorf("a page: %v", err)
	}
	if _, err := (&Client{BaseURL: "ftp://x"}).Events(t.Context(), EventFilter{}, 0); err == nil {
		t.Error("a server that is none")
	}
}

// Whatever a server sends, the client takes it apart to its end, and numbers
// only grow if the server says so.
func FuzzEventStream(f *testing.F) {
	for _, seed := range []string{
		"", "\n\n", "id: 7\n\n", ":\n\n", "data\n\n", "data: {}\n\n", "data:{\ndata:}\n\n", "id: -1\ndata: {\"id\":3}\n\n", "event: tunnel\r\ndata: {}\r\n\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ctx, cancel := context.WithCancelCause(t.Context())
		s := &EventStream{client: &Client{}, lines: bufio.NewScanner(strings.NewReader(text)), cancel: cancel, ctx: ctx, silent: time.NewTimer(time.Hour)}
		defer s.Close()
		for range len(text) + 1 {
			if _, err := s.Next(); err != nil {
				return
			}
		}
		t.Errorf("more events than bytes")
	})
}
