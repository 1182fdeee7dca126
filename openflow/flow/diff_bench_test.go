package flow_test

import (
	"testing"

	"ovsmesh/openflow/flow"
)

// BenchmarkDiff compares 100,000 flows with as many that are the same but for
// one in a hundred, as the read-back of a large bridge does.
func BenchmarkDiff(b *testing.B) {
	const n = 100_000
	want, got := make([]flow.Flow, n), make([]flow.Flow, n)
	for i := range want {
		mac := [6]byte{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}
		want[i] = flow.Flow{
			Table: 60, Priority: 1000, Cookie: 0x6f6d << 48,
			Match:   flow.NewMatch(flow.MatchMetadata(uint64(i%100), 0xffffffff), flow.MatchEthDst(mac)),
			Actions: flow.Actions{flow.Output{Port: uint32(i%1000 + 1)}},
		}
		got[i] = want[i]
		if i%100 == 0 {
			got[i].Actions = nil
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if d := flow.Diff(want, got); len(d.Modify) != n/100 {
			b.Fatalf("%d flows to modify", len(d.Modify))
		}
	}
}
