package controller_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// writes is what one host has been made to write: transactions in its
// database's log, configuration changes, and revisions of its flow tables.
type writes struct {
	records, nextCfg, flowTables int
}

func (m *mesh) writes(h *ovstest.Host) writes {
	m.t.Helper()
	log, err := h.Exec(m.ctx, "ovsdb-tool", "show-log", h.Dir()+"/conf.db")
	m.check(err)
	cfg, err := h.VSCtl(m.ctx, "get", "Open_vSwitch", ".", "next_cfg")
	m.check(err)
	next, err := strconv.Atoi(strings.TrimSpace(cfg))
	m.check(err)
	var cov string
	for range 2 { // the first has it sum up what there is
		cov, err = h.AppCtl(m.ctx, "coverage/read-counter", "rev_flow_table")
		m.check(err)
	}
	rev, err := strconv.Atoi(strings.TrimSpace(cov))
	m.check(err)
	return writes{strings.Count(log, "record "), next, rev}
}

// allWrites counts for all hosts, once what is under way has been done and
// counted, so that two counts are the same: ovs-vswitchd sums its counters up once
// a second.
func (m *mesh) allWrites() map[string]writes {
	m.t.Helper()
	const counting, again, most = 1100 * time.Millisecond, 400 * time.Millisecond, 10
	time.Sleep(counting)
	var all map[string]writes
	for range most {
		was := all
		all = map[string]writes{}
		for _, h := range m.Hosts() {
			all[h.Name] = m.writes(h)
		}
		if maps.Equal(all, was) {
			break
		}
		time.Sleep(again)
	}
	return all
}

// Stopping the controller, in good order or by kill -9, and starting it again
// loses no packet and writes nothing that was right.
func TestRestartWritesNothing(t *testing.T) {
	m := startMesh(t, 4)
	m.bridges("xapi1", "xapi2")
	m.apply(ownBridges)
	var blue, red []*ovstest.VM
	for i := range 4 {
		host := fmt.Sprintf("h%d", i+1)
		blue = append(blue, m.vm(host, fmt.Sprintf("blue-%d", i+1), "xapi1", i+1, ""))
		red = append(red, m.vm(host, fmt.Sprintf("red-%d", i+1), "xapi2", i+1, ""))
	}
	hosts := []string{"h1", "h2", "h3", "h4"}
	m.meshed("blue", hosts...)
	m.meshed("red", hosts...)
	m.pingAll(blue...)
	m.pingAll(red...)
	before := m.allWrites()

	var pings []*ovstest.Pinger
	for _, vms := range [][]*ovstest.VM{blue, red} {
		for i, vm := range vms {
			p, err := vm.StartPing(m.ctx, vms[(i+1)%4].IPs[0].Addr(), 10*time.Millisecond)
			m.check(err)
			pings = append(pings, p)
		}
	}
	m.ctl.stop()
	time.Sleep(500 * time.Millisecond)
	for range 3 {
		p := m.startProcess()
		time.Sleep(1500 * time.Millisecond)
		m.check(p.Kill())
		_, _ = p.Wait() // the kill is what it reports
	}
	m.start()
	m.eventually("all back", func() error {
		top := m.topology(api.TopologyFilter{})
		for _, h := range top.Hosts {
			if !h.Connected || !h.InSync {
				return fmt.Errorf("%s: connected %v, in sync %v, %v", h.Name, h.Connected, h.InSync, h.Problems)
			}
		}
		return nil
	})
	m.meshed("blue", hosts...)
	for _, p := range pings {
		r, err := p.Stop()
		m.check(err)
		if r.Lost() > 1 || r.Received < 200 { // the last request may be under way
			t.Errorf("ping: %+v", r)
		}
	}
	for host, now := range m.allWrites() {
		if was := before[host]; was != now {
			t.Errorf("%s: a restart wrote: %+v, then %+v", host, was, now)
		}
	}
	m.clean()
}

// A controller that starts anew must not take a host that is away for one that
// has left.
func TestRestartWithHostAway(t *testing.T) {
	m := startMesh(t, 3)
	m.bridges("xapi1")
	m.apply(ownBridges)
	one := m.vm("h1", "one", "xapi1", 1, "")
	three := m.vm("h3", "three", "xapi1", 3, "")
	m.meshed("blue", "h1", "h3")
	m.pingAll(one, three)
	_, err := m.Host("h3").VSCtl(m.ctx, "del-manager")
	m.check(err)
	m.ctl.stop()
	before := m.allWrites()["h1"]
	m.start()
	m.eventually("h1 back", func() error {
		for _, h := range m.topology(api.TopologyFilter{}).Hosts {
			switch {
			case h.Name == "h1" && !h.InSync:
				return fmt.Errorf("h1: %v", h.Problems)
			case h.Name == "h3" && h.Connected:
				return fmt.Errorf("h3 is connected")
			}
		}
		return nil
	})
	m.pingAll(one, three)
	if now := m.allWrites()["h1"]; now != before {
		t.Errorf("h1 was written to: %+v, then %+v", before, now)
	}
	for _, tun := range m.topology(api.TopologyFilter{Network: "blue"}).Networks[0].Tunnels {
		want := api.TunnelUp
		if tun.From == "h3" {
			want = api.TunnelUnreachable
		}
		if tun.State != want {
			t.Errorf("tunnel %s to %s is %s, want %s", tun.From, tun.To, tun.State, want)
		}
	}
}
