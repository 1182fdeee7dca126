package ovstest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"ovsmesh/ovsdb/ovstest"
)

func TestSwitchForwardsRowsAndFlows(t *testing.T) {
	s := ovstest.StartSwitch(t, ovstest.WithSystemID("0f9a5d6e-0000-4000-8000-000000000001"), ovstest.WithHostname("xen1"))
	s.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "fail_mode=secure",
		"--", "add-port", "xapi1", "t103-1-3", "--", "set", "Interface", "t103-1-3",
		"type=gre", "options:key=103", "options:remote_ip=192.0.2.3", "ofport_request=20001")
	if got := s.VSCtl("get", "Interface", "t103-1-3", "ofport"); got != "20001" {
		t.Errorf("ofport = %s, want 20001", got)
	}
	if got := s.VSCtl("get", "Open_vSwitch", ".", "external_ids:hostname"); got != "xen1" {
		t.Errorf("hostname = %s, want xen1", got)
	}
	s.OFCtl("add-flow", "xapi1", "priority=1000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop")
	if got := s.OFCtl("--no-stats", "dump-flows", "xapi1"); !strings.Contains(got, "in_port=20001") && !strings.Contains(got, `in_port="t103-1-3"`) {
		t.Errorf("flow is not there: %s", got)
	}
	if got := s.AppCtl("ofproto/trace", "xapi1", "in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff"); !strings.Contains(got, "Datapath actions: drop") {
		t.Errorf("trace = %s", got)
	}

	s.RestartVSwitchd()
	if got := s.OFCtl("--no-stats", "dump-flows", "xapi1"); strings.Contains(got, "priority=1000") {
		t.Errorf("flows outlived ovs-vswitchd: %s", got)
	}
	s.RestartOVSDB()
	if got := s.VSCtl("list-br"); got != "xapi1" {
		t.Errorf("bridges after ovsdb-server's restart = %q, want xapi1", got)
	}
}

func TestSwitchReportsErrors(t *testing.T) {
	s := ovstest.StartSwitch(t)
	if out, err := s.VSCtlErr("list-ports", "nosuch"); err == nil || !strings.Contains(err.Error(), "no bridge named nosuch") {
		t.Errorf("list-ports = %q, %v", out, err)
	}
	s.KillVSwitchd(syscall.SIGKILL)
	if db, sw := s.Pids(); db == 0 || sw != 0 {
		t.Errorf("pids = %d, %d; want ovsdb-server alone", db, sw)
	}
	s.KillVSwitchd(syscall.SIGKILL) // one that is gone is no error
	if err := s.Freeze(); err == nil {
		t.Error("froze an ovs-vswitchd that does not run")
	}
	s.StartVSwitchd()
	s.VSCtl("add-br", "br0")
}

func TestSwitchLeavesNothing(t *testing.T) {
	var dir string
	var db, sw int
	t.Run("run", func(t *testing.T) {
		s := ovstest.StartSwitch(t)
		dir = s.Dir()
		db, sw = s.Pids()
		if err := s.Freeze(); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	for _, pid := range []int{db, sw} {
		if pid == 0 || alive(pid) {
			t.Errorf("process %d still runs, or never ran", pid)
		}
	}
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}
