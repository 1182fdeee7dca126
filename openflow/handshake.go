package openflow

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"ovsmesh/openflow/wire"
)

// maxGreeting is how many messages a switch may send before its features reply.
const maxGreeting = 64

// XIDs of the handshake; a session's own begin above.
const (
	xidHello    = 1
	xidFeatures = 2
	xidFirst    = 3
)

// handshake greets the peer and returns what it says of itself. r reads from
// conn. Our hello goes out at once: Open vSwitch hangs up after a second
// without it.
func handshake(conn net.Conn, r io.Reader, timeout time.Duration) (wire.Features, error) {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return wire.Features{}, err
	}
	hello, err := wire.EncodeHello(xidHello)
	if err != nil {
		return wire.Features{}, err
	}
	if _, err := conn.Write(hello); err != nil {
		return wire.Features{}, fmt.Errorf("send hello: %w", err)
	}
	if err := readHello(conn, r); err != nil {
		return wire.Features{}, err
	}
	request, err := wire.EncodeFeaturesRequest(xidFeatures)
	if err != nil {
		return wire.Features{}, err
	}
	if _, err := conn.Write(request); err != nil {
		return wire.Features{}, fmt.Errorf("send features request: %w", err)
	}
	f, err := readFeatures(conn, r)
	if err != nil {
		return wire.Features{}, err
	}
	if f.AuxID != 0 {
		return wire.Features{}, fmt.Errorf("datapath %016x: auxiliary connection %d", f.DPID, f.AuxID)
	}
	return f, conn.SetDeadline(time.Time{})
}

// readHello reads the peer's hello and refuses a peer without OpenFlow 1.3, as
// OpenFlow 1.3.5 §6.3.1 says.
func readHello(conn net.Conn, r io.Reader) error {
	m, err := wire.ReadMessage(r)
	if err != nil {
		return fmt.Errorf("read hello: %w", err)
	}
	if m.Type == wire.TypeError {
		if e, err := wire.DecodeError(m); err == nil {
			return fmt.Errorf("%w: it says %w", ErrVersion, e)
		}
	}
	h, err := wire.DecodeHello(m)
	if err != nil {
		return err
	}
	if h.Offers(wire.Version) {
		return nil
	}
	refusal, err := wire.EncodeError(m.XID, wire.ErrorHelloFailed, wire.ErrorHelloIncompatible,
		[]byte("ovsmesh speaks OpenFlow 1.3 (0x04) only"))
	if err != nil {
		return err
	}
	_, err = conn.Write(refusal)
	return errors.Join(fmt.Errorf("%w: it offers %s", ErrVersion, h), err)
}

func readFeatures(conn net.Conn, r io.Reader) (wire.Features, error) {
	for range maxGreeting {
		m, err := wire.ReadMessage(r)
		if err != nil {
			return wire.Features{}, fmt.Errorf("read features reply: %w", err)
		}
		switch m.Type {
		case wire.TypeFeaturesReply:
			return wire.DecodeFeatures(m)
		case wire.TypeEchoRequest:
			reply, err := wire.EncodeEchoReply(m)
			if err != nil {
				return wire.Features{}, err
			}
			if _, err := conn.Write(reply); err != nil {
				return wire.Features{}, fmt.Errorf("send echo reply: %w", err)
			}
		case wire.TypeError:
			e, err := wire.DecodeError(m)
			if err != nil {
				return wire.Features{}, err
			}
			if e.Type == wire.ErrorHelloFailed && e.Experimenter == 0 {
				return wire.Features{}, fmt.Errorf("%w: it says %w", ErrVersion, e)
			}
			return wire.Features{}, e
		}
	}
	return wire.Features{}, fmt.Errorf("no features reply among the first %d messages", maxGreeting)
}
