package pipeline_test

import (
	"errors"
	"testing"

	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/wire"
)

// TestCompileRefuses names what makes no sense.
func TestCompileRefuses(t *testing.T) {
	group := [6]byte{1, 0, 0x5e, 0, 0, 1}
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

// TestLargestFits encodes the flows with the most outputs that Compile allows,
// as additions to a bundle.
func TestLargestFits(t *testing.T) {
	for _, f := range compiled(t, []pipeline.Network{crowd(4080)}) {
		_, err := wire.EncodeBundleMod(wire.Mod{Command: wire.Add, Flow: f}, 1, 1)
		if errors.Is(err, wire.ErrTooLong) {
			t.Errorf("%s with %d outputs: %v", pipeline.ReasonOf(f.Cookie), len(f.Actions), err)
		} else if err != nil {
			t.Error(err)
		}
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
