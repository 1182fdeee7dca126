package controller_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/ovstest"
)

const observedSpec = `
hosts:
  - {name: h1, id: 1}
  - {name: h2, id: 2}
  - {name: h3, id: 3}
networks:
  - {name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1, profile: learning}
  - {name: red, tenant: beta, encap: vxlan, key: 5000, bridge: xapi2}
  - {name: new, tenant: beta, encap: vxlan, key: 5001, bridge: xapi9, createBridge: true, datapathType: netdev, hosts: [h1, h2]}
`

func observing(c *controller.Config) { c.Observe = true }

// startTapped starts the mesh's controller with taps on its listeners.
func (m *mesh) startTapped(opts ...func(*controller.Config)) (db, of *tap) {
	m.t.Helper()
	m.config = append(slices.Clone(opts), func(c *controller.Config) {
		db, of = &tap{Listener: c.OVSDB[0]}, &tap{Listener: c.OpenFlow[0]}
		c.OVSDB[0], c.OpenFlow[0] = db, of
	})
	m.start()
	m.config = nil
	return db, of
}

// pluginCloud makes the plugin's tunnels and flows on bridges xapi1 of all hosts.
func (m *mesh) pluginCloud(vms ...*ovstest.VM) {
	m.t.Helper()
	for i, h := range m.Hosts() {
		for j, peer := range m.Hosts() {
			if i != j {
				_, err := h.PluginTunnel(m.ctx, "xapi1", 103, i+1, j+1, peer.Addr)
				m.check(err)
			}
		}
		m.check(h.PluginVIF(m.ctx, "xapi1", vms[i].Interface))
		m.check(h.PluginDelivery(m.ctx, "xapi1", vms[i].Interface))
	}
}

// allConnected waits until a controller has all hosts and is as far as it gets.
func (m *mesh) allConnected(hosts int) {
	m.t.Helper()
	m.eventually("all hosts connected", func() error {
		n := 0
		for _, h := range m.topology(api.TopologyFilter{}).Hosts {
			if h.Connected {
				n++
			}
		}
		if n != hosts {
			return fmt.Errorf("%d hosts of %d", n, hosts)
		}
		return nil
	})
}

func (m *mesh) plan(r api.PlanRequest) api.Plan {
	m.t.Helper()
	p, err := m.ctl.Plan(m.ctx, r)
	m.check(err)
	return p
}

// databases returns the files of all hosts' databases, and flows of bridges.
func (m *mesh) databases(bridges ...string) map[string][]byte {
	m.t.Helper()
	all := map[string][]byte{}
	for _, h := range m.Hosts() {
		b, err := os.ReadFile(filepath.Join(h.Dir(), "conf.db"))
		m.check(err)
		all[h.Name+" conf.db"] = b
		for _, name := range bridges {
			flows, err := h.OFCtl(m.ctx, "--no-stats", "dump-flows", name)
			m.check(err)
			all[h.Name+" flows of "+name] = []byte(flows)
		}
	}
	return all
}

// A controller that observes writes nothing to any host, whatever is asked of it
// and whatever happens there: in front of the plugin's own cloud and in front of
// bridges without anything. What it says it would do is what a controller that
// does not observe then does.
func TestObserve(t *testing.T) {
	t.Parallel()
	m := newMesh(t, 3)
	m.bridges("xapi1", "xapi2")
	var blue, red []*ovstest.VM
	for i := range 3 {
		host := fmt.Sprintf("h%d", i+1)
		blue = append(blue, m.vm(host, "blue-"+host, "xapi1", i+1, ""))
		red = append(red, m.vm(host, "red-"+host, "xapi2", i+1, ""))
	}
	m.pluginCloud(blue...)
	db, of := m.startTapped(observing)
	for _, h := range m.Hosts() {
		m.check(h.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	}
	m.allConnected(3)
	before := m.databases("xapi1", "xapi2")

	applied, err := m.ctl.Apply(m.ctx, api.ApplyRequest{Files: []api.File{{Name: "test.yaml", Data: observedSpec}}})
	m.check(err)
	m.looks(applied.Generation)
	now := m.databases("xapi1", "xapi2")
	for what, was := range before {
		if is := now[what]; !bytes.Equal(was, is) {
			t.Errorf("%s was\n%s\nand is\n%s", what, was, is)
		}
	}
	m.churn(red)
	m.looks(applied.Generation)
	m.untouched(db, of)

	said := m.plan(api.PlanRequest{Details: true, Flows: true})
	for i, want := range []int{2, 2, 2} {
		at := slices.IndexFunc(said.Hosts[i].Bridges, func(b api.PlanBridge) bool { return b.Bridge == "xapi1" })
		if b := said.Hosts[i].Bridges[at]; b.Take != want || b.Make+b.Change+b.Delete != 0 || b.Verb != api.PlanTake || b.Flows.Read || b.Flows.Wanted == 0 {
			t.Errorf("%s: the plugin's tunnels: %+v", said.Hosts[i].Host, b)
		}
	}
	states := map[string]hostRows{}
	for _, h := range m.Hosts() {
		states[h.Name] = rowsOf(t, m.ctx, h.OVS)
	}
	m.ctl.stop()
	m.start()
	m.meshed("blue", "h1", "h2", "h3")
	m.meshed("red", "h2", "h3")
	m.meshed("new", "h1", "h2")
	m.eventually("nothing left to do", func() error {
		if p := m.plan(api.PlanRequest{Details: true, Flows: true}); !p.Clean || !p.Complete || p.Observing || p.Held != "" {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	for _, h := range m.Hosts() {
		samePlan(t, h.Name, rowsAlone(planned(t, said, h.Name)), rowsAlone(states[h.Name].changed(rowsOf(t, m.ctx, h.OVS))))
		for _, ph := range said.Hosts {
			for _, b := range ph.Bridges {
				if ph.Host == h.Name && b.Bridge != "xapi1" { // whose flows change once more after its peers' have
					m.sameFlows(h.Name, b)
				}
			}
		}
	}
	rep, err := m.ctl.Audit(m.ctx, api.AuditRequest{Network: "red"})
	m.check(err)
	if !rep.Clean || !rep.Complete {
		t.Errorf("audit: %+v", rep)
	}
	m.pingAll(red...)
}

// rowsAlone leaves out what is noted of the plugin's bridge by what flows it has,
// which nobody can know who does not read them.
func rowsAlone(lines []string) []string {
	return slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "xapi1: take Bridge xapi1: external_ids:ovsmesh-plugin:") || strings.HasPrefix(line, "xapi1: take Bridge xapi1: external_ids:ovsmesh-hello:")
	})
}

// sameFlows holds the flows that a plan said would be put into a bridge to those
// that it holds. Where another program has one that is just the same, as the
// plugin has, that may stand for ours.
func (m *mesh) sameFlows(host string, b api.PlanBridge) {
	m.t.Helper()
	list, err := m.ctl.Flows(m.ctx, api.FlowsRequest{Host: host, Bridge: b.Bridge, View: api.ViewGot, Foreign: true})
	m.check(err)
	var ours, said []string
	alike := map[string]bool{} // without their cookies
	for _, f := range list.Flows {
		_, text, _ := strings.Cut(strings.Replace(f.Flow, "reset_counts ", "", 1), ", ")
		if alike[text] = true; !f.Foreign {
			ours = append(ours, "+ "+f.Flow)
		}
	}
	for _, line := range b.Flows.List {
		said = append(said, line)
		if _, text, _ := strings.Cut(line, ", "); !alike[text] {
			m.t.Errorf("%s/%s: said and not put in: %s", host, b.Bridge, line)
		}
	}
	for _, line := range ours {
		if !slices.Contains(said, line) {
			m.t.Errorf("%s/%s: put in and not said: %s", host, b.Bridge, line)
		}
	}
	if b.Flows.Wanted != len(said) || len(ours) == 0 {
		m.t.Errorf("%s/%s: %d flows wanted, %d listed, %d put in", host, b.Bridge, b.Flows.Wanted, len(said), len(ours))
	}
}

// looks asks a controller that observes for everything that looks, and for what
// it must refuse.
func (m *mesh) looks(generation uint64) {
	m.t.Helper()
	p := m.plan(api.PlanRequest{})
	if !p.Observing || p.Clean || !p.Complete || p.Held == "" || len(p.Hosts) != 3 {
		m.t.Errorf("plan: %+v", p)
	}
	for _, repair := range []bool{false, true} {
		rep, err := m.ctl.Audit(m.ctx, api.AuditRequest{Repair: repair})
		m.check(err)
		missing := slices.IndexFunc(rep.Findings, func(f audit.Finding) bool { return f.Kind == audit.MissingTunnel && f.Network == "red" })
		if rep.Clean || missing < 0 || rep.Findings[missing].Repaired || len(rep.Repairs) > 0 {
			m.t.Errorf("audit (repair %v): %+v", repair, rep)
		}
		if repair && !strings.Contains(rep.Findings[missing].Note, "--observe") {
			m.t.Errorf("the repair is not said to be held: %+v", rep.Findings[missing])
		}
	}
	if _, err := m.ctl.Adopt(m.ctx, api.AdoptRequest{All: true, DryRun: true}); err != nil {
		m.t.Errorf("adopt --dry-run: %v", err)
	}
	if _, err := m.ctl.Adopt(m.ctx, api.AdoptRequest{All: true}); err == nil || !strings.Contains(err.Error(), "--observe") {
		m.t.Errorf("adopt: %v", err)
	}
	if _, err := m.ctl.Verify(m.ctx, api.VerifyRequest{}); err != nil {
		m.t.Errorf("verify: %v", err)
	}
	if _, err := m.ctl.Support(m.ctx); err != nil {
		m.t.Errorf("support: %v", err)
	}
	top := m.topology(api.TopologyFilter{Counters: true})
	if len(top.Problems) != 1 || !strings.Contains(top.Problems[0], "--observe") || !top.Hosts[0].Observed || top.Hosts[0].InSync {
		m.t.Errorf("topology: %q, %+v", top.Problems, top.Hosts)
	}
	st, err := m.ctl.Sync(m.ctx, generation)
	m.check(err)
	if st.Held == "" || st.Done {
		m.t.Errorf("sync: %+v", st)
	}
	if !m.ctl.Version().Observing || counted(m.t, m.ctl.Controller, "ovsmesh_observing") != 1 {
		m.t.Error("it does not say that it observes")
	}
	if problems := m.ctl.Problems(); len(problems) != 1 || !strings.Contains(problems[0], "--observe") {
		m.t.Errorf("readyz: %q", problems)
	}
}

// churn has a VM start, stop and move from h1 to h2, and restarts h2's daemons. The
// plan follows: h1 is in the VM's network no longer.
func (m *mesh) churn(vms []*ovstest.VM) {
	m.t.Helper()
	m.check(m.Host("h2").RestartVSwitchd(m.ctx))
	m.check(m.Host("h2").RestartOVSDB(m.ctx))
	vm := m.vm("h2", "late", "xapi1", 9, "")
	m.check(vms[0].Move(m.ctx, m.Host("h2")))
	m.check(vm.Remove(m.ctx))
	m.allConnected(3)
	m.eventually("the plan follows the VM", func() error {
		p := m.plan(api.PlanRequest{Network: "red"})
		if len(p.Hosts) != 2 || len(p.Hosts[0].Bridges) != 1 || p.Hosts[0].Bridges[0].Make != 1 || !p.Complete {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
}

// untouched demands that a controller has asked hosts only what changes nothing.
func (m *mesh) untouched(db, of *tap) {
	m.t.Helper()
	calls, err := db.database()
	m.check(err)
	if err := only(calls, "answer", "echo", "get_schema", "list_dbs", "monitor", "monitor_cond", "monitor_cond_since", "transact", "transact select"); err != nil {
		m.t.Errorf("asked of databases: %v", err)
	}
	if calls["get_schema"] < 3 || calls["transact select"] == 0 {
		m.t.Errorf("the tap has not heard what was asked: %v", calls)
	}
	if types, err := of.openflow(); err != nil || len(types) > 0 || len(of.all()) > 0 {
		m.t.Errorf("sent to switches: %v, %v, on %d connections", types, err, len(of.all()))
	}
	for _, name := range []string{"ovsmesh_ovsdb_transactions_total", "ovsmesh_openflow_flow_mods_total"} {
		if n := counted(m.t, m.ctl.Controller, name); n != 0 {
			m.t.Errorf("%s is %v", name, n)
		}
	}
	for _, h := range m.Hosts() {
		b, err := os.ReadFile(filepath.Join(h.Dir(), "conf.db"))
		m.check(err)
		if bytes.Contains(b, []byte("ovsmesh-")) {
			m.t.Errorf("%s: something of ovsmesh is in its database:\n%s", h.Name, b)
		}
	}
}
