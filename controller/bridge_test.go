package controller_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// problem waits until the topology shows a text as a problem of a network.
func (m *mesh) problem(network, text string) {
	m.t.Helper()
	m.eventually(network+" shows: "+text, func() error {
		ps := m.topology(api.TopologyFilter{Network: network}).Networks[0].Problems
		if slices.ContainsFunc(ps, func(p string) bool { return strings.Contains(p, text) }) {
			return nil
		}
		return fmt.Errorf("problems: %q", ps)
	})
}

// quiet demands that nothing is written any longer.
func (m *mesh) quiet() {
	m.t.Helper()
	before := m.allWrites()
	for host, now := range m.allWrites() {
		if now != before[host] {
			m.t.Errorf("%s is still written to: %+v, then %+v", host, before[host], now)
		}
	}
}

// A bridge that must not be taken is left alone down to the last setting, the
// reason is shown, and once that is gone it is taken.
func TestRefusedBridge(t *testing.T) {
	for name, c := range map[string]struct {
		set, unset []string // ovs-vsctl
		text       string
	}{
		"physical NIC": {
			set: []string{"add-port", "xapi1", "eth9"}, unset: []string{"del-port", "eth9"},
			text: "h1: bridge xapi1 holds the physical NIC eth9",
		},
		"controller of somebody else": {
			set: []string{"set-controller", "xapi1", "tcp:127.0.0.1:9"}, unset: []string{"del-controller", "xapi1"},
			text: "h1: bridge xapi1 has a controller of somebody else, tcp:127.0.0.1:9",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, vms := threeVMs(t)
			h1 := m.Host("h1")
			_, err := h1.Exec(m.ctx, "ip", "link", "add", "eth9", "type", "veth", "peer", "name", "peer9")
			m.check(err)
			m.vsctl(h1, c.set...)
			before := m.bridgeState(h1, "xapi1")
			m.apply(ownBridges)
			m.problem("blue", c.text)
			m.pingAll(vms[1:]...)
			m.broken(strings.TrimPrefix(c.text, "h1: "), "h1 h2", "h1 h3")
			if now := m.bridgeState(h1, "xapi1"); now != before {
				t.Errorf("the bridge was\n%s\nand is\n%s", before, now)
			}
			if len(m.ownFlows(h1, "xapi1")) != 0 {
				t.Error("the bridge has flows of ours")
			}
			m.vsctl(h1, c.unset...)
			m.meshed("blue", "h1", "h2", "h3")
			m.pingAll(vms...)
			m.clean()
		})
	}
}

// replug puts a VM's VIF back into a bridge that was made anew.
func (m *mesh) replug(h *ovstest.Host, bridge, iface, ids string) {
	m.t.Helper()
	m.vsctl(h, "add-port", bridge, iface, "--", "set", "Interface", iface, "external_ids="+ids)
}

// A bridge that is deleted by hand and made again is built up again, once.
func TestBridgeMadeAgain(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	ids := m.vsctl(h1, "get", "Interface", vms[0].Interface, "external_ids")
	m.vsctl(h1, "del-br", "xapi1")
	m.meshed("blue", "h2", "h3")
	m.pingAll(vms[1:]...)
	m.clean()
	m.check(h1.AddBridge(m.ctx, "xapi1"))
	m.replug(h1, "xapi1", vms[0].Interface, ids)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
	m.quiet()

	// The same without a moment between.
	m.vsctl(h1, "del-br", "xapi1", "--", "add-br", "xapi1", "--", "set", "Bridge", "xapi1", "datapath_type=netdev",
		"--", "add-port", "xapi1", vms[0].Interface, "--", "set", "Interface", vms[0].Interface, "external_ids="+ids)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
	m.quiet()
}

// A tunnel port that somebody deletes is back at once.
func TestDeletedPortComesBack(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	h1 := m.Host("h1")
	name, _ := m.tunnelTo(h1, "h2")
	m.portComesBack(h1, name)
	m.pingAll(vms...)
	m.clean()
	m.quiet()
}

// portComesBack deletes a tunnel port of blue and waits until there is another in
// its place. Until the controller has heard of that all seems to be well.
func (m *mesh) portComesBack(h *ovstest.Host, name string) {
	m.t.Helper()
	uuid := m.vsctl(h, "get", "Port", name, "_uuid")
	m.vsctl(h, "del-port", name)
	m.eventually(name+" back", func() error {
		now := m.vsctl(h, "--if-exists", "get", "Port", name, "_uuid")
		if now == "" || now == uuid {
			return fmt.Errorf("%q", now)
		}
		return m.isMeshed("blue", "h1", "h2", "h3")
	})
}

// createBridge makes the bridge where a host is listed, and takes it away with
// the network; on a host that has one by that name it stays.
func TestCreateBridge(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 3)
	h3 := m.Host("h3")
	m.check(h3.AddBridge(m.ctx, "xapi7"))
	before := m.bridgeState(h3, "xapi7")
	m.apply(`
networks:
  - {name: blue, encap: gre, key: 103, bridge: xapi7, createBridge: true, datapathType: netdev, hosts: [h1, h2, h3]}
`)
	m.meshed("blue", "h1", "h2", "h3")
	var vms []*ovstest.VM
	for i := range 3 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi7", i+1, ""))
	}
	m.pingAll(vms...)
	m.clean()
	for _, vm := range vms {
		m.check(vm.Remove(m.ctx))
	}
	m.meshed("blue", "h1", "h2", "h3") // they are listed
	m.remove(api.KindNetworks, "blue")
	m.eventually("bridges gone", func() error {
		for _, h := range m.Hosts()[:2] {
			if out := m.vsctl(h, "list-br"); strings.Contains(out, "xapi7") {
				return fmt.Errorf("%s has xapi7", h.Name)
			}
		}
		if now := m.bridgeState(h3, "xapi7"); now != before {
			return fmt.Errorf("h3: was\n%s\nand is\n%s", before, now)
		}
		return nil
	})
	m.clean()
}

// A VIF joins the network that a ports entry or its external_ids name, and
// follows when they name another.
func TestVIFNamesItsNetwork(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 2)
	m.bridges("br-int")
	one := m.vm("h1", "one", "br-int", 1, "")
	two := m.vm("h2", "two", "br-int", 2, "blue")
	other := m.vm("h2", "other", "br-int", 1, "red")
	m.apply(sharedBridge + `
ports:
  - {name: web-1, network: blue, match: {ifaceID: ` + one.IfaceID + `}}
`)
	m.meshed("blue", "h1", "h2")
	m.meshed("red", "h2")
	m.pingAll(one, two)
	m.clean()
	o, err := m.ctl.Objects(m.ctx, api.KindPorts, "web-1")
	m.check(err)
	if places := o.Ports[0].Status.Places; len(places) != 1 || places[0] != (api.PortPlace{Host: "h1", Interface: one.Interface}) {
		t.Errorf("web-1 is at %+v", places)
	}

	// The entry names another network, and the other VIF another, too: each
	// now shares a network with the one that it did not before.
	m.vsctl(m.Host("h2"), "set", "Interface", two.Interface, "external_ids:ovsmesh-network=red")
	m.vsctl(m.Host("h2"), "set", "Interface", other.Interface, "external_ids:ovsmesh-network=green")
	m.apply("ports: [{name: web-1, network: red, match: {ifaceID: " + one.IfaceID + "}}]")
	m.meshed("red", "h1", "h2")
	m.meshed("blue")
	m.clean()
	m.pingAll(one, two)
	m.eventually("a network that does not exist shows", func() error {
		if ps := strings.Join(m.hostStatus("h2").Problems, "; "); !strings.Contains(ps, "green") {
			return fmt.Errorf("problems of h2: %q", ps)
		}
		return nil
	})
}

// Of two networks that name one bridge neither gets a VIF that does not say
// which of them it means; that is shown, and one that does say joins.
func TestTwoNetworksNameOneBridge(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 2)
	m.bridges("xapi1")
	m.apply(`
networks:
  - {name: blue, encap: gre, key: 103, bridge: xapi1}
  - {name: red, encap: gre, key: 104, bridge: xapi1}
`)
	one, two := m.vm("h1", "one", "xapi1", 1, ""), m.vm("h2", "two", "xapi1", 2, "")
	m.eventually("ambiguity shows", func() error {
		var errs []error
		for _, h := range []string{"h1", "h2"} {
			if ps := strings.Join(m.hostStatus(h).Problems, "; "); !strings.Contains(ps, "several networks name bridge xapi1") {
				errs = append(errs, fmt.Errorf("problems of %s: %q", h, ps))
			}
		}
		return errors.Join(errs...)
	})
	m.noTunnels("h1")
	m.vsctl(m.Host("h1"), "set", "Interface", one.Interface, "external_ids:ovsmesh-network=red")
	m.vsctl(m.Host("h2"), "set", "Interface", two.Interface, "external_ids:ovsmesh-network=red")
	m.meshed("red", "h1", "h2")
	m.meshed("blue")
	m.pingAll(one, two)
	m.clean()
}

// sortedFlows returns our flows on a bridge as one text.
func (m *mesh) sortedFlows(h *ovstest.Host, bridge string) string {
	m.t.Helper()
	flows := m.ownFlows(h, bridge)
	slices.Sort(flows)
	return strings.Join(flows, "\n")
}

// ovs-vswitchd ends, in good order or not, and starts: its flows are back as
// they were, and its ports are those that were there.
func TestVSwitchdRestarts(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	h2 := m.Host("h2")
	flows, rows := m.sortedFlows(h2, "xapi1"), m.rows(h2)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		m.check(h2.KillVSwitchd(sig))
		m.check(h2.StartVSwitchd(m.ctx))
		m.eventually("flows back", func() error {
			if now := m.sortedFlows(h2, "xapi1"); now != flows {
				return fmt.Errorf("were\n%s\nand are\n%s", flows, now)
			}
			return m.isMeshed("blue", "h1", "h2", "h3")
		})
		if now := m.rows(h2); now != rows {
			t.Errorf("after %v rows were\n%s\nand are\n%s", sig, rows, now)
		}
		m.pingAll(vms...)
		m.clean()
	}
}

// ovsdb-server starts anew: nothing is written that was right.
func TestDatabaseRestarts(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	h2 := m.Host("h2")
	rows := m.rows(h2)
	before := m.allWrites()
	ping, err := vms[0].StartPing(m.ctx, vms[1].IPs[0].Addr(), 10*time.Millisecond)
	m.check(err)
	m.check(h2.RestartOVSDB(m.ctx))
	m.eventually("h2 back", func() error {
		if st := m.hostStatus("h2"); !st.Connected || !st.InSync || !st.Writer {
			return fmt.Errorf("%+v", st)
		}
		return m.isMeshed("blue", "h1", "h2", "h3")
	})
	r, err := ping.Stop()
	m.check(err)
	if r.Lost() > 1 {
		t.Errorf("ping: %+v", r)
	}
	if now := m.rows(h2); now != rows {
		t.Errorf("rows were\n%s\nand are\n%s", rows, now)
	}
	for host, now := range m.allWrites() {
		if was := before[host]; now.nextCfg != was.nextCfg || now.flowTables != was.flowTables {
			t.Errorf("%s was written to: %+v, then %+v", host, was, now)
		}
	}
	m.pingAll(append(vms, m.vm("h2", "vm-4", "xapi1", 4, ""))...)
	m.clean()
}

// A switch that hangs holds up nobody else, shows, and catches up when it goes
// on.
func TestFrozenSwitch(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h3 := m.Host("h3")
	m.check(h3.Freeze())
	thawed := false
	defer func() {
		if !thawed {
			m.check(h3.Thaw())
		}
	}()
	four := m.vm("h1", "vm-4", "xapi1", 4, "")
	m.pingAll(vms[0], vms[1], four)
	m.eventually("h3 shows as not in sync, others as in sync", func() error {
		for _, h := range m.topology(api.TopologyFilter{}).Hosts {
			if h.InSync == (h.Name == "h3") {
				return fmt.Errorf("%s: in sync %v, %q", h.Name, h.InSync, h.Problems)
			}
		}
		return nil
	})
	m.check(h3.Thaw())
	thawed = true
	m.eventually("h3 in sync", func() error {
		if st := m.hostStatus("h3"); !st.InSync {
			return fmt.Errorf("%+v", st)
		}
		return m.isMeshed("blue", "h1", "h2", "h3")
	})
	m.pingAll(append(vms, four)...)
	m.clean()
}

// A network that is deleted and declared anew before its hosts have followed is
// another one: nothing of the former stays.
func TestNetworkDeclaredAnew(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	for range 5 {
		_, err := m.ctl.Delete(m.ctx, api.KindNetworks, "blue")
		m.check(err)
		m.apply(ownBridges)
		m.meshed("blue", "h1", "h2", "h3")
		m.clean()
	}
	m.pingAll(vms...)
}
