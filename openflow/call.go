package openflow

import (
	"context"
	"fmt"
	"math"
	"sync"

	"ovsmesh/openflow/wire"
)

// call is one request that waits for its answer.
type call struct {
	// handle takes one message with the request's XID, on the session's
	// reading goroutine. done says that the answer is complete. An error that
	// wraps wire.ErrMalformed ends the session, any other one the call.
	handle func(wire.Message) (done bool, err error)
	result chan error // capacity 1
}

// calls holds the calls under way by XID. The zero value is ready to use but
// for next.
type calls struct {
	mu      sync.Mutex
	next    uint32
	waiting map[uint32]*call
}

// xids returns the first of n XIDs in a row that no call has used lately.
func (c *calls) xids(n int) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if uint64(c.next)+uint64(n) > math.MaxUint32 {
		c.next = xidFirst
	}
	first := c.next
	c.next += uint32(n)
	return first
}

func (c *calls) add(xid uint32, handle func(wire.Message) (bool, error)) *call {
	k := &call{handle: handle, result: make(chan error, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = make(map[uint32]*call)
	}
	c.waiting[xid] = k
	return k
}

// take removes and returns the call with that XID; nil if there is none.
func (c *calls) take(xid uint32) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.waiting[xid]
	delete(c.waiting, xid)
	return k
}

// deliver gives m to the call that it answers, if there is one: who asked may
// have given up since. The error is one that ends the session.
func (c *calls) deliver(m wire.Message) error {
	c.mu.Lock()
	k := c.waiting[m.XID]
	c.mu.Unlock()
	if k == nil {
		return nil
	}
	done, err := k.handle(m)
	if err == nil && !done {
		return nil
	}
	if c.take(m.XID) != nil {
		k.result <- err
	}
	if isMalformed(err) {
		return err
	}
	return nil
}

// fail ends the call with that XID by err, and reports whether there is one.
func (c *calls) fail(xid uint32, err error) bool {
	k := c.take(xid)
	if k == nil {
		return false
	}
	k.result <- err
	return true
}

// send hands whole messages to the writer.
func (s *Session) send(ctx context.Context, b []byte) error {
	return s.sendWith(ctx, outgoing{bytes: b})
}

func (s *Session) sendWith(ctx context.Context, o outgoing) error {
	select {
	case s.out <- o:
		return nil
	case <-s.dying:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask sends a request and waits until handle has its whole answer.
func (s *Session) ask(ctx context.Context, xid uint32, request []byte, handle func(wire.Message) (bool, error)) error {
	return s.askWith(ctx, xid, outgoing{bytes: request}, handle)
}

// askWith is ask for a request that may need a permit; without it the error is
// errDenied.
func (s *Session) askWith(ctx context.Context, xid uint32, request outgoing, handle func(wire.Message) (bool, error)) error {
	timeout := fmt.Errorf("no answer within %v: %w", s.cfg.RequestTimeout, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.RequestTimeout, timeout)
	defer cancel()
	k := s.calls.add(xid, handle)
	defer s.calls.take(xid)
	if err := s.sendWith(ctx, request); err != nil {
		return err
	}
	select {
	case err := <-k.result:
		return err
	case <-request.denied:
		return errDenied
	case <-s.dying:
		return s.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Echo asks the switch for a sign of life and waits for it.
func (s *Session) Echo(ctx context.Context) error {
	xid := s.calls.xids(1)
	request, err := wire.EncodeEchoRequest(xid)
	if err == nil {
		err = s.ask(ctx, xid, request, func(m wire.Message) (bool, error) {
			return true, wantType(m, wire.TypeEchoReply)
		})
	}
	return s.failed("echo", err)
}

// Barrier waits until the switch has done all that it was sent before.
func (s *Session) Barrier(ctx context.Context) error {
	xid := s.calls.xids(1)
	request, err := wire.EncodeBarrier(xid)
	if err == nil {
		err = s.ask(ctx, xid, request, func(m wire.Message) (bool, error) {
			return true, wire.DecodeBarrierReply(m)
		})
	}
	return s.failed("barrier", err)
}

// failed wraps err, if there is one, as the failure of op.
func (s *Session) failed(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{DPID: s.DPID(), Op: op, Err: err}
}
