package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// networkUUID is that of the one network which the stand-in for xe knows.
const networkUUID = "0d9a6c54-4b5e-4a0e-8f5c-6e9f10a4c9d1"

// xenServer is a directory in which testdata/xe, a stand-in for XenServer's
// command line, keeps what it is told.
type xenServer struct {
	t   *testing.T
	dir string
	xe  string // path of a script that runs the stand-in there
}

func newXenServer(t *testing.T, trouble string, otherConfig map[string]string) *xenServer {
	t.Helper()
	x := &xenServer{t: t, dir: t.TempDir()}
	x.write("networks", networkUUID+"\n")
	x.write("platform", "XCP\n")
	if err := os.Mkdir(filepath.Join(x.dir, "other-config"), 0o700); err != nil {
		t.Fatal(err)
	}
	for k, v := range otherConfig {
		x.write("other-config/"+k, v)
	}
	standIn, err := filepath.Abs("testdata/xe")
	if err != nil {
		t.Fatal(err)
	}
	x.xe = filepath.Join(x.dir, "xe")
	x.write("xe", "#!/bin/sh\nXE_STATE='"+x.dir+"' XE_TROUBLE='"+trouble+"' exec '"+standIn+"' \"$@\"\n")
	if err := os.Chmod(x.xe, 0o700); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *xenServer) write(name, text string) {
	x.t.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
}

func (x *xenServer) read(name string) string {
	x.t.Helper()
	b, err := os.ReadFile(filepath.Join(x.dir, name))
	if err != nil && !os.IsNotExist(err) {
		x.t.Fatal(err)
	}
	return string(b)
}

// otherConfig is that of the network.
func (x *xenServer) otherConfig() map[string]string {
	x.t.Helper()
	list, err := os.ReadDir(filepath.Join(x.dir, "other-config"))
	if err != nil {
		x.t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range list {
		got[e.Name()] = x.read("other-config/" + e.Name())
	}
	return got
}

// call runs a call of XenServer's and returns the value that it is answered with.
func (x *xenServer) call(s setup, text string) (value string, r ran) {
	x.t.Helper()
	s.config += "\nxe: " + x.xe + "\nlogFile: " + filepath.Join(x.dir, "log")
	r = s.run(x.t, text)
	return readAnswer(x.t, r).value, r
}

// CloudStack's notes are as the plugin leaves them, call after call.
func TestNotes(t *testing.T) {
	shared := map[string]string{"assume_network_is_shared": "true"}
	other := methodCallOf(setupBridge, "bridge", "xapi1", "key", "OVSTunnel103", "xs_nw_uuid", "", "cs_host_id", "12")
	leave := func(id string) string { return methodCallOf(destroyBridge, "bridge", "xapi1", "cs_host_id", id) }
	type step struct {
		call string
		want map[string]string // of other-config, beside assume_network_is_shared
	}
	tunnels := func(hosts string) map[string]string { return map[string]string{noteTunnels: "True", noteHosts: hosts} }
	tests := []struct {
		name   string
		before map[string]string
		steps  []step
	}{
		{"hosts come and go", map[string]string{noteHosts: ""}, []step{
			{xapiCalls()[setupBridge], tunnels("1")},
			{xapiCalls()[setupBridge], tunnels("1")},
			{other, tunnels("12,1")},
			{xapiCalls()[createTunnel], tunnels("12,1")},
			{xapiCalls()[destroyTunnel], tunnels("12,1")},
			{leave("1"), tunnels("12")},
			{leave("1"), tunnels("12")},
			{leave("2"), tunnels("12")},
			{leave("12"), tunnels("")},
		}},
		{"no note yet", nil, []step{
			{leave("1"), nil},
			{xapiCalls()[setupBridge], tunnels("1")},
		}},
		{"distributed", map[string]string{noteHosts: "4,3"}, []step{
			{xapiCalls()[setupDistributed], map[string]string{noteDistributed: "True", noteHosts: "1,4,3"}},
			{leave("4"), map[string]string{noteDistributed: "True", noteHosts: "1,3"}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newXenServer(t, "", shared)
			for k, v := range tt.before {
				x.write("other-config/"+k, v)
			}
			s := setup{server: willing(t)}
			for i, st := range tt.steps {
				if value, r := x.call(s, st.call); !strings.HasPrefix(value, "SUCCESS") {
					t.Fatalf("step %d: %+v", i, r)
				}
				want := map[string]string{"assume_network_is_shared": "true"}
				for k, v := range st.want {
					want[k] = v
				}
				if diff := cmp.Diff(want, x.otherConfig()); diff != "" {
					t.Fatalf("step %d: %s\n%s", i, diff, x.read("calls"))
				}
			}
			if log := x.read("log"); strings.Contains(log, "; but ") || strings.Count(log, "\n") != len(tt.steps) {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// What the controller did not do is not noted, and neither does the agent's form
// ask for xe, nor one of the calls that CloudStack has no notes of.
func TestNotesOfNothing(t *testing.T) {
	x := newXenServer(t, "", nil)
	for _, function := range []string{setupBridge, setupDistributed, destroyBridge} {
		if value, _ := x.call(setup{server: refusing(t, 409, "no")}, xapiCalls()[function]); value != "" {
			t.Errorf("%s: %q", function, value)
		}
	}
	s := setup{server: willing(t), config: "xe: " + x.xe}
	for _, args := range kvmCalls() {
		s.run(t, args...)
	}
	for _, function := range []string{createTunnel, destroyTunnel, configureTopology, configurePolicies} {
		x.call(s, xapiCalls()[function])
	}
	if calls := x.read("calls"); calls != "" {
		t.Errorf("xe was called:\n%s", calls)
	}
}

// A toolstack in trouble fails no call that the controller has carried out, and
// the log says what was not noted.
func TestNotesTrouble(t *testing.T) {
	for trouble, want := range map[string]string{
		"network-param-set": "xe network-param-set: exit status 1: Error: Connection refused",
		"network-param-get": "xe network-param-get: exit status 1: Error: Connection refused",
		"hang":              "no answer in time",
		"orphan":            "xe network-param-set: exec: WaitDelay expired",
		"flood":             "no answer in time",
	} {
		t.Run(trouble, func(t *testing.T) {
			t.Parallel()
			x := newXenServer(t, trouble, map[string]string{noteHosts: "3"})
			s := setup{server: willing(t)}
			if strings.Contains(want, "in time") {
				s.config = "timeout: 3s"
			}
			value, r := x.call(s, xapiCalls()[setupBridge])
			if value != "SUCCESS:xapi1" || r.code != 0 || r.stderr != "" || r.took > 10*time.Second {
				t.Errorf("%+v", r)
			}
			if log := x.read("log"); !strings.Contains(log, "answered SUCCESS:xapi1; but CloudStack's note in the network's other-config is not written: ") || !strings.Contains(log, want) {
				t.Errorf("log %q, want %q", log, want)
			}
		})
	}
	x := newXenServer(t, "", nil)
	for networks, want := range map[string]string{"": "0 networks have bridge xapi1", "a,b\n": "2 networks have bridge xapi1", "a\n": "The uuid you supplied was invalid."} {
		x.write("networks", networks)
		if value, _ := x.call(setup{server: willing(t)}, xapiCalls()[destroyBridge]); value != "SUCCESS:xapi1" || !strings.Contains(x.read("log"), want) {
			t.Errorf("%q: %q, log %s, want %q", networks, value, x.read("log"), want)
		}
	}
}

// is_xcp and getLabel are answered by the toolstack alone.
func TestLocalFunctions(t *testing.T) {
	nobody := setup{server: "http://" + free(t)}
	tests := []struct {
		function, trouble, platform, want string
	}{
		{isXCP, "", "XCP\n", "XCP"},
		{isXCP, "", "XenServer.8\n", "XenServer"},
		{isXCP, "host-param-get", "XCP\n", "FALSE"},
		{getLabel, "", "", "cloud-public"}, // of the second PIF: its bridge is lo
	}
	for _, tt := range tests {
		x := newXenServer(t, tt.trouble, nil)
		x.write("platform", tt.platform)
		if value, r := x.call(nobody, methodCallOf(tt.function)); value != tt.want || r.code != 0 || r.stderr != "" {
			t.Errorf("%s: %+v", tt.function, r)
		}
	}
	for _, tt := range []struct{ function, trouble, want string }{
		{isXCP, "host-list", "xe host-list: exit status 1: Error: Connection refused"},
		{isXCP, "hang", "xe host-list: no answer in time"},
		{getLabel, "pif-list", "xe pif-list: exit status 1"},
		{getLabel, "pif-param-get", "xe pif-param-get: exit status 1"},
		{getLabel, "network-param-get", "xe network-param-get: exit status 1"},
		{getLabel, "garbage", "xe network-param-get: "},
	} {
		x := newXenServer(t, tt.trouble, nil)
		s := setup{}
		if tt.trouble == "hang" {
			s.config = "timeout: 1s"
		}
		_, r := x.call(s, methodCallOf(tt.function))
		a := readAnswer(t, r)
		if len(a.description) != 4 || a.description[2] != toolstackError || !strings.Contains(a.description[3], tt.want) || r.code != 0 {
			t.Errorf("%s, %s: %+v", tt.function, tt.trouble, r)
		}
	}
	_, r := newXenServer(t, "", nil).call(setup{}, methodCallOf("make_coffee"))
	if a := readAnswer(t, r); strings.Join(a.description, " ") != "UNKNOWN_XENAPI_PLUGIN_FUNCTION make_coffee" {
		t.Errorf("%+v", r)
	}
}
