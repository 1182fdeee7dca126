package controller_test

import (
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// threeVMs makes a mesh of three hosts with a VM each on xapi1.
func threeVMs(t *testing.T, opts ...func(*mesh)) (*mesh, []*ovstest.VM) {
	m := startMesh(t, 3, opts...)
	m.bridges("xapi1")
	var vms []*ovstest.VM
	for i := range 3 {
		vms = append(vms, m.vm(fmt.Sprintf("h%d", i+1), fmt.Sprintf("vm-%d", i+1), "xapi1", i+1, ""))
	}
	return m, vms
}

// tunnels returns the tunnel ends of network blue by "from to".
func (m *mesh) tunnels() map[string]api.Tunnel {
	m.t.Helper()
	byEnds := map[string]api.Tunnel{}
	for _, tun := range m.topology(api.TopologyFilter{Network: "blue"}).Networks[0].Tunnels {
		byEnds[tun.From+" "+tun.To] = tun
	}
	return byEnds
}

// broken waits until the tunnel ends named are down with a text, and all
// others up.
func (m *mesh) broken(text string, ends ...string) {
	m.t.Helper()
	m.eventually("tunnels "+strings.Join(ends, ", ")+" down", func() error {
		all := m.tunnels()
		for _, e := range ends {
			tun := all[e]
			if tun.State != api.TunnelDown || !strings.Contains(tun.Error, text) {
				return fmt.Errorf("tunnel %s is %q with error %q, want down with %q", e, tun.State, tun.Error, text)
			}
			delete(all, e)
		}
		for e, tun := range all {
			if tun.State != api.TunnelUp {
				return fmt.Errorf("tunnel %s is %s: %s", e, tun.State, tun.Error)
			}
		}
		return nil
	})
}

func TestDuplicateEndpoint(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	m.apply(ownBridges + "hosts: [{name: h1, id: 1}, {name: h2, id: 2}, {name: h3, id: 3}]") // the lower id keeps it
	m.meshed("blue", "h1", "h2", "h3")
	_, err := m.Host("h3").VSCtl(m.ctx, "set", "Open_vSwitch", ".", "other_config:local_ip="+m.Host("h2").Addr.String())
	m.check(err)
	m.broken("h2", "h1 h3", "h2 h3", "h3 h1", "h3 h2")
	m.pingAll(vms[:2]...)
	_, err = m.Host("h3").VSCtl(m.ctx, "set", "Open_vSwitch", ".", "other_config:local_ip="+m.Host("h3").Addr.String())
	m.check(err)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
}

func TestWrongEndpoint(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	_, err := m.Host("h3").VSCtl(m.ctx, "set", "Open_vSwitch", ".", "other_config:local_ip=224.0.0.5")
	m.check(err)
	m.apply(ownBridges)
	m.broken("224.0.0.5", "h1 h3", "h2 h3", "h3 h1", "h3 h2")
	m.pingAll(vms[:2]...)
}

func TestTakenPortName(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	ids := map[string]int{}
	for _, h := range m.topology(api.TopologyFilter{}).Hosts {
		ids[h.Name] = h.ID
	}
	name := fmt.Sprintf("t103-%d-%d", ids["h1"], ids["h2"])
	_, err := m.Host("h1").VSCtl(m.ctx, "add-port", "xapi1", name, "--", "set", "Interface", name, "type=internal")
	m.check(err)
	m.apply(ownBridges)
	m.broken("taken", "h1 h2")
	st, err := m.ctl.Sync(m.ctx, 1)
	m.check(err)
	if len(st.Errors) == 0 || !strings.Contains(strings.Join(st.Errors, "\n"), "taken") {
		t.Errorf("apply --wait would not hear of it: %+v", st)
	}
	m.pingAll(vms[1], vms[2])
	m.pingAll(vms[0], vms[2])
	_, err = m.Host("h1").VSCtl(m.ctx, "del-port", name)
	m.check(err)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
}

func TestBridgeThatCannotBeMade(t *testing.T) {
	t.Parallel()
	m := startMesh(t, 3)
	for _, h := range []string{"h1", "h2"} {
		m.check(m.Host(h).AddBridge(m.ctx, "xapi1"))
	}
	// On h3 the name is taken by a port.
	_, err := m.Host("h3").VSCtl(m.ctx, "add-br", "other", "--", "set", "Bridge", "other", "datapath_type=netdev",
		"--", "add-port", "other", "xapi1", "--", "set", "Interface", "xapi1", "type=internal")
	m.check(err)
	m.apply(`
networks:
  - {name: blue, encap: gre, key: 103, bridge: xapi1, createBridge: true, datapathType: netdev, hosts: [h1, h2, h3]}
`)
	m.eventually("h3 shows it", func() error {
		for _, p := range m.topology(api.TopologyFilter{Network: "blue"}).Networks[0].Problems {
			if strings.HasPrefix(p, "h3: ") && strings.Contains(p, "xapi1") {
				return nil
			}
		}
		return fmt.Errorf("no problem of h3: %v", m.topology(api.TopologyFilter{Network: "blue"}).Networks[0].Problems)
	})
	one, two := m.vm("h1", "one", "xapi1", 1, ""), m.vm("h2", "two", "xapi1", 2, "")
	m.pingAll(one, two)
	all := m.tunnels()
	for _, e := range []string{"h1 h2", "h2 h1"} {
		if all[e].State != api.TunnelUp {
			t.Errorf("%s: %+v", e, all[e])
		}
	}
	for _, e := range []string{"h3 h1", "h3 h2"} {
		if all[e].State != api.TunnelDown || all[e].Error == "" {
			t.Errorf("%s: %+v", e, all[e])
		}
	}
}

// A stranger's ports, flows and external_ids on a managed bridge stay, and a
// flow of a stranger that stands where one of ours would is not replaced.
func TestStrangersStay(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h := m.Host("h1")
	for _, args := range [][]string{
		{"add-port", "xapi1", "theirs", "--", "set", "Interface", "theirs", "type=internal", "external_ids:who=them"},
		{"set", "Bridge", "xapi1", "external_ids:their-key=their-value"},
	} {
		_, err := h.VSCtl(m.ctx, args...)
		m.check(err)
	}
	_, err := h.OFCtl(m.ctx, "add-flow", "xapi1", "cookie=0xabc,table=0,priority=4000,dl_type=0x88cc,actions=drop")
	m.check(err)
	ours := len(m.ownFlows(h, "xapi1"))
	// Changes of every kind pass over it.
	four := m.vm("h2", "vm-4", "xapi1", 4, "")
	m.pingAll(append(vms, four)...)
	m.check(four.Remove(m.ctx))
	m.check(h.RestartVSwitchd(m.ctx))
	m.eventually("flows back", func() error {
		if n := len(m.ownFlows(h, "xapi1")); n < ours {
			return fmt.Errorf("%d flows of %d", n, ours)
		}
		return nil
	})
	m.pingAll(vms...)
	ids, err := h.VSCtl(m.ctx, "get", "Bridge", "xapi1", "external_ids:their-key")
	m.check(err)
	who, err := h.VSCtl(m.ctx, "get", "Interface", "theirs", "external_ids:who")
	m.check(err)
	if !strings.Contains(ids, "their-value") || !strings.Contains(who, "them") {
		t.Errorf("external_ids of others: %q, %q", ids, who)
	}
	m.clean()
}

func (m *mesh) ownFlows(h *ovstest.Host, bridge string) []string {
	m.t.Helper()
	out, err := h.OFCtl(m.ctx, "--no-stats", "dump-flows", bridge)
	m.check(err)
	var own []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "cookie=0x6f6d") {
			own = append(own, strings.TrimSpace(line))
		}
	}
	return own
}

// Peers that send garbage, or nothing, or too much, lose their connection, and
// nobody else notices.
func TestGarbagePeers(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	ping, err := vms[0].StartPing(m.ctx, vms[2].IPs[0].Addr(), 10*time.Millisecond)
	m.check(err)
	noise := make([]byte, 4096)
	_, _ = rand.Read(noise)
	deep := []byte(strings.Repeat("[", 1<<20))
	payloads := map[string][]byte{
		"noise": noise, "silence": nil, "http": []byte("GET / HTTP/1.1\r\n\r\n"),
		"deep json": deep, "half json": []byte(`{"id":1,"method":"echo","params":[`),
		"odd json":       []byte(`{}[]{"id":null,"method":"update","params":[{}]}`),
		"openflow giant": {4, 0, 0xff, 0xff, 0, 0, 0, 1}, "openflow short": {4, 0, 0, 4, 0, 0, 0, 1},
	}
	for _, addr := range []string{m.ctl.ovsdb, m.ctl.openflow} {
		for name, payload := range payloads {
			c, err := net.Dial("tcp", addr)
			m.check(err)
			_, _ = c.Write(payload) // it may be cut off in the middle of this
			m.check(c.SetReadDeadline(time.Now().Add(40 * time.Second)))
			t.Cleanup(func() { c.Close() })
			go func() {
				buf := make([]byte, 4096)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
				}
			}()
			_ = name
		}
	}
	time.Sleep(3 * time.Second)
	four := m.vm("h2", "vm-4", "xapi1", 4, "")
	m.pingAll(append(vms, four)...)
	r, err := ping.Stop()
	m.check(err)
	if r.Lost() > 1 {
		t.Errorf("ping: %+v", r)
	}
	m.clean()
}

// An endpoint that no host has a route to shows as such, and only there.
func TestUnreachableEndpoint(t *testing.T) {
	t.Parallel()
	m, vms := threeVMs(t)
	_, err := m.Host("h3").VSCtl(m.ctx, "set", "Open_vSwitch", ".", "other_config:local_ip=203.0.113.9")
	m.check(err)
	m.apply(ownBridges)
	m.broken("no route to 203.0.113.9", "h1 h3", "h2 h3")
	st, err := m.ctl.Sync(m.ctx, 1)
	m.check(err)
	if !strings.Contains(strings.Join(st.Errors, "\n"), "h1: network blue: tunnel to h3: no route") {
		t.Errorf("apply --wait would not hear of it: %+v", st)
	}
	m.pingAll(vms[:2]...)
	_, err = m.Host("h3").VSCtl(m.ctx, "set", "Open_vSwitch", ".", "other_config:local_ip="+m.Host("h3").Addr.String())
	m.check(err)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
}

// Flows of ours that somebody deletes, changes or adds are put right, and
// those of others left alone.
func TestDriftIsPutRight(t *testing.T) {
	m, vms := threeVMs(t, func(m *mesh) { m.sweep = time.Second })
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h := m.Host("h1")
	want := m.ownFlows(h, "xapi1")
	for _, args := range [][]string{
		{"--strict", "del-flows", "xapi1", "table=0,priority=0"},
		{"del-flows", "xapi1", "table=60"},
		{"add-flow", "xapi1", "cookie=0x6f6d000000990000,table=5,priority=5,actions=drop"},
		{"add-flow", "xapi1", "cookie=0x1234,table=6,priority=5,actions=drop"},
	} {
		_, err := h.OFCtl(m.ctx, args...)
		m.check(err)
	}
	m.eventually("put right", func() error {
		if got := m.ownFlows(h, "xapi1"); strings.Join(got, "\n") != strings.Join(want, "\n") {
			return fmt.Errorf("want\n%s\ngot\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
		}
		return nil
	})
	all, err := h.OFCtl(m.ctx, "--no-stats", "dump-flows", "xapi1")
	m.check(err)
	if !strings.Contains(all, "cookie=0x1234") {
		t.Errorf("a flow of others has gone:\n%s", all)
	}
	m.pingAll(vms...)
	m.clean()
}
