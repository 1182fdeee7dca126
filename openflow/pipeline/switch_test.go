package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/ovsdb/ovstest"
)

// startBridge starts a switch with a bridge br0 that has ports of the given
// numbers and no flows.
func startBridge(t *testing.T, ports ...int) *ovstest.Switch {
	t.Helper()
	s := ovstest.StartSwitch(t)
	add := []string{"add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "fail_mode=secure"}
	for _, i := range ports {
		p := fmt.Sprintf("p%d", i)
		add = append(add, "--", "add-port", "br0", p, "--", "set", "interface", p, "type=dummy", fmt.Sprintf("ofport_request=%d", i))
	}
	s.VSCtl(add...)
	return s
}

// load replaces all flows of br0 in one bundle.
func load(t *testing.T, s *ovstest.Switch, flows []flow.Flow) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(text(flows)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.OFCtl("del-flows", s.BridgeSocket("br0"))
	s.OFCtl("--bundle", "add-flows", s.BridgeSocket("br0"), file)
}

// dump reads all flows of br0 back, and holds them to be printed as we print
// them.
func dump(t *testing.T, s *ovstest.Switch) []flow.Flow {
	t.Helper()
	var flows []flow.Flow
	for line := range strings.Lines(s.OFCtl("--no-names", "--no-stats", "dump-flows", s.BridgeSocket("br0"))) {
		line = strings.TrimSpace(line)
		f, err := flow.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if printed := strings.Replace(f.String(), "table=0, ", "", 1); printed != line {
			t.Errorf("the switch prints\n%s\nwe print\n%s", line, printed)
		}
		flows = append(flows, f)
	}
	return flows
}

// TestSwitchHoldsGoldens loads every golden bridge into Open vSwitch and reads
// it back the same.
func TestSwitchHoldsGoldens(t *testing.T) {
	s := startBridge(t)
	for name, networks := range goldens() {
		want := compiled(t, networks, bases()[name])
		load(t, s, want)
		if d := flow.Diff(want, dump(t, s)); !d.Empty() {
			t.Errorf("%s is read back otherwise: %v", name, d)
		}
	}
}

// TestSwitchTakesTheLargest has Open vSwitch take and give back a flow that
// sends to as many ports as Compile allows.
func TestSwitchTakesTheLargest(t *testing.T) {
	s := startBridge(t)
	want := compiled(t, []pipeline.Network{crowd(4080)})
	load(t, s, want)
	if d := flow.Diff(want, dump(t, s)); !d.Empty() {
		t.Errorf("read back with %d flows less, %d other, %d more", len(d.Add), len(d.Modify), len(d.Delete))
	}
}

// TestSwitchForwards has Open vSwitch itself say where frames go. Ports 1 and 2
// are VIFs of network 7, 3 and 4 its tunnels, 5 and 6 a VIF and a tunnel of
// network 8 on the same bridge; 02:…:09 is behind 3, 02:…:02 is here and behind
// 4, and network 8 has the addresses of 7.
func TestSwitchForwards(t *testing.T) {
	s := startBridge(t, 1, 2, 3, 4, 5, 6)
	load(t, s, compiled(t, []pipeline.Network{
		{
			ID: 7, PortSecurity: true,
			VIFs:    []pipeline.VIF{{OFPort: 1, MACs: [][6]byte{mac(1)}}, {OFPort: 2, MACs: [][6]byte{mac(2)}}},
			Tunnels: []pipeline.Tunnel{{OFPort: 3}, {OFPort: 4}},
			Remotes: []pipeline.Remote{{MAC: mac(9), Via: []int{0}}, {MAC: mac(2), Via: []int{1}}},
		},
		{
			ID: 8, VIFs: []pipeline.VIF{{OFPort: 5, MACs: [][6]byte{mac(1)}}}, Tunnels: []pipeline.Tunnel{{OFPort: 6}},
			Remotes: []pipeline.Remote{{MAC: mac(2), Via: []int{0}}, {MAC: mac(9), Via: []int{0}}},
		},
	}))
	for _, c := range []struct{ name, frame, ports string }{
		{"broadcast from a VIF", "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff", "2 3 4"},
		{"IPv6 multicast from a VIF", "in_port=2,ipv6,dl_src=02:00:00:00:00:02,dl_dst=33:33:00:00:00:01,ipv6_dst=ff02::1", "1 3 4"},
		{"IPv6 multicast from a tunnel", "in_port=3,ipv6,dl_src=02:00:00:00:00:09,dl_dst=33:33:00:00:00:01,ipv6_dst=ff02::1", "1 2"},
		{"broadcast from a tunnel", "in_port=3,dl_src=02:00:00:00:00:09,dl_dst=ff:ff:ff:ff:ff:ff", "1 2"},
		{"local multicast from a tunnel", "in_port=3,ip,nw_dst=224.0.0.1,dl_src=02:00:00:00:00:09,dl_dst=01:00:5e:00:00:01", "1 2"},
		{"unicast to a VIF from a tunnel", "in_port=3,dl_src=02:00:00:00:00:09,dl_dst=02:00:00:00:00:01", "1"},
		{"unicast to a tunnel", "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:09", "3"},
		{"unicast from a tunnel to a tunnel", "in_port=4,dl_src=02:00:00:00:00:08,dl_dst=02:00:00:00:00:09", "1 2"},
		{"migration from a VIF", "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02", "2 4"},
		{"migration from a tunnel", "in_port=3,dl_src=02:00:00:00:00:09,dl_dst=02:00:00:00:00:02", "2"},
		{"unknown unicast from a VIF", "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:77", "2 3 4"},
		{"unknown unicast from a tunnel", "in_port=4,dl_src=02:00:00:00:00:09,dl_dst=02:00:00:00:00:77", "1 2"},
		{"forged source", "in_port=1,dl_src=02:00:00:00:00:02,dl_dst=ff:ff:ff:ff:ff:ff", ""},
		{"group source", "in_port=1,dl_src=03:00:00:00:00:02,dl_dst=ff:ff:ff:ff:ff:ff", ""},
		{"group source without security", "in_port=5,dl_src=03:00:00:00:00:02,dl_dst=ff:ff:ff:ff:ff:ff", ""},
		{"forged source without security", "in_port=5,dl_src=02:00:00:00:00:02,dl_dst=ff:ff:ff:ff:ff:ff", "6"},
		{"broadcast in the other network", "in_port=6,dl_src=02:00:00:00:00:02,dl_dst=ff:ff:ff:ff:ff:ff", "5"},
		{"unicast in the other network", "in_port=5,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02", "6"},
		{"unicast to oneself", "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:01", ""},
		{"a port of no network", "in_port=LOCAL,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff", ""},
	} {
		out := s.AppCtl("ofproto/trace", "br0", c.frame)
		if ports := outputs(out); ports != c.ports {
			t.Errorf("%s goes to %q, want %q\n%s", c.name, ports, c.ports, out)
		}
	}
}

// outputs returns the ports that a trace sends to, in order: its translation
// names each once, and says below one that it skips it.
func outputs(trace string) string {
	var ports []string
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if p, ok := strings.CutPrefix(line, "output:"); ok {
			ports = append(ports, p)
		} else if strings.HasPrefix(line, ">> skipping output to input port") {
			ports = ports[:len(ports)-1]
		}
	}
	slices.Sort(ports)
	return strings.Join(ports, " ")
}
