package controller_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// adoptSpec is a mesh with options that are not the defaults, a key from a pool,
// and a host that no spec names (h4).
const adoptSpec = `
keyPools:
  - {encap: vxlan, range: 5000-5009}
networks:
  - {name: green, tenant: acme, encap: gre, key: 7, bridge: xapi3, hosts: [h1], broadcast: drop, unknownUnicast: drop}
  - {name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1}
  - {name: red, tenant: beta, encap: vxlan, bridge: xapi2, portSecurity: false, bfd: true, mtu: 1400, hosts: [h2], dstPort: 8472}
hosts:
  - {name: h1, id: 11}
  - {name: h3, id: 3}
`

// told is a spec without what no row tells.
func told(s topology.Spec) topology.Spec {
	s.KeyPools, s.Ports = nil, nil
	for i := range s.Networks {
		s.Networks[i].MTU = 0
	}
	return s
}

// lose stops the controller, takes its data directory away and starts anew.
func (m *mesh) lose() {
	m.t.Helper()
	m.ctl.stop()
	m.check(os.RemoveAll(m.dir))
	m.start()
}

// connected waits until these hosts are connected and may be written to.
func (m *mesh) connected(hosts ...string) {
	m.t.Helper()
	m.eventually("hosts are back", func() error {
		is := map[string]bool{}
		for _, h := range m.topology(api.TopologyFilter{}).Hosts {
			is[h.Name] = h.Connected
		}
		for _, name := range hosts {
			if !is[name] {
				return fmt.Errorf("%s: %v", name, is)
			}
		}
		return nil
	})
}

func (m *mesh) adopt(r api.AdoptRequest) api.AdoptResult {
	m.t.Helper()
	res, err := m.ctl.Adopt(m.ctx, r)
	m.check(err)
	for _, h := range res.Hosts {
		if h.Error != "" {
			m.t.Fatalf("%+v", h)
		}
	}
	return res
}

// portNumbers returns the ofports of all interfaces of all hosts.
func (m *mesh) portNumbers() string {
	all := ""
	for _, h := range m.Hosts() {
		all += h.Name + "\n" + m.vsctl(h, "--columns=_uuid,name,ofport,ofport_request,options,error", "list", "Interface")
	}
	return all
}

func (m *mesh) pingRound(vms ...*ovstest.VM) func() {
	m.t.Helper()
	var pings []*ovstest.Pinger
	for i, vm := range vms {
		p, err := vm.StartPing(m.ctx, vms[(i+1)%len(vms)].IPs[0].Addr(), 10*time.Millisecond)
		m.check(err)
		pings = append(pings, p)
	}
	return func() {
		m.t.Helper()
		for _, p := range pings {
			r, err := p.Stop()
			m.check(err)
			if r.Lost() > 1 || r.Received < 100 { // the last request may be under way
				m.t.Errorf("ping: %+v", r)
			}
		}
	}
}

// A lost data directory is recovered from the switches under traffic: no packet
// is lost, no port is made anew, no flow is written, and the spec is what it was.
func TestAdoptLostStore(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 4)
	m.bridges("xapi1", "xapi2")
	m.check(m.Host("h1").AddBridge(m.ctx, "xapi3"))
	m.apply(adoptSpec)
	var blue, red []*ovstest.VM
	for i := range 4 {
		host := fmt.Sprintf("h%d", i+1)
		blue = append(blue, m.vm(host, fmt.Sprintf("blue-%d", i+1), "xapi1", i+1, ""))
		red = append(red, m.vm(host, fmt.Sprintf("red-%d", i+1), "xapi2", i+1, ""))
	}
	hosts := []string{"h1", "h2", "h3", "h4"}
	m.meshed("blue", hosts...)
	m.meshed("red", hosts...)
	m.pingAll(blue...)
	m.clean()
	spec, err := m.ctl.Export(m.ctx)
	m.check(err)
	numbers := m.portNumbers()
	stop := m.pingRound(append(blue, red...)...)
	before := m.allWrites()

	m.lose()
	m.connected(hosts...)
	offer, err := m.ctl.Adoptable(m.ctx)
	m.check(err)
	if len(offer.Stores) != 1 || len(offer.Stores[0].Networks) != 3 || len(offer.Stores[0].Hosts) != 4 || len(offer.Stores[0].Problems) > 0 || len(offer.Unseen) > 0 {
		t.Fatalf("%+v", offer)
	}
	time.Sleep(time.Second)
	for host, now := range m.allWrites() {
		if now != before[host] {
			t.Errorf("%s was written to before anything was adopted: %+v, then %+v", host, before[host], now)
		}
	}
	dry, err := m.ctl.Adopt(m.ctx, api.AdoptRequest{All: true, DryRun: true})
	m.check(err)
	began := time.Now()
	res := m.adopt(api.AdoptRequest{All: true})
	t.Logf("adopted in %v: %+v", time.Since(began), res)
	if d := cmp.Diff(dry.Items, res.Items); d != "" || len(dry.Hosts) != 4 {
		t.Errorf("dry run (-) and what was done (+):\n%s", d)
	}
	for i, h := range res.Hosts {
		if i < len(dry.Hosts) && h.Rows != dry.Hosts[i].Rows {
			t.Errorf("%s: %d rows marked, %d announced", h.Host, h.Rows, dry.Hosts[i].Rows)
		}
	}
	if len(res.Warnings) > 0 {
		t.Errorf("warnings %q", res.Warnings)
	}
	m.synced(res.Generation)
	m.meshed("blue", hosts...)
	m.meshed("red", hosts...)
	m.clean()
	after := m.allWrites()
	for host, now := range after {
		// One transaction; nothing of it is anything to ovs-vswitchd.
		if was := before[host]; now.records != was.records+1 || now.nextCfg != was.nextCfg || now.flowTables != was.flowTables {
			t.Errorf("%s: %+v, then %+v", host, was, now)
		}
	}
	if now := m.portNumbers(); now != numbers {
		t.Errorf("interfaces were\n%s\nand are\n%s", numbers, now)
	}
	again, err := m.ctl.Export(m.ctx)
	m.check(err)
	if d := cmp.Diff(told(spec), told(again), cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("the spec was (-) and is (+):\n%s", d)
	}
	if res := m.adopt(api.AdoptRequest{All: true}); res.Store != "" || len(res.Items) > 0 {
		t.Errorf("a second time: %+v", res)
	}

	// From now on it is a store as any other.
	m.ctl.stop()
	m.start()
	m.connected(hosts...)
	m.meshed("blue", hosts...)
	for host, now := range m.allWrites() {
		if now != after[host] {
			t.Errorf("%s: a restart wrote: %+v, then %+v", host, after[host], now)
		}
	}
	stop()
	m.pingAll(blue...)
	m.apply(strings.ReplaceAll(adoptSpec, "tenant: acme", "tenant: gamma")) // what an operator still has fits
	m.clean()
	if n := m.topology(api.TopologyFilter{Network: "blue"}).Networks[0]; n.Tenant != "gamma" {
		b, _ := json.Marshal(n)
		t.Errorf("%s", b)
	}
}

// A host that is away while its peers are adopted stays reachable, comes back
// under the name that they know it by, and is adopted then.
func TestAdoptWithHostAway(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 3)
	m.bridges("xapi1", "xapi2")
	m.apply(`
networks:
  - {name: blue, encap: gre, key: 103, bridge: xapi1}
  - {name: red, encap: vxlan, key: 5000, bridge: xapi2, tunnelPorts: shared}
hosts: [{name: h3, id: 33}]
`)
	var blue, red []*ovstest.VM
	hosts := []string{"h1", "h2", "h3"}
	for i, host := range hosts {
		blue = append(blue, m.vm(host, "blue-"+host, "xapi1", i+1, ""))
		red = append(red, m.vm(host, "red-"+host, "xapi2", i+1, ""))
	}
	m.meshed("blue", hosts...)
	m.meshed("red", hosts...)
	m.pingAll(blue...)
	m.pingAll(red...)
	spec, err := m.ctl.Export(m.ctx)
	m.check(err)
	numbers := m.portNumbers()
	stop := m.pingRound(append(slices.Clone(blue), red...)...)
	h3 := m.Host("h3")
	_, err = h3.VSCtl(m.ctx, "del-manager")
	m.check(err)
	state := func() string { return m.rows(h3) + m.sortedFlows(h3, "xapi1") + m.sortedFlows(h3, "xapi2") }
	before := state()

	m.lose()
	m.connected("h1", "h2")
	offer, err := m.ctl.Adoptable(m.ctx)
	m.check(err)
	if away := offer.Stores[0].Away; len(away) != 1 || away[0].Host != "h3" || away[0].ID != 33 || len(away[0].Networks) != 2 {
		t.Fatalf("%+v", offer)
	}
	res := m.adopt(api.AdoptRequest{All: true})
	if text := strings.Join(res.Warnings, "; "); !strings.Contains(text, "h3 is not connected") {
		t.Errorf("warnings %q", text)
	}
	m.synced(res.Generation)
	for _, tun := range m.topology(api.TopologyFilter{}).Networks[0].Tunnels {
		want := api.TunnelUp
		if tun.From == "h3" {
			want = api.TunnelUnreachable
		}
		if tun.State != want {
			t.Errorf("tunnel %s to %s is %s, want %s: %s", tun.From, tun.To, tun.State, want, tun.Error)
		}
	}
	m.ctl.stop() // a controller that starts anew knows of it, too
	m.start()
	m.connected("h1", "h2")

	_, err = h3.VSCtl(m.ctx, "set", "Open_vSwitch", ".", "external_ids:hostname=renamed.example")
	m.check(err)
	m.check(h3.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	m.connected(hosts...)
	time.Sleep(time.Second)
	if now := state(); now != before {
		t.Errorf("h3 was written to before it was adopted: was\n%s\nis\n%s", before, now)
	}
	res = m.adopt(api.AdoptRequest{Name: "h3"})
	if len(res.Hosts) != 1 || res.Hosts[0].Rows == 0 || len(res.Warnings) > 0 {
		t.Errorf("%+v", res)
	}
	m.synced(res.Generation)
	m.meshed("blue", hosts...)
	m.meshed("red", hosts...)
	stop()
	m.pingAll(blue...)
	m.pingAll(red...)
	m.clean()
	if now := m.portNumbers(); now != numbers {
		t.Errorf("interfaces were\n%s\nand are\n%s", numbers, now)
	}
	again, err := m.ctl.Export(m.ctx)
	m.check(err)
	if d := cmp.Diff(told(spec), told(again), cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("the spec was (-) and is (+):\n%s", d)
	}
}

// What contradicts itself, and what would take a tunnel away, is refused by
// name, and nothing is changed; a spec settles it.
func TestAdoptRefuses(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 2)
	m.bridges("br-int")
	m.apply(`
networks:
  - {name: blue, tenant: acme, encap: gre, key: 103}
  - {name: red, tenant: beta, encap: vxlan, key: 5000}
ports:
  - {name: a, network: blue, match: {ifaceID: a1}}
  - {name: b, network: blue, match: {ifaceID: b1}}
`)
	for i, host := range []string{"h1", "h2"} {
		m.vm(host, "red-"+host, "br-int", i+1, "red")
		_, err := m.Host(host).AddVM(m.ctx, ovstest.VMSpec{Name: "blue-" + host, Bridge: "br-int", MAC: mac(i + 1), IfaceID: []string{"a1", "b1"}[i]})
		m.check(err)
	}
	m.meshed("blue", "h1", "h2")
	m.meshed("red", "h1", "h2")
	m.lose()
	m.connected("h1", "h2")
	before := m.allWrites()
	refused := func(r api.AdoptRequest, words ...string) {
		t.Helper()
		res, err := m.ctl.Adopt(m.ctx, r)
		if err == nil {
			t.Fatalf("%+v: %+v", r, res)
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: %v, which does not say %q", r, err, w)
			}
		}
	}
	spec := func(text string) []api.File { return []api.File{{Name: "told.yaml", Data: text}} }
	refused(api.AdoptRequest{}, "name one")
	refused(api.AdoptRequest{All: true, Name: "h1"}, "name one")
	refused(api.AdoptRequest{Name: "nosuch"}, "nosuch", "blue", "h1")
	refused(api.AdoptRequest{All: true, Store: "nosuch"}, "nosuch")
	refused(api.AdoptRequest{All: true, Files: spec("networks: [{nme: x}]")}, "nme")
	// Nothing tells that h1 and h2 have VMs in blue: only the lost ports did.
	refused(api.AdoptRequest{All: true}, "h1: port t103-", "network blue", "would go")

	h2 := m.Host("h2")
	quoted, err := h2.VSCtl(m.ctx, "get", "Bridge", "br-int", "external_ids:ovsmesh-spec-red")
	m.check(err)
	note, err := strconv.Unquote(strings.TrimSpace(quoted))
	m.check(err)
	other := strings.ReplaceAll(note, "beta", "gamma")
	_, err = h2.VSCtl(m.ctx, "set", "Bridge", "br-int", "external_ids:ovsmesh-spec-red="+strconv.Quote(other))
	m.check(err)
	m.eventually("the other note read", func() error {
		offer, err := m.ctl.Adoptable(m.ctx)
		m.check(err)
		if p := strings.Join(offer.Stores[0].Problems, "; "); !strings.Contains(p, "network red: h1 and h2 tell different things: tenant: beta → gamma") {
			return fmt.Errorf("%q", p)
		}
		return nil
	})
	ports := `
ports:
  - {name: a, network: blue, match: {ifaceID: a1}}
  - {name: b, network: blue, match: {ifaceID: b1}}
`
	refused(api.AdoptRequest{All: true, Files: spec(ports)}, "network red", "h1 and h2")
	refused(api.AdoptRequest{All: true, Files: spec(ports + "networks: [{name: red, tenant: beta, encap: vxlan, key: 5001}]")}, "network red", "would")
	red := "networks: [{name: red, tenant: beta, encap: vxlan}]"
	dry, err := m.ctl.Adopt(m.ctx, api.AdoptRequest{All: true, DryRun: true, Files: spec(ports + red)})
	m.check(err)
	if o, err := m.ctl.Objects(m.ctx, api.KindNetworks, ""); err != nil || len(o.Networks) > 0 || len(dry.Items) != 6 {
		t.Errorf("after a dry run: %+v, %v; it said %+v", o, err, dry)
	}
	for host, now := range m.allWrites() {
		if was := before[host]; now.flowTables != was.flowTables || now.records != was.records && host != "h2" {
			t.Errorf("%s was written to: %+v, then %+v", host, was, now)
		}
	}
	res := m.adopt(api.AdoptRequest{All: true, Files: spec(ports + red)})
	m.synced(res.Generation)
	m.meshed("blue", "h1", "h2")
	m.meshed("red", "h1", "h2")
	m.clean()
}

// A store that has given a network's ID away already takes over its rows all the
// same: the flows go over to another ID in one bundle, and no packet is lost.
func TestAdoptWithOtherID(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 2)
	m.bridges("xapi1")
	m.apply("networks: [{name: blue, encap: gre, key: 103, bridge: xapi1}]")
	vms := []*ovstest.VM{m.vm("h1", "one", "xapi1", 1, ""), m.vm("h2", "two", "xapi1", 2, "")}
	m.meshed("blue", "h1", "h2")
	m.pingAll(vms...)
	numbers := m.portNumbers()
	m.lose()
	m.connected("h1", "h2")
	_, err := m.ctl.Apply(m.ctx, api.ApplyRequest{Files: []api.File{{Name: "x", Data: "networks: [{name: mine, encap: gre, key: 1, bridge: elsewhere}]"}}})
	m.check(err)
	stop := m.pingRound(vms...)
	res := m.adopt(api.AdoptRequest{Name: "blue"})
	m.synced(res.Generation)
	m.meshed("blue", "h1", "h2")
	m.eventually("flows follow", func() error {
		o, err := m.ctl.Objects(m.ctx, api.KindNetworks, "blue")
		m.check(err)
		want := fmt.Sprintf("cookie=0x6f6d%08x", o.Networks[0].Status.ID)
		if flows := m.sortedFlows(m.Host("h1"), "xapi1"); o.Networks[0].Status.ID == 1 || !strings.Contains(flows, want) {
			return fmt.Errorf("no %s in\n%s", want, flows)
		}
		return nil
	})
	m.eventually("clean", func() error {
		rep, err := m.ctl.Audit(m.ctx, api.AuditRequest{})
		m.check(err)
		if !rep.Clean || !rep.Complete {
			return fmt.Errorf("%+v", rep.Findings)
		}
		return nil
	})
	time.Sleep(time.Second)
	stop()
	if now := m.portNumbers(); now != numbers {
		t.Errorf("interfaces were\n%s\nand are\n%s", numbers, now)
	}
}
