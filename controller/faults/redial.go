package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

const (
	dialsWatched = 6 * time.Second         // Open vSwitch's own pauses would be 1, 2 and 4 s by then
	dialsApart   = 1500 * time.Millisecond // of one bridge
	dialsLate    = 300 * time.Millisecond  // on a busy machine
	dialsTries   = 3                       // of which one must be in time: likewise
)

// redial takes the controller away after a host's ovs-vswitchd was started anew,
// and looks how often bridges dial where it was: again where some were late, as
// the machine may have been busy with something else just then.
func redial(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	h := m.pick(rng).host
	in := Injected{Host: h.Name}
	if err := h.KillVSwitchd(syscall.SIGKILL); err != nil {
		return in, err
	}
	if err := h.StartVSwitchd(ctx); err != nil {
		return in, err
	}
	if err := m.settledWithin(ctx, settleLimit); err != nil {
		return in, err
	}
	if err := m.Server.Kill(); err != nil {
		return in, err
	}
	var err error
	for range dialsTries {
		if err = m.redials(ctx); !errors.As(err, new(lateError)) {
			break // in time, or not known
		}
		m.log("looked at again: %v", err)
	}
	in.Since = time.Now()
	return in, errors.Join(err, m.Server.Start(ctx))
}

// lateError says that bridges did not dial in time.
type lateError struct{ error }

// redials demands that every bridge dials a controller that is gone at least
// once in any dialsApart; a lateError says that one did not.
func (m *Mesh) redials(ctx context.Context) error {
	begin := time.Now()
	captures := make(map[*ovstest.Host]*ovstest.Capture)
	var errs []error
	for _, h := range m.Hosts() {
		c, err := h.StartCaptureAt("mgmt0")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		captures[h] = c
	}
	select {
	case <-ctx.Done():
		errs = append(errs, ctx.Err())
	case <-time.After(dialsWatched):
	}
	var late []error
	for h, c := range captures {
		errs = append(errs, c.Stop())
		var dials []time.Duration
		for _, f := range c.Frames() {
			if f.Sent && dialsTo(f, m.Server.openflow) {
				dials = append(dials, f.Time.Sub(begin))
			}
		}
		m.log("%s dialled after %v", h.Name, dials)
		late = append(late, often(h.Name, dials))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := errors.Join(late...); err != nil {
		return lateError{err}
	}
	return nil
}

func often(host string, dials []time.Duration) error {
	const window = dialsApart + dialsLate
	for at := time.Duration(0); at+window <= dialsWatched; at += 100 * time.Millisecond {
		n := 0
		for _, d := range dials {
			if d >= at && d < at+window {
				n++
			}
		}
		if n < len(networks) {
			return fmt.Errorf("%s: its %d bridges dialled %d times from %v to %v after the controller was gone: %v", host, len(networks), n, at, at+window, dials)
		}
	}
	return nil
}

// dialsTo reports whether a frame is the first of a TCP connection over IPv4 to
// a port, RFC 9293 §3.1.
func dialsTo(f ovstest.Frame, port int) bool {
	const ethernet, tcp, syn, ack = 14, 6, 0x02, 0x10
	if f.EtherType() != 0x0800 || len(f.Data) < ethernet+40 || f.Data[ethernet] != 0x45 || f.Data[ethernet+9] != tcp {
		return false
	}
	segment := f.Data[ethernet+20:]
	return int(binary.BigEndian.Uint16(segment[2:])) == port && segment[13]&(syn|ack) == syn
}
