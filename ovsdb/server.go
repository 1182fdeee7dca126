package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Server takes the connections of hosts that dial in. Its methods may be called
// from any goroutine.
type Server struct {
	cfg   Config
	count counters

	mu    sync.Mutex // guards conns and perIP
	conns int
	perIP map[netip.Addr]int
}

// NewServer returns a Server that works by cfg, whose Handle must be set. It
// starts nothing.
func NewServer(cfg Config) *Server {
	return &Server{cfg: cfg.withDefaults(), perIP: map[netip.Addr]int{}}
}

// Stats returns the counters.
func (s *Server) Stats() Stats { return s.count.stats() }

// Serve takes connections on l until ctx ends, which is no error, or l fails.
// It closes l and all connections, and returns when every Handle has returned.
// Several listeners may be served at once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var children sync.WaitGroup
	defer children.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer func() {
		if stop() {
			l.Close()
		}
	}()
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case err != nil && passing(err):
			s.cfg.Log.Warn("accept", zap.Error(err))
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		case err != nil:
			return fmt.Errorf("accept on %s: %w", l.Addr(), err)
		}
		from := addrPort(conn.RemoteAddr()).Addr()
		if !s.admit(from) {
			s.count.refused.Add(1)
			s.cfg.Log.Debug("connection refused: too many", zap.Stringer("from", conn.RemoteAddr()))
			conn.Close()
			continue
		}
		s.count.accepted.Add(1)
		children.Go(func() {
			defer s.release(from)
			s.serve(ctx, conn)
		})
	}
}

// passing reports whether accepting may work again in a while.
func passing(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) ||
		errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}

func (s *Server) serve(ctx context.Context, conn net.Conn) {
	sess := newSession(s.cfg, conn, &s.count)
	defer sess.Close()
	defer sess.closeWith(ctx)()
	if err := sess.setUp(ctx); err != nil {
		if ctx.Err() == nil {
			s.cfg.Log.Warn("host could not be set up", zap.Stringer("from", conn.RemoteAddr()), zap.Error(err))
		}
		return
	}
	s.cfg.Handle(ctx, sess)
}

func (s *Server) admit(from netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns >= s.cfg.MaxConns || !from.IsLoopback() && s.perIP[from] >= s.cfg.MaxConnsPerIP {
		return false
	}
	s.conns++
	s.perIP[from]++
	return true
}

func (s *Server) release(from netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
	if s.perIP[from]--; s.perIP[from] == 0 {
		delete(s.perIP, from)
	}
}
