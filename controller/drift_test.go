package controller_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// history waits until the history since a moment has exactly these entries, each
// "kind network want/got/effect" with a part of one of the three, all mended.
func (m *mesh) history(since time.Time, wants ...string) []api.HistoryEntry {
	m.t.Helper()
	var list []api.HistoryEntry
	m.eventually("history", func() error {
		h, err := m.ctl.AuditHistory(m.ctx, api.HistoryRequest{Since: since})
		m.check(err)
		list = h.Entries
		left := slices.Clone(list)
		for _, w := range wants {
			i := slices.IndexFunc(left, func(e api.HistoryEntry) bool { return e.Repaired && isEntry(e, w) })
			if i < 0 {
				return fmt.Errorf("nothing mended is %q, among %s", w, entries(left))
			}
			left = slices.Delete(left, i, i+1)
		}
		if len(left) > 0 {
			return fmt.Errorf("beyond %q there is %s", wants, entries(left))
		}
		return nil
	})
	return list
}

func isEntry(e api.HistoryEntry, want string) bool {
	rest, ok := strings.CutPrefix(want, fmt.Sprintf("%s %s ", e.Kind, e.Network))
	return ok && strings.Contains(e.Want+"\n"+e.Got+"\n"+e.Effect, rest)
}

func entries(list []api.HistoryEntry) string {
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "\n%s %s %s %s want %q got %q effect %q by %s repaired %v note %q", e.Host, e.Bridge, e.Kind, e.Network, e.Want, e.Got, e.Effect, e.By, e.Repaired, e.Note)
	}
	return b.String()
}

// flowsNow returns a host's flows, ours and others', sorted.
func (m *mesh) flowsNow(h *ovstest.Host, bridge string) (ours, others []string) {
	m.t.Helper()
	out, err := h.OFCtl(m.ctx, "--no-stats", "--no-names", "dump-flows", bridge)
	m.check(err)
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); strings.Contains(line, "cookie=0x6f6d") {
			ours = append(ours, line)
		} else if line != "" {
			others = append(others, line)
		}
	}
	slices.Sort(ours)
	slices.Sort(others)
	return ours, others
}

// restored waits until a switch holds exactly these flows of ours.
func (m *mesh) restored(h *ovstest.Host, bridge string, want []string) {
	m.t.Helper()
	m.eventually("flows of ours back", func() error {
		got, _ := m.flowsNow(h, bridge)
		if !slices.Equal(got, want) {
			return fmt.Errorf("%d flows, want %d:\n%s\nwant\n%s", len(got), len(want), strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return nil
	})
}

// matchOf returns what of a flow as ovs-ofctl prints it a command takes for its
// match, with the cookie or without.
func matchOf(line string, cookie bool) string {
	line, _, _ = strings.Cut(line, " actions=")
	c, rest, _ := strings.Cut(line, ", ")
	rest = strings.ReplaceAll(rest, ", ", ",")
	if cookie {
		return c + "," + rest
	}
	return rest
}

// pick returns the flow in which all texts occur.
func pick(t *testing.T, flows []string, texts ...string) string {
	t.Helper()
	for _, f := range flows {
		if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(f, s) }) {
			return f
		}
	}
	t.Fatalf("no flow with %q among\n%s", texts, strings.Join(flows, "\n"))
	return ""
}

const theirs = "cookie=0x1234,table=7,priority=5,actions=drop"

// Whatever somebody does by hand to flows of ours is undone, told and recorded;
// what is his own stays as he made it. So it is where the switch tells of
// changes, and where it has to be read back.
func TestDriftOfFlows(t *testing.T) {
	for _, way := range []string{api.ByPush, api.BySweep} {
		t.Run(way, func(t *testing.T) { driftOfFlows(t, way) })
	}
}

func driftOfFlows(t *testing.T, way string) {
	m, vms := threeVMs(t, func(m *mesh) {
		if way == api.BySweep {
			m.sweep = 300 * time.Millisecond
		}
	})
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	h1 := m.Host("h1")
	watched := api.WatchedPush
	if way == api.BySweep {
		watched = api.WatchedPoll
		if !m.ctl.Unpush(m.ctx, "h1") {
			t.Fatal("no loop of h1")
		}
	}
	m.eventually("watched: "+watched, func() error {
		if got := m.topology(api.TopologyFilter{Host: "h1"}).Hosts[0].Bridges[0].Watched; got != watched {
			return fmt.Errorf("watched: %s", got)
		}
		return nil
	})
	m.ofctl(h1, "add-flow", "xapi1", theirs)
	ours, _ := m.flowsNow(h1, "xapi1")
	_, toH2 := m.tunnelTo(h1, "h2")
	drop := pick(t, ours, "priority=1000,in_port="+toH2, "dl_dst=ff:ff:ff:ff:ff:ff")
	unicast := pick(t, ours, "table=60", "dl_dst="+vms[2].MAC.String())
	file := filepath.Join(t.TempDir(), "flows")
	m.check(os.WriteFile(file, []byte(theirs+"\ntable=8,actions=drop\n"), 0o600))
	all := func(kind string) (wants []string) {
		for _, f := range ours {
			network := "blue"
			if strings.HasPrefix(f, "cookie=0x6f6d00000000") {
				network = ""
			}
			_, text, _ := strings.Cut(f, ", ")
			wants = append(wants, kind+" "+network+" "+text)
		}
		return wants
	}
	for _, c := range []struct {
		name   string
		do     []string // of ovs-ofctl
		wants  []string
		others int // that are left
	}{
		{"one is deleted", []string{"--strict", "del-flows", "xapi1", matchOf(drop, false)},
			[]string{"missing-flow blue broadcast from h2 loops"}, 1},
		{"one is changed", []string{"--strict", "mod-flows", "xapi1", matchOf(unicast, false) + ",actions=drop"},
			[]string{"changed-flow blue " + vms[2].MAC.String() + " can't be reached directly from h1"}, 1},
		{"one's flags are changed", []string{"add-flow", "xapi1", matchOf(drop, true) + ",send_flow_rem,actions=drop"},
			[]string{"changed-flow blue send_flow_rem"}, 1},
		{"one is replaced", []string{"add-flow", "xapi1", "cookie=0x99," + matchOf(unicast, false) + ",actions=drop"},
			[]string{"shadowed-flow blue cookie=0x99"}, 1},
		{"one is added with our mark", []string{"add-flow", "xapi1", matchOf(unicast, true) + ",dl_type=0x88cc,actions=drop"},
			[]string{"unexpected-flow blue dl_type=0x88cc"}, 1},
		{"one is added with the mark of no network there", []string{"add-flow", "xapi1", "cookie=0x6f6d0000ffff0001,table=60,priority=3,actions=drop"},
			[]string{"unexpected-flow  priority=3"}, 1},
		{"all are changed", []string{"mod-flows", "xapi1", "table=60,actions=drop"}, nil, 1},
		{"all are deleted", []string{"del-flows", "xapi1"}, all("missing-flow"), 0},
		{"all are replaced by others", []string{"replace-flows", "xapi1", file}, all("missing-flow"), 2},
	} {
		since, last := time.Now(), m.ctl.Events(0).Last
		m.ofctl(h1, c.do...)
		m.restored(h1, "xapi1", ours)
		if c.wants == nil {
			continue
		}
		by := way
		if strings.Contains(c.wants[0], "send_flow_rem") {
			by = api.BySweep // what is told leaves out the flags: the switch is read back at once
		}
		for _, e := range m.history(since, c.wants...) {
			if e.Host != "h1" || e.Bridge != "xapi1" || e.By != by || e.Effect == "" || e.RepairedAt == "" || e.Note != "" {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
		kind, network, _ := strings.Cut(c.wants[0], " ")
		network, _, _ = strings.Cut(network, " ")
		m.heard(last, fmt.Sprintf("drift h1 %s repaired %s", network, kind))
		if _, others := m.flowsNow(h1, "xapi1"); len(others) != c.others {
			t.Errorf("%s: flows of others: %q, want %d", c.name, others, c.others)
		}
	}
	m.pingAll(vms...)
	m.clean()
	m.quiet()
	if h, err := m.ctl.AuditHistory(m.ctx, api.HistoryRequest{Host: "h2"}); err != nil || len(h.Entries) > 0 {
		t.Errorf("history of h2: %+v, %v", h, err)
	}
	for _, r := range []api.HistoryRequest{{Host: "none"}, {Network: "none"}} {
		if _, err := m.ctl.AuditHistory(m.ctx, r); !errors.Is(err, topology.ErrNotFound) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Where a flow of somebody else stood first, ours yields to it, until it goes.
func TestDriftYields(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	ours, _ := m.flowsNow(h1, "xapi1")
	one := matchOf(pick(t, ours, "table=60", "dl_dst="+vms[2].MAC.String()), false)
	giveBack := m.withoutWriter(h1)
	m.ofctl(h1, "add-flow", "xapi1", "cookie=0x99,"+one+",actions=drop")
	giveBack()
	m.eventually("writer again", func() error {
		if b := m.topology(api.TopologyFilter{}).Hosts[0].Bridges[0]; !m.hostStatus("h1").Writer || b.FlowsInstalled != b.FlowsWanted-1 {
			return fmt.Errorf("%+v", b)
		}
		return nil
	})
	since := time.Now()
	m.ofctl(h1, "add-flow", "xapi1", "cookie=0x99,"+one+",actions=NORMAL") // his own affair
	time.Sleep(300 * time.Millisecond)
	if _, others := m.flowsNow(h1, "xapi1"); len(others) != 1 || !strings.Contains(others[0], "NORMAL") {
		t.Errorf("flows of others: %q", others)
	}
	m.ofctl(h1, "--strict", "del-flows", "xapi1", one)
	m.restored(h1, "xapi1", ours)
	m.history(since)
	m.clean()
}

// In a burst of 10,000 changes that others make of their own flows none is lost,
// and what is changed of ours among them is mended, no more and no less.
func TestDriftBurst(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	ours, _ := m.flowsNow(h1, "xapi1")
	one := pick(t, ours, "table=60", "dl_dst="+vms[2].MAC.String())
	var add strings.Builder
	const n = 10_000
	for i := range n {
		fmt.Fprintf(&add, "cookie=0x77,table=9,priority=%d,dl_dst=02:77:00:00:%02x:%02x,actions=drop\n", i%9, i>>8, i&0xff)
		if i == n/2 {
			fmt.Fprintf(&add, "cookie=0x77,%s,actions=drop\n", matchOf(one, false))
		}
	}
	file := filepath.Join(t.TempDir(), "flows")
	m.check(os.WriteFile(file, []byte(add.String()), 0o600))
	since, before := time.Now(), m.counter("ovsmesh_openflow_updates_total")
	m.ofctl(h1, "add-flows", "xapi1", file)
	m.restored(h1, "xapi1", ours)
	m.eventually("all told", func() error {
		if told := m.counter("ovsmesh_openflow_updates_total") - before; told != n+1 {
			return fmt.Errorf("%v changes told, %d made", told, n+1)
		}
		return nil
	})
	m.history(since, "shadowed-flow blue cookie=0x77")
	m.ofctl(h1, "del-flows", "xapi1", "cookie=0x77/-1")
	m.eventually("all told", func() error {
		if told := m.counter("ovsmesh_openflow_updates_total") - before; told != 2*n+1 {
			return fmt.Errorf("%v changes told, %d made", told, 2*n+1)
		}
		return nil
	})
	m.pingAll(vms...)
	m.clean()
	m.history(since, "shadowed-flow blue cookie=0x77")
}

// counter returns what a counter without labels counts.
func (m *mesh) counter(name string) float64 {
	m.t.Helper()
	families, err := m.ctl.Registry().Gather()
	m.check(err)
	for _, f := range families {
		if f.GetName() == name {
			return f.Metric[0].GetCounter().GetValue()
		}
	}
	m.t.Fatalf("no metric %s", name)
	return 0
}

// A switch that restarts is watched again, and what it has lost by that is not
// put down to anybody.
func TestDriftAfterRestart(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	ours, _ := m.flowsNow(h1, "xapi1")
	since := time.Now()
	m.check(h1.RestartVSwitchd(m.ctx))
	m.restored(h1, "xapi1", ours)
	m.meshed("blue", "h1", "h2", "h3")
	m.history(since)
	m.ofctl(h1, "del-flows", "xapi1", "table=60")
	m.restored(h1, "xapi1", ours)
	m.pingAll(vms...)
	m.clean()
}

// So it is with switches that learn.
func TestDriftWhereSwitchesLearn(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(strings.Replace(ownBridges, "{name: blue,", "{name: blue, profile: learning,", 1))
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	h1 := m.Host("h1")
	ours, _ := m.flowsNow(h1, "xapi1")
	since := time.Now()
	m.ofctl(h1, "mod-flows", "xapi1", "actions=drop")
	m.restored(h1, "xapi1", ours)
	m.ofctl(h1, "del-flows", "xapi1")
	m.restored(h1, "xapi1", ours)
	h, err := m.ctl.AuditHistory(m.ctx, api.HistoryRequest{Since: since})
	m.check(err)
	if len(h.Entries) < len(ours) || h.Entries[0].Kind != audit.ChangedFlow || h.Entries[len(h.Entries)-1].Kind != audit.MissingFlow {
		t.Errorf("history: %s", entries(h.Entries))
	}
	m.pingAll(vms...)
	m.clean()
}

// What we write ourselves is nobody's drift.
func TestNoDriftOfOurs(t *testing.T) {
	m, vms := threeVMs(t, func(m *mesh) { m.sweep = 200 * time.Millisecond })
	since := time.Now()
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	four := m.vm("h2", "vm-4", "xapi1", 4, "")
	m.pingAll(append(vms, four)...)
	m.apply(strings.Replace(ownBridges, "key: 103", "key: 105", 1))
	m.meshed("blue", "h1", "h2", "h3")
	m.check(four.Remove(m.ctx))
	m.check(vms[2].Remove(m.ctx))
	m.meshed("blue", "h1", "h2")
	m.pingAll(vms[:2]...)
	m.remove("networks", "blue")
	time.Sleep(500 * time.Millisecond)
	m.history(since)
	m.quiet()
}
