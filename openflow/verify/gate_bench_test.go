package verify_test

import (
	"net/netip"
	"testing"

	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/verify"
)

// BenchmarkGate looks at a network of twenty hosts, each with a VM, and makes its
// flows, for comparison.
func BenchmarkGate(b *testing.B) {
	for name, tunnel := range map[string]func(peer int) pipeline.Tunnel{
		"own": func(peer int) pipeline.Tunnel { return pipeline.Tunnel{OFPort: uint32(20000 + peer)} },
		"flow": func(peer int) pipeline.Tunnel {
			return pipeline.Tunnel{OFPort: 20000, Key: 103, Remote: netip.AddrFrom4([4]byte{192, 0, 2, byte(peer)})}
		},
	} {
		n := pipeline.Network{ID: 7, PortSecurity: true, VIFs: []pipeline.VIF{{OFPort: 1, MACs: [][6]byte{mac(1)}}}}
		for i := range 19 {
			n.Tunnels = append(n.Tunnels, tunnel(i+2))
			n.Remotes = append(n.Remotes, pipeline.Remote{MAC: mac(byte(i + 2)), Via: []int{i}})
		}
		v := ported(b, n, pipeline.Bridge{Carriers: []uint32{20000}})
		perFlow := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(v.Flows)), "ns/flow")
		}
		b.Run(name+"/gate", func(b *testing.B) {
			var g verify.Gate
			b.ReportAllocs()
			for b.Loop() {
				if got := g.Check(v); len(got) > 0 {
					b.Fatal(got)
				}
			}
			perFlow(b)
		})
		b.Run(name+"/compile", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pipeline.Compile(n); err != nil {
					b.Fatal(err)
				}
			}
			perFlow(b)
		})
	}
}
