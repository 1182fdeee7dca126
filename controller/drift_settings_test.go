package controller_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/ovstest"
)

// insist runs ovs-vsctl on a host again and again until the returned function is
// called, which reports how often it was run.
func (m *mesh) insist(h *ovstest.Host, argv ...string) func() int {
	ctx, cancel := context.WithCancel(m.ctx)
	times := make(chan int)
	go func() {
		n := 0
		for ctx.Err() == nil {
			if _, err := h.VSCtl(ctx, argv...); err == nil {
				n++
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		times <- n
	}()
	return func() int {
		cancel()
		return <-times
	}
}

// A setting on which somebody insists is put right all the same, but not at his
// pace; everybody is told that he does, once, and once that it is over. Meanwhile
// VMs reach each other and nothing loops.
func TestFightOverSettings(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	m.pingAll(vms...)
	for _, c := range []struct{ name, setting, wrong, want string }{
		{"fail_mode", "fail_mode=standalone", "fail_mode=standalone", "secure"},
		{"other_config:disable-in-band", "other_config:disable-in-band=false", "other_config:disable-in-band=false", "true"},
	} {
		since, last := time.Now(), m.ctl.Events(0).Last
		before := counted(t, m.ctl.Controller, "ovsmesh_ovsdb_transactions_total")
		stop := m.insist(h1, "set", "Bridge", "xapi1", c.setting)
		said := fmt.Sprintf("bridge xapi1: another program insists on %s (wanted: %s)", c.wrong, c.want)
		m.problem("blue", "h1: "+said)
		m.heard(last, "drift h1  contested "+said)
		m.metric("ovsmesh_drift_contested", 1)
		begun := counted(t, m.ctl.Controller, "ovsmesh_ovsdb_transactions_total")
		fought := time.Now()
		for time.Since(fought) < 4*time.Second {
			m.pingAll(vms...)
			time.Sleep(200 * time.Millisecond)
		}
		took := time.Since(fought)
		if c.name == "fail_mode" { // then the switch forwards by NORMAL what nothing of ours keeps from it
			m.eventually("ours above the switch's own", func() error {
				ours, others := m.flowsNow(h1, "xapi1")
				if !strings.Contains(strings.Join(others, "\n"), "NORMAL") || !slices.ContainsFunc(ours, func(f string) bool { return strings.HasSuffix(f, ", priority=1 actions=drop") }) {
					return fmt.Errorf("ours %q, others' %q", ours, others)
				}
				return nil
			})
		}
		wrote := counted(t, m.ctl.Controller, "ovsmesh_ovsdb_transactions_total")
		m.eventually("audit names the fight", func() error {
			rep := m.audit(api.AuditRequest{})
			if len(rep.Findings) == 1 && strings.HasPrefix(rep.Findings[0].Note, "another program insists on it") {
				return nil
			}
			return fmt.Errorf("%+v", rep.Findings)
		})
		his := stop()
		// At 1, 3, 6, 9 … s after the fifth time, and once because the controller
		// may just have begun to wait.
		if most := 3 + took.Seconds()/3; wrote-begun > most {
			t.Errorf("%s: %v transactions in %v, want at most %.0f", c.name, wrote-begun, took, most)
		}
		t.Logf("%s: set by somebody else %d times, put right by %v transactions, %v of them in the last %v", c.name, his, wrote-before, wrote-begun, took)
		m.eventually("put right at last", func() error {
			if rep := m.audit(api.AuditRequest{}); !rep.Clean {
				return fmt.Errorf("%+v", rep.Findings)
			}
			return nil
		})
		h, err := m.ctl.AuditHistory(m.ctx, api.HistoryRequest{Since: since})
		m.check(err)
		open := slices.DeleteFunc(slices.Clone(h.Entries), func(e api.HistoryEntry) bool { return e.Repaired })
		if len(open) != 1 || open[0].Kind != audit.WrongBridgeSetting || open[0].Want != c.name+"="+c.want || !strings.Contains(open[0].Note, said) {
			t.Errorf("history: %s", entries(h.Entries))
		}
		if n := len(h.Entries); n > 6 {
			t.Errorf("%d entries of history: %s", n, entries(h.Entries))
		}
		if !m.ctl.Calm(m.ctx, "h1") {
			t.Fatal("h1 has no loop")
		}
		m.heard(last, "drift h1  settled bridge xapi1: nobody insists on "+c.wrong+" any longer")
		m.metric("ovsmesh_drift_contested", 0)
		m.meshed("blue", "h1", "h2", "h3")
		h, err = m.ctl.AuditHistory(m.ctx, api.HistoryRequest{Since: since})
		m.check(err)
		if slices.ContainsFunc(h.Entries, func(e api.HistoryEntry) bool { return !e.Repaired || e.Note != "" }) {
			t.Errorf("history: %s", entries(h.Entries))
		}
		told := map[string]int{}
		for _, e := range m.ctl.Events(last).Events {
			if e.Kind == api.EventDrift {
				told[e.State]++
			}
		}
		if told[api.EventContested] != 1 || told[api.EventSettled] != 1 || told[api.EventRepaired] > 5 {
			t.Errorf("events: %v", told)
		}
		m.pingAll(vms...)
		m.clean()
	}
	m.quiet()
}
