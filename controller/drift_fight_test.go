package controller_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
)

// A flow that somebody changes again and again is left to him, with a word to
// everybody who looks, while all others are still mended; and taken back when an
// operator has it repaired.
func TestDriftFight(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	ours, _ := m.flowsNow(h1, "xapi1")
	fought := pick(t, ours, "table=60", "dl_dst="+vms[2].MAC.String())
	other := pick(t, ours, "table=60", "dl_dst="+vms[1].MAC.String())
	var without []string
	for _, f := range ours {
		if f != fought {
			without = append(without, f)
		}
	}
	change := func() { m.ofctl(h1, "add-flow", "xapi1", "cookie=0x99,"+matchOf(fought, false)+",actions=drop") }
	last := m.ctl.Events(0).Last
	for range 5 {
		change()
		m.restored(h1, "xapi1", ours)
	}
	change()
	const said = "another program has changed 1 flow of ours on bridge xapi1 more than 5 times"
	m.problem("blue", "h1: "+said)
	for range 3 { // and goes on, which nobody counts
		change()
		m.ofctl(h1, "--strict", "del-flows", "xapi1", matchOf(other, false))
		m.restored(h1, "xapi1", without)
	}
	m.heard(last, "drift h1 blue left-alone "+said)
	m.metric("ovsmesh_drift_left_total", 1)
	top := m.topology(api.TopologyFilter{})
	if b := top.Hosts[0].Bridges[0]; !strings.Contains(b.Error, "another program has changed 1 flow of ours more than 5 times") || b.FlowsInstalled != b.FlowsWanted-1 {
		t.Errorf("bridge: %+v", b)
	}
	if top.Networks[0].InSync {
		t.Error("blue is in sync")
	}
	h, err := m.ctl.AuditHistory(m.ctx, api.HistoryRequest{Network: "blue", Host: "h1"})
	m.check(err)
	var left []api.HistoryEntry
	for _, e := range h.Entries {
		if !e.Repaired {
			left = append(left, e)
		}
	}
	if len(h.Entries) != 5+1+3 || len(left) != 1 || left[0].Kind != audit.ShadowedFlow || !strings.Contains(left[0].Note, said) {
		t.Errorf("history: %s", entries(h.Entries))
	}
	// What somebody takes away that he was left to is not missed either.
	m.ofctl(h1, "--strict", "del-flows", "xapi1", matchOf(fought, false))
	m.restored(h1, "xapi1", without)
	change()

	dry := m.audit(api.AuditRequest{Repair: true, DryRun: true})
	if len(dry.Repairs) != 1 || len(dry.Repairs[0].Flows) != 1 || !strings.Contains(dry.Repairs[0].Flows[0], "dl_dst="+vms[2].MAC.String()) {
		t.Errorf("dry run: %+v", dry.Repairs)
	}
	m.restored(h1, "xapi1", without)
	rep := m.audit(api.AuditRequest{Repair: true})
	if len(rep.Findings) != 1 || !rep.Findings[0].Repaired {
		t.Errorf("repair: %+v", rep.Findings)
	}
	m.restored(h1, "xapi1", ours)
	m.meshed("blue", "h1", "h2", "h3")
	h, err = m.ctl.AuditHistory(m.ctx, api.HistoryRequest{})
	m.check(err)
	for _, e := range h.Entries {
		if !e.Repaired || e.Note != "" {
			t.Errorf("after the repair: %+v", e)
		}
	}
	m.clean()
	m.quiet()
}

// A tunnel port that somebody takes away again and again is left to him, until
// an operator has it repaired or something else is wanted.
func TestDriftFightOverRows(t *testing.T) {
	m, vms := threeVMs(t, func(m *mesh) { m.sweep = 300 * time.Millisecond })
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	toH2, _ := m.tunnelTo(h1, "h2")
	const said = "another program has changed tunnel ports of this network more than 5 times"
	fight := func() {
		for range 5 {
			m.portComesBack(h1, toH2)
		}
		last := m.ctl.Events(0).Last
		m.vsctl(h1, "del-port", toH2)
		m.problem("blue", "h1: "+said)
		m.heard(last, "drift h1 blue left-alone "+said)
		time.Sleep(time.Second) // several sweeps
		if out := m.vsctl(h1, "list-ports", "xapi1"); strings.Contains(out, toH2) {
			t.Errorf("it is back: %q", out)
		}
		m.pingAll(vms[1:]...) // the others of the network
		m.pingAll(vms[0], vms[2])
	}
	since := time.Now()
	fight()
	dry := m.audit(api.AuditRequest{Repair: true, DryRun: true})
	if len(dry.Repairs) == 0 || !strings.Contains(strings.Join(dry.Repairs[0].Rows, " "), "add port "+toH2) {
		t.Errorf("dry run: %+v", dry.Repairs)
	}
	rep := m.audit(api.AuditRequest{Repair: true})
	if !rep.Complete || slices.ContainsFunc(rep.Findings, func(f audit.Finding) bool { return !f.Repaired }) {
		t.Errorf("repair: %+v", rep.Findings)
	}
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.history(since, slices.Repeat([]string{"missing-tunnel blue "}, 6)...)
	fight()
	vms = append(vms, m.vm("h1", "vm-4", "xapi1", 4, "")) // all look again
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
	m.quiet()
}
