package controller_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// twoEndpoints is the spec of a network with two endpoints of others, and how
// its tunnels are.
const twoEndpoints = `
hosts:
  - {name: one, kind: external, endpoint: %s}
  - {name: two, kind: external, endpoint: %s}
networks:
  - {name: blue, tenant: acme, encap: vxlan, key: 5001, bridge: xapi1, hosts: [one, two], %s}
`

// declared says what is behind the first endpoint.
const declared = `
ports:
  - {name: db, network: blue, match: {host: one, interface: vm1}, mac: "%s", ips: [%s, "%s"], dhcpServer: true}
`

// endpointMesh is two hosts and two kernel VXLAN devices that know the hosts,
// but not each other, with a VM at each.
type endpointMesh struct {
	*mesh
	one, two     *ovstest.VTEP
	ours         []*ovstest.VM // on h1 and h2
	atOne, atTwo *ovstest.VM   // behind one and two
}

func startEndpointMesh(t *testing.T) *endpointMesh {
	m := &endpointMesh{mesh: startMeshOf(t, bedKind{hosts: 2})}
	m.bridges("xapi1")
	h1, h2 := m.Host("h1"), m.Host("h2")
	var err error
	m.one, err = m.AddVTEP(m.ctx, "one", 5001, h1.Addr, h2.Addr)
	m.check(err)
	m.two, err = m.AddVTEP(m.ctx, "two", 5001, h1.Addr, h2.Addr)
	m.check(err)
	for n := range 2 {
		m.ours = append(m.ours, m.knownVM(fmt.Sprintf("h%d", n+1), fmt.Sprintf("vm-%d", n+1), "xapi1", n+1, ""))
	}
	m.atOne, m.atTwo = m.behind(m.one, 8), m.behind(m.two, 9)
	return m
}

// behind starts a VM behind an endpoint.
func (m *endpointMesh) behind(v *ovstest.VTEP, n int) *ovstest.VM {
	m.t.Helper()
	vm, err := v.AddVM(m.ctx, ovstest.VMSpec{
		Name: fmt.Sprintf("vm-%d", n), MAC: mac(n),
		IPs: []netip.Prefix{netip.PrefixFrom(ip4(n), 24), netip.PrefixFrom(ip6(n), 64)},
	})
	m.check(err)
	return vm
}

func (m *endpointMesh) options(text string) {
	m.t.Helper()
	m.apply(fmt.Sprintf(twoEndpoints, m.one.Addr, m.two.Addr, text))
	m.shown()
}

// shown demands that the endpoints are shown as what they are, and all as being
// as it should be.
func (m *endpointMesh) shown() {
	m.t.Helper()
	m.eventually("topology", func() error {
		top := m.topology(api.TopologyFilter{Network: "blue"})
		net := top.Networks[0]
		// Each host has a tunnel to the other and to both endpoints.
		if hosts := strings.Join(net.Hosts, " "); hosts != "h1 h2 one two" || net.TunnelsWanted != 6 || net.TunnelsUp != 6 || !net.InSync || len(net.Problems) > 0 {
			return fmt.Errorf("%+v", net)
		}
		for _, tun := range net.Tunnels {
			if tun.From != "h1" && tun.From != "h2" {
				return fmt.Errorf("a tunnel end where nobody of us is: %+v", tun)
			}
		}
		for _, h := range top.Hosts {
			want := topology.KindManaged
			if h.Name == "one" || h.Name == "two" {
				want = topology.KindExternal
			}
			if h.Kind != want || h.Connected != (want == topology.KindManaged) || h.InSync != h.Connected || len(h.Problems) > 0 {
				return fmt.Errorf("%+v", h)
			}
		}
		return nil
	})
	st, err := m.ctl.Sync(m.ctx, 1)
	m.check(err)
	if !st.Done || st.Hosts != 2 || len(st.Errors) > 0 {
		m.t.Errorf("apply --wait would hear %+v", st)
	}
}

// Two endpoints of others meet the mesh, in every way of tunnel ports and where
// switches learn, and do not meet each other through it.
func TestEndpointsMeetUsAndNotEachOther(t *testing.T) {
	m := startEndpointMesh(t)
	for _, mode := range []string{"tunnelPorts: per-network", "tunnelPorts: shared", "tunnelPorts: flow", "profile: learning"} {
		m.options(mode)
		m.pingAll(m.ours[0], m.ours[1], m.atOne)
		m.pingAll(m.ours[0], m.ours[1], m.atTwo)
		m.apart(mode)
		m.clean()
	}
	m.options("bfd: true") // between us; others need not speak it
	m.pingAll(m.ours[0], m.ours[1], m.atOne)
	m.clean()
	m.check(m.ours[0].Transfer(m.ctx, m.atOne, ip4(8), 1<<18))
	m.check(m.atTwo.Transfer(m.ctx, m.ours[1], ip6(2), 1<<18))

	m.apply(fmt.Sprintf(declared, m.atOne.MAC, ip4(8), ip6(8)))
	m.foundAtOnce()
	m.apart("declared")
	m.leases()
	m.clean()

	m.remove(api.KindPorts, "db")
	m.apply(`networks: [{name: blue, tenant: acme, encap: vxlan, key: 5001, bridge: xapi1, tunnelPorts: flow}]`)
	m.meshed("blue", "h1", "h2")
	for _, host := range []string{"one", "two"} {
		m.remove(api.KindHosts, host)
	}
	m.pingAll(m.ours...)
	m.clean()
}

// apart demands that what an endpoint sends arrives once at each of our VMs, and
// nothing of it at the other endpoint; what a VM of ours sends arrives once at
// all others.
func (m *endpointMesh) apart(mode string) {
	m.t.Helper()
	ours, all := m.ours, []*ovstest.VM{m.ours[0], m.ours[1], m.atOne, m.atTwo}
	var frames []expected
	var senders []*ovstest.VM
	expect := func(what string, dst topology.MAC, from *ovstest.VM, want ...*ovstest.VM) {
		e := expected{what + " of " + from.Name + ", " + mode, nil, map[*ovstest.VM]int{}}
		e.frame = testFrame(dst, from.MAC, e.what)
		for _, vm := range want {
			e.want[vm] = 1
		}
		frames, senders = append(frames, e), append(senders, from)
	}
	for kind, dst := range floodKinds {
		expect(kind, dst, ours[0], ours[1], m.atOne, m.atTwo)
		expect(kind, dst, m.atOne, ours...)
		expect(kind, dst, m.atTwo, ours...)
	}
	const own = 4 // frames of a VM of ours, each sent to three
	crossed := m.watchUnderlay(func() {
		m.arrive(all, frames, func() {
			for i, e := range frames {
				m.check(senders[i].SendFrame(e.frame))
			}
			// Nor is it carried on where it is for a station there.
			m.check(m.atTwo.SendFrame(testFrame(m.atOne.MAC, m.atTwo.MAC, "to the other endpoint")))
		})
	})
	sent := having(crossed, func(f inTunnel) bool { return f.EtherType() == 0x88b5 })
	if len(sent) != own*3 {
		m.t.Errorf("%s: %d frames in tunnels, want %d; what a tunnel brought is not carried on:%s", mode, len(sent), own*3, someFrames(sent))
	}
}

// foundAtOnce demands that nobody is asked but the endpoint that a port is
// declared to be behind, and that frames go there alone.
func (m *endpointMesh) foundAtOnce() {
	m.t.Helper()
	m.forgetNeighbours(m.ours[0], m.ours[1], m.atOne)
	crossed := m.watchUnderlay(func() { m.pingAll(m.ours[0], m.ours[1], m.atOne) })
	arps := having(crossed, func(f inTunnel) bool {
		return f.EtherType() == 0x0806 && f.Data[0]&1 != 0
	})
	if len(arps) > 0 {
		m.t.Errorf("%d requests of ARP for all in tunnels:%s", len(arps), someFrames(arps))
	}
	astray := having(crossed, func(f inTunnel) bool {
		return f.Dst == m.two.Addr && (f.EtherType() == 0x0800 || f.EtherType() == 0x86dd)
	})
	if len(astray) > 0 {
		m.t.Errorf("%d frames went to the wrong endpoint:%s", len(astray), someFrames(astray))
	}
}

// leases has a VM get its lease from a server behind an endpoint, although
// tunnels carry no broadcast.
func (m *endpointMesh) leases() {
	m.t.Helper()
	m.options("broadcast: drop, unknownUnicast: drop")
	dhcp, err := m.atOne.ServeDHCP(ip4(1), ip4(1), netip.Addr{}, netip.Addr{})
	m.check(err)
	var lease netip.Addr
	crossed := m.watchUnderlay(func() {
		m.check(m.ours[0].Boot(m.ctx, false))
		ctx, cancel := context.WithTimeout(m.ctx, 20*time.Second)
		defer cancel()
		lease, err = m.ours[0].Lease(ctx, 4)
		for kind, dst := range floodKinds {
			m.check(m.ours[1].SendFrame(testFrame(dst, m.ours[1].MAC, "noise "+kind)))
		}
	})
	if err != nil || lease != ip4(1) {
		m.t.Errorf("lease %v, %v; want %v: %s", lease, err, ip4(1), dhcp.Log())
	}
	for _, f := range crossed {
		if kind := groupKind(f.Frame); kind != "" && (kind != "DHCP request" || f.Dst != m.one.Addr) {
			m.t.Errorf("in tunnels: %s from %s to %v", kind, f.host, f.Dst)
		}
	}
	m.check(dhcp.Stop())
	m.check(m.ours[0].Boot(m.ctx, true))
	m.check(m.ours[0].WaitPing(m.ctx, ip4(8)))
	m.check(m.ours[0].WaitPing(m.ctx, ip4(2)))
}

// A host of ours that becomes external is given back as it was, and stays a
// member that the others reach where something answers there; managed again, it
// is one of us again.
func TestHostBecomesExternalAndComesBack(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 3)
	m.bridges("xapi1")
	m.apply("hosts: [{name: h1, id: 1}, {name: h2, id: 2}, {name: h3, id: 3}]")
	var vms []*ovstest.VM
	for i := range 3 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
	}
	h3 := m.Host("h3")
	m.ofctl(h3, "add-flow", "xapi1", "cookie=0x1,priority=5000,dl_dst=02:00:00:00:77:77,actions=drop")
	before := m.bridgeState(h3, "xapi1")
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	ping, err := vms[0].StartPing(m.ctx, vms[1].IPs[0].Addr(), 10*time.Millisecond)
	m.check(err)

	m.apply(fmt.Sprintf(`
hosts: [{name: h3, kind: external, endpoint: %s}]
networks: [{name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1, hosts: [h3]}]
`, h3.Addr))
	m.eventually("h3 as it was", func() error {
		if now := m.bridgeState(h3, "xapi1"); now != before {
			return fmt.Errorf("was\n%s\nand is\n%s", before, now)
		}
		return nil
	})
	m.eventually("h3 external", func() error {
		top := m.topology(api.TopologyFilter{Network: "blue"})
		n := top.Networks[0]
		if strings.Join(n.Hosts, " ") != "h1 h2 h3" || n.TunnelsWanted != 4 || n.TunnelsUp != 4 || !n.InSync || len(n.Problems) > 0 {
			return fmt.Errorf("%+v", n)
		}
		for _, h := range top.Hosts {
			if h.Name == "h3" && (h.Kind != topology.KindExternal || h.Connected || len(h.Bridges) > 0) {
				return fmt.Errorf("%+v", h)
			}
		}
		return nil
	})
	m.clean()

	// It goes on dialling in, and that changes nothing; the old plugin takes
	// it over.
	m.redial(h3)
	for peer := range 2 {
		_, err := h3.PluginTunnel(m.ctx, "xapi1", 103, 3, peer+1, m.Hosts()[peer].Addr)
		m.check(err)
	}
	m.check(h3.PluginVIF(m.ctx, "xapi1", vms[2].Interface))
	m.check(h3.PluginDelivery(m.ctx, "xapi1", vms[2].Interface))
	// The packets are the same for it, however many ports we have.
	for _, mode := range []string{"shared", "flow", "per-network"} {
		m.apply(fmt.Sprintf("networks: [{name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1, hosts: [h3], tunnelPorts: %s}]", mode))
		m.pingAll(vms...)
		m.once(vms, nil, "broadcast")
		m.clean()
	}
	for _, port := range []string{"t103-3-1", "t103-3-2"} {
		m.vsctl(h3, "del-port", port)
	}
	m.ofctl(h3, "del-flows", "xapi1")
	m.ofctl(h3, "add-flow", "xapi1", "priority=0,actions=NORMAL")

	m.apply("hosts: [{name: h3, kind: managed}]\n" + ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.once(vms, nil, "broadcast", "IPv6 multicast", "unknown unicast")
	m.clean()
	r, err := ping.Stop()
	m.check(err)
	if r.Lost() > 1 || r.Duplicates > 0 {
		t.Errorf("the other two lost %d of %d packets, and got %d twice", r.Lost(), r.Sent, r.Duplicates)
	}
}

// A host that was away when it became external is given back when it dials in
// again, and is not taken for a new one, whatever it calls itself.
func TestHostBecomesExternalWhileAway(t *testing.T) {
	t.Parallel()
	m := newMesh(t, 3)
	m.bridges("xapi1")
	for i := range 3 {
		m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, "")
	}
	h3 := m.Host("h3")
	before := m.bridgeState(h3, "xapi1")
	m.start()
	m.apply(ownBridges + fmt.Sprintf("hosts: [{name: old, systemID: %s}]", h3.SystemID))
	for _, h := range m.Hosts() {
		m.check(h.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	}
	m.meshed("blue", "h1", "h2", "old")
	_, err := h3.VSCtl(m.ctx, "del-manager")
	m.check(err)
	m.eventually("h3 away", func() error {
		if m.hostStatus("old").Connected {
			return errors.New("it is connected")
		}
		return nil
	})
	external := fmt.Sprintf("hosts: [{name: old, kind: external, endpoint: %s, underlayMTU: %%d}]", h3.Addr)
	m.apply(fmt.Sprintf(external, 1500))
	m.meshed("blue", "h1", "h2")
	m.apply(fmt.Sprintf(external, 1600)) // another change does not forget it
	m.ctl.stop()
	m.start()
	m.check(h3.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	m.asBefore(h3, before)
	m.redial(h3)
	time.Sleep(time.Second) // long enough for it to have dialled in
	m.check(m.isMeshed("blue", "h1", "h2"))
	if hosts := m.topology(api.TopologyFilter{}).Hosts; len(hosts) != 3 {
		t.Errorf("hosts %+v, want h1, h2 and old", hosts)
	}
	m.asBefore(h3, before)
	m.clean()

	m.apply(fmt.Sprintf("hosts: [{name: old, kind: managed, systemID: %s}]", h3.SystemID))
	m.meshed("blue", "h1", "h2", "old")
	m.clean()
}
