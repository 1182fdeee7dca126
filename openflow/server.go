package openflow

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Server takes the connections of switches. Make one with NewServer.
type Server struct {
	cfg Config

	mu           sync.Mutex
	conns        int                // all connections
	unidentified int                // of these, the ones not delivered
	perHost      map[netip.Addr]int // unidentified by remote address
	expected     map[key]*expectation
	arrivals     map[key]*arrival
	live         map[key]*live
}

// key is a datapath on the host with an address. The same datapath ID on two
// addresses is two: who only claims an ID can't displace who has it.
type key struct {
	dpid uint64
	addr netip.Addr
}

// expectation is one call of Expect.
type expectation struct{ deliver func(*Session) }

// arrival is where parked sessions of a key wait.
type arrival struct {
	expected chan struct{} // closed when somebody expects the key
	waiting  int
}

// live is a session that was delivered.
type live struct {
	session *Session
	again   chan *expectation // capacity 1: deliver it to this one as well
}

// NewServer returns a server that listens to nothing yet.
func NewServer(cfg Config) *Server {
	return &Server{
		cfg:      cfg.withDefaults(),
		perHost:  make(map[netip.Addr]int),
		expected: make(map[key]*expectation),
		arrivals: make(map[key]*arrival),
		live:     make(map[key]*live),
	}
}

// Counters returns the server's counters.
func (s *Server) Counters() *Counters { return s.cfg.Counters }

// Serve takes connections from l until ctx ends or l fails; then it closes l
// and all sessions that came from it, and waits for them. It returns nil if it
// was ctx. Several calls with several listeners may run at once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		<-ctx.Done()
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.cfg.Log.Warn("close listener", zap.Error(err))
		}
	})
	defer wg.Wait()
	defer cancel()
	var pause time.Duration
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				closeConn(conn, s.cfg.Log)
			}
			return nil
		}
		switch {
		case err == nil:
			pause = 0
			wg.Go(func() { s.serve(ctx, conn) })
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept: %w", err)
		default:
			// Mostly out of file descriptors: connections that end free some.
			pause = min(max(2*pause, 10*time.Millisecond), time.Second)
			s.cfg.Log.Warn("accept", zap.Error(err), zap.Duration("retryIn", pause))
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

// serve leads one connection from its first byte to its end.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	host := addrPort(conn.RemoteAddr()).Addr()
	log := s.cfg.Log.With(zap.Stringer("remote", conn.RemoteAddr()))
	if !s.enter(host) {
		s.cfg.Counters.RefusedLimit.Add(1)
		log.Warn("too many connections; closing this one")
		closeConn(conn, log)
		return
	}
	left := false
	leave := func() {
		if !left {
			left = true
			s.identified(host)
		}
	}
	defer s.leave()
	defer leave()

	session, err := greet(ctx, conn, s.cfg)
	if err != nil {
		if errors.Is(err, ErrVersion) {
			s.cfg.Counters.RefusedVersion.Add(1)
		} else {
			s.cfg.Counters.RefusedHandshake.Add(1)
		}
		log.Info("handshake failed", zap.Error(err))
		closeConn(conn, log)
		return
	}
	session.start()
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { session.fail(ErrClosed) })
	defer stop()

	k := key{session.DPID(), host}
	place, e, err := s.admit(ctx, k, session)
	if err != nil {
		session.log.Info("switch refused", zap.Error(err))
		session.fail(err)
		return
	}
	leave()
	defer s.remove(k, place)
	s.cfg.Counters.Accepted.Add(1)
	session.log.Info("switch connected", zap.Stringer("local", session.LocalAddr()))
	for {
		e.deliver(session)
		select {
		case <-session.Done():
			session.log.Info("switch disconnected", zap.Error(session.Err()))
			return
		case e = <-place.again:
		}
	}
}

// greet does the handshake on conn and returns a session that is not started.
// On an error conn is still the caller's to close.
func greet(ctx context.Context, conn net.Conn, cfg Config) (*Session, error) {
	in := bufio.NewReader(conn)
	stop := context.AfterFunc(ctx, func() {
		// Makes every read and write fail at once.
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	f, err := handshake(conn, in, cfg.HandshakeTimeout)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return newSession(conn, in, f, cfg), nil
}

// enter counts a new connection from host, unless it is one too many.
func (s *Server) enter(host netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns >= s.cfg.MaxConns || s.unidentified >= s.cfg.MaxUnidentified ||
		s.perHost[host] >= s.cfg.MaxUnidentifiedPerHost {
		return false
	}
	s.conns++
	s.unidentified++
	s.perHost[host]++
	return true
}

// identified says that a connection that entered is expected, or gone.
func (s *Server) identified(host netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unidentified--
	if s.perHost[host]--; s.perHost[host] == 0 {
		delete(s.perHost, host)
	}
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
}

func closeConn(conn net.Conn, log *zap.Logger) {
	if err := conn.Close(); err != nil {
		log.Debug("close connection", zap.Error(err))
	}
}
