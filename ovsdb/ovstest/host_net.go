package ovstest

import (
	"context"
	"net"
)

// Listen opens a listener on the host, as net.Listen does.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	err = inNS(h.Namespace(), func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// Dial connects from the host, as net.Dialer does. The address must be numeric.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = inNS(h.Namespace(), func() error {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}
