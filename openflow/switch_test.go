package openflow_test

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"ovsmesh/openflow"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/ovstest"
)

var loopback = netip.MustParseAddr("127.0.0.1")

const testDPID = 0x00000000000000a1

// serve runs a server on a free loopback port until the test ends, and returns
// it with its port.
func serve(t *testing.T, cfg openflow.Config) (*openflow.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := openflow.NewServer(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve = %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve did not end")
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return s, port
}

// expect expects a datapath from loopback and returns where its sessions come.
func expect(t *testing.T, s *openflow.Server, dpid uint64) <-chan *openflow.Session {
	t.Helper()
	got := make(chan *openflow.Session, 16)
	t.Cleanup(s.Expect(dpid, loopback, func(s *openflow.Session) { got <- s }))
	return got
}

func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %v", what, patience)
		panic("unreachable")
	}
}

// bridge makes a bridge with a datapath ID; it has no controller yet.
func bridge(sw *ovstest.Switch, name string, dpid string) {
	sw.VSCtl("add-br", name, "--", "set", "Bridge", name, "fail_mode=secure",
		"other_config:datapath-id="+dpid, "other_config:disable-in-band=true")
	for i := range 4 {
		port := name + "p" + strconv.Itoa(i+1)
		sw.VSCtl("add-port", name, port, "--", "set", "Interface", port, "type=dummy",
			"ofport_request="+strconv.Itoa(i+1))
	}
}

func control(sw *ovstest.Switch, name, port string) {
	sw.VSCtl("--", "--id=@c", "create", "Controller", `target="tcp:127.0.0.1:`+port+`"`,
		"connection_mode=out-of-band", "max_backoff=1000", "--", "set", "Bridge", name, "controller=@c")
}

// connect returns a session with a fresh bridge br0 of a real switch.
func connect(t *testing.T, cfg openflow.Config) (*ovstest.Switch, *openflow.Server, *openflow.Session) {
	t.Helper()
	sw := ovstest.StartSwitch(t)
	s, port := serve(t, cfg)
	got := expect(t, s, testDPID)
	bridge(sw, "br0", "00000000000000a1")
	control(sw, "br0", port)
	return sw, s, await(t, got, "session")
}

// patient returns a context that ends where nobody would wait any longer, on a
// machine that is busy with other things as well.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dump returns br's flows as ovs-ofctl prints them, without statistics.
func dump(sw *ovstest.Switch, br string) []string {
	out := strings.TrimSpace(sw.OFCtl("--no-stats", "--no-names", "dump-flows", br))
	var lines []string
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "OFPST") {
			lines = append(lines, line)
		}
	}
	return lines
}

func mods(c wire.Command, n int, f func(i int) wire.Mod) []wire.Mod {
	all := make([]wire.Mod, n)
	for i := range all {
		all[i] = f(i)
		all[i].Command = c
	}
	return all
}
