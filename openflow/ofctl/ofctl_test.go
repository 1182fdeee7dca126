package ofctl_test

import (
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/openflow/ofctl"
	"ovsmesh/ovsdb/ovstest"
)

func TestNoDatabase(t *testing.T) {
	h := ofctl.NewHost(t.TempDir())
	if _, err := h.Bridges(t.Context()); !errors.Is(err, ofctl.ErrNoDatabase) {
		t.Errorf("Bridges: %v", err)
	}
	if _, err := h.Managers(t.Context()); !errors.Is(err, ofctl.ErrNoDatabase) {
		t.Errorf("Managers: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := h.Bridges(t.Context()); !errors.Is(err, ofctl.ErrNoTools) {
		t.Errorf("without tools: %v", err)
	}
}

func TestRunDir(t *testing.T) {
	t.Setenv("OVS_RUNDIR", "/somewhere")
	if got := ofctl.NewHost("").RunDir(); got != "/somewhere" {
		t.Errorf("RunDir = %s", got)
	}
	if got := ofctl.NewHost("/here").RunDir(); got != "/here" {
		t.Errorf("RunDir = %s", got)
	}
	os.Unsetenv("OVS_RUNDIR")
	if got := ofctl.NewHost("").RunDir(); got != "/var/run/openvswitch" {
		t.Errorf("RunDir = %s", got)
	}
}

func TestBridges(t *testing.T) {
	s := ovstest.StartSwitch(t)
	h := ofctl.NewHost(s.Dir())
	if got, err := h.Bridges(t.Context()); len(got) != 0 || err != nil {
		t.Errorf("Bridges = %q, %v; want none", got, err)
	}
	s.VSCtl("add-br", "xapi1", "--", "add-br", "xapi0")
	if got, err := h.Bridges(t.Context()); !slices.Equal(got, []string{"xapi0", "xapi1"}) || err != nil {
		t.Errorf("Bridges = %q, %v", got, err)
	}
}

func TestExternalIDs(t *testing.T) {
	s := ovstest.StartSwitch(t)
	h := ofctl.NewHost(s.Dir())
	for _, value := range []string{"requested", "two words", `a "quoted" \ one`, "1", "a,b=c"} {
		if err := h.SetExternalID(t.Context(), "ovsmesh-leave", value); err != nil {
			t.Fatal(err)
		}
		if got, err := h.ExternalID(t.Context(), "ovsmesh-leave"); got != value || err != nil {
			t.Errorf("ExternalID = %q, %v; want %q", got, err, value)
		}
	}
	if err := h.RemoveExternalID(t.Context(), "ovsmesh-leave"); err != nil {
		t.Fatal(err)
	}
	if got, err := h.ExternalID(t.Context(), "ovsmesh-leave"); got != "" || err != nil {
		t.Errorf("after its removal: %q, %v", got, err)
	}
	if got, err := h.ExternalID(t.Context(), "hostname"); got != "switch" || err != nil {
		t.Errorf("hostname = %q, %v", got, err)
	}
}

// Other managers' rows must be the very same rows after ours came and went.
func TestManagers(t *testing.T) {
	s := ovstest.StartSwitch(t)
	h := ofctl.NewHost(s.Dir())
	if got, err := h.Managers(t.Context()); len(got) != 0 || err != nil {
		t.Fatalf("Managers = %v, %v; want none", got, err)
	}
	s.SetManager("ptcp:0:127.0.0.1")
	s.VSCtl("set", "Manager", "ptcp:0:127.0.0.1", "inactivity_probe=7000")
	before := s.VSCtl("--columns=_uuid,target,inactivity_probe", "list", "Manager")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	target := "tcp:" + l.Addr().String()
	if err := h.AddManager(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	ours := waitManager(t, h, target, func(m ofctl.Manager) bool { return m.Connected })
	if ours.State != "ACTIVE" {
		t.Errorf("manager = %+v", ours)
	}
	if got := s.VSCtl("get", "Manager", target, "max_backoff"); got != "1000" {
		t.Errorf("max_backoff = %s", got)
	}
	if err := h.RemoveManager(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	if after := s.VSCtl("--columns=_uuid,target,inactivity_probe", "list", "Manager"); after != before {
		t.Errorf("managers after ours came and went:\n%s\nwant\n%s", after, before)
	}
}

func TestManagerRefused(t *testing.T) {
	s := ovstest.StartSwitch(t)
	h := ofctl.NewHost(s.Dir())
	if err := h.AddManager(t.Context(), "tcp:127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	m := waitManager(t, h, "tcp:127.0.0.1:1", func(m ofctl.Manager) bool { return m.State == "BACKOFF" })
	if m.Connected {
		t.Errorf("manager = %+v", m)
	}
}

// waitManager waits for a manager's row to be as wanted; ovsdb-server writes
// its status every few seconds.
func waitManager(t *testing.T, h *ofctl.Host, target string, ok func(ofctl.Manager) bool) ofctl.Manager {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		managers, err := h.Managers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range managers {
			if m.Target == target && ok(m) {
				return m
			}
		}
	}
	t.Fatalf("manager %s did not come to what is wanted", target)
	return ofctl.Manager{}
}

// What is dumped goes back in as it was.
func TestFlowsRoundTrip(t *testing.T) {
	s := ovstest.StartSwitch(t)
	s.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "fail_mode=secure")
	h := ofctl.NewHost(s.Dir())
	for _, f := range []string{
		"cookie=0x1,priority=7000,in_port=3,arp,arp_spa=10.0.0.3,actions=NORMAL",
		"cookie=0x1,priority=4000,in_port=3,actions=drop",
		"table=20,priority=9,metadata=0x1/0xffffffff,actions=push_vlan:0x8100,set_field:4101->vlan_vid,output:5,goto_table:30",
		"table=30,ipv6,nw_proto=58,icmp_type=135,hard_timeout=600,actions=NORMAL",
	} {
		s.OFCtl("add-flow", "xapi1", f)
	}
	before, err := h.DumpFlows(t.Context(), "xapi1")
	if err != nil || len(before) != 4 {
		t.Fatalf("flows = %q, %v", before, err)
	}
	s.OFCtl("del-flows", "xapi1")
	if err := h.AddFlows(t.Context(), "xapi1", before); err != nil {
		t.Fatal(err)
	}
	after, err := h.DumpFlows(t.Context(), "xapi1")
	if err != nil || !slices.Equal(after, before) {
		t.Errorf("flows = %q, %v; want %q", after, err, before)
	}
	if err := h.AddFlows(t.Context(), "xapi1", []string{"cookie=0x0, table=999 actions=drop"}); err == nil {
		t.Error("a flow of a table that can't be was taken")
	}
	if _, err := h.DumpFlows(t.Context(), "nosuch"); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("a bridge that is not there: %v", err)
	}
}
