package topology

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// stackCloud is a CloudStack of two XenServer pools and some hosts that only it knows
// of, with three networks. A network's bridge is called otherwise in each pool,
// and what it is called in one is another network's in the other.
type stackCloud struct {
	in    *Intent
	facts map[string]HostFacts // of the hosts that have dialled in, by name
}

const cloudHosts = 6 // 1..4 may dial in, 5 and 6 never do

func cloudAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }

func cloudID(i int) int { return i%cloudHosts + 1 } // others than come of themselves

// cloudBridge is what the bridge of a network is called on a host.
func cloudBridge(i int, key uint32) string {
	if i > 2 {
		key++
	}
	return fmt.Sprintf("xapi%d", key%3)
}

func cloudUUID(i int, key uint32) string {
	return fmt.Sprintf("00000000-0000-0000-000%d-000000000%d", (i-1)/2, key)
}

func (c *stackCloud) mesh() *Mesh {
	m := NewMesh()
	for _, r := range c.in.Networks() {
		m.SetNetwork(r)
	}
	for _, r := range c.in.Hosts() {
		m.SetHost(r)
	}
	for _, p := range c.in.Ports() {
		m.SetPort(p)
	}
	for name, f := range c.facts {
		m.SetFacts(name, f)
	}
	m.Flush()
	return m
}

// name returns what the host of an address is called, "" if it has not dialled in.
func (c *stackCloud) name(i int) string {
	r, _ := c.in.HostBySystemID(fmt.Sprintf("s%d", i))
	return r.Name
}

func (c *stackCloud) commit(t *rapid.T, change *Change) {
	if err := c.in.Commit(change); err != nil {
		t.Fatal(err)
	}
	for name := range c.facts {
		if _, ok := c.in.Host(name); !ok {
			delete(c.facts, name)
		}
	}
	for { // as the hub does it
		m := c.mesh()
		gone := c.in.PlanForget(func(network string) bool { return len(m.Network(network).Members) > 0 })
		if gone.Empty() {
			return
		}
		if err := c.in.Commit(gone); err != nil {
			t.Fatal(err)
		}
	}
}

// dial has a host dial in, with VIFs on some of its bridges.
func (c *stackCloud) dial(t *rapid.T, i int) error {
	f := HostFacts{SystemID: fmt.Sprintf("s%d", i), Hostname: fmt.Sprintf("xen%d", i), PeerAddr: cloudAddr(i)}
	for _, key := range rapid.SliceOfNDistinct(rapid.Uint32Range(101, 103), 0, 3, rapid.ID).Draw(t, "bridges") {
		b := BridgeFacts{Name: cloudBridge(i, key), XSNetworkUUIDs: []string{cloudUUID(i, key)}}
		if rapid.Bool().Draw(t, "VIF") {
			b.Interfaces = []InterfaceFacts{{Name: fmt.Sprintf("vif%d.0", key)}}
		}
		f.Bridges = append(f.Bridges, b)
	}
	slices.SortFunc(f.Bridges, func(a, b BridgeFacts) int { return int(a.Name[4]) - int(b.Name[4]) })
	change, r, err := c.in.PlanRegister(f)
	if err != nil {
		return err
	}
	before := c.mesh()
	c.facts[r.Name] = f
	c.commit(t, change)
	c.kept(t, before, change)
	return nil
}

// kept holds that nobody's tunnel to a host that has taken another's place is
// made anew: the port, the address and the key are the same.
func (c *stackCloud) kept(t *rapid.T, before *Mesh, change *Change) {
	after := c.mesh()
	for _, was := range change.DeleteHosts {
		for _, h := range c.in.Hosts() {
			for _, n := range c.in.Networks() {
				tunnels, _ := Tunnels(before.View(h.Name, n.Name))
				for _, old := range tunnels {
					now, _ := Tunnels(after.View(h.Name, n.Name))
					same := func(x Tunnel) bool { return x.Name == old.Name && x.RemoteIP == old.RemoteIP && x.Key == old.Key }
					if r, _ := c.in.HostByID(old.PeerID); old.Peer == was && r.Name != "" && !slices.ContainsFunc(now, same) {
						t.Fatalf("tunnel %+v of %s is gone with %s: %+v", old, h.Name, was, now)
					}
				}
			}
		}
	}
}

// leave has a host leave that no spec names. Who has a tunnel to it keeps that.
func (c *stackCloud) leave(t *rapid.T, i int) error {
	r, ok := c.in.Host(c.name(i))
	if !ok || !r.Registered {
		return nil
	}
	before := c.mesh()
	change, err := c.in.PlanLeave(r.Name, cloudAddr(i))
	if err != nil {
		return err
	}
	delete(c.facts, r.Name)
	c.commit(t, change)
	after := c.mesh()
	for _, n := range c.in.Networks() {
		for _, p := range n.Pins {
			if from, _ := c.in.Host(p.From); p.To != r.Name || from.Kind == KindExternal {
				continue
			}
			was, _ := Tunnels(before.View(p.From, n.Name))
			is, _ := Tunnels(after.View(p.From, n.Name))
			if diff := cmp.Diff(was, is, cmp.Comparer(sameAddr)); diff != "" {
				t.Fatalf("%s leaves, and of the tunnels of %s change: %s", r.Name, p.From, diff)
			}
		}
	}
	return nil
}

// call makes one call of the plugin, twice.
func (c *stackCloud) call(t *rapid.T, what string, i, j int, key uint32) error {
	call := PluginCall{Host: c.name(i), Bridge: cloudBridge(i, key), From: cloudID(i)}
	var plan func(PluginCall) (*Change, Pinned, error)
	switch what {
	case "setup":
		call.Name, call.XSNetworkUUID, plan = fmt.Sprintf("OVSTunnel%d", key), cloudUUID(i, key), c.in.PlanSetupBridge
	case "create":
		call.Key, call.RemoteIP, call.To, plan = key, cloudAddr(j), cloudID(j), c.in.PlanCreateTunnel
		call.Remote, _ = c.mesh().HostAt(call.RemoteIP)
	case "destroy tunnel":
		call.Port, plan = TunnelName(GRE, key, cloudID(i), cloudID(j)), c.in.PlanDestroyTunnel
	case "destroy bridge":
		plan = c.in.PlanDestroyBridge
	}
	change, done, err := plan(call)
	if err != nil {
		return err
	}
	c.commit(t, change)
	if call.Remote != "" {
		call.Remote, _ = c.mesh().HostAt(call.RemoteIP)
	}
	again, twice, err := plan(call)
	if err != nil || !again.Empty() || len(twice.Added) > 0 || what[0] != 'd' && (twice.Network != done.Network || twice.Port != done.Port) {
		t.Fatalf("%s %+v a second time: %v, %v, %+v after %+v", what, call, err, again, twice, done)
	}
	return nil
}

// check holds that what is there can be.
func (c *stackCloud) check(t *rapid.T) {
	loaded, err := NewIntent(saved(c.in))
	if err != nil {
		t.Fatal(err)
	}
	loaded.generation = c.in.generation
	if diff := cmp.Diff(c.in, loaded, cmpOptions(), cmp.AllowUnexported(Intent{}, tunnelKey{}, station{}, factKey{}, pinIndex{}, hostBridge{})); diff != "" {
		t.Fatalf("a restart makes it different: %s", diff)
	}
	export := c.in.Spec()
	if _, err := newIntent(t).Plan(&export, nil, false); err != nil {
		t.Fatalf("what is there would be refused in an empty store: %v", err)
	}
	m := c.mesh()
	for _, n := range c.in.Networks() {
		v := m.Network(n.Name)
		for _, h := range n.pinnedHosts() {
			if !slices.ContainsFunc(v.Members, func(m Member) bool { return m.Host == h }) {
				t.Fatalf("host %s is pinned to %s and no member", h, n.Name)
			}
		}
	}
	for _, h := range c.in.Hosts() {
		on := map[string]string{}
		for _, u := range m.Views(h.Name) {
			if b := u.On.Bridge; b != "" && on[b] != "" {
				t.Fatalf("bridge %s of host %s carries networks %s and %s", b, h.Name, on[b], u.Network)
			}
			on[u.On.Bridge] = u.Network
		}
	}
}

// TestPluginCallsKeepTheIntentWhole walks through random calls of the plugin in
// any order, hosts that dial in and move VMs, specs and deletions. What there is
// stays consistent, two networks are never mixed on a bridge, a call that is
// repeated changes nothing, and once CloudStack has destroyed all that it made
// nothing is left of it.
func TestPluginCallsKeepTheIntentWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, err := NewIntent(Saved{})
		if err != nil {
			t.Fatal(err)
		}
		c := &stackCloud{in: in, facts: map[string]HostFacts{}}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			i, j := rapid.IntRange(1, 4).Draw(t, "i"), rapid.IntRange(1, cloudHosts).Draw(t, "j")
			key := rapid.Uint32Range(101, 103).Draw(t, "key")
			switch rapid.IntRange(0, 12).Draw(t, "step") {
			case 0, 1:
				err = c.dial(t, i)
			case 2, 3:
				err = c.call(t, "setup", i, 0, key)
			case 4, 5, 6, 7:
				err = c.call(t, "create", i, j, key)
			case 8:
				err = c.call(t, "destroy tunnel", i, j, key)
			case 9:
				err = c.call(t, "destroy bridge", i, 0, key)
			case 10:
				err = c.apply(t, i, j, key)
			case 11:
				err = c.delete(t)
			case 12:
				err = c.leave(t, i)
			}
			if known := (&CallError{}); err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) && !errors.As(err, &known) && !errors.As(err, &SpecErrors{}) {
				t.Fatalf("an error of no kind: %v", err)
			}
			c.check(t)
		}
		c.tearDown(t)
	})
}

// apply makes a random spec true.
func (c *stackCloud) apply(t *rapid.T, i, j int, key uint32) error {
	spec := &Spec{}
	if rapid.Bool().Draw(t, "host") {
		h := Host{Name: rapid.SampledFrom([]string{"xen1", "xen2", "other", fmt.Sprintf("cs-%d", cloudID(j))}).Draw(t, "host name")}
		h.ID = rapid.IntRange(0, cloudHosts).Draw(t, "id")
		if rapid.Bool().Draw(t, "external") {
			h.Kind, h.Endpoint = KindExternal, cloudAddr(j)
		}
		spec.Hosts = append(spec.Hosts, h)
	}
	if rapid.Bool().Draw(t, "network") {
		n := Network{Name: rapid.SampledFrom([]string{"blue", fmt.Sprintf("ovstunnel%d", key)}).Draw(t, "network name"), Encap: GRE, Key: key}
		n.Profile = rapid.SampledFrom([]string{ProfileLearning, ProfileProgrammed}).Draw(t, "profile")
		switch rapid.IntRange(0, 2).Draw(t, "by") {
		case 0:
			n.XSNetworkUUIDs = []string{cloudUUID(1, key), cloudUUID(3, key)}
		case 1:
			n.Bridge = cloudBridge(i, key)
		}
		if hosts := c.in.Hosts(); len(hosts) > 0 && n.Bridge+fmt.Sprint(n.XSNetworkUUIDs) != "[]" && rapid.Bool().Draw(t, "lists") {
			n.Hosts = []string{hosts[rapid.IntRange(0, len(hosts)-1).Draw(t, "listed")].Name}
		}
		spec.Networks = append(spec.Networks, n)
	}
	prune := rapid.Bool().Draw(t, "prune")
	pinned := pinsByNetwork(c.in)
	change, err := c.in.Plan(spec, nil, prune)
	if err != nil {
		return err
	}
	c.commit(t, change)
	again, err := c.in.Plan(spec, nil, prune)
	if err != nil || !again.Empty() {
		t.Fatalf("the spec a second time: %v, %v", err, said(again))
	}
	lost := func(p Pin) bool { // a pin goes with a host alone
		from, ok := c.in.Host(p.From)
		return slices.Contains(change.DeleteHosts, p.From) || slices.Contains(change.DeleteHosts, p.To) || ok && from.Kind == KindExternal
	}
	for name, was := range pinned {
		r, _ := c.in.Network(name)
		for _, p := range was {
			if !slices.Contains(r.Pins, p) && !lost(p) {
				t.Fatalf("an apply has taken pin %v of network %s away", p, name)
			}
		}
	}
	return nil
}

func pinsByNetwork(in *Intent) map[string][]Pin {
	all := map[string][]Pin{}
	for _, r := range in.Networks() {
		if len(r.Pins) > 0 {
			all[r.Name] = slices.Clone(r.Pins)
		}
	}
	return all
}

// delete deletes one object, as an operator may.
func (c *stackCloud) delete(t *rapid.T) error {
	kind, names := KindHosts, []string{}
	for _, r := range c.in.Hosts() {
		names = append(names, r.Name)
	}
	if rapid.Bool().Draw(t, "a network") {
		kind, names = KindNetworks, nil
		for _, r := range c.in.Networks() {
			names = append(names, r.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	change, err := c.in.PlanDelete(kind, names[rapid.IntRange(0, len(names)-1).Draw(t, "deleted")])
	if err == nil {
		c.commit(t, change)
	}
	return err
}

// tearDown destroys all that calls have made, in any order, and lets VMs go.
func (c *stackCloud) tearDown(t *rapid.T) {
	var calls []func()
	for i := 1; i <= 4; i++ {
		for key := uint32(101); key <= 103; key++ {
			calls = append(calls, func() { _ = c.call(t, "destroy bridge", i, 0, key) })
			for j := 1; j <= cloudHosts; j++ {
				calls = append(calls, func() { _ = c.call(t, "destroy tunnel", i, j, key) })
			}
		}
	}
	for _, destroy := range rapid.Permutation(calls).Draw(t, "order") {
		destroy()
	}
	for name, f := range maps.Clone(c.facts) {
		f.Bridges = nil
		c.facts[name] = f
	}
	c.commit(t, c.in.newChange())
	c.check(t)
	for _, r := range c.in.Networks() {
		if r.Plugin || len(r.Pins) > 0 {
			t.Fatalf("network %s is left: plugin %v, pins %v", r.Name, r.Plugin, r.Pins)
		}
	}
	for _, r := range c.in.Hosts() {
		if r.Assumed && len(c.in.networksOn[r.Name]) == 0 {
			t.Fatalf("host %s is left", r.Name)
		}
	}
}
