package controller_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
)

// What somebody changes in the database is recorded, too.
func TestDriftOfRows(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	toH2, _ := m.tunnelTo(h1, "h2")
	for _, c := range []struct {
		do    []string // of ovs-vsctl
		wants []string
	}{
		{[]string{"del-port", toH2}, []string{"missing-tunnel blue VMs on h2 can't be reached from h1"}},
		{[]string{"set", "Interface", toH2, "options:key=999"}, []string{"changed-tunnel blue options:key=999"}},
		{[]string{"set", "Interface", toH2, "ofport_request=77"}, []string{"changed-tunnel blue ofport=77"}}, // our flows follow it
		{[]string{"set", "Bridge", "xapi1", "other_config:disable-in-band=false"}, []string{"wrong-bridge-setting  other_config:disable-in-band=false"}},
		{[]string{"set", "Controller", "xapi1", "target=\"tcp:127.0.0.1:9\""}, []string{"wrong-bridge-setting  controller=tcp:127.0.0.1:9"}},
		{[]string{"set", "Interface", vms[0].Interface, "external_ids:whatever=else"}, nil},
	} {
		since, last := time.Now(), m.ctl.Events(0).Last
		m.vsctl(h1, c.do...)
		if c.wants != nil {
			for _, e := range m.history(since, c.wants...) {
				if e.By != api.ByDatabase || e.Host != "h1" || e.Bridge != "xapi1" {
					t.Errorf("%q: %+v", c.do, e)
				}
			}
			m.heard(last, fmt.Sprintf("drift h1 %s repaired %s", strings.Split(c.wants[0], " ")[1], strings.Fields(c.wants[0])[0]))
		}
		m.meshed("blue", "h1", "h2", "h3")
		m.pingAll(vms...)
		m.clean()
	}
	since := time.Now()
	m.vsctl(h1, "set", "Bridge", "xapi1", "fail_mode=standalone") // which makes the switch drop all flows
	m.eventually("mended", func() error {
		h, err := m.ctl.AuditHistory(m.ctx, api.HistoryRequest{Since: since})
		m.check(err)
		if len(h.Entries) == 0 || h.Entries[0].Kind != audit.WrongBridgeSetting || !h.Entries[0].Repaired {
			return fmt.Errorf("history: %s", entries(h.Entries))
		}
		return nil
	})
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
	m.quiet()
}
