package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	dialsWatched = 6 * time.Second         // Open vSwitch's own pauses would be 1, 2 and 4 s by then
	dialsApart   = 1500 * time.Millisecond // of one bridge
	dialsLate    = 300 * time.Millisecond  // on a busy machine
)

// redial takes the controller away after a host's ovs-vswitchd was started anew,
// and looks how often its bridges dial where it was.
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
	dials, err := m.Server.dials(ctx, dialsWatched)
	in.Since = time.Now()
	if err := m.Server.Start(ctx); err != nil {
		return in, err
	}
	if err != nil {
		return in, err
	}
	// Each bridge dials at least once in any such time.
	const window = dialsApart + dialsLate
	for _, h := range m.Hosts() {
		times := dials[h.Management()]
		for at := time.Duration(0); at+window <= dialsWatched; at += 100 * time.Millisecond {
			n := 0
			for _, t := range times {
				if t >= at && t < at+window {
					n++
				}
			}
			if n < len(networks) {
				return in, fmt.Errorf("%s: %d bridges dialled %d times between %v and %v after the controller was gone: %v", h.Name, len(networks), n, at, at+window, times)
			}
		}
	}
	return in, nil
}

// dials listens in the place of a server that is gone, hangs up on every bridge,
// and returns when each host dialled, counted from the beginning.
func (s *Server) dials(ctx context.Context, length time.Duration) (map[netip.Addr][]time.Duration, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(s.address, strconv.Itoa(s.openflow)))
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	end := time.AfterFunc(length, func() { _ = l.Close() })
	defer end.Stop()
	dials := make(map[netip.Addr][]time.Duration)
	for {
		c, err := l.Accept()
		if err != nil {
			break // closed: time is up
		}
		from, err := netip.ParseAddrPort(c.RemoteAddr().String())
		_ = c.Close()
		if err != nil {
			return nil, err
		}
		addr := from.Addr().Unmap()
		dials[addr] = append(dials[addr], time.Since(begin))
	}
	for _, times := range dials {
		slices.Sort(times)
	}
	return dials, ctx.Err()
}
