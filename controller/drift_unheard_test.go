package controller_test

import (
	"testing"
	"time"

	"ovsmesh/controller/api"
)

// A switch that tells of changes is read back all the same: what it did not tell,
// or nobody heard, is mended within a sweep, recorded, and nothing else is sent.
func TestDriftUnheard(t *testing.T) {
	m, vms := threeVMs(t, func(m *mesh) { m.sweep = time.Second })
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	ours, _ := m.flowsNow(h1, "xapi1")
	unicast := pick(t, ours, "table=60", "dl_dst="+vms[2].MAC.String())
	m.quiet()
	before, since := m.counter("ovsmesh_openflow_flow_mods_total"), time.Now()
	if !m.ctl.Unhear(m.ctx, "h1", func() {
		m.ofctl(h1, "--strict", "mod-flows", "xapi1", matchOf(unicast, false)+",actions=drop")
	}) {
		t.Fatal("no loop of h1, or nothing told")
	}
	m.restored(h1, "xapi1", ours)
	for _, e := range m.history(since, "changed-flow blue "+vms[2].MAC.String()+" can't be reached directly from h1") {
		if e.Host != "h1" || e.By != api.BySweep {
			t.Errorf("%+v", e)
		}
	}
	if watched := m.topology(api.TopologyFilter{Host: "h1"}).Hosts[0].Bridges[0].Watched; watched != api.WatchedPush {
		t.Errorf("watched: %s", watched)
	}
	time.Sleep(3 * m.sweep)
	if n := m.counter("ovsmesh_openflow_flow_mods_total") - before; n != 1 {
		t.Errorf("%v flow-mods to mend one flow", n)
	}
	m.clean()
}
