package topology

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReportedIPs(t *testing.T) {
	many := strings.Repeat("junk,", 3)
	for i := range maxReportedIPs + 2 {
		many += fmt.Sprintf("10.0.%d.1,", i)
	}
	for _, tc := range []struct {
		text string
		want []netip.Addr
		why  string
	}{
		{"", nil, ""},
		{" , ,", nil, ""},
		{"junk", nil, `holds "junk", which is not an IP address: it is left out`},
		{"10.0.0.300,10.0.0.3", addrs("10.0.0.3"), `holds "10.0.0.300", which is not an IP address: it is left out`},
		{"10.0.0.0/24", nil, `holds "10.0.0.0/24", which is not an IP address: it is left out`},
		{"ff02::1", nil, "holds an address that no VM can have: ff02::1 is a multicast address: it is left out"},
		{"fe80::1%eth0", nil, "holds an address that no VM can have: fe80::1%eth0 has a zone: it is left out"},
		{"::ffff:0.0.0.0", nil, "holds an address that no VM can have: 0.0.0.0 is the unspecified address: it is left out"},
		{"fd00::1, 10.0.0.2,::ffff:10.0.0.1 ,10.0.0.2", addrs("10.0.0.1", "10.0.0.2", "fd00::1"), ""},
	} {
		got, why := reportedIPs(tc.text)
		if d := cmp.Diff(tc.want, got, compareAddrs); d != "" || why != tc.why {
			t.Errorf("%s: problem %q, want %q; addresses:\n%s", tc.text, why, tc.why, d)
		}
	}
	if got, why := reportedIPs(many); len(got) != maxReportedIPs || !strings.Contains(why, "junk") {
		t.Errorf("%d addresses with problem %q, want %d and the first problem", len(got), why, maxReportedIPs)
	}
	if _, why := reportedIPs(many[len("junk,")*3:]); why != "holds more than 64 addresses: the others are left out" {
		t.Errorf("problem %q", why)
	}
}

// One host, xen1, with one interface or a pair: what is known of it.
func TestVIFAddresses(t *testing.T) {
	mac1, mac9, virtual := mustMAC("02:00:00:00:00:01"), mustMAC("02:00:00:00:00:09"), mustMAC("00:00:5e:00:01:07")
	byMAC := PortMatch{MAC: mac1}
	ip := netip.MustParseAddr
	for _, tc := range []struct {
		name     string
		port     Port
		ifaces   []InterfaceFacts
		want     LocalVIF
		self     Member // Stations, Floating and roles
		problems string
	}{
		{
			name:     "the switch names junk",
			ifaces:   []InterfaceFacts{{Name: "vif1.0", AttachedMAC: mac1.String(), IPs: "10.0.0.1,x"}},
			want:     LocalVIF{Port: "xen1/vif1.0", MACs: []MAC{mac1}, IPs: addrs("10.0.0.1")},
			self:     Member{Stations: []Station{{mac1, addrs("10.0.0.1")}}},
			problems: `interface vif1.0: external_ids:ovsmesh-ips holds "x", which is not an IP address: it is left out`,
		},
		{
			name:   "an address without a MAC is no station",
			ifaces: []InterfaceFacts{{Name: "vif1.0", IPs: "10.0.0.1"}},
			want:   LocalVIF{Port: "xen1/vif1.0", IPs: addrs("10.0.0.1")},
		},
		{
			name:   "what the idle one of a pair says is the active one's too",
			ifaces: []InterfaceFacts{{Name: "tap1.0", IfaceStatus: "active"}, {Name: "vif1.0", AttachedMAC: mac1.String(), IPs: "10.0.0.1"}},
			want:   LocalVIF{Port: "xen1/tap1.0", Interface: "tap1.0", MACs: []MAC{mac1}, IPs: addrs("10.0.0.1")},
			self:   Member{Stations: []Station{{mac1, addrs("10.0.0.1")}}},
		},
		{
			name:   "the ports entry says nothing of addresses",
			port:   Port{Name: "web", Network: "blue", Match: byMAC},
			ifaces: []InterfaceFacts{{Name: "vif1.0", AttachedMAC: mac1.String(), IPs: "10.0.0.1"}},
			want:   LocalVIF{Port: "web", MACs: []MAC{mac1}, IPs: addrs("10.0.0.1")},
			self:   Member{Stations: []Station{{mac1, addrs("10.0.0.1")}}},
		},
		{
			name: "the ports entry says all, in disorder",
			port: Port{
				Name: "web", Network: "blue", Match: byMAC, MAC: mac9, IPs: addrs("fd00::1", "::ffff:10.0.0.2"), DHCPServer: true, Router: true,
				AllowedAddresses: []Address{{virtual, ip("fd00::9")}, {mac9, ip("10.0.0.9")}, {IP: ip("::ffff:10.0.0.9")}, {virtual, ip("10.0.0.9")}},
			},
			ifaces: []InterfaceFacts{{Name: "vif1.0", AttachedMAC: mac1.String(), IPs: "x"}},
			want: LocalVIF{
				Port: "web", MACs: []MAC{mac9}, IPs: addrs("10.0.0.2", "fd00::1"), DHCPServer: true, Router: true,
				Allowed: []Address{{IP: ip("10.0.0.9")}, {virtual, ip("10.0.0.9")}, {virtual, ip("fd00::9")}},
			},
			self: Member{Stations: []Station{{mac9, addrs("10.0.0.2", "fd00::1")}}, Floating: addrs("10.0.0.9", "fd00::9"), DHCPServer: true, Router: true},
		},
		{
			name:   "a router of which no address is known",
			port:   Port{Name: "gw", Network: "blue", Match: PortMatch{Host: "xen1", Interface: "vif1.0"}, Router: true},
			ifaces: []InterfaceFacts{{Name: "vif1.0"}},
			want:   LocalVIF{Port: "gw", Router: true},
			self:   Member{Router: true},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := NewMesh()
			m.SetNetwork(network("blue", "xapi1"))
			m.SetHost(HostRecord{Host: Host{Name: "xen1", ID: 1, Endpoint: ip("10.0.0.1")}})
			m.SetFacts("xen1", HostFacts{Bridges: []BridgeFacts{bridge("xapi1", tc.ifaces...)}})
			if tc.port.Name != "" {
				m.SetPort(tc.port)
			}
			m.Flush()
			if tc.want.Interface == "" {
				tc.want.Interface = "vif1.0"
			}
			tc.self.Host, tc.self.HostID, tc.self.Endpoint, tc.self.Explicit = "xen1", 1, ip("10.0.0.1"), true
			on := m.View("xen1", "blue")
			if d := cmp.Diff([]LocalVIF{tc.want}, on.VIFs, compareAddrs); d != "" {
				t.Errorf("VIFs, want (-) and got (+):\n%s", d)
			}
			if d := cmp.Diff(tc.self, on.Self, compareAddrs); d != "" {
				t.Errorf("member, want (-) and got (+):\n%s", d)
			}
			if got := strings.Join(on.Problems, "; "); got != tc.problems {
				t.Errorf("problems %q, want %q", got, tc.problems)
			}
		})
	}
}

// Two interfaces of one MAC are one station with the addresses of both; one on
// another bridge adds nothing.
func TestStationsOfOneHost(t *testing.T) {
	mac := "02:00:00:00:00:01"
	m := NewMesh()
	m.SetNetwork(network("blue", "xapi1"))
	m.SetHost(HostRecord{Host: Host{Name: "xen1", ID: 1}})
	m.SetPort(Port{Name: "gw", Network: "blue", Match: PortMatch{IfaceID: "elsewhere"}, Router: true, AllowedAddresses: []Address{{IP: netip.MustParseAddr("10.0.0.9")}}})
	m.SetFacts("xen1", HostFacts{Bridges: []BridgeFacts{
		bridge("br9", InterfaceFacts{Name: "vif9.0", IfaceID: "elsewhere", AttachedMAC: "02:00:00:00:00:09", IPs: "10.0.0.8"}),
		bridge("xapi1", InterfaceFacts{Name: "vif1.0", AttachedMAC: mac, IPs: "10.0.0.2"}, InterfaceFacts{Name: "vif2.0", AttachedMAC: mac, IPs: "10.0.0.1,10.0.0.2"}),
	}})
	m.Flush()
	got := m.View("xen1", "blue").Self
	want := Member{Host: "xen1", HostID: 1, Error: got.Error, Stations: []Station{{mustMAC(mac), addrs("10.0.0.1", "10.0.0.2")}}}
	if d := cmp.Diff(want, got, compareAddrs); d != "" {
		t.Errorf("want (-) and got (+):\n%s", d)
	}
}
