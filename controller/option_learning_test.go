package controller_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"ovsmesh/ovsdb/ovstest"
)

// A mesh of four learning bridges, once where Open vSwitch itself keeps tunnels
// apart and once where its database lacks that: all VMs talk, nothing loops,
// whoever is away, and a VM that moves is found at once.
func TestLearning(t *testing.T) {
	for name, without := range map[string][]string{
		"protected ports": nil, "no column for protected ports": {"Port.protected"},
	} {
		t.Run(name, func(t *testing.T) {
			m := startMeshOf(t, bedKind{hosts: 4, without: without})
			m.bridges("xapi1")
			m.apply(`networks: [{name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1, profile: learning}]`)
			var vms []*ovstest.VM
			for i := range 4 {
				vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
			}
			vms = append(vms, m.vm("h1", "vm-5", "xapi1", 5, ""))
			m.meshed("blue", "h1", "h2", "h3", "h4")
			m.pingAll(vms...)
			m.clean()
			out, err := m.Host("h1").VSCtl(m.ctx, "--bare", "--columns=name", "find", "Port", "protected=true")
			if guarded := err == nil && strings.Count(out, "t103-") == 3; guarded != (without == nil) {
				t.Errorf("protected ports: %q, %v", out, err)
			}
			m.check(vms[0].Transfer(m.ctx, vms[2], vms[2].IPs[0].Addr(), 1<<20))
			m.floods(vms, nil)
			m.storms(vms)
			m.followsMoves(vms)
			m.clean()
		})
	}
}

// Hosts with and without protected ports in one mesh, and a network that becomes
// one of profile learning and programmed again while a ping runs.
func TestLearningComesAndGoes(t *testing.T) {
	m := startMeshOf(t, bedKind{hosts: 2})
	old, err := m.AddOldHost(m.ctx, "h3", "Port.protected")
	m.check(err)
	m.check(old.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	m.bridges("xapi1")
	spec := func(profile string) string {
		return "networks: [{name: blue, tenant: acme, encap: vxlan, key: 5001, bridge: xapi1, profile: " + profile + "}]"
	}
	m.apply(spec("programmed"))
	var vms []*ovstest.VM
	for i := range 3 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
	}
	for _, profile := range []string{"programmed", "learning", "programmed"} {
		m.meshed("blue", "h1", "h2", "h3")
		m.pingAll(vms...)
		m.once(vms, nil, "broadcast", "IPv4 multicast", "IPv6 multicast", "unknown unicast")
		m.clean()
		next := "learning"
		if profile == next {
			next = "programmed"
		}
		there, back := m.pings(vms[0], vms[2]), m.pings(vms[2], vms[1])
		time.Sleep(200 * time.Millisecond)
		m.flooding(vms[1], vms, func() { m.apply(spec(next)); time.Sleep(100 * time.Millisecond) })
		m.lost("change to "+next, 1, there, back)
	}
}

// storms floods a mesh of four in every condition that it can be in.
func (m *mesh) storms(vms []*ovstest.VM) {
	m.t.Helper()
	all := func(when string, sent int, got []int) {
		m.t.Helper()
		for i, n := range got[1:] {
			if n != sent {
				m.t.Errorf("%s: %s got %d frames of %d", when, vms[i+1].Name, n, sent)
			}
		}
	}
	sent, got := m.flooding(vms[0], vms, func() { time.Sleep(300 * time.Millisecond) })
	all("all is well", sent, got)

	m.ctl.stop()
	sent, got = m.flooding(vms[0], vms, func() { time.Sleep(300 * time.Millisecond) })
	all("no controller", sent, got)
	m.pingAll(vms[0], vms[3])
	m.start()

	// Frames are lost where the switch is away, and nowhere arrives one twice.
	h2 := m.Host("h2")
	sent, got = m.flooding(vms[0], vms, func() {
		m.check(h2.KillVSwitchd(syscall.SIGKILL))
		time.Sleep(200 * time.Millisecond)
		m.check(h2.StartVSwitchd(m.ctx))
		time.Sleep(time.Second)
		m.meshed("blue", "h1", "h2", "h3", "h4")
	})
	for _, i := range []int{2, 3, 4} {
		if got[i] != sent {
			m.t.Errorf("ovs-vswitchd of h2 is away: %s got %d frames of %d", vms[i].Name, got[i], sent)
		}
	}
	m.pingAll(vms...)

	// The one that the frames come from.
	h1 := m.Host("h1")
	m.flooding(vms[0], vms, func() {
		m.check(h1.RestartVSwitchd(m.ctx))
		m.meshed("blue", "h1", "h2", "h3", "h4")
	})
	m.pingAll(vms...)
}

// followsMoves moves the second VM of h1, once with a controller that knows of
// it and once with none.
func (m *mesh) followsMoves(vms []*ovstest.VM) {
	m.t.Helper()
	vm := vms[4]
	for _, away := range []bool{false, true} {
		m.pingAll(vms...)
		to := m.Host("h3")
		if away {
			to = m.Host("h4")
		}
		m.check(vm.Prepare(m.ctx, to))
		m.eventually("flows for the VIF at "+to.Name, func() error {
			ofport := m.vsctl(to, "get", "Interface", vm.Next.Interface, "ofport")
			for _, f := range m.ownFlows(to, "xapi1") {
				// The whole number: 2 is the beginning of a tunnel's 20001, too.
				if strings.Contains(f, "in_port="+ofport+",") || strings.Contains(f, "in_port="+ofport+" ") ||
					strings.Contains(f, `in_port="`+vm.Next.Interface+`"`) {
					return nil
				}
			}
			return fmt.Errorf("none for port %s: %s", ofport, m.sortedFlows(to, "xapi1"))
		})
		if away {
			m.ctl.stop()
		}
		m.check(vm.Switch(m.ctx))
		moved := time.Now()
		var all errgroup.Group
		for _, other := range vms[:4] {
			for _, p := range vm.IPs {
				all.Go(func() error { return other.WaitPing(m.ctx, p.Addr()) })
			}
		}
		m.check(all.Wait())
		if took := time.Since(moved); took > time.Second {
			m.t.Errorf("controller away %v: all VMs reach the one that moved after %v, want 1 s", away, took)
		}
		if away {
			m.start()
			m.meshed("blue", "h1", "h2", "h3", "h4")
		}
	}
}
