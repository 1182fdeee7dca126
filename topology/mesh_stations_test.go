package topology

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func TestKnownAddresses(t *testing.T) {
	m1, m2, m3 := MAC{2, 0, 0, 0, 0, 1}, MAC{2, 0, 0, 0, 0, 2}, MAC{2, 0, 0, 0, 0, 3}
	ip := netip.MustParseAddr
	of := func(stations ...Station) Member { return Member{Stations: stations} }
	tests := []struct {
		name    string
		members []Member
		want    []KnownAddress
	}{
		{"nobody", nil, nil},
		{"no addresses", []Member{of(Station{MAC: m1}), of()}, nil},
		{"all in order", []Member{of(Station{m1, addrs("10.0.0.2", "fd00::1")}), of(Station{m2, addrs("10.0.0.1")})},
			[]KnownAddress{{ip("10.0.0.1"), m2}, {ip("10.0.0.2"), m1}, {ip("fd00::1"), m1}}},
		{"a VM that migrates", []Member{of(Station{m1, addrs("10.0.0.1")}), of(Station{m1, addrs("10.0.0.1")})},
			[]KnownAddress{{ip("10.0.0.1"), m1}}},
		{"two claim one address", []Member{of(Station{m1, addrs("10.0.0.1", "10.0.0.2")}), of(Station{m2, addrs("10.0.0.2")})},
			[]KnownAddress{{ip("10.0.0.1"), m1}}},
		{"three do, one of them twice", []Member{of(Station{m1, addrs("10.0.0.1")}, Station{m3, addrs("10.0.0.1")}), of(Station{m1, addrs("10.0.0.1")}, Station{m2, addrs("10.0.0.1")})}, nil},
		{"one may take it", []Member{of(Station{m1, addrs("10.0.0.1")}, Station{m2, addrs("10.0.0.2")}), {Floating: addrs("10.0.0.2")}},
			[]KnownAddress{{ip("10.0.0.1"), m1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, knownAddresses(tt.members, false), compareAddrs); d != "" {
				t.Errorf("want (-) and got (+):\n%s", d)
			}
		})
	}
	if got := Stations(nil); got != nil {
		t.Errorf("Stations(nil) = %v, want none", got)
	}
}

// Two hosts with VMs whose addresses the spec, the switch, or both know.
func TestStations(t *testing.T) {
	m := told()
	web, floating := vm(1), vm(3)
	web.IPs = "10.1.1.1"
	floating.IPs = "10.1.1.3, 10.1.1.9"
	m.SetFacts("xen1", reported(1, web))
	m.SetFacts("xen3", reported(3, floating))
	m.Flush()
	mac1, mac3 := mustMAC("02:00:00:00:00:01"), mustMAC("02:00:00:00:00:03")
	ip := netip.MustParseAddr
	check := func(want ...KnownAddress) {
		t.Helper()
		for _, host := range []string{"xen1", "xen3"} {
			if d := cmp.Diff(want, Stations(m.View(host, "blue")), compareAddrs); d != "" {
				t.Errorf("%s: want (-) and got (+):\n%s", host, d)
			}
		}
	}
	check(KnownAddress{ip("10.1.1.1"), mac1}, KnownAddress{ip("10.1.1.3"), mac3}, KnownAddress{ip("10.1.1.9"), mac3})

	// The ports entry's addresses replace the switch's, and an address that it
	// may use is nobody's for sure, whoever says that he has it.
	m.SetPort(Port{Name: "web", Network: "blue", Match: PortMatch{MAC: mac1}, IPs: addrs("10.1.1.2"), AllowedAddresses: []Address{{IP: ip("10.1.1.9")}}})
	m.Flush()
	check(KnownAddress{ip("10.1.1.2"), mac1}, KnownAddress{ip("10.1.1.3"), mac3})
	if got := m.View("xen3", "blue").Net.Members[0].Floating; len(got) != 1 || got[0] != ip("10.1.1.9") {
		t.Errorf("xen1 may have %v, want 10.1.1.9", got)
	}
}

func TestLinkLocalAddressesAreKnown(t *testing.T) {
	members := []Member{{Host: "xen1", Stations: []Station{
		{MAC: MAC{2, 0, 0, 0, 1, 1}, IPs: []netip.Addr{netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("fe80::ff:fe00:101")}},
		{MAC: MAC{0, 0, 0x5e, 0, 1, 2}},
	}}}
	want := []KnownAddress{
		{netip.MustParseAddr("10.1.1.1"), MAC{2, 0, 0, 0, 1, 1}},
		{netip.MustParseAddr("fe80::ff:fe00:101"), MAC{2, 0, 0, 0, 1, 1}},
		{netip.MustParseAddr("fe80::200:5eff:fe00:102"), MAC{0, 0, 0x5e, 0, 1, 2}},
	}
	if d := cmp.Diff(want, knownAddresses(members, true), compareAddrs); d != "" {
		t.Error(d)
	}
}
