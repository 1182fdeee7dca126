package controller_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"ovsmesh/controller/api"
)

// hasty are limits that a test can wait for.
func hasty(l *api.Limits) {
	l.Read, l.Idle = 300*time.Millisecond, 300*time.Millisecond
}

func (w *web) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() }) // the server may have closed it
	return c
}

// closed reads until the server closes a connection, and returns the status
// line of what it said before, if anything.
func (w *web) closed(c net.Conn, limit time.Duration) string {
	w.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		w.t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		w.t.Errorf("still open after %v", limit)
	}
	line, _, _ := strings.Cut(string(b), "\r\n")
	return line
}

func (w *web) healthy() {
	w.t.Helper()
	if status, _, body := w.do(call{method: "GET", path: "/v1/networks", token: w.token}); status != http.StatusOK {
		w.t.Errorf("other clients: %d %s", status, body)
	}
}

// Each of these loses its connection soon, and nobody else notices.
func TestHTTPBadPeers(t *testing.T) {
	w := startWeb(t, "", hasty)
	tests := []struct {
		name  string
		send  []string // with a pause of 50 ms after each
		again bool     // the last part is sent over and over
		want  string   // status line, "" for none
	}{
		{"silence", nil, false, ""},
		{"half a header", []string{"GET /v1/networks HTTP/1.1\r\nHost: x\r\n"}, false, ""},
		{"a header without end", []string{"GET /v1/networks HTTP/1.1\r\nHost: x\r\n", "X: y\r\n"}, true, ""},
		{"one byte at a time", []string{"G", "E", "T", " "}, true, "HTTP/1.1 400 Bad Request"},
		{"half a body", []string{"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nnet"}, false, "HTTP/1.1 408 Request Timeout"},
		{"a body without end", []string{"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "#"}, true, "HTTP/1.1 408 Request Timeout"},
		{"chunks without end", []string{"POST /v1/apply HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n#\r\n"}, true, "HTTP/1.1 408 Request Timeout"},
		{"a giant length", []string{"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000000000000\r\n\r\nx"}, false, "HTTP/1.1 408 Request Timeout"},
		{"no number for a length", []string{"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"}, false, "HTTP/1.1 400 Bad Request"},
		{"a chunk that lies", []string{"POST /v1/apply HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}, false, "HTTP/1.1 400 Bad Request"},
		{"one request and then nothing", []string{"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"}, false, "HTTP/1.1 200 OK"},
		{"garbage", []string{"\x00\x01\x02\xff\xfe garbage\r\n\r\n"}, false, "HTTP/1.1 400 Bad Request"},
		{"TLS", []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"}, false, "HTTP/1.1 400 Bad Request"},
		{"OpenFlow", []string{"\x04\x00\x00\x08\x00\x00\x00\x01"}, false, "HTTP/1.1 400 Bad Request"},
		{"OVSDB", []string{`{"id":0,"method":"echo","params":[]}`}, false, "HTTP/1.1 400 Bad Request"},
		{"a huge header", []string{"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 100_000) + "\r\n\r\n"}, false, "HTTP/1.1 431 Request Header Fields Too Large"},
		{"a huge path", []string{"GET /" + strings.Repeat("y", 100_000) + " HTTP/1.1\r\nHost: x\r\n\r\n"}, false, "HTTP/1.1 431 Request Header Fields Too Large"},
		{"no host", []string{"GET /healthz HTTP/1.1\r\n\r\n"}, false, "HTTP/1.1 400 Bad Request: missing required Host header"},
		{"a proxy's request", []string{"CONNECT example.net:443 HTTP/1.1\r\nHost: example.net:443\r\n\r\n"}, false, "HTTP/1.1 404 Not Found"},
	}
	var peers sync.WaitGroup
	for _, tt := range tests {
		c := w.dial()
		peers.Go(func() {
			for i := 0; i < len(tt.send) || tt.again; i++ {
				if _, err := io.WriteString(c, tt.send[min(i, len(tt.send)-1)]); err != nil {
					return // closed
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
		peers.Go(func() {
			if got := w.closed(c, patience); got != tt.want {
				t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
			_ = c.Close() // ends who still writes
		})
	}
	w.healthy()
	peers.Wait()
	w.healthy()
}

// More connections than are served at once wait; they are not lost, and those
// that do nothing make room.
func TestHTTPManyConnections(t *testing.T) {
	w := startWeb(t, "", hasty)
	before := runtime.NumGoroutine()
	for range 600 {
		w.dial()
	}
	w.healthy()
	if n := runtime.NumGoroutine() - before; n > 2*api.DefaultLimits().Clients+50 {
		t.Errorf("%d goroutines more for 600 connections", n)
	}
	var clients sync.WaitGroup
	for range 600 {
		c := w.dial()
		clients.Go(func() {
			if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
				t.Error(err)
				return
			}
			if got := w.closed(c, patience); got != "HTTP/1.1 200 OK" {
				t.Errorf("a client among many: %q", got)
			}
		})
	}
	clients.Wait()
}

// The server stops in time, and without an error, whatever its clients do.
func TestHTTPStop(t *testing.T) {
	w := startWeb(t, "")
	stopped := make(chan struct{})
	var clients sync.WaitGroup
	for n := range 20 {
		clients.Go(func() {
			c := http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
			defer c.CloseIdleConnections()
			for i := 0; ; i++ {
				spec := fmt.Sprintf("networks:\n  - {name: n%d, encap: gre, key: %d, bridge: b%d}\n", n, 1000*n+i%1000+1, n)
				resp, err := c.Post("http://"+w.addr+"/v1/apply", asYAML, strings.NewReader(spec))
				if err != nil {
					select {
					case <-stopped:
					default:
						t.Errorf("before the stop: %v", err)
					}
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body) // cut off when the server stops
				_ = resp.Body.Close()
			}
		})
	}
	idle := w.dial()
	if _, err := io.WriteString(idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(idle).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	w.dial() // says nothing
	half := w.dial()
	if _, err := io.WriteString(half, "POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nnet"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	close(stopped)
	if took := w.stop(); took > 5*time.Second {
		t.Errorf("stopped after %v", took)
	}
	clients.Wait()
}
