package controller_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

// knownMesh is a mesh of three with a VM on each host, and a second on the
// first, whose addresses the switches know.
func knownMesh(t *testing.T) (*mesh, []*ovstest.VM) {
	t.Helper()
	m := startMeshOf(t, bedKind{hosts: 3})
	m.bridges("xapi1")
	var vms []*ovstest.VM
	for i := range 3 {
		vms = append(vms, m.knownVM(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
	}
	return m, append(vms, m.knownVM("h1", "vm-4", "xapi1", 4, ""))
}

// Where all addresses are known, no question for one is flooded over tunnels,
// and none that is asked of one VM reaches another.
func TestQuestionsStayHome(t *testing.T) {
	m, vms := knownMesh(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.forgetNeighbours(vms...)
	ofHost := map[[6]byte]string{}
	for _, vm := range vms {
		ofHost[vm.MAC] = m.Host(vm.Host).Addr.String()
	}
	inTunnels := m.watchUnderlay(func() { m.pingAll(vms...) })
	if arps := having(inTunnels, func(f inTunnel) bool { return isARPRequest(f.Data) }); len(arps) > 0 {
		t.Errorf("%d ARP requests in tunnels:%s", len(arps), someFrames(arps))
	}
	asked := having(inTunnels, func(f inTunnel) bool { return isICMPv6(f.Data, 135) })
	if len(asked) == 0 {
		t.Error("no solicitation reached its target")
	}
	for _, f := range asked {
		if toGroup(f.Data) || ofHost[[6]byte(f.Data[:6])] != f.Dst.String() {
			t.Errorf("a solicitation went to %v: %x", f.Dst, f.Data)
		}
	}

	// The kernel's own duplicate detection, and arping's.
	for _, vm := range vms[:2] {
		m.check(vm.Boot(m.ctx, true))
		for _, p := range vm.IPs {
			if p.Addr().Is6() {
				_, err := vm.WaitAddr(m.ctx, netip.PrefixFrom(p.Addr(), 128))
				m.check(err)
			}
		}
	}
	m.duplicates(vms)
	m.pingAll(vms...)

	// An address that nobody has told is found by flooding, and asked about of
	// everybody.
	unknown := m.vm("h3", "vm-5", "xapi1", 5, "")
	m.pingAll(append(vms, unknown)...)
	m.forgetNeighbours(vms...)
	inTunnels = m.watchUnderlay(func() { m.check(vms[0].WaitPing(m.ctx, ip4(5))) })
	arps := having(inTunnels, func(f inTunnel) bool { return isARPRequest(f.Data) && f.host == "h1" && toGroup(f.Data) })
	if len(arps) != 2 {
		t.Errorf("a question for an unknown address was in %d tunnels of h1, want 2:%s", len(arps), someFrames(arps))
	}
	m.clean()
}

// duplicates has the first VM ask for its own addresses and for those of
// others, as machines do before they take an address.
func (m *mesh) duplicates(vms []*ovstest.VM) {
	m.t.Helper()
	for _, c := range []struct {
		asks, owner *ovstest.VM
	}{{vms[0], vms[0]}, {vms[0], vms[1]}, {vms[0], vms[3]}, {vms[1], vms[2]}} {
		taken := c.asks != c.owner
		out, err := c.asks.Exec(m.ctx, "arping", "-D", "-c", "2", "-w", "2", "-I", "eth0", c.owner.IPs[0].Addr().String())
		if taken == (err == nil) {
			m.t.Errorf("%s asks whether the IPv4 address of %s is taken: %v\n%s", c.asks.Name, c.owner.Name, err, out)
		}
		if !taken {
			continue // its IPv6 address was detected when it booted
		}
		p := c.owner.IPs[1]
		_, err = c.asks.Exec(m.ctx, "ip", "addr", "add", p.String(), "dev", "eth0")
		m.check(err)
		m.eventually(c.asks.Name+" finds the IPv6 address of "+c.owner.Name+" taken", func() error {
			addrs, err := c.asks.Addrs(m.ctx)
			m.check(err)
			if !strings.Contains(addrs[p.Addr()], "dadfailed") {
				return fmt.Errorf("%v", addrs)
			}
			return nil
		})
		_, err = c.asks.Exec(m.ctx, "ip", "addr", "del", p.String(), "dev", "eth0")
		m.check(err)
	}
}

// VMs are held to the addresses that are known of them, whatever they say.
func TestAddressSecurity(t *testing.T) {
	m, vms := knownMesh(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	me, victim, other := vms[2], vms[0], vms[1]
	v4, v6 := victim.IPs[0].Addr(), victim.IPs[1].Addr()
	my4, my6 := me.IPs[0].Addr(), me.IPs[1].Addr()
	strange := netip.MustParseAddr("10.1.1.77")
	all6, allMAC := netip.MustParseAddr("ff02::1"), floodMAC(1)
	local := netip.MustParseAddr("fe80::1:77")

	to := func(list ...*ovstest.VM) map[*ovstest.VM]int {
		want := map[*ovstest.VM]int{}
		for _, vm := range list {
			want[vm] = 1
		}
		return want
	}
	others := to(victim, other, vms[3])
	none := to()
	m.sends(me, vms, []expected{
		{"IPv4 of its own", udpFrame(victim.MAC, me.MAC, my4, v4, "own"), to(victim)},
		{"IPv6 of its own", udpFrame(victim.MAC, me.MAC, my6, v6, "own"), to(victim)},
		{"ARP announcement of its own address", arpFrame(everybody, me.MAC, 1, me.MAC, my4, [6]byte{}, my4), others},
		{"ARP answer for its own address", arpFrame(victim.MAC, me.MAC, 2, me.MAC, my4, victim.MAC, v4), to(victim)},
		{"advertisement of its own address", neighbour(136, allMAC, me.MAC, my6, all6, my6, me.MAC), others},

		{"IPv4 of another", udpFrame(other.MAC, me.MAC, v4, other.IPs[0].Addr(), "forged"), none},
		{"IPv4 of nobody", udpFrame(other.MAC, me.MAC, strange, other.IPs[0].Addr(), "forged"), none},
		{"IPv6 of another", udpFrame(other.MAC, me.MAC, v6, other.IPs[1].Addr(), "forged"), none},
		{"IPv6 link-local address of nobody", udpFrame(other.MAC, me.MAC, local, other.IPs[1].Addr(), "forged"), none},
		{"MAC of another", udpFrame(other.MAC, victim.MAC, v4, other.IPs[0].Addr(), "forged MAC"), none},
		{"IPv4 broadcast of another", udpFrame(everybody, me.MAC, v4, netip.MustParseAddr("10.1.1.255"), "forged"), none},
		{"ARP announcement of another's address", arpFrame(everybody, me.MAC, 1, me.MAC, v4, [6]byte{}, v4), none},
		{"ARP answer for another's address", arpFrame(other.MAC, me.MAC, 2, me.MAC, v4, other.MAC, other.IPs[0].Addr()), none},
		{"ARP answer that tells another's MAC", arpFrame(other.MAC, me.MAC, 2, victim.MAC, my4, other.MAC, other.IPs[0].Addr()), none},
		{"ARP answer for an address of nobody", arpFrame(other.MAC, me.MAC, 2, me.MAC, strange, other.MAC, other.IPs[0].Addr()), none},
		{"advertisement of another's address", neighbour(136, other.MAC, me.MAC, my6, other.IPs[1].Addr(), v6, me.MAC), none},
		{"advertisement to all of another's address", neighbour(136, allMAC, me.MAC, my6, all6, v6, me.MAC), none},
		{"advertisement from another's address", neighbour(136, other.MAC, me.MAC, v6, other.IPs[1].Addr(), v6, me.MAC), none},
		{"advertisement that tells another's MAC", neighbour(136, other.MAC, me.MAC, my6, other.IPs[1].Addr(), my6, victim.MAC), none},
		{"solicitation from another's address", neighbour(135, other.MAC, me.MAC, v6, other.IPs[1].Addr(), other.IPs[1].Addr(), me.MAC), none},
		{"solicitation that tells another's MAC", neighbour(135, other.MAC, me.MAC, my6, other.IPs[1].Addr(), other.IPs[1].Addr(), victim.MAC), none},
	})
	m.pingAll(vms...)
	m.boots(vms)
	m.clean()
}

// A VM of which only the MAC is known may use any address that is not known to
// be another's, and one whose addresses change is held to those that it has now.
// Without port security nobody is held to anything.
func TestAddressesThatAreNotKnown(t *testing.T) {
	t.Parallel()
	m := startMeshOf(t, bedKind{hosts: 2})
	m.bridges("xapi1")
	victim := m.knownVM("h1", "victim", "xapi1", 1, "")
	free := m.vm("h2", "free", "xapi1", 2, "")
	vms := []*ovstest.VM{victim, free}
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2")
	m.pingAll(vms...)
	none, arrives := map[*ovstest.VM]int{}, map[*ovstest.VM]int{victim: 1}
	v4, v6, some := ip4(1), ip6(1), netip.MustParseAddr("10.1.1.77")
	all6 := netip.MustParseAddr("ff02::1")
	stolen := func(want map[*ovstest.VM]int) []expected {
		return []expected{
			// As an answer: a question for a known address is answered, and goes no further.
			{"ARP announcement of a known address", arpFrame(everybody, free.MAC, 2, free.MAC, v4, [6]byte{}, v4), want},
			{"advertisement of a known address", neighbour(136, floodMAC(1), free.MAC, ip6(2), all6, v6, free.MAC), want},
			{"IPv4 of a known address", udpFrame(victim.MAC, free.MAC, v4, v4, "stolen"), want},
		}
	}
	m.sends(free, vms, append(stolen(none),
		expected{"IPv4 of any other", udpFrame(victim.MAC, free.MAC, some, v4, "free"), arrives},
		expected{"ARP announcement of any other", arpFrame(everybody, free.MAC, 1, free.MAC, some, [6]byte{}, some), arrives},
		expected{"MAC of another", udpFrame(victim.MAC, mac(9), some, v4, "another MAC"), none},
	))

	// It becomes known, and its address another.
	entry := func(ip netip.Addr) string {
		return fmt.Sprintf("ports: [{name: free, network: blue, match: {ifaceID: %s}, ips: [%s, \"%s\"]}]", free.IfaceID, ip, ip6(2))
	}
	m.apply(entry(ip4(2)))
	refused := func(ip netip.Addr) {
		m.t.Helper()
		what := "IPv4 of " + ip.String()
		m.sends(free, vms, []expected{{what, udpFrame(victim.MAC, free.MAC, ip, v4, what), none}})
	}
	refused(some)
	m.pingAll(vms...)
	m.apply(entry(some))
	// What ovs-vswitchd has in its cache it revises a moment after its flows.
	there, err := victim.StartCapture()
	m.check(err)
	m.eventually("the new address is let by", func() error {
		frame := udpFrame(victim.MAC, free.MAC, some, v4, "new")
		m.check(free.SendFrame(frame))
		if there.Count(func(f ovstest.Frame) bool { return !f.Sent && bytes.HasPrefix(f.Data, frame) }) == 0 {
			return fmt.Errorf("no frame of %v arrived", some)
		}
		return nil
	})
	m.check(there.Stop())
	refused(ip4(2))
	_, err = free.Exec(m.ctx, "ip", "addr", "replace", some.String()+"/24", "dev", "eth0")
	m.check(err)
	_, err = free.Exec(m.ctx, "ip", "addr", "del", ip4(2).String()+"/24", "dev", "eth0")
	m.check(err)
	_, err = free.Exec(m.ctx, "ip", "addr", "replace", some.String()+"/24", "dev", "eth0")
	m.check(err)
	m.forgetNeighbours(vms...)
	asked := m.watchUnderlay(func() { m.check(victim.WaitPing(m.ctx, some)) })
	if arps := having(asked, func(f inTunnel) bool { return isARPRequest(f.Data) }); len(arps) > 0 {
		t.Errorf("%d ARP requests for an address that is known now:%s", len(arps), someFrames(arps))
	}
	m.clean()

	m.apply("networks: [{name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1, portSecurity: false}]")
	m.sends(free, vms, stolen(arrives))
	m.clean()
}

// floodMAC is the MAC of an IPv6 multicast group ff02::n, RFC 2464 §7.
func floodMAC(n byte) [6]byte { return [6]byte{0x33, 0x33, 0, 0, 0, n} }

// sends has one VM send frames and demands that they arrive as expected.
func (m *mesh) sends(from *ovstest.VM, vms []*ovstest.VM, frames []expected) {
	m.t.Helper()
	m.arrive(vms, frames, func() {
		for _, e := range frames {
			m.check(from.SendFrame(e.frame))
		}
	})
}

// boots starts a VM's network as a guest does: its listener reports and its
// duplicate detection are heard by others, and a lease of its own address is
// had from a server on another host.
func (m *mesh) boots(vms []*ovstest.VM) {
	m.t.Helper()
	guest, server := vms[1], vms[0]
	dhcp, err := server.ServeDHCP(guest.IPs[0].Addr(), guest.IPs[0].Addr(), netip.Addr{}, netip.Addr{})
	m.check(err)
	heard, err := vms[2].StartCapture()
	m.check(err)
	m.check(guest.Boot(m.ctx, false))
	ll, err := guest.WaitAddr(m.ctx, netip.MustParsePrefix("fe80::/64"))
	m.check(err)
	lease, err := guest.Lease(m.ctx, 4)
	if err != nil || lease != guest.IPs[0].Addr() {
		m.t.Errorf("lease %v, %v; want %v\n%s", lease, err, guest.IPs[0].Addr(), dhcp.Log())
	}
	m.eventually("listener reports heard", func() error {
		from := func(typ byte) int {
			return heard.Count(func(f ovstest.Frame) bool {
				return isICMPv6(f.Data, typ) && slices.Equal(f.Data[6:12], guest.MAC[:])
			})
		}
		if reports, solicits := from(143), from(133); reports == 0 || solicits == 0 {
			return fmt.Errorf("%d listener reports, %d router solicitations", reports, solicits)
		}
		return nil
	})
	m.check(heard.Stop())
	r, err := vms[2].Exec(m.ctx, "ping", "-c", "3", "-i", "0.1", "-W", "1", ll.String()+"%eth0")
	if err != nil {
		m.t.Errorf("link-local address of the guest: %v: %s", err, r)
	}
	m.check(dhcp.Stop())
	m.check(guest.Boot(m.ctx, true))
	m.pingAll(vms...)
}

// Two VMs share an address by VRRP, with their own MACs or that of the virtual
// router; a third has no part in it.
func TestSharedAddress(t *testing.T) {
	m, vms := knownMesh(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	vip := netip.MustParsePrefix("10.1.1.200/24")
	const id = 51
	for _, ownMAC := range []bool{true, false} {
		pair := fmt.Sprintf("{ip: %s}", vip.Addr())
		if !ownMAC {
			pair = fmt.Sprintf(`{ip: %s, mac: "%s"}`, vip.Addr(), ovstest.VRRPMAC(id))
		}
		spec := "ports:\n"
		for _, vm := range vms[:2] {
			spec += fmt.Sprintf("  - {name: %s, network: blue, match: {ifaceID: %s}, ips: [%s, \"%s\"], allowedAddresses: [%s]}\n",
				vm.Name, vm.IfaceID, vm.IPs[0].Addr(), vm.IPs[1].Addr(), pair)
		}
		m.apply(spec)
		one, err := vms[0].ServeVRRP(id, 200, vip, ownMAC)
		m.check(err)
		two, err := vms[1].ServeVRRP(id, 100, vip, ownMAC)
		m.check(err)
		third := vms[2]
		m.check(third.WaitPing(m.ctx, vip.Addr()))
		m.eventually("the first is the master", func() error {
			addrs, err := vms[1].Exec(m.ctx, "ip", "-o", "-4", "addr")
			m.check(err)
			if strings.Contains(addrs, vip.Addr().String()) {
				return fmt.Errorf("the second has the address:\n%s\n%s", addrs, two.Log())
			}
			return nil
		})
		if !two.Running() || !one.Running() {
			t.Fatalf("keepalived: %s\n%s", one.Log(), two.Log())
		}

		// The third may not, whatever it says.
		none := map[*ovstest.VM]int{}
		m.sends(third, vms, []expected{
			{"ARP announcement of the shared address", arpFrame(everybody, third.MAC, 1, third.MAC, vip.Addr(), [6]byte{}, vip.Addr()), none},
			{"ARP answer for the shared address", arpFrame(vms[3].MAC, third.MAC, 2, third.MAC, vip.Addr(), vms[3].MAC, ip4(4)), none},
			{"IPv4 of the shared address", udpFrame(vms[3].MAC, third.MAC, vip.Addr(), ip4(4), "forged"), none},
			{"VRRP from the shared MAC", udpFrame(vms[3].MAC, ovstest.VRRPMAC(id), ip4(3), ip4(4), "forged MAC"), none},
		})

		// The master dies: the other has the address.
		ping, err := third.StartPing(m.ctx, vip.Addr(), 20*time.Millisecond)
		m.check(err)
		m.dies(one, vms[0], vip)
		m.eventually("the second has the address", func() error {
			addrs, err := vms[1].Exec(m.ctx, "ip", "-o", "-4", "addr")
			m.check(err)
			if !strings.Contains(addrs, vip.Addr().String()) {
				return fmt.Errorf("%s\n%s", addrs, two.Log())
			}
			return nil
		})
		m.eventually("the third reaches it there", func() error {
			r, err := third.Ping(m.ctx, vip.Addr(), 1)
			m.check(err)
			if r.Received == 0 {
				return fmt.Errorf("%+v", r)
			}
			return nil
		})
		r, err := ping.Stop()
		m.check(err)
		t.Logf("own MAC %v: %+v, %d lost while the address moved", ownMAC, r, r.Lost())
		m.check(vms[3].WaitPing(m.ctx, vip.Addr()))
		m.dies(two, vms[1], vip)
		m.forgetNeighbours(vms...)
		m.clean()
	}
}

// dies ends a VM's keepalived without a farewell, and what it did with it.
func (m *mesh) dies(d *ovstest.Daemon, vm *ovstest.VM, vip netip.Prefix) {
	m.t.Helper()
	m.check(d.Stop())
	_, err := vm.Exec(m.ctx, "sh", "-c", "ip link del vrrp0 2>/dev/null || ip addr del "+vip.String()+" dev eth0")
	m.check(err)
}
