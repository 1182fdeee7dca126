package topology

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// Small universes, so that the random worlds are full of clashes.
var (
	uniNetworks = []string{"blue", "green", "red"}
	uniHosts    = []string{"xen1", "xen2", "xen3", "xen4"}
	uniBridges  = []string{"br-int", "xapi1", "xapi2"}
	uniUUIDs    = []string{"", "u1", "u2"}
	uniIfaces   = []string{"eth7", "int0", "tap1.0", "tap2.0", "vif1.0", "vif2.0", "vnet3"}
	uniMACs     = []string{"", "02:00:00:00:00:01", "02:00:00:00:00:02", "03:00:00:00:00:01", "junk", "00:00:00:00:00:00"}
	uniAddrs    = []string{"", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.2", "fd00::1", "127.0.0.1", "junk"}
	uniPorts    = []string{"web-1", "web-2", "web-3"}
	uniIPs      = []string{"10.1.1.1", "::ffff:10.1.1.1", "10.1.1.2", "fd00::1", "fe80::1"}
)

func pick(t *rapid.T, label string, from ...string) string {
	return rapid.SampledFrom(from).Draw(t, label)
}

func drawAddr(t *rapid.T, label string) netip.Addr {
	a, err := netip.ParseAddr(pick(t, label, uniAddrs...))
	if err != nil {
		return netip.Addr{}
	}
	return a
}

func drawNetwork(t *rapid.T, name string) NetworkRecord {
	r := NetworkRecord{ID: uint32(1 + slices.Index(uniNetworks, name))}
	r.Name, r.Tenant = name, pick(t, "tenant", "acme", "globex")
	r.Encap, r.Key = GRE, uint32(rapid.IntRange(100, 101).Draw(t, "key"))
	r.Bridge = pick(t, "bridge", append([]string{""}, uniBridges...)...)
	if id := pick(t, "uuid", uniUUIDs...); id != "" {
		r.XSNetworkUUIDs = []string{id}
	}
	r.CreateBridge = r.Bridge != "" && rapid.Bool().Draw(t, "create")
	r.Hosts = rapid.SliceOfNDistinct(rapid.SampledFrom(uniHosts), 0, 2, rapid.ID).Draw(t, "hosts")
	if len(r.Hosts) == 0 {
		r.Hosts = nil
	}
	r.Pins = drawPins(t)
	r.Profile = pick(t, "profile", "", ProfileProgrammed, ProfileLearning)
	r.Broadcast = pick(t, "broadcast", "", BroadcastSplitHorizon, BroadcastDrop)
	r.UnknownUnicast = pick(t, "unknownUnicast", "", UnknownUnicastFlood, UnknownUnicastDrop)
	r.TunnelPorts = pick(t, "tunnelPorts", "", TunnelPortsShared, TunnelPortsFlow)
	r.BFD, r.TakeBridge = rapid.Bool().Draw(t, "bfd"), rapid.Bool().Draw(t, "takeBridge")
	r.MTU = rapid.SampledFrom([]int{0, 1400}).Draw(t, "mtu")
	if on := rapid.Bool().Draw(t, "secure"); rapid.Bool().Draw(t, "portSecurity") {
		r.PortSecurity = &on
	}
	return r
}

// drawPins returns some pins; a host has one bridge in them.
func drawPins(t *rapid.T) []Pin {
	var pins []Pin
	bridges := map[string]string{}
	for range rapid.IntRange(0, 3).Draw(t, "pins") {
		p := Pin{From: pick(t, "pin from", uniHosts...), To: pick(t, "pin to", append([]string{""}, uniHosts...)...)}
		if _, ok := bridges[p.From]; !ok {
			bridges[p.From] = pick(t, "pin bridge", append([]string{""}, uniBridges...)...)
		}
		p.Bridge = bridges[p.From]
		if at, found := slices.BinarySearchFunc(pins, p, comparePins); !found && p.From != p.To {
			pins = slices.Insert(pins, at, p)
		}
	}
	return pins
}

func drawIPs(t *rapid.T, label string) []netip.Addr {
	var ips []netip.Addr
	for _, s := range rapid.SliceOfNDistinct(rapid.SampledFrom(uniIPs), 0, 3, rapid.ID).Draw(t, label) {
		ips = append(ips, netip.MustParseAddr(s))
	}
	return ips
}

func drawHost(t *rapid.T, name string) HostRecord {
	r := HostRecord{}
	// IDs are unique, but a host may get another one.
	r.Name, r.ID = name, slices.Index(uniHosts, name)+1+10*rapid.IntRange(0, 1).Draw(t, "id")
	if rapid.Bool().Draw(t, "explicit") {
		r.Endpoint = drawAddr(t, "endpoint")
	}
	r.Kind = pick(t, "kind", "", KindManaged, KindExternal)
	return r
}

func drawPort(t *rapid.T, name string) Port {
	p := Port{Name: name, Network: pick(t, "network", uniNetworks...)}
	p.MAC, _ = ParseMAC(pick(t, "mac", "", "", "02:00:00:00:00:09"))
	switch rapid.IntRange(0, 3).Draw(t, "match") {
	case 0:
		p.Match.IfaceID = pick(t, "iface-id", "i1", "i2")
	case 1:
		p.Match.XSVifUUID = pick(t, "xs-vif-uuid", "x1", "x2")
	case 2:
		p.Match.MAC, _ = ParseMAC(pick(t, "match mac", "02:00:00:00:00:01", "02:00:00:00:00:02"))
	case 3:
		p.Match.Host, p.Match.Interface = pick(t, "host", uniHosts...), pick(t, "interface", uniIfaces...)
	}
	p.IPs = drawIPs(t, "ips")
	for _, ip := range drawIPs(t, "allowed") {
		a := Address{IP: ip}
		a.MAC, _ = ParseMAC(pick(t, "allowed mac", "", "02:00:00:00:00:09", "00:00:5e:00:01:01"))
		p.AllowedAddresses = append(p.AllowedAddresses, a)
	}
	p.DHCPServer, p.Router = rapid.Bool().Draw(t, "dhcpServer"), rapid.Bool().Draw(t, "router")
	return p
}

func drawFacts(t *rapid.T) HostFacts {
	f := HostFacts{SystemID: "s"}
	f.LocalIP = pick(t, "local_ip", append([]string{"", "", ""}, uniAddrs...)...)
	f.EndpointIP = pick(t, "endpoint-ip", append([]string{"", "", ""}, uniAddrs...)...)
	f.PeerAddr = drawAddr(t, "peer")
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(uniBridges), 0, 3, rapid.ID).Draw(t, "bridges") {
		b := BridgeFacts{Name: name}
		if id := pick(t, "uuid", uniUUIDs...); id != "" {
			b.XSNetworkUUIDs = []string{id}
		}
		if rapid.Bool().Draw(t, "with a NIC") {
			b.Physical = []string{"eth0"}
		}
		f.Bridges = append(f.Bridges, b)
	}
	slices.SortFunc(f.Bridges, func(a, b BridgeFacts) int { return slices.Index(uniBridges, a.Name) - slices.Index(uniBridges, b.Name) })
	if len(f.Bridges) == 0 {
		return f
	}
	for _, name := range uniIfaces {
		if !rapid.Bool().Draw(t, name) {
			continue
		}
		i := InterfaceFacts{Name: name}
		if name == "int0" {
			i.Type = "internal"
		}
		i.AttachedMAC = pick(t, "attached-mac", uniMACs...)
		i.IfaceID = pick(t, "iface-id", "", "", "", "i1", "i2")
		i.XSVifUUID = pick(t, "xs-vif-uuid", "", "", "", "x1", "x2")
		i.IfaceStatus = pick(t, "iface-status", "", "", "active", "inactive")
		i.Network = pick(t, "ovsmesh-network", "", "", "", "blue", "red", "none")
		i.IPs = pick(t, "ovsmesh-ips", "", "", "10.1.1.1", " 10.1.1.2, fd00::1,", "fd00::1,junk,224.0.0.1,::ffff:10.1.1.1")
		b := &f.Bridges[rapid.IntRange(0, len(f.Bridges)-1).Draw(t, "on")]
		b.Interfaces = append(b.Interfaces, i)
	}
	return f
}

// step changes one thing in the world and tells the mesh.
func (w *world) step(t *rapid.T, m *Mesh) {
	switch rapid.IntRange(0, 11).Draw(t, "step") {
	case 0, 1:
		r := drawNetwork(t, pick(t, "name", uniNetworks...))
		w.networks[r.Name] = r
		m.SetNetwork(r)
	case 2, 3:
		r := drawHost(t, pick(t, "name", uniHosts...))
		w.hosts[r.Name] = r
		m.SetHost(r)
	case 4, 5:
		p := drawPort(t, pick(t, "name", uniPorts...))
		w.ports[p.Name] = p
		m.SetPort(p)
	case 6, 7, 8:
		name, f := pick(t, "name", uniHosts...), drawFacts(t)
		w.facts[name] = f
		m.SetFacts(name, f)
	case 9:
		name := pick(t, "name", uniNetworks...)
		delete(w.networks, name)
		m.DeleteNetwork(name)
	case 10:
		name := pick(t, "name", uniPorts...)
		delete(w.ports, name)
		m.DeletePort(name)
	case 11:
		name := pick(t, "name", uniHosts...)
		delete(w.facts, name)
		if rapid.Bool().Draw(t, "host too") {
			delete(w.hosts, name)
			m.DeleteHost(name)
		} else {
			m.DropFacts(name)
		}
	}
}

// rebuilt returns a mesh that was told of the world in random order.
func (w *world) rebuilt(t *rapid.T) *Mesh {
	m := NewMesh()
	var tell []func()
	for _, k := range slices.Sorted(maps.Keys(w.networks)) {
		tell = append(tell, func() { m.SetNetwork(w.networks[k]) })
	}
	for _, k := range slices.Sorted(maps.Keys(w.hosts)) {
		tell = append(tell, func() { m.SetHost(w.hosts[k]) })
	}
	for _, k := range slices.Sorted(maps.Keys(w.ports)) {
		tell = append(tell, func() { m.SetPort(w.ports[k]) })
	}
	for _, k := range slices.Sorted(maps.Keys(w.facts)) {
		tell = append(tell, func() { m.SetFacts(k, w.facts[k]) })
	}
	for _, f := range rapid.Permutation(tell).Draw(t, "order") {
		f()
	}
	m.Flush()
	return m
}

// state is what a mesh says of every host, by host and network.
func state(m *Mesh) map[string]map[string]*OnHost {
	all := map[string]map[string]*OnHost{}
	for _, h := range uniHosts {
		for _, u := range m.Views(h) {
			if all[h] == nil {
				all[h] = map[string]*OnHost{}
			}
			all[h][u.Network] = u.On
		}
	}
	return all
}

var compareAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// A mesh that hears of changes one by one, and is flushed now and then, says
// at every moment what a dumb computation from scratch says; its updates lead
// from each state to the next, and none is for nothing.
func TestMeshAgreesWithOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, w := NewMesh(), newWorld()
		mirror := map[string]map[string]*OnHost{}
		for range rapid.IntRange(1, 8).Draw(t, "flushes") {
			for range rapid.IntRange(1, 8).Draw(t, "steps") {
				w.step(t, m)
			}
			replay(t, mirror, m.Flush())
			checkWorld(t, m, w, mirror)
			if again := m.Flush(); len(again) > 0 {
				t.Fatalf("a second flush has %d updates, want none", len(again))
			}
		}
		r := w.rebuilt(t)
		if d := cmp.Diff(state(r), state(m), compareAddrs); d != "" {
			t.Fatalf("told at once in another order (-) and step by step (+) differ:\n%s", d)
		}
		for _, h := range uniHosts {
			if d := cmp.Diff(r.HostProblems(h), m.HostProblems(h), cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("problems of %s, told at once (-) and step by step (+), differ:\n%s", h, d)
			}
		}
		if d := cmp.Diff(r.Networks(), m.Networks(), compareAddrs); d != "" {
			t.Fatalf("networks, told at once (-) and step by step (+), differ:\n%s", d)
		}
	})
}

// checkWorld compares a flushed mesh with the oracle and with its own updates.
func checkWorld(t *rapid.T, m *Mesh, w *world, mirror map[string]map[string]*OnHost) {
	got := state(m)
	notProblems := cmpopts.IgnoreFields(OnHost{}, "Problems")
	notError := cmpopts.IgnoreFields(Member{}, "Error")
	if d := cmp.Diff(w.oracle(), got, compareAddrs, notProblems, notError, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("oracle (-) and mesh (+) differ:\n%s", d)
	}
	if d := cmp.Diff(mirror, got, compareAddrs); d != "" {
		t.Fatalf("what the updates lead to (-) and the mesh's state (+) differ:\n%s", d)
	}
	for h, nets := range got {
		for n, on := range nets {
			if on.Net != m.Network(n) {
				t.Fatalf("%s has a view of %s of its own", h, n)
			}
			if on.Self.Endpoint.IsValid() == (on.Self.Error != "") {
				t.Fatalf("%s in %s: endpoint %v with error %q", h, n, on.Self.Endpoint, on.Self.Error)
			}
			at := slices.IndexFunc(on.Net.Members, func(m Member) bool { return m.Host == h })
			if at < 0 || !on.Net.Members[at].equal(&on.Self) {
				t.Fatalf("%s is not itself in the members of %s", h, n)
			}
		}
	}
}

// replay carries updates over into a copy of the state.
func replay(t *rapid.T, mirror map[string]map[string]*OnHost, updates []Update) {
	last := ""
	for _, u := range updates {
		if at := fmt.Sprintf("%s %s", u.Host, u.Network); at <= last {
			t.Fatalf("update for %s after %s", at, last)
		} else {
			last = at
		}
		was := mirror[u.Host][u.Network]
		if cmp.Equal(was, u.On, compareAddrs) {
			t.Fatalf("update of %s on %s says nothing new", u.Network, u.Host)
		}
		if mirror[u.Host] == nil {
			mirror[u.Host] = map[string]*OnHost{}
		}
		mirror[u.Host][u.Network] = u.On
		if u.On == nil {
			delete(mirror[u.Host], u.Network)
		}
		if len(mirror[u.Host]) == 0 {
			delete(mirror, u.Host)
		}
	}
}
