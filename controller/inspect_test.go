package controller_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// healthOf returns what is told of a host's health, both where it can be asked.
func (m *mesh) healthOf(host string) api.TopologyHost {
	m.t.Helper()
	h := m.topology(api.TopologyFilter{Host: host, Limit: api.NoTunnels}).Hosts[0]
	if st := m.hostStatus(host); st.Health != h.Health {
		m.t.Logf("%s changed from %s to %s between two looks", host, h.Health, st.Health)
	}
	return h
}

// A host whose ovs-vswitchd or ovsdb-server is frozen shows as stuck, with the
// reason, while its connections still stand; others do not.
func TestHealth(t *testing.T) {
	t.Parallel() // it mostly waits
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.eventually("all ok, their echoes known", func() error {
		for _, h := range m.topology(api.TopologyFilter{}).Hosts {
			if h.Health != api.HealthOK || h.HealthReason != "" {
				return fmt.Errorf("%s is %s: %s", h.Name, h.Health, h.HealthReason)
			}
			if e := h.Echo; e == nil || e.Database.RoundTripMicros == 0 || e.Switches == nil || e.Switches.RoundTripMicros == 0 {
				return fmt.Errorf("echoes of %s: %+v", h.Name, e)
			}
		}
		return nil
	})
	shows := func(host, want, part string) {
		t.Helper()
		begin := time.Now()
		m.eventually(host+" shows as "+want, func() error {
			if h := m.healthOf(host); h.Health != want || !strings.Contains(h.HealthReason, part) {
				return fmt.Errorf("%s: %s", h.Health, h.HealthReason)
			}
			return nil
		})
		h := m.healthOf(host)
		t.Logf("%s is %s after %v: %s", host, want, time.Since(begin), h.HealthReason)
		if !h.Connected && want == api.HealthStuck {
			t.Errorf("%s is not connected: this is not what was to be shown", host)
		}
		for _, h := range m.topology(api.TopologyFilter{}).Hosts {
			if h.Name != host && h.Health != api.HealthOK && h.Health != api.HealthSlow { // this machine may be busy
				t.Errorf("%s is %s, too: %s", h.Name, h.Health, h.HealthReason)
			}
		}
	}
	events := m.ctl.Events(0).Last
	h3 := m.Host("h3")
	m.check(h3.Freeze())
	t.Cleanup(func() { _ = h3.Thaw() }) // where the test has failed
	shows("h3", api.HealthStuck, "ovs-vswitchd (bridge xapi1) has not answered since")
	for begin := time.Now(); time.Since(begin) < 14*time.Second; time.Sleep(100 * time.Millisecond) { // past the end of its sessions
		if h := m.healthOf("h3"); h.Health != api.HealthStuck {
			t.Fatalf("h3 is %s: %s", h.Health, h.HealthReason)
		}
	}
	if down := m.topology(api.TopologyFilter{Down: true}).Hosts; len(down) != 1 || down[0].Name != "h3" {
		t.Errorf("not as wanted: %+v", down)
	}
	m.check(h3.Thaw())
	shows("h3", api.HealthOK, "")

	h2 := m.Host("h2")
	pid, _ := h2.Pids()
	m.check(syscall.Kill(pid, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	shows("h2", api.HealthStuck, "its database has not answered since")
	m.tells(events, "h3 ok stuck", "h3 stuck ok", "h2 ok stuck")
	m.check(syscall.Kill(pid, syscall.SIGCONT))
	shows("h2", api.HealthOK, "")
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
	m.tells(events, "h3 ok stuck", "h3 stuck ok", "h2 ok stuck", "h2 stuck ok")
}

// tells waits until just this was told of health since an event.
func (m *mesh) tells(since uint64, want ...string) {
	m.t.Helper()
	m.eventually("events", func() error {
		var told []string
		for page := m.ctl.Events(since); len(page.Events) > 0; page = m.ctl.Events(page.Last) {
			for _, e := range page.Events {
				if e.Kind == api.EventHealth {
					told = append(told, e.Host+" "+e.Was+" "+e.State)
				}
			}
		}
		if !slices.Equal(told, want) {
			return fmt.Errorf("told of %q, want %q", told, want)
		}
		return nil
	})
}

// A configuration that ovs-vswitchd does not carry out shows by itself, on a
// host whose switches nobody speaks to.
func TestHealthOfConfiguration(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 1)
	h1 := m.Host("h1")
	m.check(h1.Freeze())
	t.Cleanup(func() { _ = h1.Thaw() })
	_, err := h1.VSCtl(m.ctx, "--no-wait", "set", "Open_vSwitch", ".", "next_cfg=1000")
	m.check(err)
	for _, want := range []string{api.HealthSlow, api.HealthStuck} {
		m.eventually(want, func() error {
			if h := m.healthOf("h1"); h.Health != want || !strings.Contains(h.HealthReason, "cur_cfg") || !strings.Contains(h.HealthReason, " since ") {
				return fmt.Errorf("%s: %s", h.Health, h.HealthReason)
			}
			return nil
		})
	}
	m.check(h1.Thaw())
	m.eventually("ok", func() error {
		if h := m.healthOf("h1"); h.Health != api.HealthOK {
			return fmt.Errorf("%s: %s", h.Health, h.HealthReason)
		}
		return nil
	})
	m.check(h1.KillOVSDB(syscall.SIGKILL))
	m.eventually("unreachable", func() error {
		if h := m.healthOf("h1"); h.Health != api.HealthUnreachable || !strings.Contains(h.HealthReason, "not connected since") {
			return fmt.Errorf("%s: %s", h.Health, h.HealthReason)
		}
		return nil
	})
}

// Counters are read from the hosts when somebody asks, of the ends that are
// listed; what BFD tells is there where it is on; and the list can be had in
// part.
func TestInspection(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 3)
	m.bridges("xapi1", "br-int")
	m.apply(`
networks:
  - {name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1, bfd: true}
  - {name: red, tenant: globex, encap: vxlan, key: 5000, tunnelPorts: shared}
`)
	began := time.Now().Add(-time.Second)
	var blue, red []*ovstest.VM
	for i := range 3 {
		host := fmt.Sprintf("h%d", i+1)
		blue = append(blue, m.vm(host, fmt.Sprintf("blue-%d", i+1), "xapi1", i+1, ""))
		red = append(red, m.vm(host, fmt.Sprintf("red-%d", i+1), "br-int", i+1, "red"))
	}
	m.meshed("blue", "h1", "h2", "h3")
	m.meshed("red", "h1", "h2", "h3")
	m.pingAll(blue...)
	m.pingAll(red...)

	for ends, tun := range m.tunnels() {
		b := tun.BFDStatus
		if b == nil || b.State != "up" || !b.Forwarding || b.RemoteState == "" || b.Diagnostic != "" || b.Flaps < 1 {
			t.Errorf("%s: BFD %+v", ends, b)
			continue
		}
		if since, err := time.Parse(time.RFC3339, b.Since); err != nil || since.Before(began) || since.After(time.Now()) {
			t.Errorf("%s: up since %s, %v; began %s", ends, b.Since, err, began)
		}
		if tun.Counters != nil {
			t.Errorf("%s has counters that nobody asked for", ends)
		}
	}
	m.counts("blue", false)
	m.counts("red", true)
	m.inPart()
	m.members(blue[0])

	// A cut shows in BFD, with the time and why.
	cut := time.Now().UTC().Truncate(time.Second)
	h3 := m.Host("h3")
	m.check(h3.CutUnderlay(m.ctx))
	m.silent("h3")
	b := m.tunnels()["h1 h3"].BFDStatus
	if b == nil || b.State == "up" || b.Forwarding || b.Diagnostic == "" || b.Since < cut.Format(time.RFC3339) {
		t.Errorf("cut at %v, BFD %+v", cut, b)
	}
	down := m.topology(api.TopologyFilter{Down: true})
	if len(down.Networks) != 1 || down.Networks[0].Name != "blue" || len(down.Networks[0].Tunnels) != 4 || down.Networks[0].TunnelsDown != 4 || down.Networks[0].TunnelsUp != 2 {
		t.Errorf("down: %+v", down.Networks)
	}
	m.check(h3.RestoreUnderlay(m.ctx))

	// A host that does not answer leaves its counters blank and is named; the
	// others' are there.
	pid, _ := h3.Pids()
	m.check(syscall.Kill(pid, syscall.SIGSTOP))
	defer func() { m.check(syscall.Kill(pid, syscall.SIGCONT)) }()
	top := m.topology(api.TopologyFilter{Network: "blue", Counters: true})
	for _, tun := range top.Networks[0].Tunnels {
		if (tun.Counters == nil) != (tun.From == "h3") {
			t.Errorf("%s to %s: counters %+v", tun.From, tun.To, tun.Counters)
		}
	}
	for _, h := range top.Hosts {
		if (h.CountersError == "") == (h.Name == "h3") {
			t.Errorf("%s: %q", h.Name, h.CountersError)
		}
	}
}

// counts waits for the counters of a network's tunnel ends to be what pings have
// made them.
func (m *mesh) counts(network string, shared bool) {
	m.t.Helper()
	m.eventually("counters of "+network, func() error { // Open vSwitch tells them every 5 s
		n := m.topology(api.TopologyFilter{Network: network, Counters: true}).Networks[0]
		for _, tun := range n.Tunnels {
			c := tun.Counters
			if c == nil || c.RxPackets == 0 || c.TxPackets == 0 || c.RxBytes < 64*c.RxPackets || c.TxBytes < 64*c.TxPackets || c.Shared != shared {
				return fmt.Errorf("%s to %s: %+v", tun.From, tun.To, c)
			}
		}
		return nil
	})
}

// inPart reads the topology of blue and red a few tunnel ends at a time.
func (m *mesh) inPart() {
	m.t.Helper()
	whole := ends(m.topology(api.TopologyFilter{}))
	if len(whole) != 12 {
		m.t.Fatalf("%d tunnel ends: %q", len(whole), whole)
	}
	var got []string
	for len(got) < len(whole) {
		top := m.topology(api.TopologyFilter{Limit: 5, Offset: len(got)})
		page := ends(top)
		omitted, up := 0, 0
		for _, n := range top.Networks {
			omitted += n.TunnelsOmitted
			up += n.TunnelsUp
		}
		if len(page) != min(5, len(whole)-len(got)) || omitted+len(page) != len(whole) || up != len(whole) {
			m.t.Fatalf("from %d: %d ends, %d left out, %d up", len(got), len(page), omitted, up)
		}
		got = append(got, page...)
	}
	if strings.Join(got, "\n") != strings.Join(whole, "\n") {
		m.t.Errorf("in part %q, whole %q", got, whole)
	}
	none := m.topology(api.TopologyFilter{Limit: api.NoTunnels})
	if n := none.Networks[0]; len(ends(none)) > 0 || n.TunnelsUp != 6 || n.TunnelsOmitted != 0 {
		m.t.Errorf("none: %+v", n)
	}
	if down := m.topology(api.TopologyFilter{Down: true}); len(down.Hosts) > 0 || len(down.Networks) > 0 && len(down.Networks[0].Warnings) == 0 {
		m.t.Errorf("nothing is wrong, but: %+v", down)
	}
}

func ends(top api.Topology) []string {
	var list []string
	for _, n := range top.Networks {
		for _, e := range n.Tunnels {
			list = append(list, n.Name+" "+e.From+" "+e.To)
		}
	}
	return list
}

// members demands that blue shows what each of its hosts has of it, the MTU of
// the underlay beside that of the network and of VMs.
func (m *mesh) members(vm *ovstest.VM) {
	m.t.Helper()
	n := m.topology(api.TopologyFilter{Network: "blue"}).Networks[0]
	if len(n.Members) != 3 || strings.Join(n.Bridges, " ") != "xapi1" {
		m.t.Fatalf("members %+v, bridges %q", n.Members, n.Bridges)
	}
	for _, got := range n.Members {
		want := api.TopologyMember{
			Host: got.Host, Bridge: "xapi1", Ports: 1, TunnelsWanted: 2, TunnelsUp: 2, InSync: true,
			UnderlayMTU: n.UnderlayMTU, MTU: n.UnderlayMTU - 42, VMMTU: got.VMMTU,
		}
		if got != want || got.VMMTU == 0 || n.MTU != want.MTU {
			m.t.Errorf("member %+v, want %+v; network %d", got, want, n.MTU)
		}
	}
	if !vm.IPs[0].Contains(netip.MustParseAddr("10.1.1.2")) {
		m.t.Fatal("VMs are not where this test expects them")
	}
}
