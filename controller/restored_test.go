package controller_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
	"ovsmesh/openflow/audit"
)

const (
	soonerNetwork = `networks: [{name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1}]`
	laterNetwork  = `networks: [{name: green, tenant: acme, encap: vxlan, key: 5005, bridge: xapi2}]`
)

// A store that was restored from a backup only looks, however often hosts and
// controller come back, until it is accepted: what came after the backup stays
// on the hosts, and an audit names it.
func TestRestoredStoreOnlyLooks(t *testing.T) {
	m := startMesh(t, 2)
	m.bridges("xapi1", "xapi2")
	m.apply(soonerNetwork)
	a, b := m.vm("h1", "a", "xapi1", 1, ""), m.vm("h2", "b", "xapi1", 2, "")
	m.meshed("blue", "h1", "h2")
	backup, err := m.ctl.Backup(m.ctx)
	m.check(err)

	m.apply(laterNetwork)
	c, d := m.vm("h1", "c", "xapi2", 3, ""), m.vm("h2", "d", "xapi2", 4, "")
	m.meshed("green", "h1", "h2")
	m.pingAll(a, b)
	m.pingAll(c, d)
	m.ctl.stop()
	_, err = store.Restore{Dir: m.dir, Replace: true, Now: time.Now()}.Restore(bytes.NewReader(backup))
	m.check(err)
	before := m.allWrites()
	ping, err := c.StartPing(m.ctx, d.IPs[0].Addr(), 10*time.Millisecond)
	m.check(err)

	m.start()
	look := func() api.AuditReport {
		t.Helper()
		var rep api.AuditReport
		m.eventually("a whole look", func() error {
			rep, err = m.ctl.Audit(m.ctx, api.AuditRequest{Repair: true})
			m.check(err)
			if !rep.Complete || rep.Checked.Hosts != 2 {
				return fmt.Errorf("%+v", rep)
			}
			return nil
		})
		return rep
	}
	for range 2 {
		rep := look()
		beyond := func(f audit.Finding) bool { return f.Kind == audit.UnexpectedTunnel && f.Network == "green" }
		if i := slices.IndexFunc(rep.Findings, beyond); i < 0 || rep.Findings[i].Repaired || len(rep.Repairs) > 0 {
			t.Errorf("what came after the backup: %+v", rep)
		}
		top := m.topology(api.TopologyFilter{})
		if len(top.Problems) != 1 || !strings.Contains(top.Problems[0], "restore --accept") || top.Hosts[0].InSync {
			t.Errorf("topology: %q, %+v", top.Problems, top.Hosts)
		}
		if _, err := m.ctl.Adopt(m.ctx, api.AdoptRequest{All: true}); err == nil || !strings.Contains(err.Error(), "restore --accept") {
			t.Errorf("adopting meanwhile: %v", err)
		}
		m.ctl.stop() // it waits over restarts, too
		m.start()
	}
	look()
	for host, now := range m.allWrites() {
		if now != before[host] {
			t.Errorf("%s was written to: %+v, then %+v", host, before[host], now)
		}
	}
	r, err := ping.Stop()
	m.check(err)
	if r.Lost() > 1 {
		t.Errorf("ping: %+v", r)
	}

	res, err := m.ctl.Accept(m.ctx)
	m.check(err)
	if !res.Accepted || res.Restored == nil || res.Restored.Backup == "" {
		t.Errorf("accepted: %+v", res)
	}
	m.eventually("the hosts are as the backup says", func() error {
		rep, err := m.ctl.Audit(m.ctx, api.AuditRequest{})
		m.check(err)
		if !rep.Clean || !rep.Complete {
			return fmt.Errorf("%+v", rep)
		}
		return m.isMeshed("blue", "h1", "h2")
	})
	if out := m.vsctl(m.Host("h1"), "--bare", "--columns=name", "find", "Interface", "type=vxlan"); out != "" {
		t.Errorf("still there: %s", out)
	}
	m.pingAll(a, b)
	if again, err := m.ctl.Accept(m.ctx); err != nil || again.Accepted {
		t.Errorf("accepted once more: %+v, %v", again, err)
	}
	m.ctl.stop()
	m.start()
	if top := m.topology(api.TopologyFilter{}); len(top.Problems) != 0 {
		t.Errorf("after it was accepted: %q", top.Problems)
	}
}
