package controller_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// rows returns the rows of a host that are ours to write, without what Open
// vSwitch itself reports in them.
func (m *mesh) rows(h *ovstest.Host) string {
	m.t.Helper()
	ports := m.vsctl(h, "--columns=_uuid,name,interfaces,external_ids,protected", "list", "Port")
	ifaces := m.vsctl(h, "--columns=_uuid,name,type,options,ofport,ofport_request,external_ids", "list", "Interface")
	return ports + "\n--\n" + ifaces
}

// second starts another controller to which all hosts dial in besides.
func (m *mesh) second(dir string) *running {
	m.t.Helper()
	ctl := startController(m.t, dir, m.listen("0"), m.listen("0"), m.sweep, m.config...)
	for _, h := range m.Hosts() {
		m.check(h.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb, "tcp:"+ctl.ovsdb))
	}
	return ctl
}

// waits demands that a controller shows all hosts as connected, and that it may
// not write there.
func (m *mesh) waits(ctl *running) {
	m.t.Helper()
	m.eventually("the second controller waits", func() error {
		o, err := ctl.Objects(m.ctx, api.KindHosts, "")
		m.check(err)
		if len(o.Hosts) != len(m.Hosts()) {
			return fmt.Errorf("%d hosts", len(o.Hosts))
		}
		for _, h := range o.Hosts {
			st := h.Status
			if !st.Connected || st.Writer || st.InSync || !strings.Contains(strings.Join(st.Problems, "; "), "lock") {
				return fmt.Errorf("%s: %+v", h.Name, st)
			}
		}
		return nil
	})
}

// Of two controllers that a host dials in to one writes. The other, whose store is
// another one, says whose rows there are, writes nothing even when the first is
// gone, and leaves the lock for it to find when it comes back. Only when those
// rows are gone it takes its turn.
func TestTwoStoresOneWriter(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	other := m.second(t.TempDir())
	res, err := other.Apply(m.ctx, api.ApplyRequest{Files: []api.File{{Name: "other.yaml", Data: strings.ReplaceAll(ownBridges, "103", "777")}}})
	m.check(err)
	m.waits(other)
	before := m.allWrites()
	ping, err := vms[0].StartPing(m.ctx, vms[2].IPs[0].Addr(), 10*time.Millisecond)
	m.check(err)
	time.Sleep(time.Second)
	for host, now := range m.allWrites() {
		if now != before[host] {
			t.Errorf("%s was written to while one waits: %+v, then %+v", host, before[host], now)
		}
	}
	if st, err := other.Sync(m.ctx, res.Generation); err != nil || st.Done || len(st.Pending) != 3 || !strings.Contains(st.Pending[0].Reason, "lock") {
		t.Errorf("sync of who waits: %+v, %v", st, err)
	}
	m.meshed("blue", "h1", "h2", "h3")
	m.clean()

	uuid := m.vsctl(m.Host("h1"), "get", "Bridge", "xapi1", "external_ids:ovsmesh-owner")
	m.ctl.stop()
	m.eventually("the lock is left alone", func() error {
		o, err := other.Objects(m.ctx, api.KindHosts, "")
		m.check(err)
		for _, h := range o.Hosts {
			st := h.Status
			if st.Writer || !st.Foreign || st.LockHolder != "" || len(st.Owners) != 1 || st.Owners[0] != uuid ||
				!strings.Contains(strings.Join(st.Problems, "; "), "nobody holds the lock") {
				return fmt.Errorf("%s: %+v", h.Name, st)
			}
		}
		return nil
	})
	top, err := other.Topology(m.ctx, api.TopologyFilter{Network: "blue"})
	m.check(err)
	if n := strings.Count(strings.Join(top.Networks[0].Problems, "\n"), "another ovsmesh store ("+uuid+")"); n != 3 || top.Networks[0].InSync {
		t.Errorf("problems shown: %q", top.Networks[0].Problems)
	}
	if got := other.writers(t); got != "foreign 3, other 0, self 0" {
		t.Errorf("hosts by writer: %s", got)
	}
	if n := counted(t, other.Controller, "ovsmesh_ovsdb_transactions_total"); n != 0 {
		t.Errorf("it has sent %v transactions", n)
	}
	for host, now := range m.allWrites() {
		if now != before[host] {
			t.Errorf("%s was written to by the other store: %+v, then %+v", host, before[host], now)
		}
	}
	r, err := ping.Stop()
	m.check(err)
	if r.Lost() > 1 {
		t.Errorf("ping: %+v", r)
	}
	m.pingAll(vms...)

	m.start()
	m.eventually("the first is back", func() error {
		for _, h := range m.topology(api.TopologyFilter{}).Hosts {
			if !m.hostStatus(h.Name).Writer {
				return fmt.Errorf("%s: %q", h.Name, h.Problems)
			}
		}
		return m.isMeshed("blue", "h1", "h2", "h3")
	})
	m.clean()
	m.remove(api.KindNetworks, "blue")
	m.noOwned()
	m.ctl.stop()
	m.eventually("the other's turn", func() error {
		top, err := other.Topology(m.ctx, api.TopologyFilter{Network: "blue"})
		m.check(err)
		if n := top.Networks[0]; n.TunnelsUp != 6 || !n.InSync {
			return fmt.Errorf("%+v", n)
		}
		return nil
	})
	m.pingAll(vms...)
}

// writers returns how many hosts there are by who may write, as metrics tell it.
func (r *running) writers(t *testing.T) string {
	t.Helper()
	families, err := r.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range families {
		if f.GetName() != "ovsmesh_hosts_writer" {
			continue
		}
		for _, m := range f.Metric {
			list = append(list, fmt.Sprint(m.Label[0].GetValue(), " ", m.GetGauge().GetValue()))
		}
	}
	return strings.Join(list, ", ")
}

// noOwned waits until no host has a row of ovsmesh.
func (m *mesh) noOwned() {
	m.t.Helper()
	m.eventually("no rows of ovsmesh", func() error {
		for _, h := range m.Hosts() {
			for _, table := range []string{"Bridge", "Port", "Controller"} {
				if rows := m.vsctl(h, "--columns=_uuid", "find", table, `external_ids:ovsmesh-owner!=""`); rows != "" {
					return fmt.Errorf("%s: %s: %s", h.Name, table, rows)
				}
			}
		}
		return nil
	})
}

// A second controller with a copy of the store takes over when the first one
// stops. Save where the bridges dial, nothing is written that was right.
func TestStandbyTakesOver(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	m.ctl.stop() // a store is copied while nobody writes to it
	copied := t.TempDir()
	m.check(os.CopyFS(filepath.Join(copied, "store"), os.DirFS(m.dir)))
	m.start()
	m.meshed("blue", "h1", "h2", "h3")
	standby := m.second(filepath.Join(copied, "store"))
	m.waits(standby)
	m.meshed("blue", "h1", "h2", "h3")
	m.clean()
	rows, flows := map[string]string{}, map[string]string{}
	for _, h := range m.Hosts() {
		rows[h.Name], flows[h.Name] = m.rows(h), m.sortedFlows(h, "xapi1")
	}
	before := m.allWrites()
	ping, err := vms[0].StartPing(m.ctx, vms[2].IPs[0].Addr(), 10*time.Millisecond)
	m.check(err)
	m.ctl.stop()
	m.ctl = standby
	m.eventually("taken over", func() error {
		for _, h := range m.topology(api.TopologyFilter{}).Hosts {
			if !h.Connected || !h.InSync {
				return fmt.Errorf("%s: %v", h.Name, h.Problems)
			}
		}
		return m.isMeshed("blue", "h1", "h2", "h3")
	})
	r, err := ping.Stop()
	m.check(err)
	if r.Lost() > 1 {
		t.Errorf("ping: %+v", r)
	}
	after := m.allWrites()
	for _, h := range m.Hosts() {
		if now := m.rows(h); now != rows[h.Name] {
			t.Errorf("%s: rows were\n%s\nand are\n%s", h.Name, rows[h.Name], now)
		}
		if now := m.sortedFlows(h, "xapi1"); now != flows[h.Name] {
			t.Errorf("%s: flows were\n%s\nand are\n%s", h.Name, flows[h.Name], now)
		}
		if was, now := before[h.Name], after[h.Name]; now.flowTables != was.flowTables || now.nextCfg != was.nextCfg+1 {
			t.Errorf("%s: more than the controller's target was written: %+v, then %+v", h.Name, was, now)
		}
	}
	m.clean()

	// It works: a VM that comes now is reached.
	m.pingAll(append(vms, m.vm("h2", "vm-4", "xapi1", 4, ""))...)
	m.clean()
}
