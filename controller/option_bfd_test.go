package controller_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

const watchedNetwork = `networks: [{name: blue, encap: gre, key: 103, bridge: xapi1, bfd: %v}]`

// silent waits until the tunnel ends that lead to a host, and those on it, are
// down for want of an answer, and all others up.
func (m *mesh) silent(host string) {
	m.t.Helper()
	m.eventually("tunnels of "+host+" down", func() error {
		for ends, tun := range m.tunnels() {
			want, text := api.TunnelUp, ""
			if tun.From == host || tun.To == host {
				want, text = api.TunnelDown, "BFD gets no answer from "+tun.To
			}
			if tun.State != want || !strings.Contains(tun.Error, text) || tun.BFD == "up" != (want == api.TunnelUp) {
				return fmt.Errorf("tunnel %s is %s, BFD %q: %q; want %s", ends, tun.State, tun.BFD, tun.Error, want)
			}
		}
		return nil
	})
}

// answers waits until all tunnels of blue are up again.
func (m *mesh) answers() {
	m.t.Helper()
	m.eventually("all tunnels up", func() error { return m.isMeshed("blue", "h1", "h2", "h3") })
}

// bfdOf returns what the rows of a host's tunnels say of BFD, with what Open
// vSwitch tells of it.
func (m *mesh) bfdOf(h *ovstest.Host) string {
	m.t.Helper()
	out := m.vsctl(h, "--bare", "--columns=bfd,bfd_status", "find", "Interface", "type=gre")
	return strings.TrimSpace(out)
}

// noBFD waits until no tunnel has anything of BFD.
func (m *mesh) noBFD() {
	m.t.Helper()
	for _, h := range m.Hosts() {
		m.eventually("no BFD on "+h.Name, func() error {
			if got := m.bfdOf(h); got != "" {
				return fmt.Errorf("bfd is %q", got)
			}
			return nil
		})
	}
}

// With BFD a tunnel is up only while the other end answers: from the start,
// through a cut, and after a restart of a switch. Without, no trace of it stays.
func TestBFD(t *testing.T) {
	m, vms := threeVMs(t)
	h3 := m.Host("h3")
	m.check(h3.CutUnderlay(m.ctx))
	m.apply(fmt.Sprintf(watchedNetwork, true))
	watch := time.Now()
	for time.Since(watch) < time.Second {
		for ends, tun := range m.tunnels() {
			if strings.Contains(ends, "h3") && tun.State == api.TunnelUp || tun.State == api.TunnelUp && tun.BFD != "up" {
				t.Fatalf("tunnel %s is %s, BFD %q: nobody answers", ends, tun.State, tun.BFD)
			}
		}
	}
	m.silent("h3")
	m.pingAll(vms[:2]...)
	m.check(h3.RestoreUnderlay(m.ctx))
	m.answers()
	m.pingAll(vms...)
	m.clean()

	writes := map[string]int{}
	for _, h := range m.Hosts() {
		writes[h.Name] = m.writes(h).nextCfg
	}
	cut := time.Now()
	m.check(h3.CutUnderlay(m.ctx))
	m.silent("h3")
	t.Logf("a cut shows after %v", time.Since(cut))
	m.clean() // a tunnel that is down is as wanted: the look at rows and flows finds nothing
	cut = time.Now()
	m.check(h3.RestoreUnderlay(m.ctx))
	m.answers()
	t.Logf("its end shows after %v", time.Since(cut))
	for _, h := range m.Hosts() {
		if now := m.writes(h).nextCfg; now != writes[h.Name] {
			t.Errorf("%s was written to %d times for what BFD tells", h.Name, now-writes[h.Name])
		}
	}
	m.check(h3.RestartVSwitchd(m.ctx))
	m.answers()
	m.pingAll(vms...)

	// Off: no key of ours stays, and what an operator set does.
	name, _ := m.tunnelTo(m.Host("h1"), "h2")
	m.vsctl(m.Host("h1"), "set", "Interface", name, "bfd:min_tx=500")
	ping := m.pings(vms[0], vms[1])
	m.apply(fmt.Sprintf(watchedNetwork, false))
	m.answers()
	for _, h := range m.Hosts() {
		m.eventually("no BFD on "+h.Name, func() error {
			want := ""
			if h.Name == "h1" {
				want = "min_tx=500"
			}
			if got := strings.Trim(m.bfdOf(h), "\n "); got != want {
				return fmt.Errorf("bfd is %q, want %q", got, want)
			}
			return nil
		})
	}
	m.lost("BFD goes", 1, ping)
	for ends, tun := range m.tunnels() {
		if tun.BFD != "" {
			t.Errorf("tunnel %s still shows BFD %q", ends, tun.BFD)
		}
	}
	m.check(h3.CutUnderlay(m.ctx))
	time.Sleep(time.Second)
	m.check(m.isMeshed("blue", "h1", "h2", "h3")) // nobody watches
	m.check(h3.RestoreUnderlay(m.ctx))
	m.clean()
}

// Networks that share ports share their BFD: it is on as long as one of them
// asks for it, and only those that do are down when nobody answers.
func TestBFDShared(t *testing.T) {
	const spec = `
networks:
  - {name: blue, encap: gre, key: 103, tunnelPorts: shared, bfd: %v}
  - {name: red, encap: gre, key: 104, tunnelPorts: shared}
`
	m := startMesh(t, 3)
	m.bridges("br-int")
	m.apply(fmt.Sprintf(spec, true))
	var blue, red []*ovstest.VM
	for i := range 3 {
		host := fmt.Sprintf("h%d", i+1)
		blue = append(blue, m.vm(host, fmt.Sprintf("blue-%d", i+1), "br-int", i+1, "blue"))
		red = append(red, m.vm(host, fmt.Sprintf("red-%d", i+1), "br-int", i+1, "red"))
	}
	m.answers()
	m.meshed("red", "h1", "h2", "h3")
	m.pingAll(blue...)
	m.pingAll(red...)
	h2 := m.Host("h2")
	if out := m.vsctl(h2, "--bare", "--columns=name", "find", "Interface", "type=gre"); len(strings.Fields(out)) != 2 {
		t.Fatalf("ports of h2: %q", out)
	}
	m.check(h2.CutUnderlay(m.ctx))
	m.silent("h2")
	m.check(m.isMeshed("red", "h1", "h2", "h3"))
	m.check(h2.RestoreUnderlay(m.ctx))
	m.answers()

	// It goes with the last that asks.
	ping := m.pings(red[0], red[1])
	m.apply(fmt.Sprintf(spec, false))
	m.answers()
	m.noBFD()
	m.apply(fmt.Sprintf(spec, true))
	m.answers()
	m.remove(api.KindNetworks, "blue")
	m.noBFD()
	m.lost("BFD comes and goes", 1, ping)
	m.meshed("red", "h1", "h2", "h3")
	m.clean()
}
