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
		Net:  &NetworkView{Name: "blue", Encap: encap, Key: 103, DstPort: 4790, Members: members},
		Self: members[self],
	}
}

func TestTunnels(t *testing.T) {
	xen1, xen2, xen3 := member("xen1", 1, "10.0.0.1"), member("xen2", 2, "10.0.0.2"), member("xen3", 3, "fd00::3")
	lost := member("xen4", 4, "")
	named := xen1
	named.Explicit = true
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
