package pipeline_test

import (
	"net/netip"
	"testing"

	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/wire"
)

// TestCompileRefuses names what makes no sense.
func TestCompileRefuses(t *testing.T) {
	group, one := [6]byte{1, 0, 0x5e, 0, 0, 1}, hostIP(1)
	stations := func(list ...pipeline.Station) pipeline.Network { return pipeline.Network{ID: 7, Stations: list} }
	for _, c := range []struct {
		n    pipeline.Network
		want string
	}{
		{pipeline.Network{}, "compile: network ID 0"},
		{pipeline.Network{ID: 7, VIFs: []pipeline.VIF{{OFPort: 0}}}, "compile: network 7: ofport 0 is not that of a port"},
		{pipeline.Network{ID: 7, VIFs: []pipeline.VIF{{OFPort: 0xfffffffe}}}, "compile: network 7: ofport 4294967294 is not that of a port"},
		{pipeline.Network{ID: 7, Tunnels: []pipeline.Tunnel{{OFPort: 0}}}, "compile: network 7: ofport 0 is not that of a port"},
		{pipeline.Network{ID: 7, VIFs: []pipeline.VIF{{OFPort: 5}, {OFPort: 5}}}, "compile: network 7: ofport 5 twice"},
		{pipeline.Network{ID: 7, VIFs: []pipeline.VIF{{OFPort: 5}}, Tunnels: []pipeline.Tunnel{{OFPort: 5}}}, "compile: network 7: ofport 5 twice"},
		{pipeline.Network{ID: 7, Tunnels: []pipeline.Tunnel{{OFPort: 5}, {OFPort: 5}}}, "compile: network 7: ofport 5 twice"},
		{pipeline.Network{ID: 7, VIFs: []pipeline.VIF{{OFPort: 5, MACs: [][6]byte{mac(1), group}}}},
			"compile: network 7: ofport 5: 01:00:5e:00:00:01 is a group address"},
		{pipeline.Network{ID: 7, Tunnels: []pipeline.Tunnel{{OFPort: 5}}, Remotes: []pipeline.Remote{{MAC: group, Via: []int{0}}}},
			"compile: network 7: remote 01:00:5e:00:00:01 is a group address"},
		{pipeline.Network{ID: 7, VIFs: []pipeline.VIF{{OFPort: 5}}, Remotes: []pipeline.Remote{{MAC: mac(1), Via: []int{0}}}},
			"compile: network 7: remote 02:00:00:00:00:01 behind tunnel 0 of 0"},
		{pipeline.Network{ID: 7, Tunnels: []pipeline.Tunnel{{OFPort: 5, Key: 1, Remote: one}, {OFPort: 5, Key: 1, Remote: one}}},
			"compile: network 7: ofport 5 twice with key 1 and peer 172.16.0.1"},
		{pipeline.Network{ID: 7, Tunnels: []pipeline.Tunnel{{OFPort: 5, Key: 1, Remote: one}, {OFPort: 5, Key: 1}}},
			"compile: network 7: ofport 5 with key 1 is for one peer, and for 172.16.0.1"},
		{pipeline.Network{ID: 7, Tunnels: []pipeline.Tunnel{{OFPort: 5, Key: 1}, {OFPort: 5, Key: 1, Remote: one}}},
			"compile: network 7: ofport 5 with key 1 is for one peer, and for 172.16.0.1"},
		{pipeline.Network{ID: 7, Tunnels: []pipeline.Tunnel{{OFPort: 5}, {OFPort: 5, Key: 1}}},
			"compile: network 7: ofport 5 is the network's own, and has key 1"},
		{pipeline.Network{ID: 7, VIFs: []pipeline.VIF{{OFPort: 5, Allowed: []pipeline.Pair{{MAC: group, IP: virtualIP}}}}},
			"compile: network 7: ofport 5: allowed address 01:00:5e:00:00:01 is a group address"},
		{stations(pipeline.Station{}), "compile: network 7: station invalid IP is nobody's address"},
		{stations(pipeline.Station{IP: zero4}), "compile: network 7: station 0.0.0.0 is nobody's address"},
		{stations(pipeline.Station{IP: netip.MustParseAddr("ff02::1")}), "compile: network 7: station ff02::1 is nobody's address"},
		{stations(pipeline.Station{IP: ip4(1), MAC: group}), "compile: network 7: station 10.0.0.1: 01:00:5e:00:00:01 is a group address"},
		{stations(pipeline.Station{IP: ip4(1), MAC: mac(1)}, pipeline.Station{IP: netip.MustParseAddr("::ffff:10.0.0.1"), MAC: mac(2)}),
			"compile: network 7: station 10.0.0.1 twice"},
		{pipeline.Network{ID: 7, Learning: true, PortSecurity: true}, "compile: network 7: port security is not possible with profile learning"},
		{pipeline.Network{ID: 7, Learning: true, DropBroadcast: true}, "compile: network 7: dropping broadcast is not possible with profile learning"},
		{pipeline.Network{ID: 7, Learning: true, DropUnknown: true}, "compile: network 7: dropping unknown unicast is not possible with profile learning"},
		{pipeline.Network{ID: 7, Learning: true, Tunnels: []pipeline.Tunnel{{OFPort: 5, Key: 1}}},
			"compile: network 7: ofport 5: tunnels that networks or peers share are not possible with profile learning"},
		{crowd(4081), "compile: network 7: 4081 ports on one bridge: to send to all takes a flow of 65296 bytes, 65280 are possible"},
	} {
		flows, err := pipeline.Compile(c.n)
		if err == nil || err.Error() != c.want || flows != nil {
			t.Errorf("got  %v with %d flows\nwant %s", err, len(flows), c.want)
		}
	}
}

// crowd is a network of n ports in all, one of them a tunnel; its VIFs have one
// address, so that a unicast flow is as long as it can be.
func crowd(n int) pipeline.Network {
	net := pipeline.Network{ID: 7, PortSecurity: true, Tunnels: []pipeline.Tunnel{{OFPort: 20000}},
		Remotes: []pipeline.Remote{{MAC: mac(1), Via: []int{0}}}}
	for i := range n - 1 {
		net.VIFs = append(net.VIFs, pipeline.VIF{OFPort: uint32(i + 1), MACs: [][6]byte{mac(1)}})
	}
	return net
}

// peers is a network of n peers behind one port, and one VIF.
func peers(n int) pipeline.Network {
	net := pipeline.Network{ID: 7, PortSecurity: true, DropBroadcast: true,
		VIFs: []pipeline.VIF{{OFPort: 1, MACs: [][6]byte{mac(1)}, DHCPServer: true, Router: true}}}
	for i := range n {
		net.Tunnels = append(net.Tunnels, pipeline.Tunnel{OFPort: 20000, Key: 103, DHCPServer: true, Router: true,
			Remote: netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)})})
	}
	return net
}

// TestLargestFits encodes the flows with the most outputs that Compile allows,
// as additions to a bundle; one port or peer more, and Compile says so itself.
func TestLargestFits(t *testing.T) {
	for name, c := range map[string]struct {
		largest int
		network func(int) pipeline.Network
	}{"ports": {4080, crowd}, "peers": {2039, peers}} {
		for _, f := range compiled(t, []pipeline.Network{c.network(c.largest)}) {
			if _, err := wire.EncodeBundleMod(wire.Mod{Command: wire.Add, Flow: &f}, 1, 1); err != nil {
				t.Errorf("%s: %s with %d actions: %v", name, pipeline.ReasonOf(f.Cookie), len(f.Actions), err)
			}
		}
		if _, err := pipeline.Compile(c.network(c.largest + 1)); err == nil {
			t.Errorf("%d %s are not too many", c.largest+1, name)
		}
	}
}

// TestFlowsGrowLinearly holds the number of flows to be proportional to VIFs,
// addresses and stations.
func TestFlowsGrowLinearly(t *testing.T) {
	count := func(n int) int {
		net := pipeline.Network{ID: 7, PortSecurity: true, Tunnels: []pipeline.Tunnel{{OFPort: 20000}}}
		for i := range n {
			m := [6]byte{2, 0, 0, 1, byte(i >> 8), byte(i)}
			v := pipeline.VIF{OFPort: uint32(i + 1), MACs: [][6]byte{m}, Router: i%4 == 3}
			for j := range 3 {
				v.IPs = append(v.IPs, netip.AddrFrom16([16]byte{0xfd, 12: byte(j), 14: byte(i >> 8), 15: byte(i)}),
					netip.AddrFrom4([4]byte{10, byte(j), byte(i >> 8), byte(i)}))
			}
			for _, ip := range v.IPs {
				net.Stations = append(net.Stations, pipeline.Station{IP: ip, MAC: m})
			}
			switch i % 4 {
			case 0:
				v.MACs = nil
			case 1:
				v.IPs = nil
			}
			net.VIFs = append(net.VIFs, v)
		}
		return len(compiled(t, []pipeline.Network{net}))
	}
	once, twice, thrice := count(40), count(80), count(120)
	if twice-once != thrice-twice {
		t.Errorf("%d flows, %d of twice as many VIFs, %d of thrice as many", once, twice, thrice)
	}
}

// BenchmarkCompile compiles a network of 1,000 VIFs and as many remote
// addresses behind 100 tunnels.
func BenchmarkCompile(b *testing.B) {
	n := pipeline.Network{ID: 7, PortSecurity: true}
	for i := range uint32(100) {
		n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: 20000 + i})
	}
	for i := range uint32(1000) {
		addr := [6]byte{2, 0, 0, 0, byte(i >> 8), byte(i)}
		n.VIFs = append(n.VIFs, pipeline.VIF{OFPort: i + 1, MACs: [][6]byte{addr}})
		addr[1] = 1
		n.Remotes = append(n.Remotes, pipeline.Remote{MAC: addr, Via: []int{int(i % 100)}})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pipeline.Compile(n); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompileAddresses compiles one of 100 VIFs and 900 remote ones, whose
// IPv4 and IPv6 addresses are all known, behind 20 tunnels.
func BenchmarkCompileAddresses(b *testing.B) {
	n := pipeline.Network{ID: 7, PortSecurity: true}
	for i := range uint32(20) {
		n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: 20000 + i})
	}
	for i := range 1000 {
		addr := [6]byte{2, 0, 0, 0, byte(i >> 8), byte(i)}
		ips := []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), netip.AddrFrom16([16]byte{0xfd, 14: byte(i >> 8), 15: byte(i)})}
		for _, ip := range ips {
			n.Stations = append(n.Stations, pipeline.Station{IP: ip, MAC: addr})
		}
		if i < 100 {
			n.VIFs = append(n.VIFs, pipeline.VIF{OFPort: uint32(i + 1), MACs: [][6]byte{addr}, IPs: ips})
		} else {
			n.Remotes = append(n.Remotes, pipeline.Remote{MAC: addr, Via: []int{i % 20}})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pipeline.Compile(n); err != nil {
			b.Fatal(err)
		}
	}
}
