package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"ovsmesh/topology"
)

// failing is a Backend whose Export does what a test says. Nothing else of it
// may be asked for: the nil interface in it panics.
type failing struct {
	Backend
	export func(context.Context) (topology.Spec, error)
	ready  chan struct{}
}

func (f *failing) Export(ctx context.Context) (topology.Spec, error) { return f.export(ctx) }
func (f *failing) Problems() []string                                { return nil }
func (f *failing) Ready() <-chan struct{}                            { return f.ready }
func (f *failing) Registry() *prometheus.Registry                    { return prometheus.NewRegistry() }

func get(s *Server, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestErrorStatus(t *testing.T) {
	tests := []struct {
		err  error
		want int
		body string
	}{
		{errors.New("write store: no space left on device"), 500, `{"error":"write store: no space left on device"}`},
		{fmt.Errorf("x: %w", topology.ErrNotFound), 404, `{"error":"x: not found"}`},
		{fmt.Errorf("x: %w", topology.ErrConflict), 409, `{"error":"x: conflict"}`},
		{fmt.Errorf("x: %w", context.Canceled), 503, `{"error":"x: context canceled"}`},
		{context.DeadlineExceeded, 503, `{"error":"context deadline exceeded"}`},
		{topology.SpecErrors{{File: "a<b>", Line: 3, Column: 5, Field: "networks[0].key", Reason: "r"}, {Reason: "s"}}, 400,
			`{"error":"the spec is refused; nothing has changed","problems":[{"file":"a<b>","line":3,"column":5,"field":"networks[0].key","reason":"r"},{"reason":"s"}]}`},
	}
	for _, tt := range tests {
		s := NewServer(&failing{export: func(context.Context) (topology.Spec, error) { return topology.Spec{}, tt.err }}, "", zap.NewNop())
		w := get(s, "/v1/export")
		if got := strings.TrimSpace(w.Body.String()); w.Code != tt.want || got != tt.body || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v: %d %s\nwant %d %s", tt.err, w.Code, got, tt.want, tt.body)
		}
	}
}

func TestNotReady(t *testing.T) {
	b := &failing{ready: make(chan struct{})}
	s := NewServer(b, "", zap.NewNop())
	if w := get(s, "/readyz"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("before: %d %s", w.Code, w.Body)
	}
	close(b.ready)
	if w := get(s, "/readyz"); w.Code != http.StatusOK {
		t.Errorf("after: %d %s", w.Code, w.Body)
	}
}

// serve runs a server until the test ends and returns its address.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// A client that asks for much and reads nothing is cut off; the time that the
// work took is not counted against one that reads.
func TestClientStopsReading(t *testing.T) {
	large := topology.Spec{}
	for range 200_000 {
		large.Networks = append(large.Networks, topology.Network{Name: strings.Repeat("n", 60), Encap: topology.GRE})
	}
	s := NewServer(&failing{export: func(ctx context.Context) (topology.Spec, error) {
		select {
		case <-ctx.Done():
		case <-time.After(600 * time.Millisecond):
		}
		return large, nil
	}}, "", zap.NewNop())
	s.Limits.Read, s.Limits.Send = 300*time.Millisecond, 700*time.Millisecond
	addr := serve(t, s)
	request := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, "GET /v1/export HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	lazy, keen := request(), request()
	whole, err := io.ReadAll(keen)
	if err != nil || !strings.HasSuffix(string(whole), "]}\n") {
		t.Errorf("a client that reads: %d bytes, %v", len(whole), err)
	}
	time.Sleep(1500 * time.Millisecond)
	if part, _ := io.ReadAll(lazy); len(part) >= len(whole) {
		t.Errorf("a client that did not read got all %d bytes", len(part))
	}
}

// A listener that fails is an error, and ends the server without a signal.
func TestListenerFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := NewServer(&failing{}, "", zap.NewNop())
	if err := s.Run(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("err = %v", err)
	}
}
