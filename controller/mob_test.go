package controller_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ovsmesh/openflow/wire"
)

// mob is peers that a controller has to put up with. Each does one thing and is
// gone.
type mob struct {
	t           *testing.T
	db, of, web string // addresses
	dpid        uint64 // of a switch that is connected
}

// crowd is how many of the peers are there at once.
const crowd = 8

// run has so many peers do what they do. They are told their numbers, from 0.
func (m *mob) run(n int, do func(int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range crowd {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	all.Wait()
}

// dial connects. It has a deadline: no peer waits for ever.
func (m *mob) dial(address string) *net.TCPConn {
	m.t.Helper()
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		m.t.Error(err)
		return nil
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		m.t.Error(err)
	}
	return c.(*net.TCPConn)
}

// leave ends a connection in one of three ways: in good order, with a reset, or
// without a word, as a machine does that loses its power.
func (m *mob) leave(c *net.TCPConn, way int) {
	switch way % 3 {
	case 1:
		if err := c.SetLinger(0); err != nil {
			m.t.Error(err)
		}
	case 2:
		raw, err := c.SyscallConn()
		if err == nil {
			_ = raw.Control(func(fd uintptr) {
				// A connection in repair is closed for this end alone, tcp(7).
				err = unix.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, unix.TCP_REPAIR, 1)
			})
		}
		if err != nil {
			m.t.Error(err)
		}
	}
	_ = c.Close() // the server may have done so
}

// say sends; the server may have hung up, which is no failure.
func say(c io.Writer, text string) { _, _ = io.WriteString(c, text) }

// until reads up to a text, or the end.
func until(c io.Reader, text string) {
	var got []byte
	b := make([]byte, 4096)
	for !bytes.Contains(got, []byte(text)) {
		n, err := c.Read(b)
		if got = append(got, b[:n]...); err != nil {
			return
		}
	}
}

// ovsdbPeer is one that dials in as a host's database would.
func (m *mob) ovsdbPeer(i int) {
	c := m.dial(m.db)
	if c == nil {
		return
	}
	defer m.leave(c, i)
	switch i / 3 % 6 {
	case 0: // says nothing
	case 1:
		say(c, "\x00\x01garbage\xff")
	case 2: // half a message
		until(c, "get_schema")
		say(c, `{"id":1,"error":null,"result":{"name":"Open_vSwitch","version":"8.3.0","tables":{"Bri`)
	case 3: // the answer to what was not asked
		until(c, "get_schema")
		say(c, `{"id":1,"error":null,"result":{}}`+`{"id":77,"error":null,"result":[]}`)
	case 4: // asks, and reads nothing
		say(c, strings.Repeat(`{"id":"echo","method":"echo","params":["`+strings.Repeat("x", 1000)+`"]}`, 100))
	case 5: // a large message without an end
		until(c, "get_schema")
		say(c, `{"id":1,"error":null,"result":"`+strings.Repeat("x", 200_000))
	}
}

// openflowPeer is one that dials in as a bridge would.
func (m *mob) openflowPeer(i int) {
	c := m.dial(m.of)
	if c == nil {
		return
	}
	defer m.leave(c, i)
	const hello = "\x04\x00\x00\x08\x00\x00\x00\x01"
	features := func(dpid uint64) string {
		b := append([]byte{wire.Version, byte(wire.TypeFeaturesReply), 0, 32, 0, 0, 0, 2}, binary.BigEndian.AppendUint64(nil, dpid)...)
		return string(append(b, make([]byte, 16)...))
	}
	switch i / 3 % 7 {
	case 0: // says nothing
	case 1:
		say(c, "\x00\x01garbage\xff")
	case 2: // half a message
		say(c, hello+features(1)[:12])
	case 3: // a length that can't be
		say(c, hello+"\x04\x06\x00\x04\x00\x00\x00\x02")
	case 4: // a datapath that nobody expects
		say(c, hello)
		until(c, "\x00\x08\x00\x00\x00\x02") // our features request
		say(c, features(uint64(0xbad0000+i)))
	case 5: // one that is here already
		say(c, hello)
		until(c, "\x00\x08\x00\x00\x00\x02")
		say(c, features(m.dpid))
	case 6: // OpenFlow 1.0 alone
		say(c, "\x01\x00\x00\x08\x00\x00\x00\x01")
		until(c, "only")
	}
}

// eventReader is one that follows events for a moment. One in four reads
// nothing of them, one in four comes back with the number of the last.
func (m *mob) eventReader(i int) {
	c := m.dial(m.web)
	if c == nil {
		return
	}
	defer m.leave(c, i)
	last := ""
	if i%4 == 3 {
		last = fmt.Sprintf("Last-Event-ID: %d\r\n", i)
	}
	say(c, "GET /v1/events HTTP/1.1\r\nHost: x\r\n"+last+"\r\n")
	if i%4 == 0 {
		return
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "200 OK") {
		m.t.Errorf("events: %q, %v", line, err)
	}
}
