package openflow_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ovsmesh/openflow"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/ovstest"
)

func TestRealSwitch(t *testing.T) {
	sw, s, sess := connect(t, openflow.Config{})
	ctx := patient(t)
	if sess.DPID() != testDPID || sess.RemoteAddr().Addr() != loopback {
		t.Errorf("session of %x from %v", sess.DPID(), sess.RemoteAddr())
	}
	desc, err := sess.Desc(ctx)
	if err != nil || desc.Hardware != "Open vSwitch" {
		t.Errorf("desc %+v, %v", desc, err)
	}
	ports, err := sess.Ports(ctx)
	if err != nil || len(ports) != 5 { // four and LOCAL
		t.Errorf("ports %+v, %v", ports, err)
	}
	if err := sess.Echo(ctx); err != nil {
		t.Error(err)
	}
	if err := sess.Barrier(ctx); err != nil {
		t.Error(err)
	}
	if n := s.Counters().Accepted.Load(); n != 1 {
		t.Errorf("%d sessions counted, want 1", n)
	}

	sw.VSCtl("del-port", "br0", "br0p2")
	for deleted := false; !deleted; {
		await(t, sess.Changed(), "port-status")
		changes, _ := sess.Take()
		for _, c := range changes {
			deleted = deleted || c.Port.No == 2 && c.Port.Name == "br0p2" && c.Reason == wire.PortDeleted
		}
	}
}

// TestSwitchRestart: a switch that restarts comes back, without its flows.
func TestSwitchRestart(t *testing.T) {
	sw := ovstest.StartSwitch(t)
	s, port := serve(t, openflow.Config{})
	got := expect(t, s, testDPID)
	bridge(sw, "br0", "00000000000000a1")
	control(sw, "br0", port)
	first := await(t, got, "session")
	if err := first.Apply(patient(t), mods(wire.Add, 10, numbered)); err != nil {
		t.Fatal(err)
	}
	sw.RestartVSwitchd()
	second := await(t, got, "session after the restart")
	await(t, first.Done(), "end of the first session")
	if first.Err() == nil || second.Err() != nil {
		t.Errorf("first session: %v, second: %v", first.Err(), second.Err())
	}
	flows, err := second.Flows(patient(t))
	if err != nil || len(flows) != 0 {
		t.Errorf("%d flows, %v; want none", len(flows), err)
	}
}

// TestFrozenSwitch: a switch that stands still is noticed by its silence, and
// comes back when it goes on.
func TestFrozenSwitch(t *testing.T) {
	cfg := unhurried() // a switch that redials may take 500 ms to say hello
	cfg.SilenceTimeout = 2 * time.Second
	sw := ovstest.StartSwitch(t)
	s, port := serve(t, cfg)
	got := expect(t, s, testDPID)
	bridge(sw, "br0", "00000000000000a1")
	control(sw, "br0", port)
	sess := await(t, got, "session")
	time.Sleep(3 * cfg.SilenceTimeout / 2) // echoes keep it alive
	if err := sess.Err(); err != nil {
		t.Fatalf("idle session ended: %v", err)
	}
	if err := sw.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := sess.Barrier(patient(t)); !errors.Is(err, openflow.ErrSilent) {
		t.Errorf("Barrier = %v, want ErrSilent", err)
	}
	await(t, sess.Done(), "end of session")
	if err := sw.Thaw(); err != nil {
		t.Fatal(err)
	}
	await(t, got, "session after the thaw")
}

func TestOldSwitchIsRefused(t *testing.T) {
	sw := ovstest.StartSwitch(t)
	s, port := serve(t, openflow.Config{})
	got := expect(t, s, testDPID)
	bridge(sw, "br0", "00000000000000a1")
	sw.VSCtl("set", "Bridge", "br0", "protocols=OpenFlow10")
	control(sw, "br0", port)
	for deadline := time.Now().Add(patience); s.Counters().RefusedVersion.Load() == 0; {
		if time.Now().After(deadline) {
			t.Fatalf("not refused within %v", patience)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(got) > 0 {
		t.Error("delivered all the same")
	}
}

// TestFlowsReadAsPrinted: what Flows returns prints as ovs-ofctl prints it,
// where package flow has names for all that is in it.
func TestFlowsReadAsPrinted(t *testing.T) {
	sw := ovstest.StartSwitch(t)
	bridge(sw, "br0", "00000000000000a0")
	foreignFlows(t, sw, "br0")
	flows, err := dialBridge(t, sw, "br0").Flows(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	want := dump(sw, "br0")
	if len(flows) != len(want) {
		t.Fatalf("%d flows, want %d", len(flows), len(want))
	}
	named := 0
	for i, f := range flows {
		got := f.String()
		if strings.Contains(got, "raw(") || strings.Contains(got, "oxm_") {
			continue
		}
		named++
		if want := withDefaults(want[i]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if named < 10 {
		t.Errorf("%d flows compared, want at least 10", named)
	}
}

// withDefaults puts the cookie and the table that ovs-ofctl leaves out.
func withDefaults(line string) string {
	cookie, rest := "cookie=0x0", line
	if strings.HasPrefix(line, "cookie=") {
		cookie, rest, _ = strings.Cut(line, ", ")
	}
	if !strings.HasPrefix(rest, "table=") {
		rest = "table=0, " + rest
	}
	return cookie + ", " + rest
}
