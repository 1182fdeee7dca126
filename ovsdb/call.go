package ovsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// call is a request whose reply is awaited. take runs on the reader's goroutine
// with the result, before any later message is looked at.
type call struct {
	op   string
	take func(result []byte) error
	done chan error // buffered
}

// errShape marks a reply that is not what the standard says; it ends the
// session, since a peer that sends one can't be believed any more.
type errShape struct{ error }

func (e errShape) Unwrap() error { return e.error }

// call sends a request and waits for its reply. What take fills in may be used
// only if the error is nil.
func (s *Session) call(ctx context.Context, op string, params any, take func(result []byte) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	defer cancel()
	return s.ask(ctx, op, params, take)
}

// ask is call for as long as ctx allows.
func (s *Session) ask(ctx context.Context, op string, params any, take func(result []byte) error) error {
	if ctx.Err() != nil { // before the work of writing it down
		return &Error{Op: op, Index: -1, Err: context.Cause(ctx)}
	}
	c := &call{op: op, take: take, done: make(chan error, 1)}
	s.mu.Lock()
	s.last++
	id := s.last
	s.calls[id] = c
	s.mu.Unlock()
	defer s.forget(id)

	m, err := json.Marshal(struct {
		ID     uint64 `json:"id"`
		Method string `json:"method"`
		Params any    `json:"params"`
	}{id, op, params})
	if err != nil {
		return &Error{Op: op, Index: -1, Err: err}
	}
	select {
	case s.out <- m:
	case <-ctx.Done():
		return &Error{Op: op, Index: -1, Err: context.Cause(ctx)}
	case <-s.done:
		return &Error{Op: op, Index: -1, Err: s.err}
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return &Error{Op: op, Index: -1, Err: context.Cause(ctx)}
	case <-s.done:
		// The reply may have come just before the end.
		select {
		case err := <-c.done:
			return err
		default:
			return &Error{Op: op, Index: -1, Err: s.err}
		}
	}
}

func (s *Session) forget(id uint64) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[id]
	delete(s.calls, id)
	return c
}

// reply gives a reply to whoever waits for it. One that nobody waits for, or
// not any longer, is ignored.
func (s *Session) reply(e envelope) error {
	if string(e.id) == echoID {
		s.echoed()
		return nil
	}
	c := s.forget(e.number())
	if c == nil {
		return nil
	}
	if refused := e.refusal(c.op); refused != nil {
		c.done <- refused
		return nil
	}
	err := c.take(e.result)
	var shape errShape
	if errors.As(err, &shape) {
		err = fmt.Errorf("reply to %s: %w", c.op, shape.error)
		c.done <- &Error{Op: c.op, Index: -1, Err: err}
		return err
	}
	c.done <- err
	return nil
}

// Echo asks the host for a sign of life. A frozen host does not answer, though
// its kernel keeps the connection.
func (s *Session) Echo(ctx context.Context) error {
	return s.call(ctx, "echo", []string{}, func([]byte) error { return nil })
}
