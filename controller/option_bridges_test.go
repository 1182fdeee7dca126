package controller_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// hasBridge waits until a host has a bridge, or has it no longer.
func (m *mesh) hasBridge(h *ovstest.Host, bridge string, want bool) {
	m.t.Helper()
	m.eventually(fmt.Sprintf("bridge %s on %s: %v", bridge, h.Name, want), func() error {
		if _, err := h.VSCtl(m.ctx, "br-exists", bridge); (err == nil) != want {
			return fmt.Errorf("ovs-vsctl br-exists: %v", err)
		}
		return nil
	})
}

// createBridge makes a bridge of the datapath that is asked for on the hosts
// that are listed, those alone; it goes with the host's place in the list.
func TestCreateBridgeWhereListed(t *testing.T) {
	t.Parallel()
	const spec = `networks: [{name: blue, encap: vxlan, key: 5001, bridge: xapi7, createBridge: true, datapathType: netdev, hosts: [%s]}]`
	m := startMesh(t, 3)
	h1, h2, h3 := m.Host("h1"), m.Host("h2"), m.Host("h3")
	m.apply(fmt.Sprintf(spec, "h1, h2"))
	m.meshed("blue", "h1", "h2")
	for _, h := range []*ovstest.Host{h1, h2} {
		if got := m.vsctl(h, "get", "Bridge", "xapi7", "datapath_type"); got != "netdev" {
			t.Errorf("%s: datapath %q", h.Name, got)
		}
	}
	m.hasBridge(h3, "xapi7", false)
	one, two := m.vm("h1", "one", "xapi7", 1, ""), m.vm("h2", "two", "xapi7", 2, "")
	m.pingAll(one, two)
	m.clean()

	// h2 is not listed any longer, but runs a VM; h3 is.
	m.apply(fmt.Sprintf(spec, "h1, h3"))
	m.meshed("blue", "h1", "h2", "h3")
	three := m.vm("h3", "three", "xapi7", 3, "")
	m.pingAll(one, two, three)
	m.check(two.Remove(m.ctx))
	m.meshed("blue", "h1", "h3")
	m.hasBridge(h2, "xapi7", false)
	m.clean()
	m.check(one.Remove(m.ctx))
	m.remove(api.KindNetworks, "blue")
	m.hasBridge(h1, "xapi7", false)
	// A bridge that somebody plugged something into is no longer only ours.
	if got := m.vsctl(h3, "list-ports", "xapi7"); got != three.Interface {
		t.Errorf("ports of a bridge with a VM after its network has gone: %q", got)
	}
	if got := m.vsctl(h3, "--columns=fail_mode,controller,external_ids", "list", "Bridge", "xapi7"); strings.Contains(got, "ovsmesh") || strings.Contains(got, "secure") {
		t.Errorf("it is still ours: %s", got)
	}
}

// A bridge belongs to the network that lists one of its UUIDs, whatever its
// name and however many UUIDs both have; networks that share one each say what
// is missing.
func TestXSNetworkUUIDs(t *testing.T) {
	t.Parallel()
	const (
		blue1, blue2, red1 = "b0000000-0000-4000-8000-000000000001", "b0000000-0000-4000-8000-000000000002", "d0000000-0000-4000-8000-000000000001"
		stranger           = "50000000-0000-4000-8000-000000000001"
	)
	m := startMesh(t, 3)
	bridges := map[string]string{"h1": "xapi0", "h2": "xapi5", "h3": "xenbr9"}
	uuids := map[string]string{"h1": blue1, "h2": stranger + ";" + blue2 + " ; junk", "h3": blue1 + ";" + blue2}
	for host, bridge := range bridges {
		m.check(m.Host(host).AddBridge(m.ctx, bridge, `external_ids:xs-network-uuids="`+uuids[host]+`"`))
	}
	m.apply(`
networks:
  - {name: blue, encap: gre, key: 103, xsNetworkUUIDs: [` + blue1 + `, ` + blue2 + `]}
  - {name: red, encap: gre, key: 104, xsNetworkUUIDs: [` + red1 + `]}
`)
	one, two, three := m.vm("h1", "one", "xapi0", 1, ""), m.vm("h2", "two", "xapi5", 2, ""), m.vm("h3", "three", "xenbr9", 3, "")
	m.meshed("blue", "h1", "h2", "h3")
	m.meshed("red")
	m.pingAll(one, two, three)
	m.clean()

	// A UUID of another network comes to one bridge: nobody can tell whose its VIFs are.
	m.vsctl(m.Host("h3"), "set", "Bridge", "xenbr9", `external_ids:xs-network-uuids="`+blue1+";"+red1+`"`)
	m.meshed("blue", "h1", "h2")
	m.eventually("ambiguity shows", func() error {
		if ps := strings.Join(m.hostStatus("h3").Problems, "; "); !strings.Contains(ps, "several networks name bridge xenbr9") || !strings.Contains(ps, three.Interface) {
			return fmt.Errorf("problems of h3: %q", ps)
		}
		return nil
	})
	m.vsctl(m.Host("h3"), "set", "Interface", three.Interface, "external_ids:ovsmesh-network=red")
	m.meshed("red", "h3")
	m.vsctl(m.Host("h1"), "set", "Bridge", "xapi0", `external_ids:xs-network-uuids="`+red1+`"`)
	m.meshed("red", "h1", "h3")
	m.meshed("blue", "h2")
	m.pingAll(one, three)
	m.clean()
}

// A VM of XenServer has two interfaces, one for each driver: frames go to the one that
// is active, at once when another becomes so, and to both where nobody says.
func TestVIFAndTap(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	h1, vm := m.Host("h1"), vms[0]
	vif := vm.Interface
	tap := "tap" + strings.TrimPrefix(vif, "vif")
	for _, argv := range [][]string{
		{"ip", "link", "add", tap, "type", "veth", "peer", "name", "eth1", "netns", vm.Namespace()},
		{"ip", "link", "set", "dev", tap, "up"},
	} {
		_, err := h1.Exec(m.ctx, argv...)
		m.check(err)
	}
	inVM := func(argv ...string) {
		t.Helper()
		_, err := vm.Exec(m.ctx, argv...)
		m.check(err)
	}
	inVM("ip", "link", "set", "dev", "eth1", "address", vm.MAC.String(), "up")
	m.vsctl(h1, "add-port", "xapi1", tap,
		"--", "set", "Interface", tap, "external_ids:attached-mac="+vm.MAC.String(), "external_ids:iface-id="+vm.IfaceID, "external_ids:iface-status=active",
		"--", "set", "Interface", vif, "external_ids:iface-status=inactive")

	// got counts what of each kind arrives at which of the two.
	got := func() string {
		t.Helper()
		at := map[string]*ovstest.Capture{}
		for _, dev := range []string{vif, tap} {
			c, err := h1.StartCaptureAt(dev)
			m.check(err)
			at[dev] = c
		}
		unicast := testFrame(vm.MAC, vms[1].MAC, "to one")
		flood := testFrame(floodKinds["broadcast"], vms[1].MAC, "to all")
		m.check(vms[1].SendFrame(unicast))
		m.check(vms[1].SendFrame(flood))
		time.Sleep(150 * time.Millisecond)
		var counts []string
		for _, dev := range []string{vif, tap} {
			m.check(at[dev].Stop())
			for _, frame := range [][]byte{unicast, flood} {
				counts = append(counts, fmt.Sprint(at[dev].Count(func(f ovstest.Frame) bool { return f.Sent && string(f.Data) == string(frame) })))
			}
		}
		return strings.Join(counts, " ")
	}
	arrives := func(when, want string) {
		t.Helper()
		m.eventually(when, func() error {
			if now := got(); now != want {
				return fmt.Errorf("frames at %s and %s: %s, want %s", vif, tap, now, want)
			}
			return nil
		})
		m.check(m.isMeshed("blue", "h1", "h2", "h3"))
		m.clean()
	}
	arrives("the tap is active", "0 0 1 1")
	inVM("ip", "addr", "flush", "dev", "eth0")
	for _, p := range vm.IPs {
		inVM("ip", "addr", "add", p.String(), "dev", "eth1", "nodad")
	}
	m.pingAll(vms...)

	// The guest has loaded its driver.
	m.vsctl(h1, "set", "Interface", vif, "external_ids:iface-status=active", "--", "set", "Interface", tap, "external_ids:iface-status=inactive")
	inVM("ip", "addr", "flush", "dev", "eth1")
	for _, p := range vm.IPs {
		inVM("ip", "addr", "add", p.String(), "dev", "eth0", "nodad")
	}
	arrives("the vif is active", "1 1 0 0")
	inVM("ip", "link", "set", "dev", "eth1", "down")
	m.pingAll(vms...)

	m.vsctl(h1, "remove", "Interface", vif, "external_ids", "iface-status", "--", "remove", "Interface", tap, "external_ids", "iface-status")
	inVM("ip", "link", "set", "dev", "eth1", "up")
	arrives("nobody says which is", "1 1 1 1")
	m.vsctl(h1, "del-port", tap)
	arrives("the tap has gone", "1 1 0 0")
}

// While a VM migrates its MAC is on two hosts: frames for it go to both, from
// other hosts as well as from these two, and either may send; once it has moved,
// they go to one.
func TestMigrationOverlap(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	vm := m.vm("h1", "moving", "xapi1", 7, "")
	local := m.vm("h1", "local", "xapi1", 8, "")
	m.pingAll(append(vms, vm, local)...)
	old := ovstest.VIF{Host: vm.Host, Interface: vm.Interface}
	m.check(vm.Prepare(m.ctx, m.Host("h3")))
	next := *vm.Next
	_, err := vm.Exec(m.ctx, "ip", "link", "set", "dev", "next0", "up")
	m.check(err)

	arrives := func(when string, want map[ovstest.VIF]int) {
		t.Helper()
		for _, from := range []*ovstest.VM{vms[1], vms[2], local} { // on h2, on the target, on the source
			frame := testFrame(vm.MAC, from.MAC, "from "+from.Name)
			m.eventually(when+", from "+from.Name, func() error {
				at := map[ovstest.VIF]*ovstest.Capture{}
				for vif := range want {
					c, err := m.Host(vif.Host).StartCaptureAt(vif.Interface)
					m.check(err)
					at[vif] = c
				}
				m.check(from.SendFrame(frame))
				time.Sleep(150 * time.Millisecond)
				var err error
				for vif, n := range want {
					m.check(at[vif].Stop())
					if got := at[vif].Count(func(f ovstest.Frame) bool { return f.Sent && string(f.Data) == string(frame) }); got != n {
						err = fmt.Errorf("%d copies at %+v, want %d", got, vif, n)
					}
				}
				return err
			})
		}
	}
	arrives("both have it", map[ovstest.VIF]int{old: 1, next: 1})
	m.check(m.isMeshed("blue", "h1", "h2", "h3"))
	m.clean()
	m.pingAll(vms[1], vm) // it runs on where it was

	// QEMU announces the VM from the target while the source is still there.
	frame := testFrame(floodKinds["broadcast"], vm.MAC, "from the target")
	_, err = vm.Exec(m.ctx, "ip", "link", "set", "dev", "next0", "address", vm.MAC.String())
	m.check(err)
	m.arrive([]*ovstest.VM{vms[1], vms[2], local}, []expected{{"the target's announcement", frame, map[*ovstest.VM]int{vms[1]: 1, vms[2]: 1, local: 1}}},
		func() { m.check(vm.SendFrameFrom("next0", frame)) })
	ping := m.pings(vms[1], vms[2])
	m.check(vm.Switch(m.ctx))
	arrives("one has it", map[ovstest.VIF]int{next: 1})
	m.lost("a VM moves, between others", 1, ping)
	m.pingAll(append(vms, vm, local)...)
	m.clean()
}

// A bridge that runs STP is not for a learning network, as Open vSwitch floods
// nothing to its ports once that is off; what the problem advises helps.
func TestLearningOnBridgeWithSTP(t *testing.T) {
	for _, protocol := range []string{"stp_enable", "rstp_enable"} {
		t.Run(protocol, func(t *testing.T) {
			m := startMesh(t, 2)
			m.bridges("xapi1")
			h2 := m.Host("h2")
			m.vsctl(h2, "set", "Bridge", "xapi1", protocol+"=true")
			vms := []*ovstest.VM{m.vm("h1", "one", "xapi1", 1, ""), m.vm("h2", "two", "xapi1", 2, ""), m.vm("h2", "three", "xapi1", 3, "")}
			before := m.bridgeState(h2, "xapi1")
			m.apply(`networks: [{name: blue, encap: gre, key: 103, bridge: xapi1, profile: learning}]`)
			m.problem("blue", "h2: bridge xapi1 runs STP")
			if now := m.bridgeState(h2, "xapi1"); now != before {
				t.Errorf("it was\n%s\nand is\n%s", before, now)
			}
			m.vsctl(h2, "set", "Bridge", "xapi1", "stp_enable=false", "rstp_enable=false")
			for _, vm := range vms[1:] {
				for _, way := range []string{"no-flood", "flood"} {
					m.ofctl(h2, "-O", "OpenFlow10", "mod-port", "xapi1", vm.Interface, way)
				}
			}
			m.meshed("blue", "h1", "h2")
			m.pingAll(vms...)
			m.clean()
		})
	}
}

// A ports entry finds its VIF by each of the ways that there are, and gives it
// its name, its addresses and those that it may use besides.
func TestPortsMatches(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 2)
	m.bridges("br-int")
	add := func(host string, n int, ids map[string]string) *ovstest.VM {
		t.Helper()
		vm, err := m.Host(host).AddVM(m.ctx, ovstest.VMSpec{
			Name: fmt.Sprintf("vm-%d", n), Bridge: "br-int", MAC: mac(n), Bare: true, IDs: ids,
			IPs: []netip.Prefix{netip.PrefixFrom(ip4(n), 24), netip.PrefixFrom(ip4(100+n), 24), netip.PrefixFrom(ip4(200+n), 24)},
		})
		m.check(err)
		return vm
	}
	vms := []*ovstest.VM{
		add("h1", 1, map[string]string{"iface-id": "11111111-2222-4333-8444-555555555555"}),
		add("h2", 2, map[string]string{"xs-vif-uuid": "66666666-2222-4333-8444-555555555555"}),
		add("h1", 3, map[string]string{"attached-mac": strings.ToUpper(mac(3).String())}),
		add("h2", 4, nil),
	}
	matches := []string{
		"{ifaceID: 11111111-2222-4333-8444-555555555555}",
		"{xsVifUUID: 66666666-2222-4333-8444-555555555555}",
		fmt.Sprintf("{mac: %q}", mac(3)),
		"{host: h2, interface: " + vms[3].Interface + "}",
	}
	spec := "networks: [{name: blue, encap: gre, key: 103}]\nports:\n"
	for i, match := range matches {
		n := i + 1
		spec += fmt.Sprintf("  - {name: port-%d, network: blue, match: %s, mac: %q, ips: [%s], allowedAddresses: [{ip: %s}]}\n", n, match, mac(n), ip4(n), ip4(100+n))
	}
	m.apply(spec)
	m.meshed("blue", "h1", "h2")
	for i, vm := range vms {
		o, err := m.ctl.Objects(m.ctx, api.KindPorts, fmt.Sprintf("port-%d", i+1))
		m.check(err)
		if at := o.Ports[0].Status.Places; len(at) != 1 || at[0] != (api.PortPlace{Host: vm.Host, Interface: vm.Interface}) {
			t.Errorf("port-%d is at %+v, want %s of %s", i+1, at, vm.Interface, vm.Host)
		}
	}
	for i, from := range vms {
		to := vms[(i+1)%len(vms)]
		for _, a := range []netip.Addr{ip4(i + 1), ip4(101 + i)} {
			m.eventually(fmt.Sprintf("%s speaks as %v", from.Name, a), func() error {
				if r := m.pingAs(a, from, to.IPs[0].Addr()); r.Received == 0 {
					return fmt.Errorf("%+v", r)
				}
				return nil
			})
		}
		if r := m.pingAs(ip4(201+i), from, to.IPs[0].Addr()); r.Received > 0 || r.Sent == 0 {
			t.Errorf("%s speaks as %v, which it may not: %+v", from.Name, ip4(201+i), r)
		}
	}
	m.clean()

	// Nobody asks over a tunnel for what an entry says.
	m.forgetNeighbours(vms...)
	asked := having(m.watchUnderlay(func() {
		for i, from := range vms {
			m.check(from.WaitPing(m.ctx, vms[(i+1)%len(vms)].IPs[0].Addr()))
		}
	}), func(f inTunnel) bool { return f.EtherType() == 0x0806 })
	for _, f := range asked {
		if f.Data[0]&1 != 0 {
			t.Errorf("a broadcast request for a known address in a tunnel:%s", someFrames(asked))
			break
		}
	}
}

// pingAs pings with an address of the VM's as the source.
func (m *mesh) pingAs(source netip.Addr, from *ovstest.VM, to netip.Addr) ovstest.PingResult {
	m.t.Helper()
	ping, err := from.StartPing(m.ctx, to, 10*time.Millisecond, "-c", "3", "-W", "0.3", "-I", source.String())
	m.check(err)
	r, err := ping.Wait()
	m.check(err)
	return r
}
