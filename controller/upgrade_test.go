package controller_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller"
	"ovsmesh/openflow/flow"
	"ovsmesh/ovsdb/ovstest"
)

// moved is the pipeline of another version: all tables but the first have other
// numbers, and all flows in them other priorities.
func moved(flows []flow.Flow) []flow.Flow {
	const tables, priorities = 100, 7
	flows = slices.Clone(flows)
	for i := range flows {
		f := &flows[i]
		if f.Table > 0 {
			f.Table += tables
			f.Priority += priorities
		}
		f.Actions = slices.Clone(f.Actions)
		for k, a := range f.Actions {
			if to, ok := a.(flow.GotoTable); ok {
				f.Actions[k] = flow.GotoTable{Table: to.Table + tables}
			}
		}
	}
	flow.Sort(flows)
	return flows
}

// commits counts the bundles that a host's switch has been told to commit, by
// its own log.
func (m *mesh) commits(h *ovstest.Host) int {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.Dir(), "ovs-vswitchd.log"))
	m.check(err)
	return strings.Count(string(text), "type=COMMIT_REQUEST")
}

// tables returns the numbers of the tables of a bridge that hold flows of ours.
func (m *mesh) tables(h *ovstest.Host, bridge string) []int {
	m.t.Helper()
	var list []int
	for _, text := range m.ownFlows(h, bridge) {
		f, err := flow.Parse(text)
		m.check(err)
		if !slices.Contains(list, int(f.Table)) {
			list = append(list, int(f.Table))
		}
	}
	slices.Sort(list)
	return list
}

// A controller of another version, whose pipeline has other tables, takes the
// switches over, and one of the former version after it: each bridge gets one
// bundle, no row is written, and of 1,000 packets a second none is lost.
func TestUpgradeOfThePipeline(t *testing.T) {
	const hosts = 4
	bridges := []string{"xapi1", "xapi2"}
	m := startMesh(t, hosts)
	m.bridges(bridges...)
	m.apply(ownBridges)
	vms := map[string][]*ovstest.VM{}
	var names []string
	for i := range hosts {
		names = append(names, fmt.Sprintf("h%d", i+1))
		for k, network := range []string{"blue", "red"} {
			vms[network] = append(vms[network], m.vm(names[i], fmt.Sprintf("%s-%d", network, i+1), bridges[k], i+1, ""))
		}
	}
	for network, list := range vms {
		m.meshed(network, names...)
		m.pingAll(list...)
	}
	old := map[string][]int{}
	for _, h := range m.Hosts() { // whose tables are alike
		for _, b := range bridges {
			old[b] = m.tables(h, b)
		}
		for _, args := range [][]string{{"vlog/disable-rate-limit", "vconn"}, {"vlog/set", "vconn:file:dbg"}} {
			_, err := h.AppCtl(m.ctx, args...)
			m.check(err)
		}
	}
	for _, version := range []struct {
		name   string
		config []func(*controller.Config)
		tables func(int) int
	}{
		{"upgrade", []func(*controller.Config){controller.Repipe(moved)}, func(n int) int {
			if n == 0 {
				return 0
			}
			return n + 100
		}},
		{"downgrade", nil, func(n int) int { return n }},
	} {
		before := m.allWrites()
		commits := map[string]int{}
		for _, h := range m.Hosts() {
			commits[h.Name] = m.commits(h)
		}
		var pings []*ovstest.Pinger
		for _, list := range vms {
			for i, vm := range list { // 125 requests a second and as many replies, eight times
				p, err := vm.StartPing(m.ctx, list[(i+1)%hosts].IPs[i%2].Addr(), 8*time.Millisecond)
				m.check(err)
				pings = append(pings, p)
			}
		}
		time.Sleep(500 * time.Millisecond)
		m.ctl.stop()
		m.config = version.config
		m.start()
		m.eventually(version.name, func() error {
			for _, h := range m.Hosts() {
				for _, b := range bridges {
					var want []int
					for _, n := range old[b] {
						want = append(want, version.tables(n))
					}
					if got := m.tables(h, b); !slices.Equal(got, want) {
						return fmt.Errorf("%s: %s: tables %v, want %v", h.Name, b, got, want)
					}
				}
			}
			return nil
		})
		for network := range vms {
			m.meshed(network, names...)
		}
		time.Sleep(500 * time.Millisecond)
		for _, p := range pings {
			r, err := p.Stop()
			m.check(err)
			if r.Lost() > 1 || r.Received < 100 { // the last request may be under way
				t.Errorf("%s: ping: %+v", version.name, r)
			}
		}
		for host, now := range m.allWrites() {
			was := before[host]
			if now.records != was.records || now.nextCfg != was.nextCfg {
				t.Errorf("%s: rows of %s were written: %+v, then %+v", version.name, host, was, now)
			}
			if got := m.commits(m.Host(host)) - commits[host]; got != len(bridges) {
				t.Errorf("%s: %d bundles on the %d bridges of %s", version.name, got, len(bridges), host)
			}
		}
		m.clean()
	}
}
