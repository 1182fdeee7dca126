package topology

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func network(name, bridge string, uuids ...string) NetworkRecord {
	return NetworkRecord{ID: 1, Network: Network{Name: name, Encap: GRE, Key: 103, Bridge: bridge, XSNetworkUUIDs: uuids}}
}

func learning(r NetworkRecord) NetworkRecord {
	r.Profile = ProfileLearning
	return r
}

// on lists a host.
func on(host string, r NetworkRecord) NetworkRecord {
	r.Hosts = []string{host}
	return r
}

func bridge(name string, ifaces ...InterfaceFacts) BridgeFacts {
	return BridgeFacts{Name: name, Interfaces: ifaces}
}

func mustMAC(s string) MAC {
	m, err := ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

// One host, xen1: what its interfaces become, as "network bridge port=MAC …",
// and the problems of its networks and of itself.
func TestClassify(t *testing.T) {
	const mac1, mac2 = "02:00:00:00:00:01", "02:00:00:00:00:02"
	blue, red := network("blue", "xapi1"), network("red", "xapi2")
	vif := func(name, mac string) InterfaceFacts { return InterfaceFacts{Name: name, AttachedMAC: mac} }
	tests := []struct {
		name     string
		networks []NetworkRecord
		ports    []Port
		bridges  []BridgeFacts
		want     []string
		problems []string
	}{
		{
			name: "attached-mac is junk, all zeroes or multicast: a VIF whose address is unknown", networks: []NetworkRecord{blue},
			bridges: []BridgeFacts{bridge("xapi1", vif("vif1.0", "junk"), vif("vif2.0", "00:00:00:00:00:00"), vif("vif3.0", "01:00:5e:00:00:01"))},
			want:    []string{"blue xapi1 vif1.0: xen1/vif1.0 vif2.0: xen1/vif2.0 vif3.0: xen1/vif3.0"},
			problems: []string{
				`blue: interface vif1.0: external_ids:attached-mac "junk" is not a MAC address: its address is taken as unknown`,
				`blue: interface vif2.0: external_ids:attached-mac "00:00:00:00:00:00" is all zeroes: its address is taken as unknown`,
				`blue: interface vif3.0: external_ids:attached-mac "01:00:5e:00:00:01" is a multicast address: its address is taken as unknown`,
			},
		},
		{
			name: "ovsmesh-network names nothing: joins none, not even by its bridge", networks: []NetworkRecord{blue},
			bridges:  []BridgeFacts{bridge("xapi1", InterfaceFacts{Name: "vif1.0", Network: "bleu"})},
			problems: []string{`host: interface vif1.0: external_ids:ovsmesh-network names network "bleu", which does not exist: it joins none`},
		},
		{
			name: "a ports entry of a network that is not there", networks: []NetworkRecord{blue},
			ports:    []Port{{Name: "web", Network: "gone", Match: PortMatch{IfaceID: "i1"}}},
			bridges:  []BridgeFacts{bridge("xapi1", InterfaceFacts{Name: "vif1.0", IfaceID: "i1"})},
			problems: []string{`host: interface vif1.0: ports entry web names network "gone", which does not exist: it joins none`},
		},
		{
			name: "two networks name the bridge: plain VIFs join neither, and both say so", networks: []NetworkRecord{blue, network("green", "xapi1")},
			bridges: []BridgeFacts{bridge("xapi1", vif("vif1.0", mac1), InterfaceFacts{Name: "vif2.0", Network: "green"}, InterfaceFacts{Name: "vif3.0", Network: "blue"})},
			want:    []string{"blue xapi1 vif3.0: xen1/vif3.0", "green xapi1 vif2.0: xen1/vif2.0"},
			problems: []string{
				"blue: several networks name bridge xapi1, and nothing says which of them is meant for vif1.0: set external_ids:ovsmesh-network, or add a ports entry",
				"green: several networks name bridge xapi1, and nothing says which of them is meant for vif1.0: set external_ids:ovsmesh-network, or add a ports entry",
				"host: several networks name bridge xapi1, and nothing says which of them is meant for vif1.0: set external_ids:ovsmesh-network, or add a ports entry",
			},
		},
		{
			name: "VIFs of one network on two bridges: the one that it names", networks: []NetworkRecord{blue},
			bridges: []BridgeFacts{
				bridge("br-int", InterfaceFacts{Name: "vif1.0", Network: "blue"}, InterfaceFacts{Name: "vif2.0", Network: "blue"}),
				bridge("xapi1", vif("vif3.0", mac1)),
			},
			want: []string{"blue xapi1 vif3.0: xen1/vif3.0=" + mac1},
			problems: []string{
				"blue: interface vif1.0 is left out: it is on bridge br-int, while xapi1 carries the network on this host",
				"blue: interface vif2.0 is left out: it is on bridge br-int, while xapi1 carries the network on this host",
			},
		},
		{
			name: "the one with most VIFs, where it names neither", networks: []NetworkRecord{network("blue", "")},
			bridges: []BridgeFacts{
				bridge("br0", InterfaceFacts{Name: "vif1.0", Network: "blue"}),
				bridge("br1", InterfaceFacts{Name: "vif2.0", Network: "blue"}, InterfaceFacts{Name: "vif3.0", Network: "blue"}),
			},
			want:     []string{"blue br1 vif2.0: xen1/vif2.0 vif3.0: xen1/vif3.0"},
			problems: []string{"blue: interface vif1.0 is left out: it is on bridge br0, while br1 carries the network on this host"},
		},
		{
			name: "several ports entries match", networks: []NetworkRecord{blue, red},
			ports: []Port{
				{Name: "a", Network: "red", Match: PortMatch{MAC: mustMAC(mac1)}},
				{Name: "b", Network: "red", Match: PortMatch{IfaceID: "i1"}},
				{Name: "c", Network: "blue", Match: PortMatch{Host: "xen1", Interface: "vif1.0"}},
			},
			bridges:  []BridgeFacts{bridge("br-int", InterfaceFacts{Name: "vif1.0", IfaceID: "i1", AttachedMAC: mac1})},
			want:     []string{"blue br-int vif1.0: c=" + mac1},
			problems: []string{"blue: interface vif1.0 is matched by several ports entries: c counts, not b, a"},
		},
		{
			name: "what is a VIF on a bridge that a network names", networks: []NetworkRecord{blue},
			bridges: []BridgeFacts{bridge("xapi1",
				InterfaceFacts{Name: "eth0"},
				InterfaceFacts{Name: "int0", Type: "internal"},
				InterfaceFacts{Name: "odd0", XSVifUUID: "x"},
				InterfaceFacts{Name: "odd1", IfaceID: "i"},
				vif("odd2", mac1),
				InterfaceFacts{Name: "tap0"},
				InterfaceFacts{Name: "vif1.0"},
				InterfaceFacts{Name: "vnet0"},
				InterfaceFacts{Name: "xapi1", Type: "internal"})},
			want: []string{"blue xapi1 int0: xen1/int0 odd0: xen1/odd0 odd1: xen1/odd1 odd2: xen1/odd2=" + mac1 + " tap0: xen1/tap0 vif1.0: xen1/vif1.0 vnet0: xen1/vnet0"},
		},
		{
			name: "and on one with a physical NIC, where internal ports are the host's", networks: []NetworkRecord{blue},
			ports: []Port{{Name: "web", Network: "blue", Match: PortMatch{Host: "xen1", Interface: "int1"}}},
			bridges: []BridgeFacts{{Name: "xapi1", Physical: []string{"eth0"}, Interfaces: []InterfaceFacts{
				{Name: "int0", Type: "internal"},
				{Name: "int1", Type: "internal"},
				{Name: "int2", Type: "internal", Network: "blue"},
				{Name: "int3", Type: "internal", IfaceID: "i"},
				{Name: "vif1.0"}}}},
			want: []string{"blue xapi1 int1: web int2: xen1/int2 int3: xen1/int3 vif1.0: xen1/vif1.0"},
		},
		{
			name: "and on another", networks: []NetworkRecord{blue},
			ports: []Port{{Name: "web", Network: "blue", Match: PortMatch{Host: "xen1", Interface: "eth7"}, MAC: mustMAC(mac2)}},
			bridges: []BridgeFacts{bridge("br0", vif("vif1.0", mac1), InterfaceFacts{Name: "tap0"}, InterfaceFacts{Name: "int0", Type: "internal"},
				InterfaceFacts{Name: "eth7"}, InterfaceFacts{Name: "eth8", Network: "blue", AttachedMAC: mac1})},
			want: []string{"blue br0 eth7: web=" + mac2 + " eth8: xen1/eth8=" + mac1},
		},
		{
			name: "ports entry before ovsmesh-network before bridge", networks: []NetworkRecord{blue, red, network("green", "")},
			ports: []Port{{Name: "web", Network: "green", Match: PortMatch{XSVifUUID: "x1"}}},
			bridges: []BridgeFacts{bridge("xapi1", vif("vif1.0", mac1),
				InterfaceFacts{Name: "vif2.0", Network: "red"},
				InterfaceFacts{Name: "vif3.0", Network: "red", XSVifUUID: "x1"})},
			want: []string{"blue xapi1 vif1.0: xen1/vif1.0=" + mac1, "green xapi1 vif3.0: web", "red xapi1 vif2.0: xen1/vif2.0"},
		},
		{
			name: "VIFs of others on the bridge of a learning network", networks: []NetworkRecord{learning(blue), red},
			bridges:  []BridgeFacts{bridge("xapi1", vif("vif1.0", mac1), InterfaceFacts{Name: "vif2.0", Network: "red"}), bridge("xapi2", vif("vif3.0", mac2))},
			want:     []string{"blue xapi1 vif1.0: xen1/vif1.0=" + mac1, "red xapi2 vif3.0: xen1/vif3.0=" + mac2},
			problems: []string{"red: interface vif2.0 is left out: its bridge xapi1 is that of network blue of profile learning, and NORMAL would join the two"},
		},
		{
			name: "VIFs of a learning network on another's bridge", networks: []NetworkRecord{blue, learning(red)},
			bridges:  []BridgeFacts{bridge("xapi1", vif("vif1.0", mac1), InterfaceFacts{Name: "vif2.0", Network: "red"})},
			want:     []string{"blue xapi1 vif1.0: xen1/vif1.0=" + mac1, "red xapi2"},
			problems: []string{"red: interface vif2.0 is left out: its bridge xapi1 is not this network's alone, and with profile learning NORMAL would join it with the others there"},
		},
		{
			name: "two learning networks on a bridge that none names", networks: []NetworkRecord{learning(network("blue", "")), learning(network("red", ""))},
			bridges: []BridgeFacts{bridge("br-int", InterfaceFacts{Name: "vif1.0", Network: "blue"}, InterfaceFacts{Name: "vif2.0", Network: "red"}), bridge("br0", InterfaceFacts{Name: "vif3.0", Network: "red"})},
			want:    []string{"blue ", "red br0 vif3.0: xen1/vif3.0"},
			problems: []string{
				"blue: interface vif1.0 is left out: its bridge br-int is not this network's alone, and with profile learning NORMAL would join it with the others there",
				"red: interface vif2.0 is left out: its bridge br-int is not this network's alone, and with profile learning NORMAL would join it with the others there",
			},
		},
		{
			name: "a bridge that a learning network and another name, each in its way", networks: []NetworkRecord{blue, on("xen1", learning(network("red", "", "u1")))},
			bridges:  []BridgeFacts{{Name: "xapi1", XSNetworkUUIDs: []string{"u1"}, Interfaces: []InterfaceFacts{{Name: "vif1.0", Network: "blue"}}}},
			want:     []string{"blue xapi1 vif1.0: xen1/vif1.0", "red "},
			problems: []string{"red: bridge xapi1 can't carry the network: another network names it too, and with profile learning NORMAL would join the two"},
		},
		{
			name: "one of several xs-network-uuids", networks: []NetworkRecord{network("blue", "", "u2", "u3")},
			bridges: []BridgeFacts{{Name: "xapi7", XSNetworkUUIDs: []string{"u1", "u2"}, Interfaces: []InterfaceFacts{vif("vif1.0", mac1)}}},
			want:    []string{"blue xapi7 vif1.0: xen1/vif1.0=" + mac1},
		},
		{
			name: "a network that names its bridge twice over is one network", networks: []NetworkRecord{network("blue", "xapi7", "u1")},
			bridges: []BridgeFacts{{Name: "xapi7", XSNetworkUUIDs: []string{"u1"}, Interfaces: []InterfaceFacts{vif("vif1.0", mac1)}}},
			want:    []string{"blue xapi7 vif1.0: xen1/vif1.0=" + mac1},
		},
		{
			name: "of vif and tap the active one, known by the name", networks: []NetworkRecord{blue},
			bridges: []BridgeFacts{bridge("xapi1", InterfaceFacts{Name: "tap5.0", IfaceStatus: "active"},
				InterfaceFacts{Name: "vif5.0", AttachedMAC: mac1, XSVifUUID: "x1", IfaceStatus: "inactive"}, vif("vif5.1", mac2))},
			want: []string{"blue xapi1 tap5.0: xen1/tap5.0=" + mac1 + " vif5.1: xen1/vif5.1=" + mac2},
		},
		{
			name: "known by iface-id, and a ports entry for the idle one", networks: []NetworkRecord{blue},
			ports: []Port{{Name: "web", Network: "blue", Match: PortMatch{Host: "xen1", Interface: "tap5.0"}}},
			bridges: []BridgeFacts{bridge("br0", InterfaceFacts{Name: "tap5.0", IfaceID: "i1", IfaceStatus: "inactive"},
				InterfaceFacts{Name: "vif5.0", IfaceID: "i1", IfaceStatus: "active"})},
			want: []string{"blue br0 vif5.0: web"},
		},
		{
			name: "both where none says that it is active", networks: []NetworkRecord{blue},
			bridges: []BridgeFacts{bridge("xapi1", vif("tap5.0", mac1), vif("vif5.0", mac1))},
			want:    []string{"blue xapi1 tap5.0: xen1/tap5.0=" + mac1 + " vif5.0: xen1/vif5.0=" + mac1},
		},
		{
			name: "inactive and alone", networks: []NetworkRecord{blue},
			bridges: []BridgeFacts{bridge("xapi1", InterfaceFacts{Name: "vif5.0", IfaceStatus: "inactive"})},
			want:    []string{"blue xapi1 vif5.0: xen1/vif5.0"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := NewMesh()
			m.SetHost(HostRecord{Host: Host{Name: "xen1", ID: 1}})
			m.SetFacts("xen1", HostFacts{SystemID: "s", Bridges: tt.bridges})
			for _, p := range tt.ports {
				m.SetPort(p)
			}
			for _, n := range tt.networks {
				m.SetNetwork(n)
			}
			m.Flush()
			got, problems := describe(m, "xen1")
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("want (-) and got (+):\n%s", d)
			}
			if d := cmp.Diff(tt.problems, problems); d != "" {
				t.Errorf("problems, want (-) and got (+):\n%s", d)
			}
		})
	}
}

func describe(m *Mesh, host string) (nets, problems []string) {
	for _, u := range m.Views(host) {
		s := u.Network + " " + u.On.Bridge
		for _, v := range u.On.VIFs {
			s += fmt.Sprintf(" %s: %s", v.Interface, v.Port)
			for _, mac := range v.MACs {
				s += "=" + mac.String()
			}
		}
		nets = append(nets, s)
		for _, p := range u.On.Problems {
			problems = append(problems, u.Network+": "+p)
		}
	}
	for _, p := range m.HostProblems(host) {
		problems = append(problems, "host: "+p)
	}
	return nets, problems
}

// A host that claims one identity for all its interfaces harms none but itself.
func TestClassifyOneIdentityForAll(t *testing.T) {
	var ifaces []InterfaceFacts
	for i := range 20000 {
		ifaces = append(ifaces, InterfaceFacts{Name: fmt.Sprintf("vif%05d", i), IfaceID: "i"})
	}
	ifaces[19999].IfaceStatus = "active"
	got := candidates(&HostFacts{Bridges: []BridgeFacts{bridge("xapi1", ifaces...)}})
	if len(got) != 1 || got[0].own.Name != "vif19999" {
		t.Errorf("%d interfaces count, want only vif19999", len(got))
	}
}

func TestXenDevice(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "vif": "", "vif5": "", "vif5.": "", "vif.0": "", "vif5.x": "", "vnet5.0": "", "tap-5.0": "", "vif5.0.1": "",
		"vif5.0": "5.0", "tap12.3": "12.3",
	} {
		if device, ok := xenDevice(name); ok != (want != "") || ok && device != want {
			t.Errorf("xenDevice(%q) = %q, %v; want %q", name, device, ok, want)
		}
	}
}

func TestStrayTextStaysShort(t *testing.T) {
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprintf("tap%03d", i))
	}
	slices.Reverse(names)
	if got, want := strayText("br-int", names), "tap000, tap001, tap002 and 497 more"; !strings.Contains(got, want) {
		t.Errorf("got %q, want it to name %q", got, want)
	}
}

func TestProblemsStayFew(t *testing.T) {
	var ifaces []InterfaceFacts
	for i := range 25 {
		ifaces = append(ifaces, InterfaceFacts{Name: fmt.Sprintf("vif%02d", i), AttachedMAC: "junk"})
	}
	m := NewMesh()
	m.SetNetwork(network("blue", "xapi1"))
	m.SetHost(HostRecord{Host: Host{Name: "xen1", ID: 1}})
	m.SetFacts("xen1", HostFacts{Bridges: []BridgeFacts{bridge("xapi1", ifaces...)}})
	m.Flush()
	got := m.View("xen1", "blue").Problems
	if len(got) != 21 || got[20] != "and 5 problems more" {
		t.Errorf("%d problems, the last %q; want 20 and a word on 5 more", len(got), got[len(got)-1])
	}
}
