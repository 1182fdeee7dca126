package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/ovsdb/ovstest"
)

// A compiler that is wrong for one network on one host: nothing of that gets to
// the switch, all that was there goes on, others don't notice, and everybody who
// looks is told. Once it is right again, all is made good.
func TestFlowsThatWouldBreakThingsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		want  string // what the problem says
		wrong func(f *flow.Flow, tunnel, red uint32)
	}{
		"loop": {"make a loop: what comes from a tunnel may leave on tunnel port", func(f *flow.Flow, tunnel, _ uint32) {
			if pipeline.ReasonOf(f.Cookie) == pipeline.FloodFromTunnel {
				f.Actions = append(slices.Clone(f.Actions), flow.Output{Port: tunnel})
			}
		}},
		"isolation": {"isolation: ", func(f *flow.Flow, _, red uint32) {
			if pipeline.ReasonOf(f.Cookie) == pipeline.FloodFromVIF {
				f.Actions = append(slices.Clone(f.Actions), flow.Output{Port: red})
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := startMesh(t, 2)
			m.ctl.refuses = true
			m.bridges("br-int")
			m.apply(`networks:
  - {name: blue, tenant: acme, encap: gre, key: 103}
  - {name: red, tenant: ajax, encap: gre, key: 104}
`)
			blue := []*ovstest.VM{m.vm("h1", "blue-1", "br-int", 1, "blue"), m.vm("h2", "blue-2", "br-int", 2, "blue")}
			red := []*ovstest.VM{m.vm("h1", "red-1", "br-int", 1, "red"), m.vm("h2", "red-2", "br-int", 2, "red")}
			m.meshed("blue", "h1", "h2")
			m.meshed("red", "h1", "h2")
			m.pingAll(blue...)
			m.pingAll(red...)
			before := m.flowsOf("h1", "blue")

			var port uint32
			id := m.networkID("blue")
			_, err := fmt.Sscan(m.vsctl(m.Host("h1"), "get", "Interface", red[0].Interface, "ofport"), &port)
			m.check(err)
			if !m.ctl.Miscompile(m.ctx, "h1", func(n pipeline.Network) ([]flow.Flow, error) {
				flows, err := pipeline.Compile(n)
				for i := range flows {
					if n.ID == id {
						c.wrong(&flows[i], n.Tunnels[0].OFPort, port)
					}
				}
				return flows, err
			}) {
				t.Fatal("no loop of h1")
			}
			last := m.ctl.Events(0).Last
			blue3 := m.vm("h2", "blue-3", "br-int", 3, "blue")
			red = append(red, m.vm("h2", "red-3", "br-int", 3, "red"))

			m.eventually("blue refused", func() error {
				n := m.topology(api.TopologyFilter{Network: "blue"}).Networks[0]
				if len(n.Problems) != 1 || !strings.Contains(n.Problems[0], c.want) || !strings.HasPrefix(n.Problems[0], "h1: ") || n.InSync {
					return fmt.Errorf("problems %q, in sync %v", n.Problems, n.InSync)
				}
				return nil
			})
			m.meshed("red", "h1", "h2")
			m.pingAll(red...)
			m.pingAll(blue...)
			if got := m.flowsOf("h1", "blue"); got != before {
				t.Errorf("flows of blue on h1 were\n%s\nare\n%s", before, got)
			}
			for _, h := range m.topology(api.TopologyFilter{}).Hosts {
				if b := h.Bridges[0]; (h.Name == "h1") != strings.Contains(b.Error, c.want) {
					t.Errorf("%s: %s: %q", h.Name, b.Name, b.Error)
				}
			}
			if dry := m.audit(api.AuditRequest{Repair: true, DryRun: true}); len(dry.Repairs) != 0 || len(dry.Findings) == 0 || !strings.Contains(dry.Findings[0].Note, c.want) {
				t.Errorf("a repair would do what is refused: %+v, %+v", dry.Repairs, dry.Findings)
			}
			m.metric("ovsmesh_networks_refused", 1)
			m.metric("ovsmesh_openflow_refused_total", 1)
			m.heard(last, "problem h1 blue appeared "+c.want)

			last = m.ctl.Events(0).Last
			if !m.ctl.Miscompile(m.ctx, "h1", nil) {
				t.Fatal("no loop of h1")
			}
			red = append(red, m.vm("h1", "red-4", "br-int", 4, "red"))
			m.meshed("blue", "h1", "h2")
			m.pingAll(append(blue, blue3)...)
			m.pingAll(red...)
			m.clean()
			m.metric("ovsmesh_networks_refused", 0)
			m.heard(last, "problem h1 blue gone "+c.want)
		})
	}
}

// flowsOf returns a host's flows of a network, as ovs-ofctl prints them.
func (m *mesh) flowsOf(host, network string) string {
	m.t.Helper()
	var list []string
	want := fmt.Sprintf("cookie=%#x", pipeline.Cookie(m.networkID(network), 0)>>16)
	for _, f := range m.ownFlows(m.Host(host), "br-int") {
		if strings.Contains(f, want) {
			list = append(list, f)
		}
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}

func (m *mesh) networkID(name string) uint32 {
	m.t.Helper()
	o, err := m.ctl.Objects(m.ctx, "networks", name)
	m.check(err)
	return o.Networks[0].Status.ID
}

func (m *mesh) metric(name string, want float64) {
	m.t.Helper()
	if got := counted(m.t, m.ctl.Controller, name); got != want {
		m.t.Errorf("metric %s is %v, want %v", name, got, want)
	}
}

// counted returns the value of a counter or a gauge without labels.
func counted(t *testing.T, ctl *controller.Controller, name string) float64 {
	t.Helper()
	families, err := ctl.Registry().Gather()
	if err != nil {
		t.Error(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.Metric[0].GetGauge().GetValue() + f.Metric[0].GetCounter().GetValue()
		}
	}
	t.Errorf("no metric %s", name)
	return 0
}

// heard waits for an event after another, by kind, host, network and state, and
// the start of a part of its text.
func (m *mesh) heard(after uint64, want string) {
	m.t.Helper()
	m.eventually(want, func() error {
		var got []string
		for _, e := range m.ctl.Events(after).Events {
			text := fmt.Sprintf("%s %s %s %s ", e.Kind, e.Host, e.Network, e.State)
			if rest, ok := strings.CutPrefix(want, text); ok && strings.Contains(e.Error, rest) {
				return nil
			}
			got = append(got, text+e.Error)
		}
		return fmt.Errorf("told were %q", got)
	})
}
