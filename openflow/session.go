package openflow

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"ovsmesh/openflow/wire"
)

// Session is the connection to one switch after the handshake. Any goroutine
// may call its methods. It ends when Close is called, when the switch hangs up,
// falls silent or breaks the protocol; then every call that waits returns, and
// Err tells why.
type Session struct {
	conn     net.Conn
	in       *bufio.Reader
	cfg      Config
	features wire.Features
	remote   netip.AddrPort
	local    netip.AddrPort
	log      *zap.Logger

	out    chan outgoing // whole messages, for the writer
	urgent chan []byte   // echo replies, which overtake them
	heard  atomic.Int64  // Unix time in ns of the last message from the switch

	failOnce sync.Once
	err      error         // why the session ended; set before dying is closed
	dying    chan struct{} // closed when the session begins to end
	done     chan struct{} // closed when its goroutines have ended

	calls  calls
	echoes echoes
	ports  portChanges
	flows  flowChanges

	bundle chan struct{} // capacity 1: full while a bundle is under way
	open   atomic.Pointer[bundle]
	ids    atomic.Uint32 // of the last bundle
}

// newSession returns a session over conn, on which the handshake is done; in is
// the reader that it used. Call start next.
func newSession(conn net.Conn, in *bufio.Reader, f wire.Features, cfg Config) *Session {
	s := &Session{
		conn:     conn,
		in:       in,
		cfg:      cfg,
		features: f,
		remote:   addrPort(conn.RemoteAddr()),
		local:    addrPort(conn.LocalAddr()),
		out:      make(chan outgoing, 4),
		urgent:   make(chan []byte, 32),
		dying:    make(chan struct{}),
		done:     make(chan struct{}),
		ports:    portChanges{changed: make(chan struct{}, 1)},
		flows:    newFlowChanges(cfg.MaxUpdates),
		bundle:   make(chan struct{}, 1),
	}
	s.calls.next = xidFirst
	s.log = cfg.Log.With(zap.String("dpid", fmt.Sprintf("%016x", f.DPID)), zap.Stringer("remote", s.remote))
	return s
}

// start starts the session's two goroutines. They end when it ends.
func (s *Session) start() {
	s.heard.Store(time.Now().UnixNano())
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.fail(s.write())
	}()
	go func() {
		defer close(s.done)
		s.fail(s.read())
		<-written
	}()
}

// fail begins the session's end, for the reason err, unless it has begun.
func (s *Session) fail(err error) {
	s.failOnce.Do(func() {
		s.err = err
		close(s.dying)
		// Unblocks reader and writer; what could not be sent is lost.
		if err := s.conn.Close(); err != nil {
			s.log.Debug("close connection", zap.Error(err))
		}
	})
}

// Close ends the session and waits until its goroutines have ended. It is
// idempotent.
func (s *Session) Close() {
	s.fail(ErrClosed)
	<-s.done
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err tells why the session ended; nil while it lives.
func (s *Session) Err() error {
	select {
	case <-s.dying:
		return s.err
	default:
		return nil
	}
}

// DPID returns the switch's datapath ID.
func (s *Session) DPID() uint64 { return s.features.DPID }

// Features returns what the switch said of itself in the handshake.
func (s *Session) Features() wire.Features { return s.features }

// RemoteAddr returns the switch's end of the connection; IPv4 addresses are
// never in their IPv6 form.
func (s *Session) RemoteAddr() netip.AddrPort { return s.remote }

// LocalAddr returns our end of the connection.
func (s *Session) LocalAddr() netip.AddrPort { return s.local }

// addrPort returns a as netip has it; the zero value for what is not TCP.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
