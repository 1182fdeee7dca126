package topology

import (
	"encoding/json"
	"fmt"
	"testing"
)

// BenchmarkPluginMesh makes the calls of CloudStack for a network on fifty
// hosts, as each of them gets its first VM, and takes them into account one by
// one.
func BenchmarkPluginMesh(b *testing.B) {
	for b.Loop() {
		in, m := newIntent(b), NewMesh()
		take := func(c *Change, err error) {
			if err == nil {
				err = in.Commit(c)
			}
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range c.PutHosts {
				m.SetHost(r)
			}
			for _, r := range c.PutNetworks {
				m.SetNetwork(r)
			}
			m.Flush()
		}
		const hosts = 50
		name := func(i int) string { return fmt.Sprintf("xen%d", i) }
		for i := 1; i <= hosts; i++ {
			c, r, err := in.PlanRegister(HostFacts{SystemID: name(i), Hostname: name(i), PeerAddr: cloudAddr(i)})
			take(c, err)
			m.SetFacts(r.Name, HostFacts{PeerAddr: cloudAddr(i)})
			c, _, err = in.PlanSetupBridge(PluginCall{Host: name(i), Bridge: "xapi3", Name: "OVSTunnel103", From: i})
			take(c, err)
			for j := 1; j < i; j++ {
				for _, way := range [][2]int{{i, j}, {j, i}} {
					c, _, err = in.PlanCreateTunnel(PluginCall{Host: name(way[0]), Bridge: "xapi3", Key: 103, RemoteIP: cloudAddr(way[1]), Remote: name(way[1]), From: way[0], To: way[1]})
					take(c, err)
				}
			}
		}
		r, _ := in.Network("ovstunnel103")
		text, _ := json.Marshal(r)
		b.ReportMetric(float64(len(text)), "B/record")
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(hosts*hosts), "µs/call")
	}
}
