package main

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"ovsmesh/ovsdb/ovstest"
)

// onHost runs a host command on a switch.
func onHost(t *testing.T, s *ovstest.Switch, args string) ran {
	t.Helper()
	return command(t, []string{"OVS_RUNDIR=" + s.Dir()}, "", append([]string{"host"}, strings.Fields(args)...)...)
}

// listen takes connections and says nothing on them, which is enough for a
// manager to count as connected.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "tcp:" + l.Addr().String()
}

func TestHostCommandsRefuse(t *testing.T) {
	s := ovstest.StartSwitch(t)
	nameless := ovstest.StartSwitch(t)
	nameless.VSCtl("remove", "Open_vSwitch", ".", "external_ids", "system-id")
	several := ovstest.StartSwitch(t)
	several.SetManager("tcp:127.0.0.1:1", "tcp:127.0.0.1:2", "ptcp:0:127.0.0.1")
	tests := []struct {
		s    *ovstest.Switch
		args string
		want string
	}{
		{s, "", "want host join or host leave"},
		{s, "jion", "did you mean join?"},
		{s, "join", "name it with --controller tcp:IP:6640"},
		{s, "join --controller 192.0.2.10", `"192.0.2.10" is not a target: want tcp:IP:PORT`},
		{s, "join --controller tcp:192.0.2.10", `"tcp:192.0.2.10" is not a target`},
		{s, "join --controller ssl:192.0.2.10:6640", "TLS is not available in this version"},
		{s, "join --controller tcp:controller:6640", "with an IP address"},
		{s, "leave --controller nonsense", `"nonsense" is not a target`},
		{nameless, "join --controller tcp:192.0.2.10:6640", "no external_ids:system-id"},
		{several, "leave", "several managers: name the controller with --controller: tcp:127.0.0.1:1, tcp:127.0.0.1:2"},
		{several, "leave --controller tcp:127.0.0.1:3", "tcp:127.0.0.1:3 is not among the managers of this host: tcp:127.0.0.1:1, tcp:127.0.0.1:2"},
	}
	for _, tt := range tests {
		got := onHost(t, tt.s, tt.args)
		if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("host %s: %+v, want %q", tt.args, got, tt.want)
		}
	}
	if got := several.VSCtl("get-manager"); got != "ptcp:0:127.0.0.1\ntcp:127.0.0.1:1\ntcp:127.0.0.1:2" {
		t.Errorf("managers were touched: %q", got)
	}
	if got := nameless.VSCtl("get-manager"); got != "" {
		t.Errorf("a host without system-id got a manager: %q", got)
	}
	got := command(t, []string{"OVS_RUNDIR=" + t.TempDir()}, "", "host", "join", "--controller", "tcp:192.0.2.10:6640")
	if got.code != 1 || !strings.Contains(got.stderr, "the database of Open vSwitch does not answer") {
		t.Errorf("without a database: %+v", got)
	}
}

func TestHostJoin(t *testing.T) {
	s := ovstest.StartSwitch(t, ovstest.WithSystemID("8e9f0000-0000-4000-8000-000000000001"))
	s.SetManager("ptcp:0:127.0.0.1")
	s.VSCtl("set", "Open_vSwitch", ".", "external_ids:ovsmesh-leave=done")
	target := listen(t)
	for range 2 { // the second time it changes nothing
		got := onHost(t, s, "join --controller "+target)
		want := ran{
			stdout: fmt.Sprintf("joined: connected to %s as system-id 8e9f0000-0000-4000-8000-000000000001\n", target),
			stderr: "keeping other managers of this host: ptcp:0:127.0.0.1\n",
		}
		if got != want {
			t.Errorf("join: %+v\nwant  %+v", got, want)
		}
		if got := s.VSCtl("get-manager"); got != "ptcp:0:127.0.0.1\n"+target {
			t.Errorf("managers = %q", got)
		}
	}
	if got := s.VSCtl("--if-exists", "get", "Open_vSwitch", ".", "external_ids:ovsmesh-leave"); got != "" {
		t.Errorf("ovsmesh-leave = %s, want none", got)
	}
}

func TestHostJoinRefusedConnection(t *testing.T) {
	s := ovstest.StartSwitch(t)
	got := onHost(t, s, "join --controller tcp:127.0.0.1:1 --timeout 300ms")
	for _, want := range []string{"no connection to tcp:127.0.0.1:1 within 300ms: nothing listens there", "host leave --controller tcp:127.0.0.1:1"} {
		if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, want) {
			t.Errorf("join: %+v, want %q", got, want)
		}
	}
	if got := s.VSCtl("get-manager"); got != "tcp:127.0.0.1:1" {
		t.Errorf("managers = %q: the host is to go on dialling", got)
	}
}

// A controller that lets the host go is played by ovs-vsctl; package controller
// tests the real one.
func TestHostLeaveAsks(t *testing.T) {
	s := ovstest.StartSwitch(t)
	target := listen(t)
	s.SetManager("ptcp:0:127.0.0.1")
	if got := onHost(t, s, "join --controller "+target); got.code != 0 {
		t.Fatalf("join: %+v", got)
	}
	got := onHost(t, s, "leave --timeout 300ms")
	if got.code != 1 || !strings.Contains(got.stderr, "has not let this host go within 300ms; the request stands") {
		t.Errorf("leave: %+v", got)
	}
	if got := s.VSCtl("get", "Open_vSwitch", ".", "external_ids:ovsmesh-leave"); got != "requested" {
		t.Errorf("ovsmesh-leave = %s, want requested", got)
	}

	s.VSCtl("remove", "Open_vSwitch", ".", "external_ids", "ovsmesh-leave")
	done := make(chan error, 1)
	go func() {
		_, err := s.VSCtlErr("wait-until", "Open_vSwitch", ".", "external_ids:ovsmesh-leave=requested",
			"--", "set", "Open_vSwitch", ".", "external_ids:ovsmesh-leave=done")
		done <- err
	}()
	got = onHost(t, s, "leave")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got.code != 0 || !strings.HasPrefix(got.stdout, "left: "+target+" has put everything back") {
		t.Errorf("leave: %+v", got)
	}
	if got := s.VSCtl("get-manager"); got != "ptcp:0:127.0.0.1" {
		t.Errorf("managers = %q, want the other one alone", got)
	}
}
