package controller_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// bothEncaps are two networks on bridges of their own, one of each kind of
// tunnel.
const bothEncaps = `
networks:
  - {name: blue, encap: gre, key: 103, bridge: xapi1}
  - {name: red, encap: vxlan, key: 5000, bridge: xapi2}
`

// meshOfMTU is three hosts with a VM of each network of bothEncaps.
func meshOfMTU(t *testing.T, mtu int) (m *mesh, blue, red []*ovstest.VM) {
	t.Helper()
	m = startMesh(t, 3)
	m.bridges("xapi1", "xapi2")
	for i := range 3 {
		blue = append(blue, m.vmOfMTU(fmt.Sprintf("h%d", i+1), fmt.Sprintf("blue-%d", i+1), "xapi1", i+1, mtu))
		red = append(red, m.vmOfMTU(fmt.Sprintf("h%d", i+1), fmt.Sprintf("red-%d", i+1), "xapi2", i+1, mtu))
	}
	m.apply(bothEncaps)
	m.meshed("blue", "h1", "h2", "h3")
	m.meshed("red", "h1", "h2", "h3")
	return m, blue, red
}

// vmOfMTU is vm with interfaces, its own and its VIF, of an MTU.
func (m *mesh) vmOfMTU(host, name, bridge string, n, mtu int) *ovstest.VM {
	m.t.Helper()
	vm, err := m.Host(host).AddVM(m.ctx, ovstest.VMSpec{
		Name: name, Bridge: bridge, MAC: mac(n), MTU: mtu,
		IPs: []netip.Prefix{netip.PrefixFrom(ip4(n), 24), netip.PrefixFrom(ip6(n), 64)},
	})
	m.check(err)
	return vm
}

// shows waits until the topology shows an MTU of a network and warnings with
// these texts, in their order, and no others.
func (m *mesh) shows(network string, mtu int, assumed bool, warnings ...string) {
	m.t.Helper()
	m.eventually(fmt.Sprintf("%s shows an MTU of %d", network, mtu), func() error {
		n := m.topology(api.TopologyFilter{Network: network}).Networks[0]
		if n.MTU != mtu || n.MTUAssumed != assumed || !slices.EqualFunc(n.Warnings, warnings, strings.Contains) {
			return fmt.Errorf("MTU %d, assumed %v, warnings %q; want warnings with %q", n.MTU, n.MTUAssumed, n.Warnings, warnings)
		}
		return nil
	})
}

// fits demands that unfragmented IP packets of a size get from each VM to each
// other, and that none which is a byte larger does.
func (m *mesh) fits(size int, vms ...*ovstest.VM) {
	m.t.Helper()
	m.pingAll(vms...)
	for _, from := range vms {
		for _, to := range vms {
			if from == to {
				continue
			}
			for _, p := range to.IPs {
				m.passes(size, from, p.Addr())
			}
		}
	}
	for _, p := range vms[1].IPs {
		if got := m.pingOf(size+1, vms[0], p.Addr()); got.Received > 0 || got.Sent == 0 {
			m.t.Errorf("%s to %v: of packets of %d bytes %+v", vms[0].Name, p.Addr(), size+1, got)
		}
	}
}

// passes demands that unfragmented IP packets of a size get from a VM to an
// address. Those that don't fit never do; of those that fit a switch that gets
// too little of the processor may lose one, so they are tried again.
func (m *mesh) passes(size int, from *ovstest.VM, to netip.Addr) {
	m.t.Helper()
	m.eventually(fmt.Sprintf("packets of %d bytes from %s to %v", size, from.Name, to), func() error {
		if got := m.pingOf(size, from, to); got.Received != got.Sent {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
}

// pingOf pings three times with IP packets of a size that must not be
// fragmented.
func (m *mesh) pingOf(size int, from *ovstest.VM, to netip.Addr) ovstest.PingResult {
	m.t.Helper()
	headers := 20 + 8 // IPv4, ICMP
	if to.Is6() {
		headers = 40 + 8
	}
	ping, err := from.StartPing(m.ctx, to, 0, "-i", "0.01", "-c", "3", "-W", "0.3", "-M", "do", "-s", strconv.Itoa(size-headers))
	m.check(err)
	r, err := ping.Wait()
	m.check(err)
	return r
}

// What fits through the tunnels is computed from the interface by which they
// leave, it is exactly that, and it follows when that interface changes. VMs'
// interfaces that promise more are warned of, with what to do.
func TestMTU(t *testing.T) {
	m, blue, red := meshOfMTU(t, 1500)
	larger := "h1/vif1.0 (1500), h2/vif1.0 (1500), h3/vif1.0 (1500); larger packets vanish without a word: set MTU 1458 in these VMs"
	m.shows("blue", 1458, false, larger)
	m.shows("red", 1450, false, "set MTU 1450 in these VMs (DHCP option 26, or `ip link set dev eth0 mtu 1450`), or raise the MTU of the underlay from 1500 to 1550")
	m.fits(1458, blue...)
	m.fits(1450, red...)
	for _, h := range m.topology(api.TopologyFilter{}).Hosts {
		if h.UnderlayMTU != 1500 || h.UnderlayMTUAssumed {
			t.Errorf("%s: underlay %d, assumed %v", h.Name, h.UnderlayMTU, h.UnderlayMTUAssumed)
		}
	}

	// One host's underlay is smaller: that is what counts for all.
	m.check(m.Host("h3").SetUnderlayMTU(m.ctx, 1400))
	m.shows("blue", 1358, false, "raise the MTU of the underlay from 1400 to 1542")
	m.shows("red", 1350, false, "set MTU 1350 in these VMs")
	if got := m.pingOf(1359, blue[2], blue[0].IPs[0].Addr()); got.Received > 0 {
		t.Errorf("packets of 1359 bytes leave h3: %+v", got)
	}
	m.passes(1358, blue[2], blue[0].IPs[0].Addr())

	// What the warnings advise helps.
	for _, h := range m.Hosts() {
		m.check(h.SetUnderlayMTU(m.ctx, 1550))
	}
	m.shows("blue", 1508, false)
	m.shows("red", 1500, false)
	for _, vms := range [][]*ovstest.VM{blue, red} {
		m.pingAll(vms...)
		m.passes(1500, vms[0], vms[2].IPs[0].Addr())
	}
	m.meshed("blue", "h1", "h2", "h3")
	m.clean()
}

// What the spec says of the underlay comes before what hosts report, and the
// smallest of the network's hosts counts; an MTU that the spec wants and that does
// not fit is warned of. None of it concerns the switches.
func TestMTUOfSpec(t *testing.T) {
	m, blue, _ := meshOfMTU(t, 1400)
	m.shows("blue", 1458, false)
	before := m.allWrites()
	m.apply("hosts: [{name: h1, underlayMTU: 1600}, {name: h2, underlayMTU: 1600}]")
	m.shows("blue", 1458, false) // h3
	m.apply("hosts: [{name: h3, underlayMTU: 1600}]")
	m.shows("blue", 1558, false)
	m.shows("red", 1550, false)
	m.apply("hosts: [{name: h2, underlayMTU: 1450}]")
	m.shows("blue", 1408, false)
	m.shows("red", 1400, false)
	for _, tun := range m.tunnels() {
		want := 1558
		if tun.From == "h2" {
			want = 1408
		}
		if tun.MTU != want {
			t.Errorf("tunnel %s to %s shows an MTU of %d, want %d", tun.From, tun.To, tun.MTU, want)
		}
	}
	m.apply("networks: [{name: blue, encap: gre, key: 103, bridge: xapi1, mtu: 1480}]")
	m.shows("blue", 1480, false, "mtu: 1480 is more than the 1408 bytes that fit through its tunnels")
	m.shows("red", 1400, false)
	m.apply("networks: [{name: blue, encap: gre, key: 103, bridge: xapi1, mtu: 1300}]")
	m.shows("blue", 1300, false, "more than the network's mtu of 1300: h1/vif1.0 (1400), h2/vif1.0 (1400), h3/vif1.0 (1400); their packets get through")
	m.apply("networks: [{name: blue, encap: gre, key: 103, bridge: xapi1, mtu: 1400}]")
	m.shows("blue", 1400, false)
	for host, now := range m.allWrites() {
		if now != before[host] {
			t.Errorf("%s was written to: %+v, then %+v", host, before[host], now)
		}
	}
	m.pingAll(blue...)
	m.clean()
}

// Of a host whose tunnels leave by an interface that its Open vSwitch has not,
// or that has no tunnel yet, nothing is known, and that shows.
func TestMTUAssumed(t *testing.T) {
	m := startMesh(t, 2)
	m.bridges("xapi1")
	m.apply(`networks: [{name: blue, encap: gre, key: 103, bridge: xapi1, hosts: [h1]}]`)
	m.meshed("blue", "h1")
	m.shows("blue", 1458, true)
	// The links of the management plane are the kernel's alone.
	for _, h := range m.Hosts() {
		m.vsctl(h, "remove", "Open_vSwitch", ".", "other_config", "local_ip")
	}
	m.apply(`networks: [{name: blue, encap: gre, key: 103, bridge: xapi1, hosts: [h1, h2]}]`)
	m.meshed("blue", "h1", "h2")
	name, _ := m.tunnelTo(m.Host("h1"), "h2")
	if out := m.vsctl(m.Host("h1"), "get", "Interface", name, "status:tunnel_egress_iface"); out != "mgmt0" {
		t.Fatalf("the tunnel leaves by %q", out)
	}
	m.shows("blue", 1458, true)
	m.apply("hosts: [{name: h1, underlayMTU: 1500}]")
	m.shows("blue", 1458, true) // h2
	m.apply("hosts: [{name: h2, underlayMTU: 9000}]")
	m.shows("blue", 1458, false)
}
