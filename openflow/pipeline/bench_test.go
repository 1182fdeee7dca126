package pipeline_test

import (
	"net/netip"
	"testing"

	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/wire"
)

// BenchmarkBringIn does for one network what a host's loop does when the
// network comes up: a flow port to 19 peers, each with a VIF as here.
func BenchmarkBringIn(b *testing.B) {
	n := pipeline.Network{ID: 7, PortSecurity: true, VIFs: []pipeline.VIF{{OFPort: 1, MACs: [][6]byte{mac(1)}}}}
	for i := range 19 {
		peer := byte(i + 2)
		n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: 20000, Key: 103, Remote: netip.AddrFrom4([4]byte{192, 0, 2, peer})})
		n.Remotes = append(n.Remotes, pipeline.Remote{MAC: mac(peer), Via: []int{i}})
	}
	count := 0
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		want, err := pipeline.Compile(n)
		if err != nil {
			b.Fatal(err)
		}
		count = 0
		buf = buf[:0]
		for i := range want {
			if buf, err = wire.AppendBundleMod(buf, wire.Mod{Command: wire.Add, Flow: &want[i]}, uint32(i), 1); err != nil {
				b.Fatal(err)
			}
			count++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/flow")
}
