package plan_test

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"ovsmesh/ovsdb/plan"
)

const ourTarget = "tcp:127.0.0.1:6999"

func blue(tunnels ...plan.Tunnel) []plan.Network {
	return []plan.Network{{Name: "blue", Bridge: "xapi1", Tunnels: tunnels}}
}

func gre(name, peer, remote string) plan.Tunnel {
	return plan.Tunnel{Name: name, Type: "gre", Peer: peer, Key: 103, RemoteIP: netip.MustParseAddr(remote)}
}

// run carries out one plan, which must have no problems.
func (s server) run(w plan.Want) {
	s.t.Helper()
	db := database(s.t, s.rows())
	p := plan.Diff(db, w)
	if len(p.Problems) > 0 {
		s.t.Fatalf("problems: %+v", p.Problems)
	}
	s.transact(p.Ops(db))
}

var volatile = regexp.MustCompile(`(?m)^(_version|status|statistics|rstp_status).*\n`)

// look is what ovs-vsctl tells of a bridge, with its flows.
func (s server) look(bridge string) string {
	return volatile.ReplaceAllString(s.VSCtl("list", "Bridge", bridge), "") + s.VSCtl("list-ports", bridge) +
		s.VSCtl("get-controller", bridge)
}

// Whatever an operator had set is there again after a release, in one step or
// in two.
func TestReleaseRestoresExactly(t *testing.T) {
	for name, before := range map[string][]string{
		"plain":    nil,
		"settings": {"fail_mode=standalone", "stp_enable=true", "protocols=OpenFlow10,OpenFlow14", "other_config:stp-priority=100", "external_ids:xs-network-uuids=a;b"},
		"ours":     {"fail_mode=secure", "protocols=OpenFlow13", "other_config:disable-in-band=true", "other_config:datapath-id=00000000000000ab"},
		"opposite": {"rstp_enable=true", "other_config:disable-in-band=false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			s.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "datapath_type=dummy")
			s.VSCtl("add-port", "xapi1", "vif1.0", "--", "set", "Interface", "vif1.0", "type=internal")
			for _, setting := range before {
				s.VSCtl("set", "Bridge", "xapi1", setting)
			}
			was := s.look("xapi1")
			managed := plan.Want{Owner: "o", Bridges: []plan.Bridge{{Name: "xapi1", Target: ourTarget, Hold: true}}}
			s.run(managed)
			managed.Bridges[0].Hold = false
			managed.Networks = blue(gre("t103-1-2", "xen2", "127.0.0.2"))
			s.run(managed)
			if s.look("xapi1") == was {
				t.Fatal("nothing was changed")
			}
			if name == "settings" {
				s.run(plan.Want{Owner: "o", Release: []plan.Release{{Bridge: "xapi1", Keep: true}}})
				if got := s.VSCtl("get", "Bridge", "xapi1", "fail_mode", "stp_enable"); got != "standalone\ntrue\n" && got != "standalone\ntrue" {
					t.Errorf("kept: %q", got)
				}
				if got := strings.TrimSpace(s.VSCtl("get-controller", "xapi1")); got != ourTarget {
					t.Errorf("kept: controller %q", got)
				}
			}
			s.run(plan.Want{Owner: "o", Release: []plan.Release{{Bridge: "xapi1"}}, Networks: blue()})
			if is := s.look("xapi1"); is != was {
				t.Errorf("was\n%s\nis\n%s", was, is)
			}
		})
	}
}

// Setting our controller leaves others' flows alone, and so does taking it
// away; only the change of fail_mode in between flushes them.
func TestControllerFlushesNothing(t *testing.T) {
	s := startServer(t)
	s.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "datapath_type=dummy")
	flows := func() int {
		return strings.Count(s.OFCtl("dump-flows", "xapi1"), "cookie=0x77")
	}
	add := func() { s.OFCtl("add-flow", "xapi1", "cookie=0x77,priority=5000,actions=drop") }
	add()
	s.run(plan.Want{Owner: "o", Bridges: []plan.Bridge{{Name: "xapi1", Target: ourTarget, Hold: true}}})
	if flows() != 1 {
		t.Error("lost with the controller set")
	}
	s.run(plan.Want{Owner: "o", Bridges: []plan.Bridge{{Name: "xapi1", Target: ourTarget}}})
	add()
	s.run(plan.Want{Owner: "o", Release: []plan.Release{{Bridge: "xapi1", Keep: true}}})
	add()
	s.run(plan.Want{Owner: "o", Release: []plan.Release{{Bridge: "xapi1"}}})
	if flows() != 1 {
		t.Error("lost with the controller taken away")
	}
}

// A tunnel that changes keeps its ofport; so does one of the old plugin that
// is taken over.
func TestChangesInPlace(t *testing.T) {
	s := startServer(t)
	s.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "datapath_type=dummy")
	s.VSCtl("add-port", "xapi1", "t103-7-9", "--", "set", "Interface", "t103-7-9",
		"type=gre", "options:key=103", "options:remote_ip=127.0.0.3", "ofport_request=7")
	w := plan.Want{Owner: "o", Bridges: []plan.Bridge{{Name: "xapi1", Target: ourTarget}}}
	w.Networks = blue(gre("t103-1-2", "xen2", "127.0.0.2"), gre("t103-1-3", "xen3", "127.0.0.3"))
	s.run(w)
	w.Networks = blue(gre("t103-1-2", "xen2", "127.0.0.4"), gre("t103-1-3", "xen3", "127.0.0.5"))
	w.Networks[0].Tunnels[0].Key = 104
	s.run(w)
	list := plan.Tunnels(database(t, s.rows()), "o")
	want := []plan.TunnelPort{
		{Name: "t103-1-2", Bridge: "xapi1", Network: "blue", Peer: "xen2", Type: "gre", Key: "104", RemoteIP: "127.0.0.4", OFPort: 20000},
		{Name: "t103-7-9", Bridge: "xapi1", Network: "blue", Peer: "xen3", Type: "gre", Key: "103", RemoteIP: "127.0.0.5", OFPort: 7},
	}
	for i := range want {
		if len(list) != len(want) || list[i] != want[i] {
			t.Fatalf("got %+v\nwant %+v", list, want)
		}
	}
}
