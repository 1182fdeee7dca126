package pipeline_test

import (
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/forward"
	"ovsmesh/ovsdb/ovstest"
)

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
