package plan_test

import (
	"fmt"
	"net/netip"
	"testing"

	"ovsmesh/ovsdb/plan"
)

// BenchmarkJoin plans what follows from a host that joins fifty networks of a
// bridge with two thousand tunnels.
func BenchmarkJoin(b *testing.B) {
	const networks, peers = 50, 41
	w := readWorld(b, "testdata/as-wanted")
	joined := make([]plan.Network, networks)
	w.want.Complete, w.want.Networks = true, make([]plan.Network, networks)
	for n := range networks {
		network := plan.Network{Name: fmt.Sprintf("n%d", n), Bridge: "xapi1"}
		for p := range peers {
			network.Tunnels = append(network.Tunnels, plan.Tunnel{
				Name: fmt.Sprintf("t%d-1-%d", 1000+n, p+2), Type: "gre", Key: uint32(1000 + n), Peer: fmt.Sprintf("p%d", p),
				RemoteIP: netip.AddrFrom4([4]byte{10, 0, 1, byte(p)}),
			})
		}
		joined[n] = network
		network.Tunnels = network.Tunnels[:peers-1]
		w.want.Networks[n] = network
	}
	db := database(b, w.have)
	db = database(b, w.have.apply(b, plan.Diff(db, w.want).Ops(db)))
	w.want.Complete, w.want.Networks = false, joined
	b.ReportAllocs()
	for b.Loop() {
		if p := plan.Diff(db, w.want); len(p.Groups) != networks {
			b.Fatalf("%d groups, %v", len(p.Groups), p.Problems)
		}
	}
}
