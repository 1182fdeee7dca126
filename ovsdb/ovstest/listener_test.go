package ovstest_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
)

// listener stands for a controller: it sees whether a host dials in.
type listener struct {
	net.Listener
	got chan struct{}
}

func listen(t *testing.T, at netip.AddrPort) *listener {
	t.Helper()
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	listening := &listener{l, make(chan struct{})}
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Close()
			close(listening.got)
		}
	}()
	return listening
}

func (l *listener) accepted(ctx context.Context) bool {
	select {
	case <-l.got:
		return true
	case <-ctx.Done():
		return false
	}
}
