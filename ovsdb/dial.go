package ovsdb

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// Dial connects to a database server at tcp:HOST:PORT or unix:PATH and returns
// the Session once it is set up, within what is left of ctx. It outlives ctx;
// the caller closes it. cfg.Handle is not used.
func Dial(ctx context.Context, target string, cfg Config) (*Session, error) {
	network, address, ok := strings.Cut(target, ":")
	if !ok || network != "tcp" && network != "unix" {
		return nil, fmt.Errorf("dial %q: want tcp:HOST:PORT or unix:PATH", target)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s := newSession(cfg.withDefaults(), conn, &counters{})
	if err := s.setUp(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("dial %s: %w", target, err)
	}
	return s, nil
}
