package ovsdb

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// The other side's end of a connection is known at once, whatever there is to
// read before it.
func TestHungUp(t *testing.T) {
	for name, listen := range map[string]func() (net.Listener, error){
		"tcp":  func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
		"unix": func() (net.Listener, error) { return net.Listen("unix", filepath.Join(t.TempDir(), "s")) },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := listen()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			theirs, err := net.Dial(l.Addr().Network(), l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer theirs.Close()
			ours, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			secure := tls.Server(ours, &tls.Config{})
			want := func(when string, want bool) {
				t.Helper()
				for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
					got, gotTLS := hungUp(ours), hungUp(secure)
					if got == want && gotTLS == want {
						return
					}
					if !want || time.Now().After(deadline) {
						t.Fatalf("%s: %v, over TLS %v, want %v", when, got, gotTLS, want)
					}
				}
			}
			reading := make(chan error, 1)
			want("open", false)
			if _, err := theirs.Write([]byte("news")); err != nil {
				t.Fatal(err)
			}
			want("with something to read", false)
			theirs.Close()
			want("closed, with something to read", true)
			go func() {
				_, err := ours.Read(make([]byte, 100))
				reading <- err
			}()
			if err := <-reading; err != nil {
				t.Errorf("what was sent before: %v", err)
			}
			ours.Close()
			want("closed on our side", true)
		})
	}
	// One that has no descriptor is open as far as can be told.
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if hungUp(a) {
		t.Error("a pipe")
	}
}
