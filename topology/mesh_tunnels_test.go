package topology

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func member(host string, id int, endpoint string, macs ...MAC) Member {
	m := Member{Host: host, HostID: id}
	for _, mac := range macs {
		m.Stations = append(m.Stations, Station{MAC: mac})
	}
	if endpoint == "" {
		m.Error = "no endpoint is known"
		return m
	}
	m.Endpoint = netip.MustParseAddr(endpoint)
	return m
}

func onHost(self int, encap Encap, members ...Member) *OnHost {
	return &OnHost{
		Net:  &NetworkView{Name: "blue", Encap: encap, Key: 103, DstPort: 4790, Members: members, MACs: macsOf(members)},
		Self: members[self],
	}
}

// with changes how the network is carried.
func (on *OnHost) with(change func(*NetworkView)) *OnHost {
	change(on.Net)
	return on
}

func TestTunnels(t *testing.T) {
	xen1, xen2, xen3 := member("xen1", 1, "10.0.0.1"), member("xen2", 2, "10.0.0.2"), member("xen3", 3, "fd00::3")
	lost := member("xen4", 4, "")
	named := xen1
	named.Explicit = true
	foreign := member("switch7", 7, "10.0.0.7")
	foreign.External = true
	bfd := func(n *NetworkView) { n.BFD = true }
	shared := func(n *NetworkView) { n.TunnelPorts = TunnelPortsShared }
	flow := func(n *NetworkView) { n.TunnelPorts, n.BFD = TunnelPortsFlow, true }
	iana := func(n *NetworkView) { n.DstPort = DefaultVXLANPort }
	ip := netip.MustParseAddr
	tests := []struct {
		name     string
		on       *OnHost
		want     []Tunnel
		problems []TunnelProblem
	}{
		{"out of the network", nil, nil, nil},
		{"alone", onHost(0, GRE, xen1), nil, nil},
		{"alone without endpoint", onHost(0, GRE, lost), nil, nil},
		{"GRE", onHost(0, GRE, xen1, xen2), []Tunnel{
			{Name: "t103-1-2", Encap: GRE, Key: 103, Peer: "xen2", PeerID: 2, RemoteIP: ip("10.0.0.2")},
		}, nil},
		{"VXLAN from a named endpoint", onHost(0, VXLAN, named, xen2), []Tunnel{
			{Name: "v103-1-2", Encap: VXLAN, Key: 103, Peer: "xen2", PeerID: 2, RemoteIP: ip("10.0.0.2"), LocalIP: ip("10.0.0.1"), DstPort: 4790},
		}, nil},
		{"a peer without endpoint", onHost(1, GRE, xen1, xen2, lost), []Tunnel{
			{Name: "t103-2-1", Encap: GRE, Key: 103, Peer: "xen1", PeerID: 1, RemoteIP: ip("10.0.0.1")},
		}, []TunnelProblem{
			{Name: "t103-2-4", Peer: "xen4", PeerID: 4, Text: "host xen4: no endpoint is known"},
		}},
		{"no endpoint of its own", onHost(2, GRE, xen1, xen2, lost), []Tunnel{}, []TunnelProblem{
			{Name: "t103-4-1", Peer: "xen1", PeerID: 1, Text: "host xen4: no endpoint is known"},
			{Name: "t103-4-2", Peer: "xen2", PeerID: 2, Text: "host xen4: no endpoint is known"},
		}},
		{"address families", onHost(0, GRE, xen1, xen3), []Tunnel{}, []TunnelProblem{
			{Name: "t103-1-3", Peer: "xen3", PeerID: 3, Text: "endpoint 10.0.0.1 of host xen1 and endpoint fd00::3 of host xen3 are of different address families"},
		}},
		{"BFD, which an external endpoint does not speak", onHost(0, GRE, xen1, xen2, foreign).with(bfd), []Tunnel{
			{Name: "t103-1-2", Encap: GRE, Key: 103, Peer: "xen2", PeerID: 2, RemoteIP: ip("10.0.0.2"), BFD: true},
			{Name: "t103-1-7", Encap: GRE, Key: 103, Peer: "switch7", PeerID: 7, RemoteIP: ip("10.0.0.7")},
		}, nil},
		{"on an external host", onHost(1, GRE, xen1, foreign, lost), nil, nil},
		{"shared, GRE", onHost(0, GRE, named, xen2, lost).with(shared).with(bfd), []Tunnel{
			{Name: "sg-1-2", Carrier: "shared/gre", Encap: GRE, Key: 103, Peer: "xen2", PeerID: 2, RemoteIP: ip("10.0.0.2"), LocalIP: ip("10.0.0.1"), BFD: true},
		}, []TunnelProblem{
			{Name: "sg-1-4", Peer: "xen4", PeerID: 4, Text: "host xen4: no endpoint is known"},
		}},
		{"shared, VXLAN", onHost(0, VXLAN, xen1, xen2).with(shared).with(iana), []Tunnel{
			{Name: "sv-1-2", Carrier: "shared/vxlan", Encap: VXLAN, Key: 103, Peer: "xen2", PeerID: 2, RemoteIP: ip("10.0.0.2"), DstPort: 4789},
		}, nil},
		// printf sv4790-1-2 | sha256sum
		{"shared, VXLAN on another port", onHost(0, VXLAN, xen1, xen2).with(shared), []Tunnel{
			{Name: "sv6ca9aee06c42b", Carrier: "shared/vxlan:4790", Encap: VXLAN, Key: 103, Peer: "xen2", PeerID: 2, RemoteIP: ip("10.0.0.2"), DstPort: 4790},
		}, nil},
		{"flow, GRE, without BFD", onHost(1, GRE, xen1, xen2, foreign).with(flow), []Tunnel{
			{Name: "fg0", Carrier: "flow/gre", Encap: GRE, Key: 103, Peer: "xen1", PeerID: 1, RemoteIP: ip("10.0.0.1")},
			{Name: "fg0", Carrier: "flow/gre", Encap: GRE, Key: 103, Peer: "switch7", PeerID: 7, RemoteIP: ip("10.0.0.7")},
		}, nil},
		{"flow, VXLAN", onHost(1, VXLAN, xen1, xen2, xen3).with(flow).with(iana), []Tunnel{
			{Name: "fv4789", Carrier: "flow/vxlan", Encap: VXLAN, Key: 103, Peer: "xen1", PeerID: 1, RemoteIP: ip("10.0.0.1"), DstPort: 4789},
		}, []TunnelProblem{
			{Name: "fv4789", Peer: "xen3", PeerID: 3, Text: "endpoint 10.0.0.2 of host xen2 and endpoint fd00::3 of host xen3 are of different address families"},
		}},
		{"flow, VXLAN on another port", onHost(1, VXLAN, xen1, xen2).with(flow), []Tunnel{
			{Name: "fv4790", Carrier: "flow/vxlan:4790", Encap: VXLAN, Key: 103, Peer: "xen1", PeerID: 1, RemoteIP: ip("10.0.0.1"), DstPort: 4790},
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := Tunnels(tt.on)
			if d := cmp.Diff(tt.want, got, compareAddrs); d != "" {
				t.Errorf("tunnels, want (-) and got (+):\n%s", d)
			}
			if d := cmp.Diff(tt.problems, problems); d != "" {
				t.Errorf("problems, want (-) and got (+):\n%s", d)
			}
		})
	}
}

func TestMACTable(t *testing.T) {
	m1, m2, m3 := MAC{2, 0, 0, 0, 0, 1}, MAC{2, 0, 0, 0, 0, 2}, MAC{2, 0, 0, 0, 0, 3}
	on := onHost(0, GRE,
		member("xen1", 1, "10.0.0.1", m1, m2),
		member("xen2", 2, "10.0.0.2", m2, m3),
		member("xen3", 3, "10.0.0.3", m2),
		member("xen4", 4, ""))
	want := []RemoteMAC{{m2, []string{"xen2", "xen3"}}, {m3, []string{"xen2"}}}
	if d := cmp.Diff(want, MACTable(on)); d != "" {
		t.Errorf("want (-) and got (+):\n%s", d)
	}
	if got := MACTable(nil); got != nil {
		t.Errorf("MACTable(nil) = %v, want none", got)
	}
}
