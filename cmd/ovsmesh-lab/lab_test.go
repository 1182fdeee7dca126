package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovsmesh/ovsdb/ovstest"
)

// ownLab gives the test a lab apart from the machine's, and removes it.
func ownLab(t *testing.T) {
	t.Helper()
	t.Setenv("OVSMESH_LAB", "test-"+ovstest.NewUUID())
	t.Cleanup(func() {
		if err := down(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(labFile()); err == nil {
			t.Errorf("%s is still there", labFile())
		}
	})
}

// runLab runs one command line and returns what it printed.
func runLab(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := newRootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := runLab(t, args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

func labStatus(t *testing.T) statusJSON {
	t.Helper()
	var s statusJSON
	if err := json.Unmarshal([]byte(mustRun(t, "status", "-o", "json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWrongCommandsAreRefused(t *testing.T) {
	ownLab(t)
	for _, tt := range []struct {
		args, want string
	}{
		{"up --hosts 0", "--hosts 0: want 1 to 200"},
		{"up --hosts 201", "--hosts 201"},
		{"up --networks -1", "--networks -1"},
		{"up --vms 1", "give --networks too"},
		{"up extra", "unknown command"},
		{"status", "no lab is up"},
		{"status -o xml", "no lab is up"},
		{"exec h1 -- true", "no lab is up"},
		{"exec h1", "requires at least 2 arg"},
		{"vsctl h1 show", "no lab is up"},
		{"vm add x --host h1 --bridge b --mac 2", "--mac"},
		{"vm add x --host h1 --bridge b --mac 02:00:00:00:00:01 --ip 10.0.0.1", "--ip"},
		{"vm add x", "required flag"},
		{"host rm h1", "no lab is up"},
	} {
		out, err := runLab(t, strings.Fields(tt.args)...)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q\n%s", tt.args, err, tt.want, out)
		}
	}
}

func TestLabFromUpToDown(t *testing.T) {
	ownLab(t)
	out := mustRun(t, "up", "--hosts", "2", "--networks", "2", "--vms", "1")
	for _, want := range []string{"net1-h1-1", "net2-h2-1", "ovsmesh-lab vsctl h1 set-manager tcp:10.211."} {
		if !strings.Contains(out, want) {
			t.Errorf("up does not say %q:\n%s", want, out)
		}
	}
	if out, err := runLab(t, "up"); err == nil || !strings.Contains(err.Error(), "ovsmesh-lab down") {
		t.Errorf("a second up = %v\n%s", err, out)
	}
	s := labStatus(t)
	if len(s.Hosts) != 2 || len(s.VMs) != 4 || len(s.Networks) != 2 {
		t.Fatalf("status = %+v", s)
	}
	for _, h := range s.Hosts {
		if h.OVSDB == 0 || h.VSwitchd == 0 {
			t.Errorf("host %s does not run: %+v", h.Name, h)
		}
	}
	if got := mustRun(t, "spec"); strings.Count(got, "{name: ") != 2 || !strings.Contains(got, "encap: gre") || !strings.Contains(got, "encap: vxlan") {
		t.Errorf("spec = %s", got)
	}
	mustRun(t, "connect", "tcp:192.0.2.1:6640")
	if got := mustRun(t, "vsctl", "h2", "get-manager"); got != "tcp:192.0.2.1:6640\n" {
		t.Errorf("manager = %q", got)
	}
	if got := mustRun(t, "ofctl", "h1", "--no-stats", "dump-flows", "xapi1"); !strings.Contains(got, "NORMAL") {
		t.Errorf("flows = %q", got)
	}
	if got := mustRun(t, "appctl", "h1", "version"); !strings.Contains(got, "Open vSwitch") {
		t.Errorf("version = %q", got)
	}
	if got := mustRun(t, "exec", "net1-h1-1", "--", "ip", "-br", "addr"); !strings.Contains(got, "10.1.1.1/16") {
		t.Errorf("addresses in the VM = %q", got)
	}
	_, err := runLab(t, "exec", "net1-h1-1", "--", "sh", "-c", "exit 7")
	if code := exitCode(err); code != 7 {
		t.Errorf("exit code = %d, want 7", code)
	}
	if _, err := runLab(t, "exec", "nosuch", "--", "true"); err == nil {
		t.Error("ran a program on a host that is not there")
	}

	// Both VMs of a network end on one host, where no tunnel is needed.
	mustRun(t, "vm", "move", "net1-h1-1", "h2")
	mustRun(t, "exec", "net1-h1-1", "--", "ping", "-c", "1", "-W", "2", "10.1.2.1")
	if _, err := runLab(t, "vm", "move", "net1-h1-1", "h2"); err == nil {
		t.Error("moved a VM to where it is")
	}
	mustRun(t, "vm", "add", "web", "--host", "h1", "--bridge", "xapi2", "--mac", "02:00:00:00:09:09", "--ip", "10.2.9.9/16", "--network", "net2")
	if got := mustRun(t, "vsctl", "h1", "--bare", "--columns=external_ids", "find", "Interface", "external_ids:ovsmesh-network=net2"); !strings.Contains(got, "attached-mac=") {
		t.Errorf("external_ids = %q", got)
	}
	mustRun(t, "vm", "rm", "web")
	mustRun(t, "host", "add", "h3", "--vms", "1")
	mustRun(t, "host", "rm", "h2")
	if s := labStatus(t); len(s.Hosts) != 2 || len(s.VMs) != 3 {
		t.Errorf("after one host came and one went: %d hosts, %d VMs; want 2 and 3", len(s.Hosts), len(s.VMs))
	}
	mustRun(t, "down")
	mustRun(t, "down")
	if left, _ := filepath.Glob("/run/netns/" + s.ID + "-*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestDownAfterACrash(t *testing.T) {
	ownLab(t)
	mustRun(t, "up", "--hosts", "1", "--networks", "1", "--vms", "1")
	s := labStatus(t)
	// As after a crash in the midst of up: the bed stands, and no state of it.
	if err := os.Remove(filepath.Join("/run", s.ID, "bed.json")); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "down")
	for _, pattern := range []string{"/run/" + s.ID, "/run/netns/" + s.ID + "-*", "/sys/class/net/" + s.ID} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
