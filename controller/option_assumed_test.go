package controller_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// plugin makes a call of CloudStack's plugin on a host, with arguments in pairs.
func (m *mesh) plugin(want string, h *ovstest.Host, function string, args ...string) {
	m.t.Helper()
	named := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		named[args[i]] = args[i+1]
	}
	a, err := m.ctl.Tunnel(m.ctx, api.TunnelRequest{TunnelCall: api.TunnelCall{Function: function, Host: h.Name, Args: named}})
	if err != nil || a.Value != want {
		m.t.Fatalf("%s %v on %s: %q, %v; want %q", function, args, h.Name, a.Value, err, want)
	}
}

// rowsOf returns what of a host's tunnel ports must not change while they carry
// traffic, a line each.
func (m *mesh) rowsOf(h *ovstest.Host) string {
	m.t.Helper()
	rows := m.vsctl(h, "--columns=_uuid,name,type,options,ofport", "--format=csv", "--no-headings", "find", "Interface", "type=gre")
	lines := strings.Split(rows, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// hostObject returns a host as the API shows it.
func (m *mesh) hostObject(name string) (api.HostObject, error) {
	o, err := m.ctl.Objects(m.ctx, api.KindHosts, name)
	if err != nil {
		return api.HostObject{}, err
	}
	return o.Hosts[0], nil
}

// A host that the old plugin runs, of which CloudStack's calls alone tell, dials
// in, is a host like others from then on, leaves, and comes back. All the while
// its VMs and those of its peers reach each other, and no port of its peers is
// made anew or changed.
func TestAssumedHostDialsIn(t *testing.T) {
	t.Parallel()
	m := startMeshOf(t, bedKind{hosts: 2})
	m.bridges("xapi3")
	old, err := m.AddHost(m.ctx, "xen9")
	m.check(err)
	m.check(old.AddBridge(m.ctx, "xapi3"))
	ids := map[string]string{"h1": "4", "h2": "7", "xen9": "9"}
	tunnel := func(from, to *ovstest.Host) {
		t.Helper()
		m.plugin(fmt.Sprintf("SUCCESS:t103-%s-%s", ids[from.Name], ids[to.Name]), from, "create_tunnel",
			"bridge", "xapi3", "key", "103", "remote_ip", to.Addr.String(), "from", ids[from.Name], "to", ids[to.Name])
	}
	h1, h2 := m.Host("h1"), m.Host("h2")
	for _, h := range []*ovstest.Host{h1, h2} {
		m.plugin("SUCCESS:xapi3", h, "setup_ovs_bridge", "bridge", "xapi3", "key", "OVSTunnel103", "cs_host_id", ids[h.Name],
			"xs_nw_uuid", "6f6a3f5a-0000-4000-8000-000000000103")
	}
	tunnel(h1, h2)
	tunnel(h2, h1)
	tunnel(h1, old)
	tunnel(h2, old)
	for i, h := range []*ovstest.Host{h1, h2} {
		_, err := old.PluginTunnel(m.ctx, "xapi3", 103, 9, []int{4, 7}[i], h.Addr)
		m.check(err)
	}
	vms := []*ovstest.VM{m.vm("h1", "vm-1", "xapi3", 1, ""), m.vm("h2", "vm-2", "xapi3", 2, ""), m.vm("xen9", "vm-9", "xapi3", 9, "")}
	m.check(old.PluginVIF(m.ctx, "xapi3", vms[2].Interface))
	m.check(old.PluginDelivery(m.ctx, "xapi3", vms[2].Interface))
	is, err := m.hostObject("cs-9")
	m.check(err)
	if is.ID != 9 || is.Kind != topology.KindExternal || !is.Status.Assumed || is.Endpoint != old.Addr {
		t.Errorf("what the calls told of: %+v", is)
	}
	m.pingAll(vms...)

	before := map[string]string{"h1": m.rowsOf(h1), "h2": m.rowsOf(h2), "xen9": m.rowsOf(old)}
	pings := m.pings(vms[0], vms[2])
	maps.Copy(pings, m.pings(vms[1], vms[2]))
	maps.Copy(pings, m.pings(vms[2], vms[1]))
	m.check(old.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	m.connected("xen9")
	m.pinnedTo("xen9", "cs-9")
	is, err = m.hostObject("xen9")
	m.check(err)
	if is.ID != 9 || is.Kind != topology.KindManaged || is.Status.Assumed || !is.Status.Registered || is.Endpoint.IsValid() || is.Status.Endpoint != old.Addr.String() {
		t.Errorf("what it is now: %+v", is)
	}
	m.peersInSync()
	time.Sleep(time.Second) // so that what comes late is missed
	m.lost("it dials in", 0, pings)

	// It leaves, and is as it was.
	pings = m.pings(vms[0], vms[2])
	maps.Copy(pings, m.pings(vms[2], vms[1]))
	m.vsctl(old, "set", "Open_vSwitch", ".", "external_ids:ovsmesh-leave=requested")
	m.eventually("it has left", func() error {
		if mark := m.leaveMark(old); mark != "done" {
			return fmt.Errorf("its mark is %q", mark)
		}
		return nil
	})
	is, err = m.hostObject("xen9")
	m.check(err)
	if is.ID != 9 || is.Kind != topology.KindExternal || !is.Status.Assumed || is.Endpoint != old.Addr {
		t.Errorf("what it is once it has left: %+v", is)
	}
	m.peersInSync()

	// And comes back.
	m.vsctl(old, "remove", "Open_vSwitch", ".", "external_ids", "ovsmesh-leave")
	m.connected("xen9")
	m.eventually("it is ours again", func() error {
		is, err := m.hostObject("xen9")
		if err == nil && (is.Kind != topology.KindManaged || is.Status.Assumed || is.ID != 9) {
			err = fmt.Errorf("%+v", is)
		}
		return err
	})
	m.peersInSync()
	m.lost("it leaves and comes back", 0, pings)
	for name, was := range before {
		if is := m.rowsOf(m.Host(name)); is != was {
			t.Errorf("ports of %s were\n%s\nand are\n%s", name, was, is)
		}
	}

	o := m.offline()
	m.agree(o, m.dumped(o), api.AuditRequest{})

	// Once CloudStack calls it, its bridge is ours too, with the ports that it has.
	m.plugin("SUCCESS:xapi3", old, "setup_ovs_bridge", "bridge", "xapi3", "key", "OVSTunnel103", "cs_host_id", "9")
	tunnel(old, h1)
	tunnel(old, h2)
	m.pingAll(vms...)
	m.peersInSync()
	m.clean()
	if is := m.rowsOf(old); !sameUUIDs(is, before["xen9"]) {
		t.Errorf("ports of xen9 were\n%s\nand are\n%s", before["xen9"], is)
	}
}

// sameUUIDs reports whether two lists of rows are of the same rows.
func sameUUIDs(a, b string) bool {
	ids := func(list string) (all []string) {
		for line := range strings.SplitSeq(list, "\n") {
			id, _, _ := strings.Cut(line, ",")
			all = append(all, id)
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(ids(a), ids(b))
}

// pinnedTo demands that what pinned a host by its old name does by its new one.
func (m *mesh) pinnedTo(is, was string) {
	m.t.Helper()
	o, err := m.ctl.Objects(m.ctx, api.KindNetworks, "ovstunnel103")
	m.check(err)
	var to []string
	for _, p := range o.Networks[0].Status.Pins {
		to = append(to, p.To)
	}
	if slices.Contains(to, was) || !slices.Contains(to, is) || !o.Networks[0].Status.Plugin {
		m.t.Errorf("after %s has come, which was %s: %+v", is, was, o.Networks[0].Status)
	}
	if _, err := m.hostObject(was); !errors.Is(err, topology.ErrNotFound) {
		m.t.Errorf("host %s: %v", was, err)
	}
}

// peersInSync waits until all that is wanted is on the switches.
func (m *mesh) peersInSync() {
	m.t.Helper()
	m.eventually("in sync", func() error {
		for _, h := range m.topology(api.TopologyFilter{}).Hosts {
			if h.Connected && !h.InSync {
				return fmt.Errorf("%+v", h)
			}
		}
		return nil
	})
}

// A host of which it is only told later that its tunnels begin at the address of
// an assumed one takes that one's place then, though it has been here all along.
func TestHostTellsItsAddressLate(t *testing.T) {
	c := startCloud(t, 2)
	c.setup(1)
	to := append(tunnelArgs(1, 9), "remote_ip", "192.0.2.99")
	c.must("SUCCESS:"+tunnelPort(1, 9), 1, "create_tunnel", to...)
	uuid := c.host(1).VSCtl("get", "Interface", tunnelPort(1, 9), "_uuid")
	late := []string{"bridge", "xapi3", "key", "OVSTunnel103", "cs_host_id", "19"}
	if _, err := c.call(2, "setup_ovs_bridge", late...); !errors.Is(err, topology.ErrConflict) || !strings.Contains(err.Error(), "set external_ids:ovsmesh-endpoint-ip=192.0.2.99") {
		t.Errorf("it says that it is 19, which is elsewhere: %v", err)
	}
	c.host(2).VSCtl("set", "Open_vSwitch", ".", "other_config:local_ip=192.0.2.99")
	c.eventually("h2 is 19", func() error {
		o, err := c.ctl.Objects(c.ctx, api.KindHosts, "")
		if err != nil {
			return err
		}
		for _, h := range o.Hosts {
			if h.Name == "cs-19" || h.Name == "h2" && (h.ID != 19 || h.Kind != topology.KindManaged) {
				return fmt.Errorf("%+v", h)
			}
		}
		return nil
	})
	c.must("SUCCESS:xapi3", 2, "setup_ovs_bridge", late...)
	c.must("SUCCESS:t103-19-11", 2, "create_tunnel", "bridge", "xapi3", "key", "103", "remote_ip", endpointOf(1), "from", "19", "to", "11")
	if is := c.host(1).VSCtl("get", "Interface", tunnelPort(1, 9), "_uuid"); is != uuid {
		t.Errorf("%s was made anew", tunnelPort(1, 9))
	}
}
