package topology

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An external host is a member where a network lists it, with what ports
// entries say is behind it, and nothing that it once reported counts.
func TestExternalHost(t *testing.T) {
	m := told()
	mac := mustMAC("02:00:00:00:00:07")
	m.SetPort(Port{
		Name: "db", Network: "blue", Match: PortMatch{Host: "switch7", Interface: "eth1"}, MAC: mac, IPs: addrs("10.1.1.7"),
		AllowedAddresses: []Address{{IP: netip.MustParseAddr("10.1.1.9")}}, DHCPServer: true,
	})
	m.SetPort(Port{Name: "gw", Network: "blue", Match: PortMatch{Host: "switch7", Interface: "eth2"}, Router: true})
	external := HostRecord{Host: Host{Name: "switch7", ID: 7, Kind: KindExternal, Endpoint: netip.MustParseAddr("10.0.0.77")}}
	m.SetHost(external)
	m.SetFacts("switch7", reported(7, vm(5)))
	if got, want := heard(m.Flush()), "xen1/blue xen3/blue"; got != want {
		t.Fatalf("not listed: tells %q, want %q", got, want)
	}

	blue := network("blue", "xapi1")
	blue.Hosts, blue.CreateBridge = []string{"switch7"}, true
	m.SetNetwork(blue)
	if got, want := heard(m.Flush()), "switch7/blue xen1/blue xen3/blue"; got != want {
		t.Fatalf("listed: tells %q, want %q", got, want)
	}
	on := m.View("switch7", "blue")
	self := Member{
		Host: "switch7", HostID: 7, Endpoint: external.Endpoint, Explicit: true, External: true,
		Stations: []Station{{mac, addrs("10.1.1.7")}}, Floating: addrs("10.1.1.9"), DHCPServer: true, Router: true,
	}
	if d := cmp.Diff(&OnHost{Net: m.Network("blue"), Self: self, Listed: true, HostNote: noteOfHost(external)}, on, compareAddrs); d != "" {
		t.Errorf("want (-) and got (+):\n%s", d)
	}
	if table := MACTable(m.View("xen1", "blue")); len(table) != 2 || table[1].MAC != mac || table[1].Peers[0] != "switch7" {
		t.Errorf("xen1 reaches %v, want the VM of xen3 and the one behind switch7", table)
	}

	m.DeletePort("db")
	m.SetHost(HostRecord{Host: Host{Name: "switch7", ID: 7}})
	m.Flush()
	on = m.View("switch7", "blue")
	if on.Self.External || on.Bridge != "xapi1" || len(on.VIFs) != 1 || on.VIFs[0].Interface != "vif5.0" || !on.CreateBridge {
		t.Errorf("managed: got %+v, want what it reports", on)
	}
}

// A network that only external hosts and one other are in needs no bridge name.
func TestExternalHostNeedsNoBridge(t *testing.T) {
	m := NewMesh()
	n := network("blue", "")
	n.Hosts = []string{"switch7"}
	m.SetNetwork(n)
	m.SetHost(HostRecord{Host: Host{Name: "switch7", ID: 7, Kind: KindExternal, Endpoint: netip.MustParseAddr("10.0.0.7")}})
	m.SetHost(HostRecord{Host: Host{Name: "xen1", ID: 1}})
	v := vm(1)
	v.Network = "blue"
	m.SetFacts("xen1", reported(1, v))
	m.Flush()
	on := m.View("xen1", "blue")
	tunnels, problems := Tunnels(on)
	if on.Bridge != "xapi1" || len(tunnels) != 1 || tunnels[0].Peer != "switch7" || len(problems)+len(on.Problems) > 0 {
		t.Errorf("on %q with tunnels %v and problems %v %v, want one tunnel to switch7", on.Bridge, tunnels, problems, on.Problems)
	}
	if p := m.View("switch7", "blue").Problems; len(p) > 0 {
		t.Errorf("switch7 has problems %q", p)
	}
}

// What a ports entry names and is not there is said where the host is shown.
func TestExternalHostOfNoNetwork(t *testing.T) {
	m := NewMesh()
	m.SetHost(HostRecord{Host: Host{Name: "switch7", ID: 7, Kind: KindExternal, Endpoint: netip.MustParseAddr("10.0.0.7")}})
	m.SetPort(Port{Name: "db", Network: "gone", Match: PortMatch{Host: "switch7", Interface: "eth1"}})
	m.Flush()
	want := []string{`ports entry db names network "gone", which does not exist: it joins none`}
	if d := cmp.Diff(want, m.HostProblems("switch7")); d != "" {
		t.Errorf("want (-) and got (+):\n%s", d)
	}
	m.SetNetwork(network("gone", ""))
	m.Flush()
	if got := m.HostProblems("switch7"); len(got) > 0 {
		t.Errorf("problems %q once the network is there", got)
	}
}

// Options reach the view, those left out as their defaults.
func TestViewHasTheOptions(t *testing.T) {
	off := false
	for _, tc := range []struct {
		name string
		net  Network
		want NetworkView
	}{
		{"defaults", Network{}, NetworkView{PortSecurity: true, TunnelPorts: "per-network"}},
		{"learning", Network{Profile: ProfileLearning}, NetworkView{Learning: true, TunnelPorts: "per-network"}},
		{
			"all", Network{Broadcast: BroadcastDrop, UnknownUnicast: UnknownUnicastDrop, TunnelPorts: TunnelPortsShared, BFD: true, TakeBridge: true, MTU: 1400, PortSecurity: &off},
			NetworkView{DropBroadcast: true, DropUnknown: true, TunnelPorts: "shared", BFD: true, TakeBridge: true, MTU: 1400},
		},
	} {
		tc.net.Name, tc.net.Encap, tc.net.Key = "blue", VXLAN, 7
		tc.want.ID, tc.want.Name, tc.want.Encap, tc.want.Key, tc.want.DstPort = 1, "blue", VXLAN, 7, 4789
		tc.want.Note = noteOfNetwork(NetworkRecord{ID: 1, Network: tc.net}, nil)
		m := NewMesh()
		m.SetNetwork(NetworkRecord{ID: 1, Network: tc.net})
		m.Flush()
		if d := cmp.Diff(&tc.want, m.Network("blue"), compareAddrs); d != "" {
			t.Errorf("%s: want (-) and got (+):\n%s", tc.name, d)
		}
	}
}
