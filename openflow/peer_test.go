package openflow_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"ovsmesh/openflow/wire"
)

// peer is a switch that the test plays by hand.
type peer struct {
	t    *testing.T
	conn net.Conn
}

// dial connects to a server without saying anything.
func dial(t *testing.T, port string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t, conn}
}

// greet dials and does the handshake as the datapath dpid.
func greet(t *testing.T, port string, dpid uint64) *peer {
	t.Helper()
	p := dial(t, port)
	p.send(0, 1, "")
	p.read(wire.TypeHello)
	m := p.read(wire.TypeFeaturesRequest)
	p.send(wire.TypeFeaturesReply, m.XID, string(binary.BigEndian.AppendUint64(nil, dpid))+strings.Repeat("\x00", 16))
	return p
}

func (p *peer) send(typ wire.Type, xid uint32, body string) {
	p.t.Helper()
	p.raw(message(typ, xid, body))
}

// raw sends bytes; the server may have hung up already, which is no failure.
func (p *peer) raw(b []byte) {
	p.conn.SetWriteDeadline(time.Now().Add(patience))
	_, _ = p.conn.Write(b)
}

func message(typ wire.Type, xid uint32, body string) []byte {
	b := []byte{wire.Version, byte(typ), 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(8+len(body)))
	b = binary.BigEndian.AppendUint32(b, xid)
	return append(b, body...)
}

// read returns the next message of type want, passing over echo requests.
func (p *peer) read(want wire.Type) wire.Message {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		m, err := wire.ReadMessage(p.conn)
		if err != nil {
			p.t.Fatalf("waiting for a message of type %d: %v", want, err)
		}
		if m.Type == want {
			return m
		}
		if m.Type != wire.TypeEchoRequest {
			p.t.Fatalf("message of type %d, want %d", m.Type, want)
		}
	}
}

// answerEchoes plays a switch that does nothing else, until it is hung up on.
func (p *peer) answerEchoes() {
	p.conn.SetReadDeadline(time.Time{})
	for {
		m, err := wire.ReadMessage(p.conn)
		if err != nil {
			return
		}
		if m.Type == wire.TypeEchoRequest {
			p.raw(message(wire.TypeEchoReply, m.XID, string(m.Body)))
		}
	}
}

// patience is how long a test waits for what is to come, on a machine that is busy
// with other things as well.
const patience = time.Minute

// closed waits until the server hangs up and returns what it sent before.
func (p *peer) closed() []byte {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(p.conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		p.t.Errorf("connection still open after %v", patience)
	}
	return b
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
