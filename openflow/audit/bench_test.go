package audit_test

import (
	"fmt"
	"slices"
	"testing"

	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// large is a bridge with some 50,000 flows of ours, as wanted, of 500 networks.
func large(b *testing.B) audit.Bridge {
	b.Helper()
	l := audit.Bridge{Host: "xen1", Name: "br-int", Network: func(id uint32) string { return fmt.Sprintf("n%d", id) }}
	for id := range uint32(500) {
		n := pipeline.Network{ID: id + 1, PortSecurity: true}
		for v := range uint32(10) {
			n.VIFs = append(n.VIFs, pipeline.VIF{OFPort: 10*id + v + 1, MACs: [][6]byte{{2, 0, byte(id >> 8), byte(id), 1, byte(v)}}})
			n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: 20000 + 10*id + v})
		}
		for r := range 30 {
			n.Remotes = append(n.Remotes, pipeline.Remote{MAC: [6]byte{2, 0, byte(id >> 8), byte(id), 2, byte(r)}, Via: []int{r % 10}})
		}
		flows, err := pipeline.Compile(n)
		if err != nil {
			b.Fatal(err)
		}
		l.Want = append(l.Want, flows...)
	}
	l.Got = slices.Clone(l.Want)
	return l
}

// BenchmarkFlows audits a large table beside which others have as many flows:
// ones that have nothing to do with ours, ones that are filters, ones that each
// shadow one of ours, and ones that each shadow all.
func BenchmarkFlows(b *testing.B) {
	for _, tt := range []struct {
		name    string
		foreign func(i int) string
		shadows bool
	}{
		{"apart", func(i int) string {
			return fmt.Sprintf("cookie=1, table=5, priority=%d,reg0=%d actions=drop", i%100, i)
		}, false},
		{"filters", func(i int) string {
			return fmt.Sprintf("cookie=1, priority=3000,ip,dl_dst=02:00:%02x:%02x:01:%02x,nw_src=10.%d.0.0/16 actions=drop", i>>12&1, i>>4&0xff, i&0xf, i%200)
		}, false},
		{"of one flow each", func(i int) string {
			return fmt.Sprintf("cookie=4660, table=60, priority=3000,metadata=0x%x,dl_dst=02:00:00:00:02:%02x,tun_id=%d actions=drop", i%500+1, i%30, i)
		}, true},
		{"of every port", func(i int) string {
			return fmt.Sprintf("cookie=4660, priority=%d,tcp,tp_dst=%d actions=drop", 2000+i%2, i%50000)
		}, true},
		{"with a mask each", func(i int) string {
			return fmt.Sprintf("cookie=4660, priority=3000,ipv6,ipv6_src=%x:%x::/%d,ipv6_dst=%x::/%d actions=drop", 0x2000+i%0x1000, i, 16+i%100, i, i%120+1)
		}, true},
	} {
		l := large(b)
		for i := range 50_000 {
			f, err := flow.Parse(tt.foreign(i))
			if err != nil {
				b.Fatal(err)
			}
			l.Got = append(l.Got, f)
		}
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := audit.Flows(l); len(got) > 0 != tt.shadows {
					b.Fatalf("%d findings", len(got))
				}
			}
			b.ReportMetric(float64(len(l.Want)), "ours")
		})
	}
}
