package controller_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

func (m *mesh) audit(r api.AuditRequest) api.AuditReport {
	m.t.Helper()
	rep, err := m.ctl.Audit(m.ctx, r)
	m.check(err)
	return rep
}

// wantFinding is a finding as far as a test looks at it: the texts must be
// contained.
type wantFinding struct {
	host, network, kind, want, got, effect string
}

// finds demands that a report holds exactly these findings.
func (m *mesh) finds(rep api.AuditReport, wants ...wantFinding) {
	m.t.Helper()
	left := append([]audit.Finding{}, rep.Findings...)
	for _, w := range wants {
		at := -1
		for i, f := range left {
			if f.Host == w.host && f.Network == w.network && f.Kind == w.kind && strings.Contains(f.Want, w.want) &&
				strings.Contains(f.Got, w.got) && strings.Contains(f.Effect, w.effect) {
				at = i
				break
			}
		}
		if at < 0 {
			m.t.Errorf("no finding %+v", w)
			continue
		}
		left = append(left[:at], left[at+1:]...)
	}
	if len(left) > 0 {
		b, _ := json.MarshalIndent(left, "", "  ")
		m.t.Errorf("further findings: %s", b)
	}
	if m.t.Failed() {
		b, _ := json.MarshalIndent(rep, "", "  ")
		m.t.Fatalf("the report: %s", b)
	}
}

// ofctl runs ovs-ofctl on a host, which must succeed.
func (m *mesh) ofctl(h *ovstest.Host, args ...string) {
	m.t.Helper()
	_, err := h.OFCtl(m.ctx, args...)
	m.check(err)
}

// vsctl runs ovs-vsctl on a host, which must succeed, and returns what it says.
func (m *mesh) vsctl(h *ovstest.Host, args ...string) string {
	m.t.Helper()
	out, err := h.VSCtl(m.ctx, args...)
	m.check(err)
	return strings.Trim(strings.TrimSpace(out), `"`)
}

// tunnelTo returns the name and the OpenFlow number of a host's port to another.
func (m *mesh) tunnelTo(h *ovstest.Host, peer string) (name, ofport string) {
	m.t.Helper()
	name = m.vsctl(h, "--bare", "--columns=name", "find", "Port", "external_ids:ovsmesh-peer="+peer)
	return name, m.vsctl(h, "get", "Interface", name, "ofport")
}

// withoutWriter takes the controller's lock on a host away, so that it writes
// nothing there until the test ends or the function returned is called.
func (m *mesh) withoutWriter(h *ovstest.Host) (giveBack func()) {
	m.t.Helper()
	cmd := exec.Command("ovsdb-client", "steal", "unix:"+h.DBSocket(), "ovsmesh")
	m.check(cmd.Start())
	giveBack = func() {
		_ = cmd.Process.Kill() // it may have been killed already
		_ = cmd.Wait()
	}
	m.t.Cleanup(giveBack)
	m.eventually("lock taken away", func() error {
		if st := m.hostStatus(h.Name); st.Writer {
			return errors.New("it still writes")
		}
		return nil
	})
	if !m.ctl.Linger(m.ctx, h.Name) {
		m.t.Fatalf("%s has no loop", h.Name)
	}
	return giveBack
}

func (m *mesh) hostStatus(name string) api.HostStatus {
	m.t.Helper()
	o, err := m.ctl.Objects(m.ctx, api.KindHosts, name)
	m.check(err)
	return o.Hosts[0].Status
}

// Flows that somebody deleted, changed or added are found, each with what
// follows from it, and so are those of others where they are asked for.
func TestAuditFlows(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	_, toH2 := m.tunnelTo(h1, "h2")
	flows := m.audit(api.AuditRequest{}).Checked.Flows

	m.withoutWriter(h1) // who would mend it at once
	m.ofctl(h1, "del-flows", "--strict", "xapi1", "table=0,priority=1000,in_port="+toH2+",dl_dst=ff:ff:ff:ff:ff:ff")
	unicast := ""
	for _, line := range m.ownFlows(h1, "xapi1") {
		if strings.Contains(line, "table=60") && strings.Contains(line, "dl_dst="+vms[2].MAC.String()) {
			unicast = line
		}
	}
	if unicast == "" {
		t.Fatalf("no flow to %s", vms[2].MAC)
	}
	match, _, _ := strings.Cut(unicast[strings.Index(unicast, "table=60"):], " actions=")
	m.ofctl(h1, "--strict", "mod-flows", "xapi1", match+",actions=drop")
	network := unicast[strings.Index(unicast, "cookie="):]
	network, _, _ = strings.Cut(network, ",")
	m.ofctl(h1, "add-flow", "xapi1", network+",table=60,priority=7,dl_dst=02:00:00:00:77:77,actions=drop")
	m.ofctl(h1, "add-flow", "xapi1", "cookie=0x1234,table=6,priority=5,actions=drop")

	wants := []wantFinding{
		{"h1", "blue", audit.MissingFlow, "dl_dst=ff:ff:ff:ff:ff:ff", "", "h2"},
		{"h1", "blue", audit.ChangedFlow, "output:", "drop", "02:00:00:00:01:03 can't be reached directly from h1"},
		{"h1", "blue", audit.UnexpectedFlow, "", "02:00:00:00:77:77", ""},
	}
	rep := m.audit(api.AuditRequest{})
	if rep.Clean || !rep.Complete || rep.Checked.Flows != flows {
		t.Errorf("clean %v, complete %v, checked %+v", rep.Clean, rep.Complete, rep.Checked)
	}
	for _, f := range rep.Findings {
		if f.Effect == "" || f.Bridge != "xapi1" {
			t.Errorf("finding without effect or bridge: %+v", f)
		}
	}
	m.finds(rep, wants...)
	foreign := append([]wantFinding{}, wants...)
	foreign = append(foreign, wantFinding{"h1", "", audit.ForeignFlow, "", "cookie=0x1234", ""})
	m.finds(m.audit(api.AuditRequest{Foreign: true}), foreign...)

	// The filters.
	m.finds(m.audit(api.AuditRequest{Network: "blue"}), wants...)
	m.finds(m.audit(api.AuditRequest{Host: "h1"}), wants...)
	for _, r := range []api.AuditRequest{{Network: "red"}, {Host: "h2"}, {Host: "h2", Network: "blue"}} {
		if rep := m.audit(r); !rep.Clean || !rep.Complete {
			t.Errorf("%+v: %+v", r, rep)
		}
	}
	if rep := m.audit(api.AuditRequest{Host: "h2"}); rep.Checked.Hosts != 1 || rep.Checked.Tunnels != 2 {
		t.Errorf("h2 alone: %+v", rep.Checked)
	}
	for _, r := range []api.AuditRequest{{Network: "none"}, {Host: "none"}} {
		if _, err := m.ctl.Audit(m.ctx, r); !errors.Is(err, topology.ErrNotFound) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Rows that differ are found. Where the controller may write it puts them right
// at once, so its lock is taken from it.
func TestAuditRows(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	toH2, _ := m.tunnelTo(h1, "h2")
	toH3, _ := m.tunnelTo(h1, "h3")
	giveBack := m.withoutWriter(h1)
	owner := m.vsctl(h1, "get", "Port", toH2, "external_ids:ovsmesh-owner")

	m.vsctl(h1, "del-port", toH2)
	m.vsctl(h1, "set", "Interface", toH3, "options:key=199")
	m.vsctl(h1, "add-port", "xapi1", "t103-1-9", "--", "set", "Port", "t103-1-9",
		"external_ids:ovsmesh-owner="+owner, "external_ids:ovsmesh-network=blue", "external_ids:ovsmesh-peer=h9",
		"--", "set", "Interface", "t103-1-9", "type=gre", "options:key=103", "options:remote_ip=10.99.0.9",
		"external_ids:ovsmesh-owner="+owner, "external_ids:ovsmesh-network=blue", "external_ids:ovsmesh-peer=h9")
	m.vsctl(h1, "set", "Bridge", "xapi1", "other_config:disable-in-band=false", "stp_enable=true")

	rep := m.audit(api.AuditRequest{Host: "h1"})
	rows := rep.Findings[:0:0]
	for _, f := range rep.Findings { // which flows are off for want of ports is another test's
		switch f.Kind {
		case audit.MissingFlow, audit.UnexpectedFlow, audit.ChangedFlow, audit.MisplacedFlow:
		default:
			rows = append(rows, f)
		}
	}
	if rep.Clean || !rep.Complete {
		t.Errorf("clean %v, complete %v", rep.Clean, rep.Complete)
	}
	rep.Findings = rows
	m.finds(rep,
		wantFinding{"h1", "blue", audit.MissingTunnel, toH2, "", "VMs on h2 can't be reached from h1"},
		wantFinding{"h1", "blue", audit.ChangedTunnel, "103", "199", "VMs on h3 can't be reached from h1"},
		wantFinding{"h1", "blue", audit.UnexpectedTunnel, "", "t103-1-9", "not in the network"},
		wantFinding{"h1", "", audit.WrongBridgeSetting, "disable-in-band=true", "disable-in-band=false", "forged ARP"},
		wantFinding{"h1", "", audit.WrongBridgeSetting, "stp_enable=false", "stp_enable=true", "tunnels of xapi1"},
	)

	giveBack()
	m.eventually("put right", func() error {
		if rep := m.audit(api.AuditRequest{}); !rep.Clean || !rep.Complete {
			return fmt.Errorf("%+v", rep.Findings)
		}
		return m.isMeshed("blue", "h1", "h2", "h3")
	})
	m.pingAll(vms...)
}

// A host that is not connected makes the look incomplete, and hides nothing of
// the others.
func TestAuditUnreachableHost(t *testing.T) {
	t.Parallel()
	m, _ := unwatched(t)
	m.hangUp(m.Host("h3"))
	m.ofctl(m.Host("h1"), "del-flows", "xapi1", "table=70")
	rep := m.audit(api.AuditRequest{})
	if rep.Complete || rep.Clean || rep.Checked.Hosts != 2 {
		t.Errorf("clean %v, complete %v, checked %+v", rep.Clean, rep.Complete, rep.Checked)
	}
	kinds := map[string]int{}
	for _, f := range rep.Findings {
		kinds[f.Host+" "+f.Kind]++
	}
	if kinds["h3 "+audit.UnreachableHost] != 1 || kinds["h1 "+audit.MissingFlow] == 0 || len(kinds) != 2 {
		t.Errorf("findings: %v", kinds)
	}
	if rep := m.audit(api.AuditRequest{Host: "h2"}); !rep.Clean || !rep.Complete {
		t.Errorf("h2 alone: %+v", rep)
	}
}

// A switch that hangs is reported in bounded time, and with it all that others
// hold.
func TestAuditFrozenHost(t *testing.T) {
	t.Parallel()
	m, _ := unwatched(t)
	h3 := m.Host("h3")
	m.check(h3.Freeze())
	defer func() { m.check(h3.Thaw()) }()
	m.ofctl(m.Host("h1"), "del-flows", "xapi1", "table=70")
	start := time.Now()
	rep := m.audit(api.AuditRequest{})
	if took := time.Since(start); took > patience {
		t.Errorf("took %v", took)
	}
	kinds := map[string]int{}
	for _, f := range rep.Findings {
		kinds[f.Host+" "+f.Kind]++
	}
	if rep.Complete || kinds["h3 "+audit.UnreachableHost] != 1 || kinds["h1 "+audit.MissingFlow] == 0 || len(kinds) != 2 {
		t.Errorf("complete %v, findings: %v", rep.Complete, kinds)
	}
	if f := rep.Findings[len(rep.Findings)-1]; !strings.HasPrefix(f.Got, "bridge xapi1: ovs-vswitchd has not answered for 10s") {
		t.Errorf("why: %+v", f)
	}
}
