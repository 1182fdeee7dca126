package pipeline_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/pipeline"
)

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
