package controller_test

import (
	"fmt"
	"net/netip"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// A host that the old plugin runs is a member of the mesh: unicast and
// broadcast both ways, each frame once. (What the plugin does with unknown and
// IPv6 multicast frames that a tunnel brings is its own: it sends them on.)
func TestPluginHostInTheMesh(t *testing.T) {
	t.Parallel()
	m := startMeshOf(t, bedKind{hosts: 3})
	m.bridges("xapi1")
	old, err := m.AddHost(m.ctx, "xen9")
	m.check(err)
	m.check(old.AddBridge(m.ctx, "xapi1"))
	m.apply(fmt.Sprintf(`
hosts:
  - {name: h1, id: 1}
  - {name: h2, id: 2}
  - {name: h3, id: 3}
  - {name: xen9, id: 9, kind: external, endpoint: %s}
networks:
  - {name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1, hosts: [xen9]}
`, old.Addr))
	var vms []*ovstest.VM
	for i := range 3 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
		_, err := old.PluginTunnel(m.ctx, "xapi1", 103, 9, i+1, m.Hosts()[i].Addr)
		m.check(err)
	}
	theirs := m.vm("xen9", "vm-9", "xapi1", 9, "")
	m.check(old.PluginVIF(m.ctx, "xapi1", theirs.Interface))
	m.check(old.PluginDelivery(m.ctx, "xapi1", theirs.Interface))
	m.externalMeshed("xen9")
	for _, vm := range vms {
		m.check(vm.WaitPing(m.ctx, theirs.IPs[0].Addr()))
		m.check(theirs.WaitPing(m.ctx, vm.IPs[0].Addr()))
	}
	m.once(append(vms, theirs), nil, "broadcast")
	m.check(vms[0].Transfer(m.ctx, theirs, theirs.IPs[0].Addr(), 1<<18))
	m.check(theirs.Transfer(m.ctx, vms[2], vms[2].IPs[0].Addr(), 1<<18))
	m.clean()

	// What is known of it is not asked for by flooding.
	m.apply(fmt.Sprintf(`ports: [{name: theirs, network: blue, match: {host: xen9, interface: %s}, mac: "%s", ips: [%s]}]`,
		theirs.Interface, theirs.MAC, ip4(9)))
	m.forgetNeighbours(vms...)
	asked := m.watchUnderlay(func() { m.check(vms[0].WaitPing(m.ctx, ip4(9))) })
	if arps := having(asked, func(f inTunnel) bool { return f.host != "xen9" && f.EtherType() == 0x0806 }); len(arps) > 0 {
		t.Errorf("%d ARP frames in tunnels:%s", len(arps), someFrames(arps))
	}
	toOthers := having(asked, func(f inTunnel) bool { return f.host == "h1" && f.EtherType() == 0x0800 && f.Dst != old.Addr })
	if len(toOthers) > 0 {
		t.Errorf("%d pings went elsewhere:%s", len(toOthers), someFrames(toOthers))
	}
	// It leaves when it is no longer listed.
	m.apply("ports: []\nnetworks: [{name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1, hosts: [xen9]}]")
	m.remove(api.KindPorts, "theirs")
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.noPeer("xen9")
	m.pingAll(vms...)
	m.clean()
}

// externalMeshed waits until all tunnels to an external host are up.
func (m *mesh) externalMeshed(name string) {
	m.t.Helper()
	m.eventually("tunnels to "+name, func() error {
		net := m.topology(api.TopologyFilter{Network: "blue"}).Networks[0]
		up := 0
		for _, tun := range net.Tunnels {
			if tun.To == name && tun.State == api.TunnelUp {
				up++
			}
			if tun.From == name {
				return fmt.Errorf("a tunnel end at %s, whom nobody programs: %+v", name, tun)
			}
		}
		if up != 3 || net.TunnelsUp != net.TunnelsWanted || !net.InSync {
			return fmt.Errorf("%d tunnels up: %+v", up, net)
		}
		return nil
	})
}

// A Linux machine's own VXLAN device is a member of the mesh, in every way of
// tunnel ports.
func TestKernelEndpointInTheMesh(t *testing.T) {
	t.Parallel()
	m := startMeshOf(t, bedKind{hosts: 3})
	m.bridges("xapi1")
	var remotes []netip.Addr
	for _, h := range m.Hosts() {
		remotes = append(remotes, h.Addr)
	}
	ext, err := m.AddVTEP(m.ctx, "linux", 5001, remotes...)
	m.check(err)
	var vms []*ovstest.VM
	for i := range 3 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
	}
	for n := 8; n <= 9; n++ {
		vm, err := ext.AddVM(m.ctx, ovstest.VMSpec{
			Name: fmt.Sprintf("vm-%d", n), MAC: mac(n),
			IPs: []netip.Prefix{netip.PrefixFrom(ip4(n), 24), netip.PrefixFrom(ip6(n), 64)},
		})
		m.check(err)
		vms = append(vms, vm)
	}
	for _, mode := range []string{"per-network", "shared", "flow"} {
		m.apply(fmt.Sprintf(`
hosts: [{name: linux, kind: external, endpoint: %s}]
networks: [{name: blue, tenant: acme, encap: vxlan, key: 5001, bridge: xapi1, hosts: [linux], tunnelPorts: %s}]
`, ext.Addr, mode))
		m.externalMeshed("linux")
		m.pingAll(vms...)
		m.once(vms, nil, "broadcast", "IPv4 multicast", "IPv6 multicast", "unknown unicast")
		m.check(vms[0].Transfer(m.ctx, vms[3], vms[3].IPs[0].Addr(), 1<<18))
		m.check(vms[4].Transfer(m.ctx, vms[1], vms[1].IPs[1].Addr(), 1<<18))
		m.clean()
	}
}
