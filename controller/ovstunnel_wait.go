package controller

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"ovsmesh/controller/api"
)

// verdict is what a look at a host has found of what a call waits for.
type verdict struct {
	done bool   // it is so
	why  string // it is not so yet: what is waited for
	err  error  // it can't be so as things are, which may change for a while
}

// Something that can't be must go on so for this part of a call's time, 3 s of
// 20 s, before it is given up: what has just been unplugged is still there for a
// moment.
const (
	insistShare = 0.15
	insistLook  = 50 * time.Millisecond
)

// awaited is a look that a host's loop repeats whenever something has changed,
// until it is content or nobody waits any longer.
type awaited struct {
	ctx   context.Context
	look  func(context.Context) verdict
	done  chan struct{} // closed when it is so
	state atomic.Pointer[awaitedState]
}

type awaitedState struct {
	verdict
	since time.Time // since when err, or no err
}

// until has the loop look whether something is so, at once and whenever something
// has changed, and returns when it is. The error says what it waited for.
func (h *host) until(ctx context.Context, look func(context.Context) verdict) error {
	ctx, cancel := context.WithCancel(ctx) // or the loop would go on looking
	defer cancel()
	w := &awaited{ctx: ctx, look: look, done: make(chan struct{})}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		h.ask(ctx, func(ctx context.Context) {
			if !w.over(ctx) {
				h.awaited = append(slices.DeleteFunc(h.awaited, (*awaited).ended), w)
			}
		})
	}()
	defer func() { <-asked }()
	defer cancel()
	insist := time.Duration(insistShare * float64(h.env.patience))
	tick := time.NewTicker(insistLook)
	defer tick.Stop()
	for {
		select {
		case <-w.done:
			return nil
		case <-h.done:
			return fmt.Errorf("host %s has left: %w", h.name, api.ErrUnavailable)
		case <-ctx.Done():
			return w.unmet(h)
		case <-tick.C:
			if s := w.state.Load(); s != nil && s.err != nil && time.Since(s.since) > insist {
				return s.err
			}
		}
	}
}

// unmet says what was waited for.
func (w *awaited) unmet(h *host) error {
	s := w.state.Load()
	switch {
	case s == nil: // the loop is busy, with what it says itself
		h.status.mu.Lock()
		defer h.status.mu.Unlock()
		if h.status.waiting == "" {
			return fmt.Errorf("host %s does not answer: %w", h.name, api.ErrUnavailable)
		}
		return fmt.Errorf("host %s waits for %s: %w", h.name, h.status.waiting, api.ErrUnavailable)
	case s.err != nil:
		return s.err
	}
	return fmt.Errorf("host %s waits for %s: %w", h.name, s.why, api.ErrUnavailable)
}

func (w *awaited) ended() bool { return w.ctx.Err() != nil }

// over looks once, and reports whether that was the last time.
func (w *awaited) over(ctx context.Context) bool {
	if w.ended() {
		return true
	}
	if at, ok := w.ctx.Deadline(); ok {
		var cancel func()
		ctx, cancel = context.WithDeadline(ctx, at)
		defer cancel()
	}
	now := awaitedState{verdict: w.look(ctx), since: time.Now()}
	if was := w.state.Load(); was != nil && (was.err == nil) == (now.err == nil) {
		now.since = was.since
	}
	w.state.Store(&now)
	if now.done {
		close(w.done)
	}
	return now.done
}

// lookAwaited repeats the looks that calls wait for.
func (h *host) lookAwaited(ctx context.Context) {
	if len(h.awaited) > 0 {
		h.awaited = slices.DeleteFunc(h.awaited, func(w *awaited) bool { return w.over(ctx) })
	}
}
