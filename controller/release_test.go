package controller_test

import (
	"fmt"
	"strings"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// former is how a bridge looks that an operator had set up: what must be there
// again after ovsmesh has let go of it.
func (m *mesh) bridgeState(h *ovstest.Host, bridge string) string {
	m.t.Helper()
	cols, err := h.VSCtl(m.ctx, "--columns=fail_mode,protocols,stp_enable,rstp_enable,other_config,external_ids,controller", "list", "Bridge", bridge)
	m.check(err)
	ports, err := h.VSCtl(m.ctx, "list-ports", bridge)
	m.check(err)
	flows, err := h.OFCtl(m.ctx, "-O", "OpenFlow14", "--no-stats", "dump-flows", bridge)
	m.check(err)
	return cols + "\n--\n" + ports + "\n--\n" + strings.ReplaceAll(flows, " reset_counts", "")
}

// A network that is deleted leaves its bridges as they were, foreign flows
// and settings included, and other tenants feel nothing.
func TestDeleteNetworkPutsBridgesBack(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 3)
	m.bridges("xapi1", "xapi2")
	for i, h := range m.Hosts() {
		_, err := h.VSCtl(m.ctx, "set", "Bridge", "xapi1", "stp_enable=true", "external_ids:xs-network-uuids=abc", "other_config:stp-priority=100")
		m.check(err)
		if i == 0 {
			_, err = h.VSCtl(m.ctx, "set", "Bridge", "xapi1", "fail_mode=secure", "protocols=OpenFlow10,OpenFlow14")
			m.check(err)
		}
	}
	var red []*ovstest.VM
	for i := range 3 {
		host := fmt.Sprintf("h%d", i+1)
		m.vm(host, fmt.Sprintf("blue-%d", i+1), "xapi1", i+1, "")
		red = append(red, m.vm(host, fmt.Sprintf("red-%d", i+1), "xapi2", i+1, ""))
	}
	before := map[string]string{}
	for _, h := range m.Hosts() {
		flows := "cookie=0x1,priority=5000,in_port=vif1.0,dl_src=" + mac(h.Index).String() + ",actions=NORMAL"
		_, err := h.OFCtl(m.ctx, "-O", "OpenFlow14", "add-flow", "xapi1", flows)
		m.check(err)
		_, err = h.OFCtl(m.ctx, "-O", "OpenFlow14", "add-flow", "xapi1", "cookie=0x77,table=99,priority=7,tcp,tp_dst=22,actions=learn(table=98,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),note:01.02.03.04.05.06")
		m.check(err)
		before[h.Name] = m.bridgeState(h, "xapi1")
	}
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.meshed("red", "h1", "h2", "h3")
	m.pingAll(red...)
	for _, h := range m.Hosts() {
		now, err := h.OFCtl(m.ctx, "-O", "OpenFlow14", "--no-stats", "dump-flows", "xapi1")
		m.check(err)
		for _, want := range []string{"cookie=0x1, ", "cookie=0x77, "} {
			if !strings.Contains(now, want) {
				t.Errorf("%s: a flow of others has gone (%s):\n%s", h.Name, want, now)
			}
		}
	}
	ping, err := red[0].StartPing(m.ctx, red[2].IPs[0].Addr(), 0, "-i", "0.01")
	m.check(err)
	m.remove(api.KindNetworks, "blue")
	m.eventually("blue gone from the switches", func() error {
		for _, h := range m.Hosts() {
			if now := m.bridgeState(h, "xapi1"); now != before[h.Name] {
				return fmt.Errorf("%s was\n%s\nand is\n%s", h.Name, before[h.Name], now)
			}
		}
		return nil
	})
	r, err := ping.Stop()
	m.check(err)
	if r.Lost() > 1 {
		t.Errorf("the other tenant lost %d of %d packets", r.Lost(), r.Sent)
	}
	m.pingAll(red...)
	m.clean()
}

// A host that is deleted gives everything back and stays out; a spec that
// names it brings it in again.
func TestDeleteHost(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 3)
	m.bridges("xapi1", "xapi2")
	var vms []*ovstest.VM
	for i := range 3 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
	}
	before := m.bridgeState(m.Host("h2"), "xapi1")
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.remove(api.KindHosts, "h2")
	m.meshed("blue", "h1", "h3")
	m.noPeer("h2")
	m.eventually("h2 as it was", func() error {
		if now := m.bridgeState(m.Host("h2"), "xapi1"); now != before {
			return fmt.Errorf("was\n%s\nand is\n%s", before, now)
		}
		return nil
	})
	m.pingAll(vms[0], vms[2])
	m.clean()
	m.apply("hosts: [{name: h2}]")
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
}

// del-manager on a host: everything there stays and works, and it shows as
// disconnected.
func TestDelManager(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 3)
	m.bridges("xapi1")
	m.apply(ownBridges)
	var vms []*ovstest.VM
	for i := range 3 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
	}
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	_, err := m.Host("h2").VSCtl(m.ctx, "del-manager")
	m.check(err)
	m.eventually("h2 disconnected", func() error {
		if m.topology(api.TopologyFilter{Host: "h2"}).Hosts[0].Connected {
			return fmt.Errorf("still connected")
		}
		return nil
	})
	m.pingAll(vms...)
	m.check(m.Host("h2").SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	m.meshed("blue", "h1", "h2", "h3")
	m.clean()
}

// A controller with an empty store leaves alone what another store's UUID
// marks.
func TestOtherStoresRows(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 2)
	m.bridges("xapi1")
	m.apply(ownBridges)
	one, two := m.vm("h1", "one", "xapi1", 1, ""), m.vm("h2", "two", "xapi1", 2, "")
	m.meshed("blue", "h1", "h2")
	m.pingAll(one, two)
	m.ctl.stop()
	m.dir = t.TempDir()
	before := m.allWrites()
	m.start()
	m.eventually("both back", func() error {
		if n := len(m.topology(api.TopologyFilter{}).Hosts); n != 2 {
			return fmt.Errorf("%d hosts", n)
		}
		return nil
	})
	// Nothing declared, and then the very network that the rows are of.
	m.pingAll(one, two)
	_, err := m.ctl.Apply(m.ctx, api.ApplyRequest{Files: []api.File{{Name: "test.yaml", Data: ownBridges}}})
	m.check(err)
	m.eventually("the problem shown", func() error {
		for _, p := range m.topology(api.TopologyFilter{Network: "blue"}).Networks[0].Problems {
			if strings.Contains(p, "another") {
				return nil
			}
		}
		return fmt.Errorf("no word of another store")
	})
	m.pingAll(one, two)
	for host, now := range m.allWrites() {
		if now != before[host] {
			t.Errorf("%s was written to: %+v, then %+v", host, before[host], now)
		}
	}
}
