package controller

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ovsmesh/controller/adopt"
	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/topology"
)

// adoption is one Adopt under way: what is told, what becomes of it in the
// intent, and a copy of all that a trial mesh needs.
type adoption struct {
	told  adopt.Told
	hosts []adopt.Host
	spec  *topology.Spec // of the request: it has the last word
	src   *topology.Source

	change     *topology.Change
	away       map[string]topology.HostFacts // what stands in for the word of hosts that are not connected
	generation uint64

	networks []topology.NetworkRecord // of the intent, and so on
	known    []topology.HostRecord
	ports    []topology.Port
	facts    map[string]topology.HostFacts
}

// plan works out the change. It must run on the hub's goroutine.
func (a *adoption) plan(h *hub) error {
	what := topology.Adoption{Spec: a.merge(h.intent), Source: a.src, Networks: map[string]topology.AdoptedNetwork{}, Hosts: map[string]topology.AdoptedHost{}}
	for _, n := range a.told.Networks {
		what.Networks[n.Name] = topology.AdoptedNetwork{ID: n.Note.ID, AutoKey: n.Note.AutoKey}
	}
	for _, n := range a.told.Hosts {
		if !a.names(n.Host) {
			what.Hosts[n.Host] = topology.AdoptedHost{AutoID: n.Note.AutoID || !n.Noted, Registered: !n.Noted || !n.Note.Named()}
		}
	}
	for _, n := range a.told.Away {
		if !a.names(n.Name) {
			what.Hosts[n.Name] = topology.AdoptedHost{AutoID: true, Registered: true}
		}
	}
	for name := range what.Hosts {
		if r, ok := h.intent.Host(name); ok && !r.Registered {
			what.Hosts[name] = topology.AdoptedHost{AutoID: r.AutoID}
		}
	}
	change, err := h.intent.PlanAdopt(what)
	if err != nil {
		return err
	}
	a.change, a.generation = change, h.gen
	a.networks, a.known, a.ports, a.facts = h.intent.Networks(), h.intent.Hosts(), h.intent.Ports(), maps.Clone(h.facts)
	a.standIn()
	return nil
}

// names reports whether the request's spec names a host.
func (a *adoption) names(host string) bool {
	return slices.ContainsFunc(a.spec.Hosts, func(h topology.Host) bool { return h.Name == host })
}

// merge returns the request's spec with what is told of all else. What the
// intent has is not told anew: the rows of a host that was away may be older.
func (a *adoption) merge(in *topology.Intent) *topology.Spec {
	all := &topology.Spec{
		KeyPools: a.spec.KeyPools, Ports: a.spec.Ports,
		Networks: slices.Clone(a.spec.Networks), Hosts: slices.Clone(a.spec.Hosts),
	}
	for _, n := range a.told.Networks {
		at := slices.IndexFunc(all.Networks, func(o topology.Network) bool { return o.Name == n.Name })
		have, known := in.Network(n.Name)
		switch {
		case at >= 0 && all.Networks[at].Key == 0 && all.Networks[at].Encap == n.Note.Network.Encap && !known:
			all.Networks[at].Key = n.Note.Network.Key
		case at >= 0:
		case !known:
			all.Networks = append(all.Networks, n.Note.Network)
		default:
			// A host that was away has not said yet that it is listed.
			listed := slices.Concat(have.Hosts, n.Note.Network.Hosts)
			slices.Sort(listed)
			listed = slices.Compact(listed)
			if len(listed) > len(have.Hosts) {
				have.Hosts = listed
				all.Networks = append(all.Networks, have.Network)
			}
		}
	}
	ids := map[string]int{}
	for _, n := range a.told.Hosts {
		ids[n.Host] = n.Note.Host.ID
		if !a.names(n.Host) {
			all.Hosts = append(all.Hosts, a.host(in, n))
		}
	}
	for _, n := range a.told.External {
		if _, known := in.Host(n.Name); !known && !a.names(n.Name) {
			all.Hosts = append(all.Hosts, n)
		}
	}
	for _, n := range a.told.Away {
		ids[n.Name] = n.ID
		if _, known := in.Host(n.Name); !known && !a.names(n.Name) {
			all.Hosts = append(all.Hosts, topology.Host{Name: n.Name, ID: n.ID})
		}
	}
	for i := range all.Hosts {
		if h := &all.Hosts[i]; h.ID == 0 {
			h.ID = ids[h.Name]
		}
	}
	return all
}

// host is a connected host as a spec would have it.
func (a *adoption) host(in *topology.Intent, n adopt.Named) topology.Host {
	r, known := in.Host(n.Host)
	if known && !r.Registered { // a spec of ours has named it
		h := r.Host
		if r.AutoID && n.Note.Host.ID != 0 {
			h.ID = n.Note.Host.ID
		}
		return h
	}
	h := n.Note.Host
	h.Name, h.SystemID, h.Kind = n.Host, r.SystemID, topology.KindManaged
	h.ID = cmp.Or(h.ID, r.ID)
	return h
}

// standIn makes up what hosts that are not connected would report, as far as it
// is told: that they have VMs in networks. Else the mesh would do without them,
// and their peers would take the tunnels to them away.
func (a *adoption) standIn() {
	a.away = map[string]topology.HostFacts{}
	for _, n := range a.told.Away {
		if f, reported := a.facts[n.Name]; reported && len(f.Bridges) > 0 {
			continue
		}
		f := topology.HostFacts{Hostname: n.Name, EndpointIP: n.Endpoint.String()}
		for _, name := range n.Networks {
			net := a.network(name)
			at := slices.IndexFunc(f.Bridges, func(b topology.BridgeFacts) bool { return b.Name == net.bridge })
			if at < 0 {
				at = len(f.Bridges)
				f.Bridges = append(f.Bridges, topology.BridgeFacts{Name: net.bridge})
			}
			b := &f.Bridges[at]
			b.XSNetworkUUIDs = append(b.XSNetworkUUIDs, net.xs...)
			b.Interfaces = append(b.Interfaces, topology.InterfaceFacts{Name: "not-told-" + name, Network: name})
		}
		a.away[n.Name] = f
		a.facts[n.Name] = f
	}
}

// likely is where a network is on a host of which only peers tell: most likely as
// it is with them.
type likely struct {
	bridge string
	xs     []string
}

func (a *adoption) network(name string) likely {
	for _, n := range a.told.Networks {
		if n.Name == name && len(n.On) > 0 {
			return likely{cmp.Or(n.Note.Network.Bridge, n.On[0].Bridge), n.Note.Network.XSNetworkUUIDs}
		}
	}
	return likely{}
}

// try makes a mesh of what would be, and says which tunnels would then go or
// change, and what else an operator should know.
func (a *adoption) try() (problems, warnings []string) {
	m := a.mesh()
	for _, h := range a.hosts {
		at := slices.IndexFunc(a.told.Marks, func(m adopt.Mark) bool { return m.Host == h.Name })
		if at < 0 {
			continue
		}
		p, w := compareTunnels(m, h, a.told.Marks[at].Bridges)
		problems, warnings = append(problems, p...), append(warnings, w...)
	}
	for _, n := range a.told.Away {
		if _, made := a.away[n.Name]; !made {
			continue
		}
		for _, name := range n.Networks {
			if net := m.Network(name); net != nil && net.DropUnknown {
				problems = append(problems, fmt.Sprintf("network %s: host %s has VMs in it, is not connected, and nobody else tells their addresses: frames for them would be dropped, as unknownUnicast says, until it is; wait for it", name, n.Name))
			}
		}
		warnings = append(warnings, fmt.Sprintf("host %s is not connected: the tunnels to it stay, its VMs are reached by flooding until it is; then adopt it, too", n.Name))
	}
	for _, n := range a.told.Hosts {
		if n.Noted && n.Note.Host.Name != n.Host {
			warnings = append(warnings, fmt.Sprintf("host %s was called %s", n.Host, n.Note.Host.Name))
		}
	}
	return problems, warnings
}

// mesh returns the mesh of the intent with the change made.
func (a *adoption) mesh() *topology.Mesh {
	m := topology.NewMesh()
	for _, r := range slices.Concat(a.networks, a.change.PutNetworks) {
		m.SetNetwork(r)
	}
	for _, r := range slices.Concat(a.known, a.change.PutHosts) {
		m.SetHost(r)
	}
	for _, p := range slices.Concat(a.ports, a.change.PutPorts) {
		m.SetPort(p)
	}
	for name, f := range a.facts {
		m.SetFacts(name, f)
	}
	m.Flush()
	return m
}

// compareTunnels holds the tunnel ports of a host's bridges against those that
// a mesh wants there.
func compareTunnels(m *topology.Mesh, h adopt.Host, bridges []string) (problems, warnings []string) {
	want := map[string]wantedPort{}
	byPeer := map[[2]string]string{} // names, by network and peer
	for _, u := range m.Views(h.Name) {
		tunnels, _ := topology.Tunnels(u.On)
		for i := range tunnels {
			w := wantedOf(u.On, &tunnels[i])
			want[w.Name] = w
			byPeer[[2]string{u.Network, w.Peer}] = w.Name
		}
	}
	left := len(want)
	for _, b := range h.Bridges {
		if !slices.Contains(bridges, b.Name) {
			continue
		}
		for _, t := range b.Tunnels {
			w, found := want[t.Name]
			if !found { // the old plugin's, under a name that has other numbers
				w, found = want[byPeer[[2]string{t.Network, t.Peer}]]
			}
			if !found {
				to := ""
				if t.Peer != "" {
					to = " to " + t.Peer
				}
				problems = append(problems, fmt.Sprintf("host %s: port %s of network %s%s would go: nothing that is told makes both ends members of it; name the ports or hosts that do in a spec", h.Name, t.Name, t.Network, to))
				continue
			}
			left--
			if d := w.differs(t); len(d) > 0 {
				problems = append(problems, fmt.Sprintf("host %s: port %s of network %s would change: %s", h.Name, t.Name, t.Network, strings.Join(d, ", ")))
			}
		}
	}
	if left > 0 && len(bridges) == len(h.Bridges) {
		warnings = append(warnings, fmt.Sprintf("host %s gets %d more tunnel ports", h.Name, left))
	}
	return problems, warnings
}

// wantedPort is a tunnel port as a mesh wants it.
type wantedPort struct {
	plan.Tunnel
	bridge string
	shared bool // by several networks: what these differ in each packet has of its own
}

func wantedOf(on *topology.OnHost, t *topology.Tunnel) wantedPort {
	if t.Carrier == "" {
		return wantedPort{Tunnel: ownTunnel(t), bridge: on.Bridge}
	}
	return wantedPort{Tunnel: sharedTunnel(on, t), bridge: on.Bridge, shared: true}
}

// differs says what of a port would change.
func (w wantedPort) differs(t plan.TunnelPort) []string {
	var list []string
	say := func(what, is, want string) {
		if is != want {
			list = append(list, fmt.Sprintf("%s: %s → %s", what, cmp.Or(is, "none"), cmp.Or(want, "none")))
		}
	}
	key, remote, local, port := "flow", "flow", "", ""
	if w.Key != 0 {
		key = strconv.FormatUint(uint64(w.Key), 10)
	}
	if w.RemoteIP.IsValid() {
		remote = w.RemoteIP.String()
	}
	if w.LocalIP.IsValid() {
		local = w.LocalIP.String()
	}
	if w.DstPort != 0 && w.DstPort != topology.DefaultVXLANPort {
		port = strconv.Itoa(int(w.DstPort))
	}
	has := ""
	if t.DstPort != 0 {
		has = strconv.Itoa(int(t.DstPort))
	}
	say("bridge", t.Bridge, w.bridge)
	say("type", t.Type, w.Type)
	say("key", t.Key, key)
	say("remote_ip", t.RemoteIP, remote)
	say("local_ip", t.LocalIP, local)
	say("dst_port", has, port)
	if !w.shared {
		say("bfd", strconv.FormatBool(t.BFD), strconv.FormatBool(w.BFD))
	}
	return list
}

// rows says what would be marked on a host.
func (a *adoption) rows(m adopt.Mark) api.AdoptedHost {
	row := api.AdoptedHost{Host: m.Host, Bridges: m.Bridges}
	for _, h := range a.hosts {
		if h.Name != m.Host {
			continue
		}
		for _, b := range h.Bridges {
			if slices.Contains(m.Bridges, b.Name) {
				row.Rows += b.Rows
			}
		}
	}
	return row
}

// adopt makes the change of an adoption true, with what stands in for the word
// of hosts that are not connected. That is on disk first: without it their peers
// would take the tunnels to them away, while for a host that the intent does not
// have it means nothing. It must run on the hub's goroutine.
func (h *hub) adopt(c *topology.Change, away map[string]topology.HostFacts) error {
	if err := h.intent.Current(c); err != nil {
		return err
	}
	b := &store.Batch{Facts: map[string]topology.HostFacts{}}
	for name, f := range away {
		if now, reported := h.facts[name]; !reported || len(now.Bridges) == 0 {
			b.Facts[name] = f
		}
	}
	if err := h.write(b); err != nil {
		return err
	}
	if err := h.commit(c); err != nil {
		return err
	}
	for name, f := range b.Facts {
		h.facts[name] = f
		h.mesh.SetFacts(name, f)
	}
	return nil
}
