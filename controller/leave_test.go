package controller_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// leaveMark returns what a host's database says of its leaving.
func (m *mesh) leaveMark(h *ovstest.Host) string {
	m.t.Helper()
	out, err := h.VSCtl(m.ctx, "--if-exists", "get", "Open_vSwitch", ".", "external_ids:ovsmesh-leave")
	m.check(err)
	return strings.Trim(strings.TrimSpace(out), `"`)
}

// asBefore waits until a bridge is again as it was, and its host knows that it
// has left.
func (m *mesh) asBefore(h *ovstest.Host, before string) {
	m.t.Helper()
	m.eventually(h.Name+" as it was", func() error {
		if now := m.bridgeState(h, "xapi1"); now != before {
			return fmt.Errorf("was\n%s\nand is\n%s", before, now)
		}
		if mark := m.leaveMark(h); mark != "done" {
			return fmt.Errorf("ovsmesh-leave is %q", mark)
		}
		return nil
	})
}

// redial makes a host dial in anew.
func (m *mesh) redial(h *ovstest.Host) {
	m.t.Helper()
	m.hangUp(h)
	m.check(h.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
}

// hangUp ends a host's connection and waits until that is known.
func (m *mesh) hangUp(h *ovstest.Host) {
	m.t.Helper()
	_, err := h.VSCtl(m.ctx, "del-manager")
	m.check(err)
	m.eventually(h.Name+" disconnected", func() error {
		for _, now := range m.topology(api.TopologyFilter{}).Hosts {
			if now.Name == h.Name && now.Connected {
				return fmt.Errorf("%s is connected", h.Name)
			}
		}
		return nil
	})
}

// A host that asks to leave gives everything back, stays out though it goes on
// dialling in, and comes back when the mark is taken off, be it named by a spec
// or not.
func TestLeaveRequested(t *testing.T) {
	for name, spec := range map[string]string{
		"registered": ownBridges,
		"in a spec":  ownBridges + "hosts: [{name: h1}, {name: h2}, {name: h3}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			m, vms := threeVMs(t)
			h2 := m.Host("h2")
			before := m.bridgeState(h2, "xapi1")
			m.apply(spec)
			m.meshed("blue", "h1", "h2", "h3")
			m.pingAll(vms...)
			_, err := h2.VSCtl(m.ctx, "set", "Open_vSwitch", ".", "external_ids:ovsmesh-leave=requested")
			m.check(err)
			m.meshed("blue", "h1", "h3")
			m.asBefore(h2, before)
			m.noTunnels("h2")
			m.noPeer("h2")
			m.pingAll(vms[0], vms[2])
			m.clean()

			// It stays out, whether it or the controller starts anew.
			m.redial(h2)
			m.ctl.stop()
			m.start()
			m.meshed("blue", "h1", "h3")
			time.Sleep(2500 * time.Millisecond) // long enough for it to have dialled in
			m.check(m.isMeshed("blue", "h1", "h3"))
			m.asBefore(h2, before)

			_, err = h2.VSCtl(m.ctx, "remove", "Open_vSwitch", ".", "external_ids", "ovsmesh-leave")
			m.check(err)
			m.meshed("blue", "h1", "h2", "h3")
			m.pingAll(vms...)
			m.clean()
		})
	}
}

// A spec that names a host that has left brings it back, also when it says
// nothing new of it.
func TestSpecBringsLeftHostBack(t *testing.T) {
	for name, hosts := range map[string][2]string{
		"not named before":      {"", "hosts: [{name: h2}]\n"},
		"named before the same": {"hosts: [{name: h2}]\n", "hosts: [{name: h2}]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m, vms := threeVMs(t)
			h2 := m.Host("h2")
			before := m.bridgeState(h2, "xapi1")
			m.apply(ownBridges + hosts[0])
			m.meshed("blue", "h1", "h2", "h3")
			_, err := h2.VSCtl(m.ctx, "set", "Open_vSwitch", ".", "external_ids:ovsmesh-leave=requested")
			m.check(err)
			m.asBefore(h2, before)
			m.meshed("blue", "h1", "h3")
			m.apply(hosts[1])
			m.meshed("blue", "h1", "h2", "h3")
			m.pingAll(vms...)
			if mark := m.leaveMark(h2); mark != "" {
				t.Errorf("ovsmesh-leave is still %q", mark)
			}
			m.clean()
		})
	}
}

// A host that is deleted while it is away gives everything back when it dials
// in again, whether or not the controller has been restarted meanwhile.
func TestDeleteHostThatIsAway(t *testing.T) {
	for name, restart := range map[string]bool{"same controller": false, "restarted controller": true} {
		t.Run(name, func(t *testing.T) {
			m, vms := threeVMs(t)
			h2 := m.Host("h2")
			before := m.bridgeState(h2, "xapi1")
			m.apply(ownBridges)
			m.meshed("blue", "h1", "h2", "h3")
			m.hangUp(h2)
			m.remove(api.KindHosts, "h2")
			m.meshed("blue", "h1", "h3")
			if restart {
				m.ctl.stop()
				m.start()
				m.meshed("blue", "h1", "h3")
			}
			m.noPeer("h2")
			m.clean() // a host that is not wanted makes the look no less complete
			m.check(h2.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
			m.asBefore(h2, before)
			m.noTunnels("h2")
			m.check(m.isMeshed("blue", "h1", "h3"))
			m.pingAll(vms[0], vms[2])
			m.clean()
		})
	}
}

// With autoRegister off only hosts that a spec names come in, and one that is
// refused comes in as soon as one names it.
func TestNoAutoRegister(t *testing.T) {
	t.Parallel()
	m := newMesh(t, 3)
	m.config = append(m.config, func(c *controller.Config) { c.AutoRegister = false })
	m.start()
	m.bridges("xapi1")
	var vms []*ovstest.VM
	for i := range 3 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
	}
	h2 := m.Host("h2")
	before := m.bridgeState(h2, "xapi1")
	m.apply(ownBridges + "hosts: [{name: h1}, {name: h3, systemID: " + m.Host("h3").SystemID + "}]\n")
	for _, h := range m.Hosts() {
		m.check(h.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	}
	m.meshed("blue", "h1", "h3")
	m.pingAll(vms[0], vms[2])
	time.Sleep(time.Second) // h2 has dialled in by now
	if n := len(m.topology(api.TopologyFilter{}).Hosts); n != 2 {
		t.Errorf("%d hosts, want those of the spec", n)
	}
	if now := m.bridgeState(h2, "xapi1"); now != before {
		t.Errorf("a host that may not join was\n%s\nand is\n%s", before, now)
	}
	m.apply("hosts: [{name: h2}]")
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
}
