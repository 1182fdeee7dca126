package controller_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

// threeTenants are networks with the same addresses on one bridge of a host.
func threeTenants(mode string) string {
	return fmt.Sprintf(`
networks:
  - {name: blue, tenant: acme, encap: gre, key: 103, tunnelPorts: %[1]s}
  - {name: red, tenant: globex, encap: gre, key: 104, tunnelPorts: %[1]s}
  - {name: cyan, tenant: acme, encap: vxlan, key: 103, tunnelPorts: %[1]s}
`, mode)
}

// fewLost is what a ping every 10 ms may lose when its packets change over to
// other ports: mostly none, and some on a machine that is busy, as ovs-vswitchd
// stops for a moment to make a port.
const fewLost = 3

// Networks share tunnel ports, or ports for all peers: traffic, isolation, and
// nothing from strangers. Each change from one way to another happens under a
// running ping.
func TestSharedAndFlowTunnels(t *testing.T) {
	m := startMeshOf(t, bedKind{hosts: 3})
	m.bridges("br-int")
	tenants := map[string][]*ovstest.VM{}
	names := []string{"blue", "red", "cyan"}
	for _, n := range names {
		for i := range 3 {
			tenants[n] = append(tenants[n], m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("%s-%d", n, i+1), "br-int", i+1, n))
		}
	}
	ports := map[string][]string{ // of h1, with ids 1, 2 and 3
		"per-network": {"t103-1-2", "t103-1-3", "t104-1-2", "t104-1-3", "v103-1-2", "v103-1-3"},
		"shared":      {"sg-1-2", "sg-1-3", "sv-1-2", "sv-1-3"},
		"flow":        {"fg0", "fv4789"},
	}
	m.apply(threeTenants("per-network") + "hosts: [{name: h1, id: 1}, {name: h2, id: 2}, {name: h3, id: 3}]")
	for i, mode := range []string{"per-network", "shared", "flow", "per-network", "flow", "shared", "per-network"} {
		running := map[string]*ovstest.Pinger{}
		if i > 0 {
			for _, n := range names {
				maps.Copy(running, m.pings(tenants[n][0], tenants[n][1]))
			}
			maps.Copy(running, m.pings(tenants["blue"][2], tenants["blue"][0]))
			time.Sleep(200 * time.Millisecond)
			m.apply(threeTenants(mode))
		}
		for _, n := range names {
			m.meshed(n, "h1", "h2", "h3")
		}
		m.eventually(mode+": ports", func() error {
			out := m.vsctl(m.Host("h1"), "--bare", "--columns=name", "find", "Port", "external_ids:ovsmesh-owner!=nobody")
			got := strings.Fields(out)
			want := map[string]bool{}
			for _, p := range ports[mode] {
				want[p] = true
			}
			for _, p := range got {
				delete(want, p)
			}
			if len(want) > 0 || len(got) != len(ports[mode]) {
				return fmt.Errorf("h1 has %v, want %v", got, ports[mode])
			}
			return nil
		})
		if i > 0 {
			time.Sleep(200 * time.Millisecond)
			m.lost("change to "+mode, fewLost, running)
		}
		if i > 2 {
			continue // looked at before
		}
		for _, n := range names {
			m.pingAll(tenants[n]...)
		}
		for i, n := range names {
			others := append(append([]*ovstest.VM{}, tenants[names[(i+1)%3]]...), tenants[names[(i+2)%3]]...)
			m.once(tenants[n], others, "broadcast", "IPv4 multicast", "IPv6 multicast", "unknown unicast")
		}
		m.check(tenants["red"][0].Transfer(m.ctx, tenants["red"][2], tenants["red"][2].IPs[0].Addr(), 1<<18))
		m.strangers(mode, tenants)
		m.clean()
	}
	for _, n := range names {
		m.pingAll(tenants[n]...)
	}
	m.clean()
}

// strangers sends packets to h1 that no tunnel of its networks brings, and for
// comparison one that a tunnel could.
func (m *mesh) strangers(mode string, tenants map[string][]*ovstest.VM) {
	m.t.Helper()
	h1, h2 := m.Host("h1"), m.Host("h2")
	nobody := h1.Addr.Next().Next().Next().Next()
	type sent struct {
		env   ovstest.Envelope
		owner string // at whose first VM it arrives
	}
	all := map[string]sent{
		"known key and peer":     {ovstest.Envelope{Key: 104, Src: h2.Addr}, "red"},
		"known VNI and peer":     {ovstest.Envelope{VXLAN: true, DstPort: 4789, Key: 103, Src: h2.Addr}, "cyan"},
		"unknown key":            {ovstest.Envelope{Key: 105, Src: h2.Addr}, ""},
		"unknown VNI":            {ovstest.Envelope{VXLAN: true, DstPort: 4789, Key: 104, Src: h2.Addr}, ""},
		"unknown peer":           {ovstest.Envelope{Key: 103, Src: nobody}, ""},
		"unknown peer, VXLAN":    {ovstest.Envelope{VXLAN: true, DstPort: 4789, Key: 103, Src: nobody}, ""},
		"itself as the peer":     {ovstest.Envelope{Key: 103, Src: h1.Addr}, ""},
		"no key that is any's":   {ovstest.Envelope{Key: 0, Src: h2.Addr}, ""},
		"key with high bits set": {ovstest.Envelope{Key: 0x01000067, Src: h2.Addr}, ""},
	}
	var frames []expected
	var envelopes []ovstest.Envelope
	for name, c := range all {
		for kind, dst := range map[string][6]byte{"unicast": mac(1), "broadcast": floodKinds["broadcast"]} {
			what := fmt.Sprintf("%s: %s of %s", mode, kind, name)
			e := expected{what, testFrame(dst, mac(2), what), map[*ovstest.VM]int{}}
			if c.owner != "" {
				e.want[tenants[c.owner][0]] = 1
			}
			frames, envelopes = append(frames, e), append(envelopes, c.env)
		}
	}
	var vms []*ovstest.VM
	for _, list := range tenants {
		vms = append(vms, list...)
	}
	m.arrive(vms, frames, func() {
		for i, e := range frames {
			m.check(h1.Inject(m.ctx, envelopes[i], e.frame))
		}
	})
}
