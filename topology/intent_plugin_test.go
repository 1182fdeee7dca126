package topology

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pluginIntent has two hosts of one XenServer pool and one of another that have
// dialled in, and what a spec says.
func pluginIntent(t *testing.T, spec string) *Intent {
	t.Helper()
	in := newIntent(t)
	for i, name := range []string{"xen1", "xen2", "xen3"} {
		c, _, err := in.PlanRegister(HostFacts{SystemID: "s" + name, Hostname: name, PeerAddr: cloudAddr(i + 1)})
		if err != nil {
			t.Fatal(err)
		}
		commit(t, in, c)
	}
	if spec != "" {
		apply(t, in, spec, false)
	}
	return in
}

func commit(t *testing.T, in *Intent, c *Change) {
	t.Helper()
	if err := in.Commit(c); err != nil {
		t.Fatal(err)
	}
}

const oneUUID = "6f6a3f5a-0000-4000-8000-000000000103"

// setup and create are calls that work on pluginIntent; each edit makes another
// of it.
func setup(edits ...func(*PluginCall)) PluginCall {
	c := PluginCall{Host: "xen1", Bridge: "xapi3", Name: "OVSTunnel103", XSNetworkUUID: oneUUID, From: 11}
	for _, e := range edits {
		e(&c)
	}
	return c
}

func create(edits ...func(*PluginCall)) PluginCall {
	c := PluginCall{Host: "xen1", Bridge: "xapi3", Key: 103, RemoteIP: cloudAddr(2), Remote: "xen2", From: 11, To: 12}
	for _, e := range edits {
		e(&c)
	}
	return c
}

func TestPluginCallsRefused(t *testing.T) {
	type edit = func(*PluginCall)
	external := edit(func(c *PluginCall) { c.Remote, c.RemoteIP, c.To = "", netip.MustParseAddr("10.0.0.9"), 19 })
	tests := []struct {
		name, spec string
		before     []PluginCall // setup calls where Name is set
		call       PluginCall
		want       string // of the error
		as         error  // nil: a CallError
	}{
		{"no bridge", "", nil, setup(func(c *PluginCall) { c.Bridge = "" }), "Bridge: is missing", nil},
		{"no name of a bridge", "", nil, setup(func(c *PluginCall) { c.Bridge = "xapi 3" }), "not the name of a device", nil},
		{"no OVSTunnel", "", nil, setup(func(c *PluginCall) { c.Name = "net103" }), `Name: "net103" is not OVSTunnel<key>`, nil},
		{"key with a leading nought", "", nil, setup(func(c *PluginCall) { c.Name = "OVSTunnel0103" }), "is not OVSTunnel<key>", nil},
		{"key too large", "", nil, setup(func(c *PluginCall) { c.Name = "OVSTunnel4294967296" }), "is not OVSTunnel<key>", nil},
		{"no UUID", "", nil, setup(func(c *PluginCall) { c.XSNetworkUUID = "x" }), "is not a UUID", nil},
		{"negative ID", "", nil, setup(func(c *PluginCall) { c.From = -1 }), "From: -1 is out of range", nil},
		{"no key", "", nil, create(func(c *PluginCall) { c.Key = 0 }), "Key: is missing", nil},
		{"no address", "", nil, create(func(c *PluginCall) { c.RemoteIP = netip.Addr{} }), "RemoteIP", nil},
		{"loopback", "", nil, create(func(c *PluginCall) { c.RemoteIP = netip.MustParseAddr("127.0.0.1") }), "a loopback address", nil},
		{"to itself", "", nil, create(func(c *PluginCall) { c.Remote, c.To = "xen1", 0 }), "xen1 itself", nil},
		{"to its own ID", "", nil, create(func(c *PluginCall) { c.To = 11 }), "To: 11 is the host itself", nil},
		{"no such host", "", nil, setup(func(c *PluginCall) { c.Host = "xen8" }), "not found", ErrNotFound},
		{"external host", "hosts: [{name: xen8, kind: external, endpoint: 10.0.0.8}]", nil, setup(func(c *PluginCall) { c.Host = "xen8" }), "external", ErrConflict},
		{"another ID in the spec", "hosts: [{name: xen1, id: 5}]", nil, setup(), "host xen1 has ID 5 in the spec, and CloudStack calls it 11", ErrConflict},
		{"ID of a host in the spec", "hosts: [{name: xen2, id: 11}]", nil, setup(), "is the ID of host xen2 in the spec", ErrConflict},
		{"ID of a host that calls have named", "", []PluginCall{setup(func(c *PluginCall) { c.Host = "xen2" })}, setup(func(c *PluginCall) { c.Name = "OVSTunnel104" }), "has called host xen2 that before", ErrConflict},
		{"ID of a host elsewhere", "", []PluginCall{create(external)}, setup(func(c *PluginCall) { c.Host, c.From = "xen2", 19 }),
			"set external_ids:ovsmesh-endpoint-ip=10.0.0.9 on it if that is its address, or delete host cs-19", ErrConflict},
		{"address of no tunnels of that host", "", []PluginCall{create()}, create(func(c *PluginCall) { c.Remote, c.RemoteIP = "", netip.MustParseAddr("10.9.0.2") }),
			"has 10.9.0.2 as the address of host 12, which is xen2", ErrConflict},
		{"bridge of another network", "", []PluginCall{setup()}, setup(func(c *PluginCall) { c.Name = "OVSTunnel104" }), "bridge xapi3 of host xen1 is that of network ovstunnel103", ErrConflict},
		{"bridge that a spec names", "networks: [{name: red, encap: gre, key: 104, bridge: xapi3}]", nil, setup(), "is that of network red (gre key 104)", ErrConflict},
		{"UUID that a spec names", "networks: [{name: red, encap: gre, key: 104, xsNetworkUUIDs: [" + strings.ToUpper(oneUUID) + "]}]", nil, setup(), "is that of network red (gre key 104)", ErrConflict},
		{"another bridge in the spec", "networks: [{name: blue, encap: gre, key: 103, bridge: xapi9}]", nil, setup(), "is on bridge xapi9 in the spec, not on xapi3", ErrConflict},
		{"another UUID in the spec", "networks: [{name: blue, encap: gre, key: 103, xsNetworkUUIDs: [6f6a3f5a-0000-4000-8000-000000000104]}]", nil, setup(), "is not among its xsNetworkUUIDs", ErrConflict},
		{"key out of a pool", "keyPools: [{encap: gre, range: 103-110}]\nnetworks: [{name: blue, encap: gre}]", nil, setup(), "drew from a key pool", ErrConflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := pluginIntent(t, tt.spec)
			planned := func(c PluginCall) (*Change, error) {
				if c.Name != "" {
					change, _, err := in.PlanSetupBridge(c)
					return change, err
				}
				change, _, err := in.PlanCreateTunnel(c)
				return change, err
			}
			for _, c := range tt.before {
				change, err := planned(c)
				if err != nil {
					t.Fatal(err)
				}
				commit(t, in, change)
			}
			was := saved(in)
			_, err := planned(tt.call)
			bad := &CallError{}
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.as != nil && !errors.Is(err, tt.as) || tt.as == nil && !errors.As(err, &bad) {
				t.Errorf("%v; want …%s…", err, tt.want)
			}
			if diff := cmp.Diff(was, saved(in), cmpOptions()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The same name of a bridge in two pools is two networks, and one network has a
// name in each; where nobody of us is, the remote is a host of CloudStack's word.
func TestPluginCallsInTwoPools(t *testing.T) {
	in := pluginIntent(t, "")
	type call struct {
		host, bridge, name string
		id                 int
	}
	for _, c := range []call{
		{"xen1", "xapi3", "OVSTunnel103", 11}, {"xen2", "xapi3", "OVSTunnel103", 12}, {"xen3", "xapi7", "OVSTunnel103", 13},
		{"xen3", "xapi3", "OVSTunnel104", 13}, {"xen1", "xapi7", "OVSTunnel104", 11},
	} {
		change, _, err := in.PlanSetupBridge(PluginCall{Host: c.host, Bridge: c.bridge, Name: c.name, From: c.id})
		if err != nil {
			t.Fatal(err)
		}
		commit(t, in, change)
	}
	change, done, err := in.PlanCreateTunnel(create(func(c *PluginCall) { c.Remote, c.RemoteIP, c.To = "xen3", cloudAddr(3), 13 }))
	if err != nil || done.Port != "t103-11-13" || done.Network != "ovstunnel103" || done.Remote != "xen3" {
		t.Fatalf("%+v, %v", done, err)
	}
	commit(t, in, change)
	m := NewMesh()
	for _, r := range in.Networks() {
		m.SetNetwork(r)
	}
	for i, r := range in.Hosts() {
		m.SetHost(r)
		f := HostFacts{PeerAddr: cloudAddr(i + 1)}
		for _, b := range []string{"xapi3", "xapi7"} {
			f.Bridges = append(f.Bridges, BridgeFacts{Name: b, Interfaces: []InterfaceFacts{{Name: "vif" + b + ".0"}}})
		}
		m.SetFacts(r.Name, f)
	}
	m.Flush()
	for host, want := range map[string]string{
		"xen1": "ovstunnel103 xapi3 vifxapi3.0, ovstunnel104 xapi7 vifxapi7.0", "xen2": "ovstunnel103 xapi3 vifxapi3.0",
		"xen3": "ovstunnel103 xapi7 vifxapi7.0, ovstunnel104 xapi3 vifxapi3.0",
	} {
		var got []string
		for _, u := range m.Views(host) {
			if len(u.On.VIFs) != 1 || !u.On.CreateBridge {
				t.Fatalf("%s: %+v", host, u.On)
			}
			got = append(got, u.Network+" "+u.On.Bridge+" "+u.On.VIFs[0].Interface)
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %s, want %s", host, s, want)
		}
	}
}

// What calls make of names and numbers, and what prune, delete and apply make of
// that.
func TestPluginCallsBesideSpecs(t *testing.T) {
	in := pluginIntent(t, "hosts: [{name: xen3, id: 11}]\nnetworks: [{name: xapi3, encap: vxlan, key: 9}]")
	apply(t, in, "hosts: [{name: xen3}]", false) // its ID is its own no longer
	change, done, err := in.PlanCreateTunnel(create(func(c *PluginCall) { c.Remote, c.RemoteIP, c.To = "", cloudAddr(9), 19 }))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"networks xapi3-103 created key: 103; pinned: xen1/xapi3 → cs-19 (t103-11-19)",
		"hosts cs-19 created",
		"hosts xen1 updated id: 1 (automatic) → 11",
		"hosts xen3 updated id: 11 (automatic) → 3 (automatic)",
	}
	if diff := cmp.Diff(want, said(change)); diff != "" {
		t.Error(diff)
	}
	commit(t, in, change)
	if n, _ := in.Network(done.Network); n.Profile != ProfileLearning || n.Encap != GRE || !n.Plugin || n.Bridge != "" || n.CreateBridge {
		t.Errorf("%+v", n)
	}

	// A pruning spec that does not know of it leaves it, and says nothing.
	if c := apply(t, in, "hosts: [{name: xen3}]\nnetworks: [{name: xapi3, encap: vxlan, key: 9}]", true); !c.Empty() {
		t.Errorf("%v", said(c))
	}
	// One that names it has it; the host by its address keeps its number.
	apply(t, in, "hosts: [{name: old9, kind: external, endpoint: 10.0.0.9}]\nnetworks: [{name: xapi3-103, encap: gre, key: 103, profile: learning}]", false)
	n, _ := in.Network("xapi3-103")
	if h, _ := in.Host("old9"); h.ID != 19 || h.Assumed || !h.PluginID || n.Plugin || n.Pins[0].To != "old9" {
		t.Errorf("%+v, %+v", h, n)
	}
	if _, ok := in.Host("cs-19"); ok {
		t.Error("cs-19 is still there")
	}
	if _, err := plan(t, in, "networks: [{name: xapi3-103, encap: gre, key: 107, profile: learning}]", false); err == nil || !strings.Contains(err.Error(), "CloudStack's calls know this network as GRE key 103") {
		t.Errorf("another key: %v", err)
	}
	if _, err := plan(t, in, "networks: [{name: red, encap: gre, key: 107, bridge: xapi3}]", false); err == nil || !strings.Contains(err.Error(), "have pinned network xapi3-103 to a bridge xapi3") {
		t.Errorf("its bridge: %v", err)
	}
	// One that no longer names it leaves it to CloudStack, and says so.
	c := apply(t, in, "hosts: [{name: xen3}]\nnetworks: [{name: xapi3, encap: vxlan, key: 9}]", true)
	if text := strings.Join(said(c), "\n"); strings.Count(text, "it stays for as long as CloudStack's calls pin it") != 2 {
		t.Errorf("%s", text)
	}
	h, _ := in.Host("old9")
	if n, _ := in.Network("xapi3-103"); !n.Plugin || len(n.Pins) != 1 || !h.Assumed {
		t.Errorf("%+v, %+v", n, h)
	}
	// An operator's word counts.
	c, err = in.PlanDelete(KindHosts, "old9")
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(said(c), "\n"); !strings.Contains(text, "no longer pinned: xen1/xapi3 → old9 (t103-11-19)") {
		t.Errorf("%s", text)
	}
	commit(t, in, c)
	if c := in.PlanForget(func(string) bool { return true }); !c.Empty() {
		t.Errorf("with VIFs in it: %v", said(c))
	}
	c = in.PlanForget(func(string) bool { return false })
	if !slices.Equal(c.DeleteNetworks, []string{"xapi3-103"}) || len(c.DeleteHosts) != 0 {
		t.Errorf("%v", said(c))
	}
}

// What a call has added can be taken away again, and nothing else.
func TestPlanUnpin(t *testing.T) {
	in := pluginIntent(t, "")
	c, _, err := in.PlanSetupBridge(setup())
	if err != nil {
		t.Fatal(err)
	}
	commit(t, in, c)
	was := saved(in)
	c, done, err := in.PlanCreateTunnel(create(func(c *PluginCall) { c.Remote, c.RemoteIP, c.To = "", cloudAddr(9), 19 }))
	if err != nil || len(done.Added) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	commit(t, in, c)
	commit(t, in, in.PlanUnpin(done.Network, done.Added))
	commit(t, in, in.PlanForget(func(string) bool { return true }))
	if diff := cmp.Diff(was, saved(in), cmpOptions()); diff != "" {
		t.Error(diff)
	}
	if c := in.PlanUnpin("none", done.Added); !c.Empty() {
		t.Errorf("%v", said(c))
	}
}
