package controller_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// useIPv6 makes a host's tunnels start at its IPv6 address.
func (m *mesh) useIPv6(h *ovstest.Host) {
	m.t.Helper()
	m.vsctl(h, "set", "Open_vSwitch", ".", "other_config:local_ip="+h.Addr6.String())
}

// GRE and VXLAN between IPv6 endpoints carry all that they do between IPv4
// ones.
func TestIPv6Underlay(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 3)
	m.bridges("xapi1", "xapi2")
	for _, h := range m.Hosts() {
		m.useIPv6(h)
	}
	var blue, red []*ovstest.VM
	for i := range 3 {
		host := fmt.Sprintf("h%d", i+1)
		blue = append(blue, m.vm(host, fmt.Sprintf("blue-%d", i+1), "xapi1", i+1, ""))
		red = append(red, m.vm(host, fmt.Sprintf("red-%d", i+1), "xapi2", i+1, ""))
	}
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.meshed("red", "h1", "h2", "h3")
	for _, tun := range m.tunnels() {
		if tun.RemoteIP != m.Host(tun.To).Addr6.String() || tun.LocalIP != m.Host(tun.From).Addr6.String() {
			t.Errorf("tunnel %+v is not between the IPv6 addresses", tun)
		}
	}
	m.pingAll(blue...)
	m.pingAll(red...)
	for _, vms := range [][]*ovstest.VM{blue, red} {
		m.check(vms[0].Transfer(m.ctx, vms[2], vms[2].IPs[0].Addr(), 1<<18))
	}
	m.floods(blue, red)
	m.clean()
}

// An endpoint that the spec names is written as options:local_ip, one that
// the host itself reports is not.
func TestExplicitEndpoint(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	h1 := m.Host("h1")
	m.apply(ownBridges + fmt.Sprintf("hosts: [{name: h1, endpoint: %s}]\n", h1.Addr))
	m.meshed("blue", "h1", "h2", "h3")
	for _, h := range m.Hosts() {
		want := ""
		if h == h1 {
			want = h1.Addr.String()
		}
		for _, peer := range m.Hosts() {
			if peer == h {
				continue
			}
			name, _ := m.tunnelTo(h, peer.Name)
			if got := m.vsctl(h, "--if-exists", "get", "Interface", name, "options:local_ip"); got != want {
				t.Errorf("%s: local_ip of %s is %q, want %q", h.Name, name, got, want)
			}
		}
	}
	m.pingAll(vms...)
	m.clean()
}

// All peers follow a host's endpoint, and their ports stay what they were.
func TestEndpointChanges(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	h3 := m.Host("h3")
	moved := netip.AddrFrom4([4]byte{h3.Addr.As4()[0], h3.Addr.As4()[1], h3.Addr.As4()[2], 200})
	_, err := h3.Exec(m.ctx, "ip", "addr", "add", moved.String()+"/24", "dev", "br-phy")
	m.check(err)
	type port struct{ name, uuid, ofport, key string }
	ports := func() map[string]port {
		all := map[string]port{}
		for _, h := range m.Hosts()[:2] {
			name, ofport := m.tunnelTo(h, "h3")
			all[h.Name] = port{name, m.vsctl(h, "get", "Port", name, "_uuid"), ofport, m.vsctl(h, "get", "Interface", name, "options:key")}
		}
		return all
	}
	before := ports()
	m.vsctl(h3, "set", "Open_vSwitch", ".", "other_config:local_ip="+moved.String())
	m.eventually("peers follow", func() error {
		for _, h := range m.Hosts()[:2] {
			name, _ := m.tunnelTo(h, "h3")
			if got := m.vsctl(h, "get", "Interface", name, "options:remote_ip"); got != moved.String() {
				return fmt.Errorf("%s: remote_ip is %s", h.Name, got)
			}
		}
		return nil
	})
	m.meshed("blue", "h1", "h2", "h3")
	for host, now := range ports() {
		if now != before[host] {
			t.Errorf("%s: port was %+v and is %+v", host, before[host], now)
		}
	}
	// The old address is taken away, so that nothing can arrive by it.
	_, err = h3.Exec(m.ctx, "ip", "addr", "del", h3.Addr.String()+"/24", "dev", "br-phy")
	m.check(err)
	_, err = h3.Exec(m.ctx, "ip", "addr", "replace", moved.String()+"/24", "dev", "br-phy")
	m.check(err)
	m.pingAll(vms...)
	m.clean()
}

// An IPv4 and an IPv6 endpoint make no tunnel: those between them show it, all
// others work.
func TestMixedFamilies(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 4)
	m.bridges("xapi1")
	for _, name := range []string{"h3", "h4"} {
		m.useIPv6(m.Host(name))
	}
	var vms []*ovstest.VM
	for i := range 4 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
	}
	m.apply(ownBridges)
	m.broken("different address families", "h1 h3", "h3 h1", "h1 h4", "h4 h1", "h2 h3", "h3 h2", "h2 h4", "h4 h2")
	m.pingAll(vms[:2]...)
	m.pingAll(vms[2:]...)
	m.clean()
	if top := m.topology(api.TopologyFilter{Network: "blue"}).Networks[0]; top.TunnelsUp != 4 || top.TunnelsWanted != 12 {
		t.Errorf("%d tunnels up of %d, want 4 of 12", top.TunnelsUp, top.TunnelsWanted)
	}
	for _, name := range []string{"h3", "h4"} {
		h := m.Host(name)
		m.vsctl(h, "set", "Open_vSwitch", ".", "other_config:local_ip="+h.Addr.String())
	}
	m.meshed("blue", "h1", "h2", "h3", "h4")
	m.pingAll(vms...)
	if out := m.vsctl(m.Host("h1"), "--bare", "--columns=options", "find", "Interface", "type=gre"); strings.Contains(out, "::") {
		t.Errorf("h1 has IPv6 tunnels still: %s", out)
	}
	m.clean()
}
