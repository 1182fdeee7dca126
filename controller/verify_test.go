package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/verify"
	"ovsmesh/ovsdb/ovstest"
)

// Real hosts with networks of many kinds: all holds, by the compiled tables and
// by those of the switches. What other programs' flows and a wrong compiler break
// is found, and a host that can't be looked at makes the proof incomplete.
func TestVerify(t *testing.T) {
	m := startMesh(t, 3)
	m.bridges("br-int", "br-old")
	m.apply(`networks:
  - {name: blue, tenant: acme, encap: gre, key: 103}
  - {name: red, tenant: ajax, encap: gre, key: 104, tunnelPorts: shared, portSecurity: false}
  - {name: green, tenant: ajax, encap: vxlan, key: 5001, tunnelPorts: flow, broadcast: drop, unknownUnicast: drop}
  - {name: old, tenant: ajax, encap: vxlan, key: 5002, bridge: br-old, profile: learning}
ports:
  - {name: server, network: green, match: {mac: "02:00:00:00:01:0d"}, mac: "02:00:00:00:01:0d", ips: [10.1.1.13], dhcpServer: true}
  - {name: client, network: green, match: {mac: "02:00:00:00:01:0e"}, mac: "02:00:00:00:01:0e", ips: [10.1.1.14, "fd00::e"]}
`)
	var blue []*ovstest.VM
	for i, h := range m.Hosts() {
		blue = append(blue, m.vm(h.Name, fmt.Sprintf("blue-%d", i+1), "br-int", i+1, "blue"))
		m.vm(h.Name, fmt.Sprintf("red-%d", i+1), "br-int", i+1, "red")
		m.vm(h.Name, fmt.Sprintf("old-%d", i+1), "br-old", i+1, "")
	}
	m.vm("h1", "green-13", "br-int", 13, "green")
	m.vm("h2", "green-14", "br-int", 14, "green")
	all := []string{"h1", "h2", "h3"}
	for network, hosts := range map[string][]string{"blue": all, "red": all, "old": all, "green": {"h1", "h2"}} {
		m.meshed(network, hosts...)
	}

	for _, got := range []bool{false, true} {
		r := m.verify(api.VerifyRequest{Got: got})
		if !r.OK || !r.Complete || r.Checked.Networks != 4 || r.Checked.Bridges != 11 || r.Checked.Flows < 100 || r.Checked.Frames < 1000 {
			t.Fatalf("got %v: %s", got, violations(r))
		}
	}
	// One part after the other is the same.
	first := m.verify(api.VerifyRequest{Limit: 3})
	rest := m.verify(api.VerifyRequest{Limit: 3, After: first.Next})
	if first.Checked.Networks != 3 || first.Next != "old" || rest.Checked.Networks != 1 || rest.Next != "" {
		t.Errorf("parts of %+v and %+v", first.Checked, rest.Checked)
	}

	h1, ofport := m.Host("h1"), m.vsctl(m.Host("h1"), "get", "Interface", blue[0].Interface, "ofport")
	for _, c := range []struct {
		flow, network string
		want          verify.Invariant
	}{
		{"table=60,priority=5000,dl_dst=02:00:00:00:01:02,actions=drop", "blue", verify.Unicast},
		{"table=70,priority=5000,dl_type=0x88b5,actions=drop", "red", verify.Broadcast},
		{"table=0,priority=5000,dl_type=0x88b5,actions=output:" + ofport, "red", verify.Isolation},
		{"table=10,priority=5000,in_port=" + ofport + ",actions=goto_table:20", "blue", verify.PortSecurity},
		{"table=60,priority=5000,metadata=0x100000000/0x100000000,actions=flood", "blue", verify.Isolation}, // to no tunnel: these are protected
		{"table=20,priority=5000,arp,actions=goto_table:60", "green", verify.Answers},
	} {
		m.ofctl(h1, "-O", "OpenFlow13", "add-flow", "br-int", "cookie=0x77,"+c.flow)
		r := m.verify(api.VerifyRequest{Network: c.network, Got: true})
		at := slices.IndexFunc(r.Violations, func(v api.Violation) bool {
			return v.Invariant == c.want && v.Network == c.network && v.Host == "h1" && v.Bridge == "br-int" && v.Frame != "" && v.Effect != ""
		})
		if r.OK || at < 0 {
			t.Errorf("%s: want %s, got %s", c.flow, c.want, violations(r))
		}
		if r := m.verify(api.VerifyRequest{Network: c.network}); !r.OK || !r.Complete {
			t.Errorf("%s is not wanted, and yet %s", c.flow, violations(r))
		}
		m.ofctl(h1, "-O", "OpenFlow13", "--strict", "del-flows", "br-int", c.flow[:strings.Index(c.flow, ",actions")])
	}
	if r := m.verify(api.VerifyRequest{Got: true, Host: "h1"}); !r.OK || !r.Complete || r.Checked.Networks != 4 {
		t.Errorf("all is well again, and yet %s", violations(r))
	}

	if !m.ctl.Miscompile(m.ctx, "h2", func(n pipeline.Network) ([]flow.Flow, error) {
		flows, err := pipeline.Compile(n)
		return slices.DeleteFunc(flows, func(f flow.Flow) bool { return pipeline.ReasonOf(f.Cookie) == pipeline.FloodFromTunnel }), err
	}) {
		t.Fatal("no loop of h2")
	}
	r := m.verify(api.VerifyRequest{Network: "blue"})
	if r.OK || !r.Complete || r.Violations[0].Invariant != verify.Broadcast || r.Violations[0].Host != "h2" {
		t.Errorf("without a flow that floods: %s", violations(r))
	}
	m.ctl.Miscompile(m.ctx, "h2", nil)

	m.check(m.Host("h3").KillVSwitchd(syscall.SIGKILL))
	m.eventually("h3 away", func() error {
		if r := m.verify(api.VerifyRequest{Network: "blue", Got: true}); r.Complete || r.Unseen[0].Host != "h3" {
			return fmt.Errorf("complete %v: %s", r.Complete, violations(r))
		}
		return nil
	})
	for _, wrong := range []api.VerifyRequest{{Network: "blu"}, {Host: "h9"}} {
		if _, err := m.ctl.Verify(m.ctx, wrong); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
}

func (m *mesh) verify(r api.VerifyRequest) api.VerifyReport {
	m.t.Helper()
	report, err := m.ctl.Verify(m.ctx, r)
	m.check(err)
	return report
}

func violations(r api.VerifyReport) string {
	text := fmt.Sprintf("%+v", r.Checked)
	for _, v := range r.Violations {
		text += fmt.Sprintf("\n%+v", v)
	}
	return text + fmt.Sprintf("\n%+v", r.Unseen)
}
