package controller_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

const ownBridges = `
keyPools:
  - {encap: vxlan, range: 5000-5999}
networks:
  - {name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1}
  - {name: red, tenant: globex, encap: vxlan, bridge: xapi2}
`

const sharedBridge = `
keyPools:
  - {encap: gre, range: 100-110}
  - {encap: vxlan, range: 5000-5999}
networks:
  - {name: blue, tenant: acme, encap: gre}
  - {name: red, tenant: globex, encap: vxlan}
`

// Two tenants with the same MACs and IPs on four hosts, each tenant on a
// bridge of its own, and both on one: traffic of every kind arrives where it
// should, once, and nowhere else.
func TestTenantsTraffic(t *testing.T) {
	for name, c := range map[string]struct {
		spec      string
		blue, red string // bridges
	}{
		"own bridges":       {ownBridges, "xapi1", "xapi2"},
		"one shared bridge": {sharedBridge, "br-int", "br-int"},
	} {
		t.Run(name, func(t *testing.T) {
			m := startMesh(t, 4)
			m.bridges(c.blue)
			if c.red != c.blue {
				m.bridges(c.red)
			}
			m.apply(c.spec)
			network := func(name string) string {
				if c.blue == c.red {
					return name
				}
				return "" // joined by its bridge
			}
			var blue, red []*ovstest.VM
			for i := range 4 {
				host := fmt.Sprintf("h%d", i+1)
				blue = append(blue, m.vm(host, fmt.Sprintf("blue-%d", i+1), c.blue, i+1, network("blue")))
				red = append(red, m.vm(host, fmt.Sprintf("red-%d", i+1), c.red, i+1, network("red")))
			}
			m.meshed("blue", "h1", "h2", "h3", "h4")
			m.meshed("red", "h1", "h2", "h3", "h4")
			m.pingAll(blue...)
			m.pingAll(red...)
			for _, vms := range [][]*ovstest.VM{blue, red} {
				m.check(vms[0].Transfer(m.ctx, vms[2], vms[2].IPs[0].Addr(), 1<<20))
				m.check(vms[3].Transfer(m.ctx, vms[1], vms[1].IPs[1].Addr(), 1<<20))
			}
			m.floods(blue, red)
			m.stopsForgery(blue)
			m.clean()
		})
	}
}

// floods sends frames of every kind that floods from one VM of a tenant, and
// counts the copies at all VMs of both.
func (m *mesh) floods(tenant, other []*ovstest.VM) {
	m.t.Helper()
	for name, dst := range map[string]topology.MAC{
		"broadcast":       {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"IPv4 multicast":  {0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb},
		"IPv6 multicast":  {0x33, 0x33, 0x00, 0x00, 0x00, 0xfb},
		"unknown unicast": {0x02, 0x00, 0x00, 0x00, 0x99, 0x99},
	} {
		const copies = 5
		frame := testFrame(dst, tenant[0].MAC, "flood "+name)
		flooded := expected{name, frame, map[*ovstest.VM]int{}}
		for _, vm := range tenant[1:] {
			flooded.want[vm] = copies
		}
		m.arrive(slices.Concat(tenant, other), []expected{flooded}, func() {
			for range copies {
				m.check(tenant[0].SendFrame(frame))
			}
		})
	}
	// Known unicast: one copy, at the right VM.
	frame := testFrame(tenant[2].MAC, tenant[0].MAC, "unicast")
	m.sends(tenant[0], slices.Concat(tenant, other), []expected{{"unicast", frame, map[*ovstest.VM]int{tenant[2]: 1}}})
}

// stopsForgery sends a frame with another VM's MAC as its source.
func (m *mesh) stopsForgery(vms []*ovstest.VM) {
	m.t.Helper()
	all := topology.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	forged := expected{"a forged source", testFrame(all, vms[1].MAC, "forged"), nil}
	honest := expected{"its own source", testFrame(all, vms[0].MAC, "honest"), map[*ovstest.VM]int{}}
	for _, vm := range vms[1:] {
		honest.want[vm] = 1
	}
	m.sends(vms[0], vms, []expected{forged, honest})
}

// testFrame returns a frame of the local experimental EtherType with a text
// that makes it unlike any other.
func testFrame(dst, src topology.MAC, text string) []byte {
	f := append(append(append([]byte{}, dst[:]...), src[:]...), 0x88, 0xb5)
	f = append(f, text...)
	return append(f, make([]byte, max(0, 60-len(f)))...)
}

// A VM forges ARP for the controller's address, which a switch with in-band
// control would send NORMAL, from tunnel to tunnel too.
func TestForgedARPForController(t *testing.T) {
	m := startMesh(t, 4)
	m.bridges("xapi1")
	m.apply(ownBridges)
	var vms []*ovstest.VM
	for i := range 4 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
	}
	m.meshed("blue", "h1", "h2", "h3", "h4")
	m.pingAll(vms...)
	forged := expected{"ARP for the controller", arpRequest(vms[0].MAC, m.Controller.As4(), m.Controller.As4()), map[*ovstest.VM]int{}}
	for _, vm := range vms[1:] {
		forged.want[vm] = 1
	}
	m.sends(vms[0], vms, []expected{forged})
}

// arpRequest returns an ARP request, RFC 826.
func arpRequest(src topology.MAC, sender, target [4]byte) []byte {
	f := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	f = append(f, src[:]...)
	f = binary.BigEndian.AppendUint16(f, 0x0806)
	f = append(f, 0, 1, 8, 0, 6, 4, 0, 1)
	f = append(f, src[:]...)
	f = append(f, sender[:]...)
	f = append(f, make([]byte, 6)...)
	f = append(f, target[:]...)
	return append(f, make([]byte, 60-len(f))...)
}

// Hosts come into a network's mesh with their first VM and leave with the last.
func TestMembership(t *testing.T) {
	m := startMesh(t, 4)
	m.bridges("xapi1", "xapi2")
	m.apply(ownBridges)
	m.meshed("blue")
	one := m.vm("h1", "one", "xapi1", 1, "")
	m.meshed("blue", "h1")
	two := m.vm("h2", "two", "xapi1", 2, "")
	m.meshed("blue", "h1", "h2")
	m.pingAll(one, two)

	// A host that runs none of its VMs has no tunnel of it.
	for _, h := range []string{"h3", "h4"} {
		m.noTunnels(h)
	}
	// Two hosts at once.
	three, four := m.vm("h3", "three", "xapi1", 3, ""), m.vm("h4", "four", "xapi1", 4, "")
	m.meshed("blue", "h1", "h2", "h3", "h4")
	m.pingAll(one, two, three, four)

	// A VM moves: reachable at its new host without a command.
	m.check(two.Move(m.ctx, m.Host("h3")))
	m.meshed("blue", "h1", "h3", "h4")
	m.pingAll(one, two, three, four)
	m.eventually("h2 out of the mesh", func() error { return m.tunnelsGone("h2") })

	// The last one leaves: out everywhere within 2 s, in one of three times, as the
	// machine may be busy with something else just then.
	const target, times = 2 * time.Second, 3
	for took := []time.Duration{}; ; {
		m.check(four.Remove(m.ctx))
		begin := time.Now()
		m.eventually("h4 out of the mesh", func() error {
			return errors.Join(m.tunnelsGone("h4"), m.isMeshed("blue", "h1", "h3"))
		})
		took = append(took, time.Since(begin).Round(time.Millisecond))
		m.noPeer("h4")
		t.Logf("out everywhere after %v", took)
		if took[len(took)-1] <= target {
			break
		}
		if len(took) == times {
			t.Errorf("out everywhere after %v, want %v once", took, target)
			break
		}
		four = m.vm("h4", "four", "xapi1", 4, "")
		m.meshed("blue", "h1", "h3", "h4")
	}
	m.clean()
}

// noTunnels demands that a host's database holds no tunnel port.
func (m *mesh) noTunnels(host string) {
	m.t.Helper()
	m.check(m.tunnelsGone(host))
}

func (m *mesh) tunnelsGone(host string) error {
	out, err := m.Host(host).VSCtl(m.ctx, "--bare", "--columns=name", "find", "Interface", "type=gre")
	if err == nil && out == "" {
		out, err = m.Host(host).VSCtl(m.ctx, "--bare", "--columns=name", "find", "Interface", "type=vxlan")
	}
	if err != nil {
		return err
	}
	if out != "" {
		return fmt.Errorf("%s has tunnels %s", host, out)
	}
	return nil
}

// noPeer demands that no host has a tunnel to this one.
func (m *mesh) noPeer(host string) {
	m.t.Helper()
	for _, h := range m.Hosts() {
		out, err := h.VSCtl(m.ctx, "--bare", "--columns=name", "find", "Port", "external_ids:ovsmesh-peer="+host)
		m.check(err)
		if out != "" {
			m.t.Errorf("%s has a tunnel to %s: %s", h.Name, host, out)
		}
	}
}

// Ten networks at once, some on one bridge, on three hosts.
func TestTenNetworksAtOnce(t *testing.T) {
	m := startMesh(t, 3)
	m.bridges("br-int")
	var vms [][]*ovstest.VM
	spec := "keyPools: [{encap: gre, range: 100-110}]\nnetworks:\n"
	for n := range 10 {
		spec += fmt.Sprintf("  - {name: net-%d, encap: gre}\n", n)
		var list []*ovstest.VM
		for i := range 3 {
			list = append(list, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("n%d-%d", n, i+1), "br-int", i+1, fmt.Sprintf("net-%d", n)))
		}
		vms = append(vms, list)
	}
	m.apply(spec)
	for n := range 10 {
		m.meshed(fmt.Sprintf("net-%d", n), "h1", "h2", "h3")
	}
	for _, list := range vms {
		m.pingAll(list...)
	}
	m.clean()
	if top := m.topology(api.TopologyFilter{}); len(top.Networks) != 10 {
		t.Errorf("%d networks in the topology", len(top.Networks))
	}
}
