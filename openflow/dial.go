package openflow

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Dial connects to a switch that listens at addr, "host:port", as one with a
// controller row "ptcp:PORT" does: such a row costs the bridge none of its
// flows, unlike its first active one. ctx bounds connecting and the handshake
// only. The caller closes the session.
func Dial(ctx context.Context, addr string, cfg Config) (*Session, error) {
	cfg = cfg.withDefaults()
	d := net.Dialer{Timeout: cfg.HandshakeTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s, err := greet(ctx, conn, cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("handshake with %s: %w", addr, err), conn.Close())
	}
	s.start()
	return s, nil
}
