package controller_test

import (
	"fmt"
	"testing"

	"ovsmesh/controller/api"
)

// TestTraceOptions follows packets through every kind of tunnel port, and where
// switches learn.
func TestTraceOptions(t *testing.T) {
	m := startMesh(t, 3)
	m.bridges("br-int", "br-learn")
	m.apply(`
networks:
  - {name: shared, tenant: acme, encap: vxlan, key: 5001, tunnelPorts: shared}
  - {name: flow, tenant: acme, encap: vxlan, key: 5002, tunnelPorts: flow}
  - {name: flowgre, tenant: acme, encap: gre, key: 5003, tunnelPorts: flow}
  - {name: own, tenant: acme, encap: gre, key: 5004}
  - {name: quiet, tenant: acme, encap: gre, key: 5005, broadcast: drop, unknownUnicast: drop}
  - {name: learn, tenant: acme, encap: gre, key: 5006, bridge: br-learn, profile: learning}
`)
	for n, network := range []string{"shared", "flow", "flowgre", "own", "quiet", "learn"} {
		bridge, member := "br-int", network
		if network == "learn" {
			bridge, member = "br-learn", ""
		}
		for i := 1; i <= 3; i++ {
			m.vm(fmt.Sprintf("h%d", i), fmt.Sprintf("%s-%d", network, i), bridge, 10*n+i, member)
		}
		m.meshed(network, "h1", "h2", "h3")
		from, to := mac(10*n+1).String(), mac(10*n+3).String()
		r := m.trace(api.TraceRequest{From: from, To: to})
		if !r.Delivered || !r.Complete || r.Copies != 1 || len(r.Visits) != 2 {
			t.Errorf("%s: delivered %v, complete %v, %d copies, %d visits: %s %v", network, r.Delivered, r.Complete, r.Copies, len(r.Visits), r.Reason, r.Unseen)
		}
		r = m.trace(api.TraceRequest{From: from})
		missed := 0
		for _, miss := range r.Missed {
			if miss.Policy {
				missed++
			}
		}
		if want := map[bool]int{true: 2}[network == "quiet"]; !r.Delivered || !r.Complete || missed != want || r.Copies != 2-want {
			t.Errorf("%s: a broadcast: delivered %v, complete %v, %d copies, missed %+v: %s %v", network, r.Delivered, r.Complete, r.Copies, r.Missed, r.Reason, r.Unseen)
		}
		unknown := m.trace(api.TraceRequest{From: from, To: "02:00:00:00:09:09"})
		if want := 2; network == "quiet" && unknown.Delivered || network != "quiet" && unknown.Copies != want {
			t.Errorf("%s: to an unknown address: delivered %v, %d copies: %s", network, unknown.Delivered, unknown.Copies, unknown.Reason)
		}
	}
}
