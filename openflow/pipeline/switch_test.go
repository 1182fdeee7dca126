package pipeline_test

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
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

// TestSwitchAgrees compares the interpreter, with which the invariants are
// proved, with Open vSwitch's own trace of the same flows and frames: where they
// go, and through tunnels that are shared, with which key and to whom.
func TestSwitchAgrees(t *testing.T) {
	ports := []int{1, 2, 3, 4, 20001, 20002, 20003, 20004}
	s := startBridge(t, ports...)
	all := frames()
	request := parse(arpFrame(mac(1), broadcast, 1, mac(1), ip4(1), [6]byte{}, ip4(2)))
	i, answers, chosen := 0, 0, 0
	for name, networks := range goldens() {
		if bases()[name].Learning || len(bases()[name].Host) > 0 {
			continue // NORMAL: see below
		}
		flows := compiled(t, networks, bases()[name])
		load(t, s, flows)
		own, err := forward.New(flows)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 60 {
			// A step that has no factor in common with the number of ports or frames.
			i += 1009
			in, f := ports[i%len(ports)], all[i/len(ports)%len(all)]
			if n < 2 {
				in, f = 1+n, request
			}
			tunnel := ""
			if in > 20000 {
				key, peer := uint64(103+i%3), hostIP(i%4)
				f = tunnelled(f, key, peer, hostIP(9))
				tunnel = fmt.Sprintf(",tun_id=%d,tun_src=%s,tun_dst=%s", key, peer, hostIP(9))
			}
			r, err := own.Run(uint32(in), f)
			if err != nil {
				t.Fatal(err)
			}
			trace := s.AppCtl("ofproto/trace", "br0", fmt.Sprintf("in_port=%d%s", in, tunnel), hex.EncodeToString(f.Bytes()))
			if got, want := ways(trace, in), waysOf(r); got != want {
				t.Errorf("%s: %s on %d%s goes to %q, we say %q\n%s", name, f, in, tunnel, got, want, trace)
			}
			if slices.ContainsFunc(r.Steps, func(s forward.Step) bool {
				return s.Flow != nil && pipeline.ReasonOf(s.Flow.Cookie) == pipeline.AnswerARP
			}) {
				checkAnswer(t, trace, r)
				answers++
			}
			if strings.Contains(waysOf(r), "172.16") {
				chosen++
			}
		}
	}
	if answers == 0 || chosen == 0 {
		t.Errorf("%d answers to ARP, %d frames through tunnels of many peers", answers, chosen)
	}
}

// waysOf says where frames go: the ports, with key and peer where these were
// set.
func waysOf(r forward.Result) string {
	var list []string
	for _, o := range r.Outputs {
		way := fmt.Sprint(o.Port)
		if o.Port > 20000 {
			way += fmt.Sprintf(" %#x %s %s", number(&o.Frame, flow.TunnelID), addr(&o.Frame, flow.TunDst), addr(&o.Frame, flow.TunIPv6Dst))
		}
		list = append(list, way)
	}
	return strings.Join(list, ", ")
}

// ways reads the same from a trace of a frame that came in on a port.
func ways(trace string, in int) string {
	var list []string
	key, v4, v6 := "0x0", "0.0.0.0", "::"
	if in > 20000 {
		for line := range strings.Lines(trace) {
			if rest, ok := strings.CutPrefix(line, "Flow: "); ok {
				key, v4 = valueOf(rest, "tun_id="), valueOf(rest, "tun_dst=")
			}
		}
	}
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if value, name, ok := strings.Cut(strings.TrimPrefix(line, "set_field:"), "->"); ok && strings.HasPrefix(line, "set_field:") {
			switch name {
			case "tun_id":
				key = value
			case "tun_dst":
				v4 = value
			case "tun_ipv6_dst":
				v6 = value
			}
		}
		p, ok := strings.CutPrefix(line, "output:")
		switch {
		case line == "IN_PORT":
			list = append(list, fmt.Sprint(in))
		case ok && len(p) > 4:
			list = append(list, fmt.Sprintf("%s %s %s %s", p, key, v4, v6))
		case ok:
			list = append(list, p)
		case strings.HasPrefix(line, ">> skipping output to input port"):
			list = list[:len(list)-1]
		}
	}
	return strings.Join(list, ", ")
}

// valueOf returns what follows a name in a flow's text.
func valueOf(text, name string) string {
	_, rest, _ := strings.Cut(text, name)
	value, _, _ := strings.Cut(rest, ",")
	return value
}

// checkAnswer holds the frame at the end of a trace to be the answer that we
// expect.
func checkAnswer(t *testing.T, trace string, r forward.Result) {
	t.Helper()
	f := r.Outputs[0].Frame
	_, final, _ := strings.Cut(trace, "Final flow: ")
	for name, want := range map[string]string{
		"dl_src=": macText(hw(&f, flow.EthSrc)), "dl_dst=": macText(hw(&f, flow.EthDst)), "arp_op=": fmt.Sprint(number(&f, flow.ARPOp)),
		"arp_sha=": macText(hw(&f, flow.ARPSHA)), "arp_tha=": macText(hw(&f, flow.ARPTHA)),
		"arp_spa=": addr(&f, flow.ARPSPA).String(), "arp_tpa=": addr(&f, flow.ARPTPA).String(),
	} {
		if got := strings.TrimSpace(valueOf(strings.SplitN(final, "\n", 2)[0], name)); got != want {
			t.Errorf("the answer has %s%s, want %s\n%s", name, got, want, trace)
		}
	}
}

func macText(m [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// TestSwitchLearns sends frames through learning bridges, and compares where
// Open vSwitch sends them and what it learns with the interpreter.
func TestSwitchLearns(t *testing.T) {
	for _, name := range []string{"learning-protected", "learning"} {
		ports := []int{1, 2, 20001, 20002}
		s := startBridge(t, ports...)
		var known []forward.Port
		for _, p := range ports {
			tunnel := p > 20000 && name == "learning-protected"
			known = append(known, forward.Port{Number: uint32(p), Protected: tunnel})
			s.VSCtl("set", "port", fmt.Sprintf("p%d", p), fmt.Sprintf("protected=%v", tunnel))
		}
		flows := compiled(t, goldens()[name], bases()[name])
		load(t, s, flows)
		own, err := forward.New(flows, known...)
		if err != nil {
			t.Fatal(err)
		}
		numbers := datapathPorts(s)
		for i, step := range []struct {
			in       int
			src, dst [6]byte
		}{
			{1, mac(1), broadcast}, {20001, mac(9), mac(1)}, {1, mac(1), mac(9)}, {2, mac(2), toAll6}, {20002, mac(8), mac(2)},
			{20001, mac(9), mac(8)}, {20002, mac(9), broadcast}, {2, mac(2), mac(9)}, {20001, mac(2), mac(1)}, {1, mac(1), mac(2)},
			{2, mac(2), nobody}, {1, mac(1), mac(2)}, {20001, mac(7), nobody}, {20002, mac(6), toAll4}, {20001, [6]byte{3}, broadcast},
			{20002, mac(1), mac(1)},
		} {
			f := parse(eth(step.src, step.dst, 0x88b5, make([]byte, 46)))
			r, err := own.Run(uint32(step.in), f)
			if err != nil {
				t.Fatal(err)
			}
			trace := s.AppCtl("ofproto/trace", "br0", fmt.Sprintf("in_port=%d", step.in), hex.EncodeToString(f.Bytes()))
			if got, want := sentTo(trace, numbers), sortedPorts(r); got != want {
				t.Errorf("%s, step %d: %s on %d goes to %q, we say %q\n%s", name, i, f, step.in, got, want, trace)
			}
		}
		for line := range strings.Lines(s.AppCtl("fdb/show", "br0")) {
			if fields := strings.Fields(line); len(fields) == 4 && fields[0] != "port" {
				m, err := net.ParseMAC(fields[2])
				if err != nil {
					t.Fatal(err)
				}
				if at, ok := own.Learned([6]byte(m)); !ok || fmt.Sprint(at) != fields[0] {
					t.Errorf("%s: the switch has learned %s on %s, we on %d, %v", name, m, fields[0], at, ok)
				}
			}
		}
	}
}

// datapathPorts returns OpenFlow's port numbers by those of the datapath.
func datapathPorts(s *ovstest.Switch) map[string]string {
	numbers := map[string]string{}
	for line := range strings.Lines(s.AppCtl("dpif/show")) {
		fields := strings.Fields(line) // p1 1/100: (dummy)
		if len(fields) < 2 {
			continue
		}
		if of, dp, ok := strings.Cut(strings.TrimSuffix(fields[1], ":"), "/"); ok {
			numbers[dp] = of
		}
	}
	return numbers
}

// sentTo returns the ports among a trace's datapath actions, sorted. The
// bridge's own port takes no part.
func sentTo(trace string, numbers map[string]string) string {
	_, actions, _ := strings.Cut(trace, "Datapath actions: ")
	var ports []string
	depth := 0
	for _, word := range strings.FieldsFunc(strings.TrimSpace(actions), func(r rune) bool {
		if r == '(' {
			depth++
		} else if r == ')' {
			depth--
		}
		return r == ',' && depth == 0
	}) {
		if of := numbers[word]; of != "" && of != "65534" {
			ports = append(ports, of)
		}
	}
	slices.Sort(ports)
	return strings.Join(ports, " ")
}

func sortedPorts(r forward.Result) string {
	var list []string
	for _, o := range r.Outputs {
		list = append(list, fmt.Sprint(o.Port))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
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
