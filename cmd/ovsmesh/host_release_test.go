package main

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/ovsdb/plan"
)

const testOwner = "3f1b0000-0000-4000-8000-0000000000aa"

// manage makes a bridge of a switch what a controller would: managed, with a
// tunnel and a flow of ours.
func manage(t *testing.T, s *ovstest.Switch, owner, bridge string, key uint32) {
	t.Helper()
	session, err := ovsdb.Dial(t.Context(), "unix:"+filepath.Join(s.Dir(), "db.sock"), ovsdb.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	p := plan.Diff(session.DB(), plan.Want{
		Owner:   owner,
		Bridges: []plan.Bridge{{Name: bridge, Target: "tcp:127.0.0.1:1"}},
		Networks: []plan.Network{{Name: "blue", Bridge: bridge, Tunnels: []plan.Tunnel{
			{Name: fmt.Sprintf("t%d-1-3", key), Type: "gre", Peer: "xen3", Key: key, RemoteIP: netip.MustParseAddr("192.0.2.3")}}}},
	})
	if len(p.Problems) > 0 {
		t.Fatal(p.Problems)
	}
	if _, err := session.TransactLocked(t.Context(), p.Ops(session.DB())...); err != nil {
		t.Fatal(err)
	}
	s.VSCtl("set", "Open_vSwitch", ".", "external_ids:test=waited") // returns when ovs-vswitchd is through
	s.OFCtl("add-flow", bridge, "cookie=0x6f6d000000010001,table=0,priority=100,in_port=1,actions=drop")
}

// bridgeText is all that is set on a bridge and its ports.
func bridgeText(s *ovstest.Switch, bridge string) string {
	return strings.Join([]string{
		s.VSCtl("--columns=fail_mode,stp_enable,rstp_enable,protocols,other_config,external_ids,controller", "list", "Bridge", bridge),
		s.VSCtl("list-ports", bridge),
		s.VSCtl("--columns=target", "list", "Controller"),
	}, "\n")
}

// The controller is gone: everything is put back from what the host's own
// database holds, and what is another program's stays.
func TestHostLeaveLocally(t *testing.T) {
	s := ovstest.StartSwitch(t)
	s.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "stp_enable=true", "other_config:hwaddr=02:00:00:00:00:01",
		"external_ids:xs-network-uuids=11111111-1111-4111-8111-111111111111",
		"--", "add-port", "xapi1", "vif1.0", "--", "set", "Interface", "vif1.0", "type=internal",
		"--", "add-br", "other")
	before := bridgeText(s, "xapi1")
	manage(t, s, testOwner, "xapi1", 103)
	s.OFCtl("add-flow", "xapi1", "cookie=0x1,priority=7000,in_port=1,arp,actions=NORMAL")
	if got := bridgeText(s, "xapi1"); got == before || !strings.Contains(got, "t103-1-3") {
		t.Fatalf("the bridge is not managed:\n%s", got)
	}
	s.SetManager("tcp:127.0.0.1:1", "ptcp:0:127.0.0.1")

	got := onHost(t, s, "leave")
	if got.code != 0 || !strings.Contains(got.stdout, "t103-1-3") || !strings.Contains(got.stdout, "left: everything is put back") ||
		!strings.Contains(got.stderr, "without tcp:127.0.0.1:1") {
		t.Errorf("leave: %+v", got)
	}
	if after := bridgeText(s, "xapi1"); after != before {
		t.Errorf("bridge after leave:\n%s\nwant as it was:\n%s", after, before)
	}
	flows := s.OFCtl("--no-stats", "dump-flows", "xapi1")
	if strings.Contains(flows, "0x6f6d") || !strings.Contains(flows, "cookie=0x1, priority=7000,arp,in_port=") {
		t.Errorf("flows after leave:\n%s", flows)
	}
	if got := s.VSCtl("get-manager"); got != "ptcp:0:127.0.0.1" {
		t.Errorf("managers = %q", got)
	}
	if got := s.VSCtl("get", "Open_vSwitch", ".", "external_ids:ovsmesh-leave"); got != "done" {
		t.Errorf("ovsmesh-leave = %s", got)
	}

	again := onHost(t, s, "leave")
	if want := "nothing to do: no manager is dialled and nothing of ovsmesh is on this host\n"; again.code != 0 || again.stdout != want {
		t.Errorf("leave again: %+v, want %q", again, want)
	}
}

func TestHostLeaveLocallyWhileConnected(t *testing.T) {
	s := ovstest.StartSwitch(t)
	s.VSCtl("add-br", "xapi1")
	before := bridgeText(s, "xapi1")
	target := listen(t)
	if got := onHost(t, s, "join --controller "+target); got.code != 0 {
		t.Fatalf("join: %+v", got)
	}
	manage(t, s, testOwner, "xapi1", 103)
	if got := onHost(t, s, "leave --local"); got.code != 0 {
		t.Errorf("leave: %+v", got)
	}
	if after := bridgeText(s, "xapi1"); after != before {
		t.Errorf("bridge after leave:\n%s\nwant as it was:\n%s", after, before)
	}
}

// A bridge that was secure before, or that was taken with the host's own network
// in it, keeps its fail_mode: nothing flushes our flows.
func TestHostLeaveLocallyTakesFlowsAway(t *testing.T) {
	s := ovstest.StartSwitch(t)
	s.VSCtl("add-br", "xapi1", "--", "set-fail-mode", "xapi1", "secure")
	before := bridgeText(s, "xapi1")
	manage(t, s, testOwner, "xapi1", 103)
	s.OFCtl("add-flow", "xapi1", "cookie=0x1,priority=7000,in_port=1,arp,actions=NORMAL")
	if got := onHost(t, s, "leave --local"); got.code != 0 {
		t.Errorf("leave: %+v", got)
	}
	if after := bridgeText(s, "xapi1"); after != before {
		t.Errorf("bridge after leave:\n%s\nwant as it was:\n%s", after, before)
	}
	flows := s.OFCtl("--no-stats", "dump-flows", "xapi1")
	if strings.Contains(flows, "0x6f6d") || !strings.Contains(flows, "cookie=0x1, priority=7000,arp,in_port=") {
		t.Errorf("flows after leave:\n%s", flows)
	}
}

func TestHostLeaveRefusesSeveralStores(t *testing.T) {
	s := ovstest.StartSwitch(t)
	s.VSCtl("add-br", "xapi1", "--", "add-br", "xapi2")
	manage(t, s, testOwner, "xapi1", 103)
	manage(t, s, "3f1b0000-0000-4000-8000-0000000000bb", "xapi2", 104)
	before := bridgeText(s, "xapi1") + bridgeText(s, "xapi2")
	got := onHost(t, s, "leave")
	if got.code != 1 || !strings.Contains(got.stderr, "rows of several controllers' stores are on this host") {
		t.Errorf("leave: %+v", got)
	}
	if after := bridgeText(s, "xapi1") + bridgeText(s, "xapi2"); after != before {
		t.Errorf("bridges after a refusal:\n%s\nwant as they were:\n%s", after, before)
	}
}
