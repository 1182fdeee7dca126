package controller

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// callingHost is the host on which the plugin was called.
type callingHost struct {
	name string
	rec  topology.HostRecord
	left bool
	loop *host // nil where it has none
}

// caller finds out on which host the plugin was called: the one whose token came
// with the call, else the one that it names, else the one that is connected from
// where the call comes from.
func (c *Controller) caller(ctx context.Context, r api.TunnelRequest) (callingHost, error) {
	if r.Bound != "" && r.Host != "" && r.Host != r.Bound {
		return callingHost{}, fmt.Errorf("%w: the token is that of host %s, and the call says that it comes from host %.64s", api.ErrForbidden, r.Bound, r.Host)
	}
	name := r.Bound
	if name == "" {
		name = r.Host
	}
	found := make(chan callingHost, 1)
	var err error
	if e := c.hub.do(ctx, func() {
		if name == "" {
			if name, err = c.hub.hostFrom(r.Peer); err != nil {
				return
			}
		}
		rec, ok := c.hub.intent.Host(name)
		if !ok {
			err = fmt.Errorf("host %.64q: %w: it has to dial in first (ovs-vsctl set-manager %s on it), or is called otherwise here (ovsmesh get hosts)",
				name, topology.ErrNotFound, c.managerTarget())
			return
		}
		now := callingHost{name: name, rec: rec, loop: c.hub.hosts[name]}
		if rec.SystemID != "" {
			_, now.left = c.hub.left[rec.SystemID]
		}
		found <- now
	}); e != nil {
		return callingHost{}, e
	}
	if err != nil {
		return callingHost{}, err
	}
	return <-found, nil
}

// hostFrom returns the host that is connected from an address. It must run on
// the hub's goroutine.
func (h *hub) hostFrom(peer netip.Addr) (string, error) {
	var names []string
	for name, l := range h.hosts {
		if at, ok := l.status.from(); ok && at == peer {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	const do = "write the host's name (host:) into /etc/ovsmesh/ovstunnel.yaml there, or give it a token of its own (api.hostTokensFile)"
	switch {
	case len(names) == 1:
		return names[0], nil
	case len(names) > 1:
		const shown = 3
		return "", badCall("which host is called can't be told: hosts %s are all connected from %s, where the call comes from: %s",
			firstOf(names, shown), peer, do)
	}
	return "", badCall("which host is called can't be told: the call comes from %s, and no host is connected from there: %s", peer, do)
}

// from returns the address from which the host is connected.
func (s *hostStatus) from() (netip.Addr, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, err := netip.ParseAddrPort(s.address)
	return at.Addr().Unmap().WithZone(""), s.connected && err == nil
}

// ready returns the host's loop, if something can be done on the host now.
func (h callingHost) ready(c *Controller) (*host, error) {
	held := c.hub.held.Load()
	switch {
	case held != nil: // before anything is noted of what would not be done
		return nil, fmt.Errorf("host %s waits for %s: %w", h.name, held.waits, api.ErrUnavailable)
	case h.rec.Kind == topology.KindExternal:
		return nil, fmt.Errorf("%w: host %s is external: nobody of us makes its bridges and tunnels", topology.ErrConflict, h.name)
	case h.left:
		return nil, fmt.Errorf("host %s has left the mesh; `ovsmesh host join` on it, or a spec that names it, brings it back: %w", h.name, api.ErrUnavailable)
	case h.loop == nil || h.loop.isLeaving():
		return nil, fmt.Errorf("host %s is leaving the mesh: %w", h.name, api.ErrUnavailable)
	}
	s := h.loop.status
	s.mu.Lock()
	connected, barred, waiting := s.connected, s.bar != barNone, s.waiting
	s.mu.Unlock()
	switch {
	case connected && barred:
		return nil, fmt.Errorf("host %s waits for %s: %w", h.name, waiting, api.ErrUnavailable)
	case !connected:
		return nil, fmt.Errorf("host %s is not connected: run \"ovs-vsctl set-manager %s\" on it: %w", h.name, c.managerTarget(), api.ErrUnavailable)
	}
	return h.loop, nil
}

// managerTarget is what a host is to be told to dial, as far as it is known here.
func (c *Controller) managerTarget() string {
	for _, l := range c.cfg.OVSDB {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			at := a.AddrPort()
			if at.Addr().IsUnspecified() {
				return fmt.Sprintf("tcp:CONTROLLER:%d", at.Port())
			}
			return "tcp:" + netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()
		}
	}
	return "tcp:CONTROLLER:6640"
}

// firstOf returns the first of some names, and how many more there are.
func firstOf(names []string, shown int) string {
	text := strings.Join(names[:min(len(names), shown)], ", ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
