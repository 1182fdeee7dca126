package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
	"ovsmesh/ovsdb/ovstest"
)

// startController runs a controller and returns where it serves its API and where
// hosts dial in. Each host has a token of its own: TOKEN-OF-h1-0123456789.
func startController(t *testing.T, hosts int) (server, manager string) {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	db, of, web := listen(), listen(), listen()
	ctl, err := controller.New(controller.Config{
		Log: zap.NewNop(), Store: st, OVSDB: []net.Listener{db}, OpenFlow: []net.Listener{of}, AutoRegister: true, Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens := filepath.Join(t.TempDir(), "tokens")
	var lines strings.Builder
	for n := range hosts {
		fmt.Fprintf(&lines, "h%d %s\n", n+1, tokenOf(n+1))
	}
	if err := os.WriteFile(tokens, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := api.NewServer(ctl, "", zap.NewNop())
	s.HostTokens, err = api.OpenHostTokens(tokens, "", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- ctl.Run(ctx) }()
	go func() { ended <- s.Run(ctx, web) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + web.Addr().String(), "tcp:" + db.Addr().String()
}

func tokenOf(host int) string { return fmt.Sprintf("TOKEN-OF-h%d-0123456789", host) }

// A call in either form is on the switch when it is answered, and can be repeated.
func TestRealSwitches(t *testing.T) {
	server, manager := startController(t, 2)
	var switches []*ovstest.Switch
	for n := range 2 {
		sw := ovstest.StartSwitch(t, ovstest.WithHostname(fmt.Sprintf("h%d", n+1)))
		sw.VSCtl("set", "Open_vSwitch", ".", fmt.Sprintf("other_config:local_ip=192.0.2.%d", n+1))
		switches = append(switches, sw)
	}
	// One host is XenServer's, the other KVM's, where the agent makes the bridge.
	switches[1].VSCtl("add-br", "OVSTunnel103", "--", "set", "bridge", "OVSTunnel103", "other_config:ovs-host-setup=-1")
	xen := newXenServer(t, "", map[string]string{noteHosts: ""})
	on := func(n int) setup { return setup{server: server, config: "token: " + tokenOf(n)} }
	for n, args := range [][]string{{xapiCalls()[setupBridge]}, kvmCalls()[setupBridge]} {
		// Not connected yet: refused at once, with what to do.
		if r := on(n+1).run(t, args...); !strings.Contains(r.stdout+r.stderr, "ovs-vsctl set-manager "+manager) {
			t.Errorf("%+v", r)
		}
		switches[n].SetManager(manager)
	}
	connected(t, server, 2)

	kvm := func(want string, code int, args ...string) {
		t.Helper()
		r := on(2).run(t, args...)
		if r.code != code || r.stdout != want || r.stderr != "" {
			t.Fatalf("%q: %+v", args, r)
		}
		if !agentTakesForSuccess(args[0], r) {
			t.Errorf("%q: no success to the agent: %+v", args, r)
		}
	}
	xapi := func(want, function, text string) {
		t.Helper()
		value, r := xen.call(on(1), text)
		if value != want {
			t.Fatalf("%s: %+v", text, r)
		}
		if !xapiTakesForSuccess(function, answer{"Success", value, nil}) {
			t.Errorf("%s: no success to CloudStack: %q", text, value)
		}
	}
	ports := func(n int, want string) {
		t.Helper()
		if got := switches[n-1].VSCtl("--bare", "--columns=name,type,options", "find", "Interface", "type=gre"); strings.TrimSpace(got) != want {
			t.Errorf("h%d: %q, want %q", n, got, want)
		}
	}
	create := kvmCalls()[createTunnel] // from 1 to 192.0.2.2
	for i, word := range create {
		switch {
		case word == "192.0.2.2":
			create[i] = "192.0.2.1"
		case word == "--src_host", word == "--dst_host":
			create[i+1] = map[string]string{"--src_host": "2", "--dst_host": "1"}[word]
		}
	}
	for range 2 { // CloudStack's way, and once more
		xapi("SUCCESS:xapi1", setupBridge, xapiCalls()[setupBridge])
		xapi("SUCCESS:t103-1-2", createTunnel, xapiCalls()[createTunnel])
		kvm("SUCCESS:OVSTunnel103\n", 0, setupBridge, "--key", "OVSTunnel103", "--cs_host_id", "2", "--bridge", "OVSTunnel103")
		kvm("SUCCESS:t103-2-1\n", 1, create...)
		ports(1, "t103-1-2\ngre\nkey=103 remote_ip=192.0.2.2")
		ports(2, "t103-2-1\ngre\nkey=103 remote_ip=192.0.2.1")
		if flows := switches[1].OFCtl("dump-flows", "OVSTunnel103"); !strings.Contains(flows, "priority=1000,in_port=") {
			t.Errorf("no drop flow on the tunnel:\n%s", flows)
		}
	}
	if notes := xen.otherConfig(); notes[noteHosts] != "1" || notes[noteTunnels] != "True" {
		t.Errorf("%v", notes)
	}
	for range 2 {
		xapi("SUCCESS:xapi1", destroyBridge, xapiCalls()[destroyBridge])
		ports(1, "")
		kvm("SUCCESS\n", 0, destroyTunnel, "--bridge", "OVSTunnel103", "--iface_name", "t103-2-1")
		ports(2, "")
		kvm("SUCCESS:OVSTunnel103\n", 0, destroyBridge, "--bridge", "OVSTunnel103")
	}
	for n, sw := range switches {
		if bridges := strings.TrimSpace(sw.VSCtl("list-br")); bridges != "" {
			t.Errorf("h%d: %s is left", n+1, bridges)
		}
	}
	if notes := xen.otherConfig(); notes[noteHosts] != "" {
		t.Errorf("%v", notes)
	}

	// A host that CloudStack believes to be set up is not, as where a note was
	// left: the tunnel is there all the same once there is a bridge.
	switches[0].VSCtl("add-br", "xapi1")
	xapi("SUCCESS:t103-1-2", createTunnel, xapiCalls()[createTunnel])
	ports(1, "t103-1-2\ngre\nkey=103 remote_ip=192.0.2.2")
}

// connected waits until the controller knows so many hosts, all connected.
func connected(t *testing.T, server string, hosts int) {
	t.Helper()
	c := api.Client{BaseURL: server}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		o, err := c.Objects(t.Context(), api.KindHosts, "")
		if err != nil {
			t.Fatal(err)
		}
		there := 0
		for _, h := range o.Hosts {
			if h.Status.Connected && h.Status.InSync {
				there++
			}
		}
		if there == hosts {
			return
		}
		if time.Now().After(deadline) {
			text, _ := json.Marshal(o)
			t.Fatalf("not all are connected: %s", text)
		}
	}
}
