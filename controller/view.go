package controller

import (
	"context"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// view is what the API shows, taken at one moment: the intent and the mesh
// from the hub, and each host's status as its loop last told it.
type view struct {
	networks []*networkNow // by name
	hosts    []*hostNow    // by name
	byName   map[string]*hostNow
	ports    []topology.Port
	pools    []topology.KeyPool
	gen      uint64   // see hub.gen
	problems []string // with the controller itself
}

type networkNow struct {
	rec     topology.NetworkRecord
	members []string // host names, sorted
	vifs    []placedVIF
	on      map[string]*topology.OnHost // by member
	loops   map[string]*host            // by member
}

type placedVIF struct {
	host string
	vif  topology.LocalVIF
}

type hostNow struct {
	rec      topology.HostRecord
	facts    topology.HostFacts
	left     bool
	endpoint string // of its tunnels; "" where it has none, or is in no network
	problems []string
	networks []string
	loop     *host // nil where it has none
}

// look takes a view.
func (c *Controller) look(ctx context.Context) (*view, error) {
	v := &view{}
	err := c.hub.do(ctx, func() { c.hub.fill(v) })
	if err != nil {
		return nil, err
	}
	return v, nil
}

// fill copies what a view needs; it must run on the hub's goroutine.
func (h *hub) fill(v *view) {
	byName := map[string]*networkNow{}
	v.byName = map[string]*hostNow{}
	for _, r := range h.intent.Networks() {
		n := &networkNow{rec: r, on: map[string]*topology.OnHost{}, loops: map[string]*host{}}
		byName[r.Name] = n
		v.networks = append(v.networks, n)
	}
	for _, r := range h.intent.Hosts() {
		now := &hostNow{rec: r, facts: h.facts[r.Name], loop: h.hosts[r.Name]}
		if _, out := h.left[r.SystemID]; out && r.SystemID != "" {
			now.left = true
		}
		now.problems = h.mesh.HostProblems(r.Name)
		for _, u := range h.mesh.Views(r.Name) {
			n := byName[u.Network]
			if n == nil || u.On == nil {
				continue
			}
			now.networks = append(now.networks, u.Network)
			now.endpoint = addrText(u.On.Self.Endpoint)
			if e := u.On.Self.Error; e != "" && !slices.Contains(now.problems, e) {
				now.problems = append(now.problems, e)
			}
			n.members = append(n.members, r.Name)
			n.on[r.Name] = u.On
			if now.loop != nil {
				n.loops[r.Name] = now.loop
			}
			for _, vif := range u.On.VIFs {
				n.vifs = append(n.vifs, placedVIF{r.Name, vif})
			}
		}
		slices.Sort(now.networks)
		v.hosts = append(v.hosts, now)
		v.byName[r.Name] = now
	}
	v.ports = h.intent.Ports()
	v.pools = h.intent.KeyPools()
	v.gen = h.gen
	v.problems = h.storeProblems()
}

func (v *view) hasNetwork(name string) bool {
	return slices.ContainsFunc(v.networks, func(n *networkNow) bool { return n.rec.Name == name })
}

// status returns what a member last told of the network; of one that is not
// connected, what follows from what is wanted there.
func (n *networkNow) status(host string) networkStatus {
	connected := false
	if loop := n.loops[host]; loop != nil {
		st, told, is := loop.status.network(n.rec.Name)
		if told {
			return st
		}
		connected = is
	}
	return networkStatus{ends: untold(n.on[host], connected), problems: n.on[host].Problems}
}

func (v *view) networkObject(n *networkNow) api.NetworkObject {
	t := v.topologyNetwork(n, endFilter{none: true})
	return api.NetworkObject{Network: n.rec.Network, Status: api.NetworkStatus{
		ID: n.rec.ID, AutoKey: n.rec.AutoKey, Hosts: t.Hosts, Ports: t.Ports,
		TunnelsWanted: t.TunnelsWanted, TunnelsUp: t.TunnelsUp, InSync: t.InSync, Problems: t.Problems,
		Plugin: n.rec.Plugin, Pins: n.rec.Pins,
	}}
}

func (h *hostNow) topologyHost() api.TopologyHost {
	o := h.hostObject()
	mtu, assumed := h.underlay()
	t := api.TopologyHost{
		Kind: h.rec.Kind, UnderlayMTU: mtu, UnderlayMTUAssumed: assumed,
		Name: h.rec.Name, ID: h.rec.ID, SystemID: h.rec.SystemID, Endpoint: o.Status.Endpoint,
		Connected: o.Status.Connected, Left: o.Status.Left, InSync: o.Status.InSync, OVSVersion: o.Status.OVSVersion,
		Bridges: []api.TopologyBridge{}, Problems: o.Status.Problems,
	}
	if h.loop != nil {
		h.loop.status.mu.Lock()
		t.OtherWriter = h.loop.status.bar != barNone
		for _, b := range h.loop.status.bridges {
			t.Bridges = append(t.Bridges, b)
		}
		h.loop.status.mu.Unlock()
	}
	t.Observed = o.Status.Observed
	t.Health, t.HealthReason = o.Status.Health, o.Status.HealthReason
	if t.Health != "" && h.loop != nil {
		_, _, t.Echo = h.loop.health.verdict()
	}
	slices.SortFunc(t.Bridges, func(a, b api.TopologyBridge) int { return strings.Compare(a.Name, b.Name) })
	return t
}

func (h *hostNow) hostObject() api.HostObject {
	st := api.HostStatus{
		Registered: h.rec.Registered, Assumed: h.rec.Assumed, Left: h.left, Endpoint: h.endpoint,
		Networks: append([]string{}, h.networks...), Problems: slices.Clone(h.problems),
	}
	if h.loop != nil {
		st.Observed = h.loop.env.hub.observes()
		s := h.loop.status
		s.mu.Lock()
		st.Connected, st.Writer, st.OVSVersion = s.connected, s.writer, s.version
		st.InSync = s.connected && s.waiting == ""
		st.LockHolder, st.Owners, st.Foreign = s.holder, s.owners, s.bar == barForeign
		if s.connected {
			st.Address = s.address
			if s.waiting != "" && !st.Observed { // told once, of the controller
				st.Problems = append(st.Problems, "waiting for "+s.waiting)
			}
		}
		if s.errText != "" {
			st.Problems = append(st.Problems, s.errText)
		}
		s.mu.Unlock()
	}
	st.Health, st.HealthReason = h.verdict()
	return api.HostObject{Host: h.rec.Host, Status: st}
}

func (v *view) portStatus(p topology.Port) api.PortStatus {
	st := api.PortStatus{Places: []api.PortPlace{}}
	for _, n := range v.networks {
		if n.rec.Name != p.Network {
			continue
		}
		for _, vif := range n.vifs {
			if vif.vif.Port == p.Name {
				st.Places = append(st.Places, api.PortPlace{Host: vif.host, Interface: vif.vif.Interface})
			}
		}
	}
	return st
}

func (v *view) poolStatus(p topology.KeyPool) api.KeyPoolStatus {
	used := 0
	for _, n := range v.networks {
		if n.rec.Encap == p.Encap && n.rec.Key >= p.Range.First && n.rec.Key <= p.Range.Last {
			used++
		}
	}
	return api.KeyPoolStatus{Used: used, Free: int(p.Range.Last-p.Range.First) + 1 - used}
}
