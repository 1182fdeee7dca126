package openflow

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"ovsmesh/openflow/wire"
)

// chunk is how many bytes of messages go to the writer at once.
const chunk = 32 << 10

// bundle is one bundle under way, and what the switch said against it.
type bundle struct {
	id     uint32
	xid    uint32 // of the message that opens it; those of its n flow-mods follow
	n      uint32
	once   sync.Once
	failed chan struct{} // closed when index and err are set
	index  int           // of the flow-mod that was refused; -1: the bundle itself
	err    *wire.Error
}

// refused takes an error message if it is about one of b's messages, and keeps
// the first such: those after it may only follow from it.
func (b *bundle) refused(e *wire.Error) bool {
	i := e.XID - b.xid // wraps to a great number below xid
	if i > b.n {
		return false
	}
	b.once.Do(func() {
		b.index, b.err = int(i)-1, e
		close(b.failed)
	})
	return true
}

// refusal returns what the switch said against one of b's messages; nil if
// nothing yet.
func (b *bundle) refusal(dpid uint64, mods []wire.Mod) error {
	select {
	case <-b.failed:
	default:
		return nil
	}
	if b.index < 0 {
		return &Error{DPID: dpid, Op: "apply: open bundle", Err: b.err}
	}
	return &Error{DPID: dpid, Op: "apply", Mod: &mods[b.index], Err: b.err}
}

// Apply makes all of mods true, in their order, or none of them: they are one
// atomic bundle, in which no packet sees a state in between. Without mods
// nothing is sent. One bundle is under way at a time; others wait.
//
// The error is an *Error, which names the change that was refused if it was
// one of them. Nothing has changed then, unless the error wraps ErrUnconfirmed.
func (s *Session) Apply(ctx context.Context, mods []wire.Mod) error {
	return s.ApplyWith(ctx, mods, nil)
}

// ApplyWith is Apply on the condition that the permit is valid when the bundle is
// committed. If it is not, and can't be renewed, the error wraps ErrNotPermitted
// and what Renew said.
func (s *Session) ApplyWith(ctx context.Context, mods []wire.Mod, permit Permit) error {
	if len(mods) == 0 {
		return nil
	}
	select {
	case s.bundle <- struct{}{}:
		defer func() { <-s.bundle }()
	case <-s.dying:
		return s.failed("apply", s.err)
	case <-ctx.Done():
		return s.failed("apply", ctx.Err())
	}
	b := &bundle{
		id:     s.ids.Add(1),
		xid:    s.calls.xids(1 + len(mods)),
		n:      uint32(len(mods)),
		failed: make(chan struct{}),
	}
	s.open.Store(b)
	defer s.open.Store(nil)

	err := s.fill(ctx, b, mods, permit)
	if err == nil {
		err = s.commit(ctx, b, permit)
	} else {
		s.discard(ctx, b)
	}
	if refusal := b.refusal(s.DPID(), mods); refusal != nil {
		// The switch says first which message it minds, and then that the
		// bundle as a whole has failed: the former is the reason.
		err = refusal
	}
	if err == nil {
		s.cfg.Counters.BundlesCommitted.Add(1)
		return nil
	}
	s.cfg.Counters.BundleErrors.Add(1)
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return s.failed("apply", err)
}

// fill opens the bundle, puts mods into it and closes it. When it returns nil
// the switch has taken every one.
func (s *Session) fill(ctx context.Context, b *bundle, mods []wire.Mod, permit Permit) error {
	buf, err := wire.EncodeBundleControl(b.xid, b.id, wire.BundleOpen)
	if err != nil {
		return err
	}
	for i := range mods {
		buf, err = wire.AppendBundleMod(buf, mods[i], b.xid+1+uint32(i), b.id)
		if err != nil {
			return &Error{DPID: s.DPID(), Op: "apply", Mod: &mods[i], Err: err}
		}
		if len(buf) < chunk {
			continue
		}
		if err := b.refusal(s.DPID(), mods); err != nil {
			return err // spares the switch the rest
		}
		if err := s.send(ctx, buf); err != nil {
			return err
		}
		buf = make([]byte, 0, 2*chunk)
	}
	if len(buf) > 0 {
		if err := s.send(ctx, buf); err != nil {
			return err
		}
	}
	s.cfg.Counters.FlowMods.Add(uint64(len(mods)))
	// A switch refuses a message while it is added, too, and would commit the
	// others all the same. The answer to the closing comes after every such
	// error, so it is awaited before the commit.
	if err := s.seal(ctx, b, permit); err != nil {
		return err
	}
	return b.refusal(s.DPID(), mods)
}

// commit commits the closed bundle, or discards it for want of the permit.
func (s *Session) commit(ctx context.Context, b *bundle, p Permit) error {
	err := s.control(ctx, b, wire.BundleCommit, p)
	for range maxRenewals {
		if !errors.Is(err, errDenied) {
			break
		}
		if err := p.Renew(ctx); err != nil {
			s.discard(ctx, b)
			return fmt.Errorf("%w: %w", ErrNotPermitted, err)
		}
		err = s.control(ctx, b, wire.BundleCommit, p)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, errDenied) {
		s.discard(ctx, b)
		return fmt.Errorf("%w: it runs out faster than it is renewed", ErrNotPermitted)
	}
	if e := (*wire.Error)(nil); errors.As(err, &e) {
		return fmt.Errorf("commit bundle: %w", err)
	}
	return fmt.Errorf("commit bundle: %w: %w", ErrUnconfirmed, err)
}

// discard removes a bundle that is not to be committed from the switch. If that
// does not work out, the switch forgets it by itself (Open vSwitch after 10 s,
// or with the connection), so there is no error.
func (s *Session) discard(ctx context.Context, b *bundle) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ProbeTimeout)
	defer cancel()
	// Every answer about this bundle has come when this one has: the next
	// bundle does not see them.
	_ = s.control(ctx, b, wire.BundleDiscard, nil)
}

// control sends a command about the bundle, with a permit if it needs one, and
// waits for the answer.
func (s *Session) control(ctx context.Context, b *bundle, cmd wire.BundleCommand, p Permit) error {
	xid := s.calls.xids(1)
	request, err := wire.EncodeBundleControl(xid, b.id, cmd)
	if err != nil {
		return err
	}
	return s.askWith(ctx, xid, guarded(request, p), b.reply(cmd))
}

// reply returns the handler of the answer to cmd.
func (b *bundle) reply(cmd wire.BundleCommand) func(wire.Message) (bool, error) {
	return func(m wire.Message) (bool, error) {
		r, err := wire.DecodeBundleControl(m)
		if err != nil {
			return false, err
		}
		if r.ID != b.id || r.Command != cmd.Reply() {
			return false, fmt.Errorf("bundle reply %d about bundle %d, not %d about %d: %w",
				r.Command, r.ID, cmd.Reply(), b.id, wire.ErrMalformed)
		}
		return true, nil
	}
}
