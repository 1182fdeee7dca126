package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/ovstest"
)

// unwatched is threeVMs in a mesh whose flows stay as others leave them until
// somebody asks: its switches tell of no changes, and sweeps are rare.
func unwatched(t *testing.T) (*mesh, []*ovstest.VM) {
	t.Helper()
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	for _, h := range m.Hosts() {
		if !m.ctl.Unpush(m.ctx, h.Name) {
			t.Fatalf("%s can't be told", h.Name)
		}
	}
	return m, vms
}

// harm deletes, changes, adds and moves flows of ours on h1, and returns what an
// audit is to find.
func (m *mesh) harm(vms []*ovstest.VM) []wantFinding {
	m.t.Helper()
	h1 := m.Host("h1")
	_, toH2 := m.tunnelTo(h1, "h2")
	_, toH3 := m.tunnelTo(h1, "h3")
	m.ofctl(h1, "del-flows", "--strict", "xapi1", "table=0,priority=1000,in_port="+toH2+",dl_dst=ff:ff:ff:ff:ff:ff")
	mark, unicast := "", ""
	for _, line := range m.ownFlows(h1, "xapi1") {
		if strings.Contains(line, "table=60") && strings.Contains(line, "dl_dst="+vms[2].MAC.String()) {
			unicast = line
		}
	}
	if unicast == "" {
		m.t.Fatalf("no flow to %s", vms[2].MAC)
	}
	mark, _, _ = strings.Cut(unicast[strings.Index(unicast, "cookie="):], ",")
	match, _, _ := strings.Cut(unicast[strings.Index(unicast, "table=60"):], " actions=")
	m.ofctl(h1, "--strict", "mod-flows", "xapi1", match+",actions=drop")
	m.ofctl(h1, "add-flow", "xapi1", mark+",table=60,priority=7,dl_dst=02:00:00:00:77:77,actions=drop")
	multicast := "ip,in_port=" + toH3 + ",nw_dst=224.0.0.0/24"
	m.ofctl(h1, "del-flows", "--strict", "xapi1", "table=0,priority=1000,"+multicast)
	m.ofctl(h1, "add-flow", "xapi1", mark+",table=0,priority=900,"+multicast+",actions=drop")
	return []wantFinding{
		{"h1", "blue", audit.MissingFlow, "dl_dst=ff:ff:ff:ff:ff:ff", "", "h2"},
		{"h1", "blue", audit.ChangedFlow, "output:", "drop", vms[2].MAC.String() + " can't be reached directly from h1"},
		{"h1", "blue", audit.UnexpectedFlow, "", "02:00:00:00:77:77", "may be lost"},
		{"h1", "blue", audit.MisplacedFlow, "priority=1000,ip", "priority=900,ip", "multicast from h3 loops"},
	}
}

// everyFlow is what all hosts hold on a bridge.
func (m *mesh) everyFlow(bridge string) string {
	m.t.Helper()
	text := ""
	for _, h := range m.Hosts() {
		text += h.Name + "\n" + m.sortedFlows(h, bridge) + "\n"
	}
	return text
}

// A repair mends what is ours, in one bundle, says what it did, and leaves
// others' flows alone, also such as shadow ours.
func TestRepairFlows(t *testing.T) {
	m, vms := unwatched(t)
	whole := m.everyFlow("xapi1")
	wants := m.harm(vms)
	h1, h2 := m.Host("h1"), m.Host("h2")
	_, toH1 := m.tunnelTo(h2, "h1")
	foreign := "cookie=0x1234,table=0,priority=5000,icmp,in_port=" + toH1
	m.ofctl(h2, "add-flow", "xapi1", foreign+",actions=drop")
	shadow := wantFinding{"h2", "blue", audit.ShadowedFlow, "in_port=" + toH1, "cookie=0x1234", "for frames with icmp: nothing from h1 arrives at h2"}
	harmed := m.everyFlow("xapi1")

	dry := m.audit(api.AuditRequest{Repair: true, DryRun: true})
	m.finds(dry, append(wants, shadow)...)
	if dry.Clean || !dry.Complete || !dry.DryRun || len(dry.Repairs) != 1 || dry.Repairs[0].Host != "h1" || dry.Repairs[0].Bridge != "xapi1" {
		t.Fatalf("dry run: %+v", dry.Repairs)
	}
	lines := strings.Join(dry.Repairs[0].Flows, "\n")
	if len(dry.Repairs[0].Flows) != 5 || strings.Count(lines, "+ cookie=0x6f6d") != 3 || strings.Count(lines, "- cookie=0x6f6d") != 2 {
		t.Errorf("the bundle that would be sent:\n%s", lines)
	}
	if now := m.everyFlow("xapi1"); now != harmed {
		t.Errorf("a dry run has changed\n%s\ninto\n%s", harmed, now)
	}

	// Of a host where nothing is off nothing is repaired.
	if rep := m.audit(api.AuditRequest{Host: "h3", Repair: true}); !rep.Clean || len(rep.Repairs) > 0 {
		t.Errorf("h3: %+v", rep)
	}
	rep := m.audit(api.AuditRequest{Repair: true})
	m.finds(rep, append(wants, shadow)...)
	for _, f := range rep.Findings {
		if f.Repaired != (f.Kind != audit.ShadowedFlow) || (f.Note != "") == f.Repaired {
			t.Errorf("after the repair: %+v", f)
		}
	}
	if rep.Clean || !rep.Complete || rep.DryRun || len(rep.Repairs) != 1 || len(rep.Repairs[0].Flows) != 5 {
		t.Errorf("the repair: clean %v, complete %v, %+v", rep.Clean, rep.Complete, rep.Repairs)
	}
	if now := m.everyFlow("xapi1"); now != whole {
		t.Errorf("after the repair there is\n%s\nand there was\n%s", now, whole)
	}
	for _, b := range m.topology(api.TopologyFilter{Host: "h1"}).Hosts[0].Bridges {
		if b.FlowsInstalled != b.FlowsWanted || b.FlowsWanted != len(m.ownFlows(h1, b.Name)) {
			t.Errorf("what the loop takes for installed: %+v, and there are %d", b, len(m.ownFlows(h1, b.Name)))
		}
	}

	// The command that goes with the finding does what it says.
	if r, err := vms[0].Ping(m.ctx, vms[1].IPs[0].Addr(), 3); err != nil || r.Received != 0 {
		t.Errorf("the shadowing flow shadows nothing: %+v, %v", r, err)
	}
	left := m.audit(api.AuditRequest{})
	m.finds(left, shadow)
	_, command, _ := strings.Cut(left.Findings[0].Note, "ovs-ofctl ")
	bridge, match, ok := strings.Cut(command, " xapi1 ")
	if !ok {
		t.Fatalf("note: %s", left.Findings[0].Note)
	}
	m.ofctl(h2, append(strings.Fields(bridge), "xapi1", strings.Trim(match, `"`))...)
	m.clean()
	m.pingAll(vms...)
	before := m.allWrites()
	if rep := m.audit(api.AuditRequest{Repair: true}); !rep.Clean || len(rep.Findings)+len(rep.Repairs) > 0 {
		t.Errorf("a repair of what is whole: %+v", rep)
	}
	if after := m.allWrites(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("it wrote: %v, before %v", after, before)
	}
}

// While another controller holds the lock nothing is repaired, and that is
// said; rows come with the flows once it has been given back.
func TestRepairWithoutLock(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	toH2, _ := m.tunnelTo(h1, "h2")
	giveBack := m.withoutWriter(h1)
	m.vsctl(h1, "del-port", toH2)
	m.vsctl(h1, "set", "Bridge", "xapi1", "stp_enable=true")
	m.vsctl(h1, "set", "Controller", "xapi1", "connection_mode=in-band")
	m.ofctl(h1, "del-flows", "xapi1", "table=70")

	rep := m.audit(api.AuditRequest{Repair: true})
	if rep.Clean || !rep.Complete || len(rep.Repairs) > 0 {
		t.Errorf("without the lock: %+v", rep.Repairs)
	}
	kinds := map[string]int{}
	for _, f := range rep.Findings {
		kinds[f.Kind]++
		if f.Repaired || !strings.Contains(f.Note, "another controller holds the lock") {
			t.Errorf("without the lock: %+v", f)
		}
	}
	if kinds[audit.MissingTunnel] != 1 || kinds[audit.WrongBridgeSetting] != 2 || kinds[audit.MissingFlow] == 0 {
		t.Errorf("findings: %v", kinds)
	}
	dry := m.audit(api.AuditRequest{Repair: true, DryRun: true})
	if len(dry.Repairs) != 2 || !strings.Contains(strings.Join(dry.Repairs[0].Rows, "\n"), toH2) ||
		!strings.Contains(strings.Join(dry.Repairs[0].Rows, "\n"), "stp_enable=false") || dry.Repairs[1].Bridge != "xapi1" {
		t.Errorf("what would be done: %+v", dry.Repairs)
	}

	giveBack()
	m.eventually("the lock", func() error {
		if !m.hostStatus("h1").Writer {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if rep := m.audit(api.AuditRequest{Repair: true}); !rep.Clean || !rep.Complete {
		t.Errorf("with the lock: %+v", rep)
	}
	m.clean()
	m.pingAll(vms...)
}

// clash puts a port of somebody else's on h1 that has the remote address and the
// key of a tunnel of blue.
func (m *mesh) clash(peer string) {
	m.t.Helper()
	h1 := m.Host("h1")
	m.vsctl(h1, "add-port", "other", "taken", "--", "set", "Interface", "taken", "type=gre",
		"options:key=103", "options:remote_ip="+m.Host(peer).Addr.String())
}

// What a repair can't do is said with its reason: a tunnel in whose place
// somebody else's is, before ovsmesh has made its row and after.
func TestRepairTunnelInTheWay(t *testing.T) {
	m, _ := threeVMs(t)
	h1 := m.Host("h1")
	m.check(h1.AddBridge(m.ctx, "other"))
	m.clash("h2")
	m.apply(ownBridges)
	m.eventually("the clash", func() error {
		for _, tun := range m.tunnels() {
			if tun.From == "h1" && tun.To == "h2" && tun.State == api.TunnelDown {
				return nil
			}
		}
		return fmt.Errorf("%+v", m.tunnels())
	})
	one := func(what, kind, note string, r api.AuditRequest) {
		t.Helper()
		rep := m.audit(r)
		left := slices.DeleteFunc(rep.Findings, func(f audit.Finding) bool { return f.Repaired })
		if rep.Clean || !rep.Complete || len(left) != 1 {
			t.Fatalf("%s: %+v", what, rep)
		}
		if f := left[0]; f.Kind != kind || f.Repaired || !strings.Contains(f.Note, note) ||
			!strings.Contains(f.Effect, "VMs on h2 can't be reached from h1") || f.Network != "blue" {
			t.Errorf("%s: %+v", what, f)
		}
	}
	one("before", audit.MissingTunnel, "is already used by port taken on bridge other", api.AuditRequest{Host: "h1"})
	one("before, repaired", audit.MissingTunnel, "is already used by port taken on bridge other", api.AuditRequest{Host: "h1", Repair: true})

	// The row is written while ovs-vswitchd still has the other port.
	m.vsctl(h1, "del-port", "taken")
	m.eventually("the tunnel after the clash", func() error {
		if rep := m.audit(api.AuditRequest{Host: "h1", Repair: true}); !rep.Clean || !rep.Complete {
			return fmt.Errorf("%+v", rep.Findings)
		}
		return nil
	})
	m.meshed("blue", "h1", "h2", "h3")
	toH2, _ := m.tunnelTo(h1, "h2")
	giveBack := m.withoutWriter(h1)
	ids := strings.Trim(m.vsctl(h1, "get", "Port", toH2, "external_ids"), "{}")
	options := strings.Trim(m.vsctl(h1, "get", "Interface", toH2, "options"), "{}")
	m.vsctl(h1, "del-port", toH2)
	m.clash("h2")
	args := []string{"--", "add-port", "xapi1", toH2, "--", "set", "Interface", toH2, "type=gre"}
	for _, o := range strings.Split(options, ", ") {
		args = append(args, "options:"+o)
	}
	for _, id := range strings.Split(ids, ", ") {
		args = append(args, "--", "set", "Interface", toH2, "external_ids:"+id, "--", "set", "Port", toH2, "external_ids:"+id)
	}
	m.vsctl(h1, args[1:]...)
	giveBack()
	m.eventually("the lock", func() error {
		if !m.hostStatus("h1").Writer {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	one("after", audit.TunnelError, "its row is as it should be", api.AuditRequest{Host: "h1", Repair: true})
}

// A switch that dies while it is being asked makes the look incomplete, and
// hides nothing that others hold.
func TestAuditOfADyingSwitch(t *testing.T) {
	m, _ := unwatched(t)
	h3 := m.Host("h3")
	m.check(h3.Freeze())
	m.ofctl(m.Host("h1"), "del-flows", "xapi1", "table=70")
	reports := make(chan api.AuditReport, 1)
	go func() {
		rep, err := m.ctl.Audit(m.ctx, api.AuditRequest{})
		if err != nil {
			t.Error(err)
		}
		reports <- rep
	}()
	select {
	case rep := <-reports:
		t.Errorf("over a frozen switch: %+v", rep)
		return
	case <-time.After(300 * time.Millisecond):
	}
	m.check(h3.KillVSwitchd(syscall.SIGKILL))
	rep := <-reports
	kinds := map[string]int{}
	for _, f := range rep.Findings {
		kinds[f.Host+" "+f.Kind]++
		if f.Host == "h3" && strings.Contains(f.Got, "has not answered for") {
			t.Errorf("the switch's death was not noticed: %+v", f)
		}
	}
	if rep.Complete || rep.Clean || kinds["h3 "+audit.UnreachableHost] != 1 || kinds["h1 "+audit.MissingFlow] == 0 || len(kinds) != 2 {
		t.Errorf("complete %v, findings %v", rep.Complete, kinds)
	}
	m.check(h3.StartVSwitchd(m.ctx))
	m.eventually("clean after a repair", func() error {
		if rep := m.audit(api.AuditRequest{Repair: true}); !rep.Clean || !rep.Complete {
			return fmt.Errorf("%+v", rep.Findings)
		}
		return nil
	})
}
