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

func mac(n byte) [6]byte { return [6]byte{2, 0, 0, 0, 0, n} }

// TestSwitch loads a network into Open vSwitch, reads it back as we print it,
// and has the switch itself say where frames go. Ports 1 and 2 are VIFs, 3 and
// 4 tunnels; 02:…:09 is behind 3, and 02:…:02 is here and behind 4.
func TestSwitch(t *testing.T) {
	s, ctx := ovstest.StartSwitch(t), t.Context()
	run := func(out string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	add := []string{"add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "fail_mode=secure"}
	for i := 1; i <= 4; i++ {
		p := fmt.Sprintf("p%d", i)
		add = append(add, "--", "add-port", "br0", p, "--", "set", "interface", p, "type=dummy", fmt.Sprintf("ofport_request=%d", i))
	}
	run(s.OVS.VSCtl(ctx, add...))

	want, err := pipeline.Compile(pipeline.Network{
		ID: 7, PortSecurity: true,
		VIFs:    []pipeline.VIF{{OFPort: 1, MACs: [][6]byte{mac(1)}}, {OFPort: 2, MACs: [][6]byte{mac(2)}}},
		Tunnels: []pipeline.Tunnel{{OFPort: 3}, {OFPort: 4}},
		Remotes: []pipeline.Remote{{MAC: mac(9), OFPorts: []uint32{3}}, {MAC: mac(2), OFPorts: []uint32{4}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, pipeline.Base()...)
	var text strings.Builder
	for _, f := range want {
		fmt.Fprintln(&text, f)
	}
	file := filepath.Join(t.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run(s.OVS.OFCtl(ctx, "-O", "OpenFlow13", "add-flows", s.BridgeSocket("br0"), file))
	dump := run(s.OVS.OFCtl(ctx, "-O", "OpenFlow13", "--no-names", "--no-stats", "dump-flows", s.BridgeSocket("br0")))
	var got []flow.Flow
	for line := range strings.Lines(dump) {
		f, err := flow.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if printed := strings.Replace(f.String(), "table=0, ", "", 1); strings.TrimSpace(line) != printed {
			t.Errorf("the switch prints\n%s\nwe print\n%s", strings.TrimSpace(line), printed)
		}
		got = append(got, f)
	}
	if d := flow.Diff(want, got); !d.Empty() {
		t.Errorf("read back otherwise: %v", d)
	}

	for _, c := range []struct{ name, frame, ports string }{
		{"broadcast from a VIF", "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff", "2 3 4"},
		{"IPv6 multicast from a VIF", "in_port=2,dl_src=02:00:00:00:00:02,dl_dst=33:33:00:00:00:01", "1 3 4"},
		{"broadcast from a tunnel", "in_port=3,dl_src=02:00:00:00:00:09,dl_dst=ff:ff:ff:ff:ff:ff", "1 2"},
		{"local multicast from a tunnel", "in_port=3,ip,nw_dst=224.0.0.1,dl_src=02:00:00:00:00:09,dl_dst=01:00:5e:00:00:01", "1 2"},
		{"unicast to a VIF from a tunnel", "in_port=3,dl_src=02:00:00:00:00:09,dl_dst=02:00:00:00:00:01", "1"},
		{"unicast to a tunnel", "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:09", "3"},
		{"migration from a VIF", "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02", "2 4"},
		{"migration from a tunnel", "in_port=3,dl_src=02:00:00:00:00:09,dl_dst=02:00:00:00:00:02", "2"},
		{"unknown unicast from a VIF", "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:77", "2 3 4"},
		{"unknown unicast from a tunnel", "in_port=4,dl_src=02:00:00:00:00:09,dl_dst=02:00:00:00:00:77", "1 2"},
		{"forged source", "in_port=1,dl_src=02:00:00:00:00:02,dl_dst=ff:ff:ff:ff:ff:ff", ""},
		{"group source", "in_port=1,dl_src=03:00:00:00:00:02,dl_dst=ff:ff:ff:ff:ff:ff", ""},
		{"a port of no network", "in_port=LOCAL,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff", ""},
	} {
		out := run(s.OVS.AppCtl(ctx, "ofproto/trace", "br0", c.frame))
		if ports := outputs(out); ports != c.ports {
			t.Errorf("%s goes to %q, want %q\n%s", c.name, ports, c.ports, out)
		}
	}
}

// outputs returns the ports that a trace sends to, in order: its translation
// names each once.
func outputs(trace string) string {
	var ports []string
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if p, ok := strings.CutPrefix(line, "output:"); ok {
			ports = append(ports, p)
		}
	}
	ports = slices.DeleteFunc(ports, func(p string) bool {
		return strings.Contains(trace, "output:"+p+"\n     >> skipping output to input port")
	})
	slices.Sort(ports)
	return strings.Join(ports, " ")
}
