package ovsdb

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"ovsmesh/ovsdb/schema"
)

// Session is a connection to one host's database. Its methods may be called
// from any goroutine. How long a host has been silent is watched all the time;
// once Done is closed the session is over and Err says why.
type Session struct {
	cfg   Config
	conn  net.Conn
	count *counters

	db      *schema.DB
	decoder schema.Decoder // the reader's
	bridges bridgePorts    // the reader's
	pending pending
	changed chan struct{}
	lock    atomic.Int32
	proven  atomic.Int64 // when the last transaction was sent whose assert succeeded, nanoseconds since start; 0: none

	mu    sync.Mutex // guards calls and last
	calls map[uint64]*call
	last  uint64 // the ID given out last

	out       chan []byte  // messages to send
	echoes    chan []byte  // replies to the host's requests, which must not wait
	heard     atomic.Int64 // when the last bytes came, or a message had been digested, nanoseconds since start
	digesting atomic.Bool  // a message: that nothing is heard is our doing
	probed    atomic.Int64 // when the last echo was sent, likewise
	owed      atomic.Int64 // when the first one was sent since the host was last heard, likewise
	roundTrip atomic.Int64 // of the last echo that came back, nanoseconds
	start     time.Time
	done      chan struct{}
	endOnce   sync.Once
	err       error // set before done is closed
	workers   sync.WaitGroup
	localTCP  netip.AddrPort
	remoteTCP netip.AddrPort
}

// newSession starts a session's goroutines on conn.
func newSession(cfg Config, conn net.Conn, count *counters) *Session {
	s := &Session{
		cfg: cfg, conn: conn, count: count,
		pending: pending{max: cfg.MaxPending},
		changed: make(chan struct{}, 1),
		calls:   map[uint64]*call{},
		out:     make(chan []byte),
		echoes:  make(chan []byte, maxEchoes),
		start:   time.Now(),
		done:    make(chan struct{}),
	}
	s.lock.Store(int32(LockUnasked))
	s.localTCP, s.remoteTCP = addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr())
	s.workers.Go(func() { s.end(s.read()) })
	s.workers.Go(func() { s.end(s.write()) })
	return s
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// end closes the session for a reason; the first one counts.
func (s *Session) end(err error) {
	s.endOnce.Do(func() {
		s.err = err
		close(s.done)
		s.conn.Close()
	})
}

// RemoteAddr returns the address of the host, invalid on a unix socket.
func (s *Session) RemoteAddr() netip.AddrPort { return s.remoteTCP }

// LocalAddr returns our address as the host dialled it, invalid on a unix
// socket.
func (s *Session) LocalAddr() netip.AddrPort { return s.localTCP }

// DB returns the host's database as it was when the session was set up. It
// belongs to the caller, who keeps it up to date with what Take returns.
func (s *Session) DB() *schema.DB { return s.db }

// Changed returns a channel that gets a value when there is something to Take,
// or when Lock has changed.
func (s *Session) Changed() <-chan struct{} { return s.changed }

// Take returns the rows that have changed since it was last called, each once
// and in no order. It includes the effects of every transaction of this session
// that has returned, for a host sends the update before the reply.
func (s *Session) Take() []schema.RowUpdate { return s.pending.take() }

func (s *Session) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Done returns a channel that is closed when the session is over.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session is over, nil while it is not.
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close ends the session and waits for its goroutines. It may be called again.
func (s *Session) Close() {
	s.end(ErrClosed)
	s.workers.Wait()
}

// closeWith is Close for when ctx ends.
func (s *Session) closeWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { s.end(context.Cause(ctx)) })
}
