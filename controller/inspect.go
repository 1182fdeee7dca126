package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// Topology says what is wanted and what of it is there.
func (c *Controller) Topology(ctx context.Context, f api.TopologyFilter) (api.Topology, error) {
	v, err := c.look(ctx)
	if err != nil {
		return api.Topology{}, err
	}
	t := api.Topology{Networks: []api.TopologyNetwork{}, Hosts: []api.TopologyHost{}, Problems: v.problems}
	slices.SortStableFunc(v.networks, func(a, b *networkNow) int { return strings.Compare(a.rec.Tenant, b.rec.Tenant) })
	members := map[string]bool{}
	w := window{skip: f.Offset, left: f.Limit}
	for _, n := range v.networks {
		if f.Network != "" && n.rec.Name != f.Network || f.Tenant != "" && n.rec.Tenant != f.Tenant {
			continue
		}
		if f.Host != "" && !slices.Contains(n.members, f.Host) {
			continue
		}
		for _, m := range n.members {
			members[m] = true
		}
		now := v.topologyNetwork(n, endFilter{only: f.Host, none: f.Limit == api.NoTunnels, down: f.Down})
		if f.Down && !networkTroubled(&now) {
			continue
		}
		w.cut(&now)
		t.Networks = append(t.Networks, now)
	}
	if f.Network != "" && !v.hasNetwork(f.Network) {
		return t, fmt.Errorf("network %q: %w", f.Network, topology.ErrNotFound)
	}
	if f.Host != "" && v.byName[f.Host] == nil {
		return t, fmt.Errorf("host %q: %w", f.Host, topology.ErrNotFound)
	}
	var silent map[string]string
	if f.Counters {
		silent = v.readCounters(ctx, &t)
	}
	for _, h := range v.hosts {
		if f.Host != "" && h.rec.Name != f.Host || f.Host == "" && (f.Network != "" || f.Tenant != "") && !members[h.rec.Name] {
			continue
		}
		now := h.topologyHost()
		now.CountersError = silent[h.rec.Name]
		if f.Down && !hostTroubled(&now) {
			continue
		}
		t.Hosts = append(t.Hosts, now)
	}
	return t, nil
}

// window lets through the tunnel ends that a request wants to see.
type window struct {
	skip int
	left int // 0: all
}

// cut takes the ends outside of the window out of a network's list.
func (w *window) cut(t *api.TopologyNetwork) {
	all := len(t.Tunnels)
	from := min(w.skip, all)
	w.skip -= from
	to := all
	switch {
	case w.left == api.NoTunnels:
		return // they were not listed to begin with
	case w.left > 0:
		to = min(all, from+w.left)
		if w.left -= to - from; w.left == 0 {
			w.left = exhausted
		}
	case w.left == exhausted:
		to = from
	}
	t.Tunnels = slices.Clip(t.Tunnels[from:to])
	t.TunnelsOmitted = all - len(t.Tunnels)
}

// exhausted is the size of a window that nothing passes any longer.
const exhausted = -2

// endFilter says which tunnel ends of a network are listed.
type endFilter struct {
	only string // on this host; "": on any
	none bool
	down bool // those that are not up
}

// lists reports whether any of a host's ends may be, by how many are in which
// state.
func (e endFilter) lists(host string, states map[string]int) bool {
	return !e.none && (e.only == "" || e.only == host) && (!e.down || len(states) > 1 || states[api.TunnelUp] == 0)
}

// topologyNetwork describes one network, with its tunnel ends that are wanted.
func (v *view) topologyNetwork(n *networkNow, e endFilter) api.TopologyNetwork {
	t := api.TopologyNetwork{
		Name: n.rec.Name, Tenant: n.rec.Tenant, Encap: n.rec.Encap, Key: n.rec.Key, Profile: n.rec.Profile,
		TunnelPorts: n.rec.TunnelPorts, Broadcast: n.rec.Broadcast, UnknownUnicast: n.rec.UnknownUnicast,
		Hosts: append([]string{}, n.members...), Ports: len(n.vifs), InSync: true, Tunnels: []api.Tunnel{},
		Members: make([]api.TopologyMember, len(n.members)), Bridges: []string{},
	}
	for i, name := range n.members {
		m := &t.Members[i]
		v.describeMember(n, name, m)
		if m.Bridge != "" {
			t.Bridges = append(t.Bridges, m.Bridge)
		}
		if n.on[name].Self.External {
			m.InSync = true
			continue // its end of the tunnels is somebody else's business
		}
		m.TunnelsWanted = len(n.members) - 1
		st := n.status(name)
		m.InSync = st.inSync
		for _, p := range st.problems {
			t.Problems = append(t.Problems, name+": "+p)
		}
		for _, mtu := range st.vifMTU {
			m.VMMTU = max(m.VMMTU, mtu)
		}
		states := st.ends.states()
		m.TunnelsUp = states[api.TunnelUp]
		t.TunnelsPending += states[api.TunnelPending]
		t.TunnelsDown += states[api.TunnelDown]
		t.TunnelsUnreachable += states[api.TunnelUnreachable]
		if e.lists(name, states) {
			for _, end := range st.ends.tunnels() {
				if !e.down || end.State != api.TunnelUp {
					t.Tunnels = append(t.Tunnels, end)
				}
			}
		}
		t.TunnelsWanted += m.TunnelsWanted
		t.TunnelsUp += m.TunnelsUp
		t.InSync = t.InSync && m.InSync
	}
	slices.Sort(t.Bridges)
	t.Bridges = slices.Compact(t.Bridges)
	v.fitMTU(n, &t)
	v.findable(n, &t)
	return t
}

// describeMember fills in what is known of a member without its status.
func (v *view) describeMember(n *networkNow, name string, m *api.TopologyMember) {
	now, on := v.byName[name], n.on[name]
	m.Host, m.Bridge, m.Ports = name, on.Bridge, len(on.VIFs)
	mtu, _ := now.underlay()
	if on.Self.External && now.rec.UnderlayMTU == 0 {
		return // nobody knows
	}
	m.UnderlayMTU = mtu
	m.MTU = mtu - topology.Overhead(n.rec.Encap, on.Self.Endpoint.Is6())
}

// networkTroubled reports whether something with a network is not as wanted.
func networkTroubled(t *api.TopologyNetwork) bool {
	return !t.InSync || len(t.Problems)+len(t.Warnings) > 0 || t.TunnelsUp < t.TunnelsWanted
}

// hostTroubled reports whether something with a host is not as wanted.
func hostTroubled(t *api.TopologyHost) bool {
	if t.Kind == topology.KindExternal || t.Left {
		return len(t.Problems) > 0
	}
	return !t.InSync || len(t.Problems) > 0 || t.CountersError != "" || cmp.Or(t.Health, api.HealthOK) != api.HealthOK ||
		slices.ContainsFunc(t.Bridges, func(b api.TopologyBridge) bool { return b.Error != "" || !b.Connected })
}
