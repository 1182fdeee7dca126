package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// TestShadows adds flows of others to a bridge that is as wanted, and expects
// those that take frames from ours, each with the flow of ours that suffers
// first and what follows.
func TestShadows(t *testing.T) {
	const (
		onlyBroadcast = "for frames with dl_dst=ff:ff:ff:ff:ff:ff: "
		classifyVIF2  = "table=0, priority=100,in_port=2 actions=write_metadata:0x7/0x1ffffffff,goto_table:10"
		classifyVIF3  = "table=0, priority=100,in_port=3 actions=write_metadata:0x107/0x1ffffffff,goto_table:10"
	)
	for _, tt := range []struct {
		name   string
		others []string
		want   []audit.Finding // Want, Got and Effect; Got is the first of others where it is empty
	}{
		{"all of a port", []string{"cookie=0x1234, priority=5000,in_port=20001 actions=drop"}, []audit.Finding{
			{Want: classifyTunnel, Effect: "nothing from xen3 arrives at xen1"}}},
		{"with a mask", []string{"cookie=0x1234, priority=5000,in_port=20001,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=drop"}, []audit.Finding{
			{Want: classifyTunnel, Effect: "for frames with dl_dst=01:00:00:00:00:00/01:00:00:00:00:00: nothing from xen3 arrives at xen1"}}},
		{"by its protocol", []string{"cookie=0x1234, priority=5000,tcp,in_port=20001,tp_dst=80 actions=output:7"}, []audit.Finding{
			{Want: classifyTunnel, Effect: "for frames with tcp,tp_dst=80: what comes from xen3 may go where it should not"}}},
		{"broadcast of all ports", []string{"cookie=0x1234, priority=1100,dl_dst=ff:ff:ff:ff:ff:ff actions=drop"}, []audit.Finding{
			{Want: classifyTunnel, Effect: "should the switch prefer it, of two of one priority: " + onlyBroadcast + "nothing from xen3 arrives at xen1; 4 more flows likewise"}}},
		{"of all VMs", []string{"cookie=0x1234, priority=500 actions=drop"}, []audit.Finding{
			{Want: classifyVIF, Effect: "web-1 can send nothing; 2 more flows likewise"}}},
		{"one address", []string{"cookie=0x1234, table=60, priority=2000,dl_dst=02:00:00:00:00:03 actions=drop"}, []audit.Finding{
			{Want: unicastRemote, Effect: "02:00:00:00:00:03 can't be reached directly from xen1: frames to it are dropped; 1 more flow likewise"}}},
		{"a flood", []string{"cookie=0x1234, table=70, priority=100,metadata=0x7/0xffffffff,dl_dst=33:33:00:00:00:00/ff:ff:00:00:00:00 actions=output:20001,output:20002"}, []audit.Finding{
			{Want: floodVIF, Effect: "should the switch prefer it, of two of one priority: for frames with dl_dst=33:33:00:00:00:00/ff:ff:00:00:00:00: " +
				"broadcast from VMs on xen1 does not reach web-1, web-2, port 3; 1 more flow likewise"}}},
		{"a loop under the broadcast drop's eyes", []string{"cookie=0x1234, priority=1050,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=FLOOD"}, nil}, // ours lies above
		{"only what no flow of ours knows", []string{"cookie=0x1234, priority=5000,in_port=9 actions=NORMAL", "cookie=0x1234, table=10, priority=1 actions=NORMAL"}, nil},
		{"in tables of its own", []string{"cookie=0x1234, table=5, priority=5000 actions=drop"}, nil},
		{"under ours", []string{"cookie=0x1234, priority=50,in_port=1 actions=drop", "cookie=0x1234, table=60, priority=500,dl_dst=02:00:00:00:00:01 actions=drop"}, nil},
		{"the same", []string{"cookie=0x1234, priority=5000,in_port=1 actions=write_metadata:0x7/0x1ffffffff,goto_table:10"}, nil},
		{"drops what we drop", []string{"cookie=0x1234, table=10, priority=5000,dl_src=01:00:00:00:00:00/01:00:00:00:00:00 actions=drop"}, []audit.Finding{
			// Of a VIF of which no address is known ours drops these, too; of one whose are known they are not its own.
			{Want: noSecurity, Effect: "never"}}[:0]},
		{"two, one over the other", []string{"cookie=0x1234, priority=6000,in_port=20001 actions=drop", "cookie=0x5678, priority=5000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=NORMAL"}, []audit.Finding{
			{Want: classifyTunnel, Effect: "nothing from xen3 arrives at xen1"}}},
		{"impossible together", []string{"cookie=0x1234, table=60, priority=5000,metadata=0x8/0xffffffff actions=drop", "cookie=0x1234, table=60, priority=5000,metadata=0x7,dl_dst=02:00:00:00:00:44,in_port=1 actions=output:1"}, []audit.Finding{
			{Want: unknownToFlood, Got: "cookie=0x1234, table=60, priority=5000,metadata=0x7,in_port=1,dl_dst=02:00:00:00:00:44 actions=output:1",
				Effect: "for frames with metadata=0x7,in_port=1,dl_dst=02:00:00:00:00:44: unicast to unknown addresses goes wrong on xen1"}}},

		// XenServer's VIF locking.
		{"a lock", []string{
			"cookie=0x1, priority=8000,udp,in_port=1,dl_src=02:00:00:00:00:01,tp_dst=67 actions=NORMAL",
			"cookie=0x1, priority=7000,arp,in_port=1,dl_src=02:00:00:00:00:01,arp_spa=10.1.1.1,arp_sha=02:00:00:00:00:01 actions=NORMAL",
			"cookie=0x1, priority=7000,icmp6,in_port=1,icmp_type=135 actions=drop",
			"cookie=0x1, priority=6000,ip,in_port=1,dl_src=02:00:00:00:00:01,nw_src=10.1.1.1 actions=NORMAL",
			"cookie=0x1, priority=4000,in_port=1 actions=drop"}, nil},
		{"a lock of a tunnel", []string{"cookie=0x1, priority=4000,in_port=20001 actions=drop"}, []audit.Finding{
			{Want: classifyTunnel, Effect: "nothing from xen3 arrives at xen1"}}},
		{"a lock without its cookie", []string{"priority=4000,in_port=1 actions=drop"}, []audit.Finding{
			{Want: classifyVIF, Effect: "web-1 can send nothing"}}},

		// Xen Orchestra's rules.
		{"rules", []string{
			"tcp,dl_src=02:00:00:00:00:01,nw_dst=10.9.0.0/16,tp_dst=22 actions=drop",
			"cookie=0x9f, ip,dl_dst=02:00:00:00:00:01,nw_src=10.9.0.0/16 actions=drop",
			"cookie=0x9f, arp,dl_dst=02:00:00:00:00:01 actions=NORMAL",
			"cookie=0x9f, udp,in_port=2,nw_dst=10.9.0.0/16,tp_dst=53 actions=drop"}, nil},
		{"no rule: a group's", []string{"cookie=0x9f, arp,dl_dst=ff:ff:ff:ff:ff:ff actions=drop"}, []audit.Finding{
			{Want: classifyTunnel, Effect: "for frames with arp,dl_dst=ff:ff:ff:ff:ff:ff: nothing from xen3 arrives at xen1; 4 more flows likewise"}}},
		{"no rule: all of an address", []string{"cookie=0x9f, priority=90,dl_src=02:00:00:00:00:01 actions=drop", "cookie=0x9f, priority=2000,dl_src=02:00:00:00:00:01 actions=drop"}, []audit.Finding{
			{Want: classifyTunnel, Got: "cookie=0x9f, table=0, priority=2000,dl_src=02:00:00:00:00:01 actions=drop",
				Effect: "for frames with dl_src=02:00:00:00:00:01: nothing from xen3 arrives at xen1; 4 more flows likewise"}}},
		{"no rule: to a port", []string{"cookie=0x9f, ip,in_port=1,nw_dst=10.9.0.0/16 actions=output:2"}, []audit.Finding{
			{Want: classifyVIF, Effect: "for frames with ip,nw_dst=10.9.0.0/16: what comes from web-1 may go where it should not"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bridge(t)
			edit(t, &b, nil, tt.others)
			got := audit.Flows(b)
			if len(got) != len(tt.want) {
				t.Fatalf("%d findings, want %d: %+v", len(got), len(tt.want), got)
			}
			for i, w := range tt.want {
				if w.Got == "" {
					w.Got = b.Got[len(b.Want)].String()
				}
				g := got[i]
				if g.Kind != audit.ShadowedFlow || g.Network != "blue" || g.Want != w.Want || g.Got != w.Got || g.Effect != w.Effect {
					t.Errorf("got  %+v\nwant %+v", g, w)
				}
			}
		})
	}
}

// TestShadowNote holds that the command that takes a foreign flow away is exact.
func TestShadowNote(t *testing.T) {
	b := bridge(t)
	edit(t, &b, nil, []string{"cookie=0x1234, priority=5000,tcp,in_port=20001,tp_dst=80 actions=drop"})
	got := audit.Flows(b)
	const command = `ovs-ofctl -O OpenFlow13 --strict del-flows xapi1 "cookie=0x1234/-1,table=0,priority=5000,tcp,in_port=20001,tp_dst=80"`
	if len(got) != 1 || !strings.Contains(got[0].Note, command) || !strings.Contains(got[0].Note, "xen1") {
		t.Errorf("%+v", got)
	}
}

// TestFiltersAmongNetworks: NORMAL knows no networks, so what passes a filter by
// it is only harmless where there is one; what a filter drops always is.
func TestFiltersAmongNetworks(t *testing.T) {
	b := bridge(t)
	red, err := pipeline.Compile(pipeline.Network{ID: 8, VIFs: []pipeline.VIF{{OFPort: 11}}})
	if err != nil {
		t.Fatal(err)
	}
	b.Want, b.Got = append(b.Want, red...), append(b.Got, red...)
	edit(t, &b, nil, []string{
		"cookie=0x1, priority=6000,ip,in_port=1,dl_src=02:00:00:00:00:01,nw_src=10.1.1.1 actions=NORMAL",
		"cookie=0x1, priority=4000,in_port=1 actions=drop",
	})
	got := audit.Flows(b)
	if len(got) != 1 || got[0].Want != classifyVIF || !strings.Contains(got[0].Effect, "may go where it should not") {
		t.Errorf("%+v", got)
	}
}

// TestShadowOfManyNetworks: one flow of another program makes one finding, not
// one a network.
func TestShadowOfManyNetworks(t *testing.T) {
	b := audit.Bridge{Host: "xen1", Name: "br-int", Network: func(id uint32) string { return fmt.Sprintf("n%d", id) }}
	for id := range uint32(500) {
		flows, err := pipeline.Compile(pipeline.Network{ID: id + 1, VIFs: []pipeline.VIF{{OFPort: 3*id + 1}, {OFPort: 3*id + 2}, {OFPort: 3*id + 3}}})
		if err != nil {
			t.Fatal(err)
		}
		b.Want = append(b.Want, flows...)
	}
	b.Got = slices.Clone(b.Want)
	edit(t, &b, nil, []string{"cookie=0x1234, priority=5000,arp actions=drop"})
	got := audit.Flows(b)
	if len(got) != 1 || got[0].Network != "" || !strings.Contains(got[0].Effect, "at least 999 more flows of 334 networks likewise") {
		t.Errorf("%+v", got)
	}
}

// TestShadowsOfTheLearningProfile: what NORMAL takes from NORMAL is nobody's
// loss.
func TestShadowsOfTheLearningProfile(t *testing.T) {
	want := pipeline.Base(pipeline.Bridge{Learning: true})
	flows, err := pipeline.Compile(pipeline.Network{ID: 7, Learning: true, Protected: true,
		VIFs: []pipeline.VIF{{OFPort: 1}, {OFPort: 2}}, Tunnels: []pipeline.Tunnel{{OFPort: 20001}}})
	if err != nil {
		t.Fatal(err)
	}
	b := audit.Bridge{Host: "xen1", Name: "xapi1", Want: slices.Concat(want, flows)}
	b.Got = slices.Clone(b.Want)
	edit(t, &b, nil, []string{"cookie=0x1, priority=8000,udp,in_port=1,tp_dst=67 actions=NORMAL", "cookie=0x1, priority=4000,in_port=1 actions=drop"})
	if got := audit.Flows(b); len(got) != 0 {
		t.Errorf("a lock: %+v", got)
	}
	edit(t, &b, nil, []string{"cookie=0x1234, priority=2000,in_port=2 actions=NORMAL"})
	if got := audit.Flows(b); len(got) != 0 {
		t.Errorf("NORMAL over NORMAL: %+v", got)
	}
	edit(t, &b, nil, []string{"cookie=0x1234, priority=3000,in_port=2 actions=output:1"})
	got := audit.Flows(b)
	if len(got) != 2 || got[1].Got != "cookie=0x1234, table=0, priority=3000,in_port=2 actions=output:1" {
		t.Errorf("what is no longer NORMAL: %+v", got)
	}
}

// Whatever stands in a match, the index finds what a look at every pair does.
func TestOverlapIsThatOfEveryPair(t *testing.T) {
	texts := []string{"", "in_port=1", "in_port=2", "ip", "arp", "tcp,tp_dst=80", "udp,tp_dst=80", "tcp", "dl_dst=02:00:00:00:00:01", "dl_dst=02:00:00:00:00:03",
		"dl_dst=ff:ff:ff:ff:ff:ff", "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", "dl_src=02:00:00:00:00:01", "dl_src=02:00:00:00:00:00/ff:ff:ff:00:00:00",
		"metadata=0x7", "metadata=0x7/0xffffffff", "metadata=0x100000007/0x1ffffffff", "metadata=0x1/0x1", "ip,nw_dst=224.0.0.0/24", "ip,nw_dst=10.0.0.0/8", "dl_vlan=5",
		"ip,nw_dst=224.0.0.1", "reg0=1", "reg0=0x2/0x2"}
	var matches []flow.Match
	for _, a := range texts {
		for _, b := range texts {
			text := strings.Trim(a+","+b, ",")
			f, err := flow.Parse(text + " actions=drop")
			if err != nil {
				continue // the same field twice, or prerequisites that exclude each other
			}
			matches = append(matches, f.Match)
		}
	}
	if len(matches) < 200 {
		t.Fatalf("only %d matches", len(matches))
	}
	for i, m := range matches {
		f := flow.Flow{Priority: 5000, Cookie: 0x1234, Match: m}
		for j := i % 7; j < len(matches); j += 7 { // each kind with each kind
			n := matches[j]
			w := flow.Flow{Priority: 100, Cookie: pipeline.Cookie(7, pipeline.ClassifyVIF), Match: n, Actions: flow.Actions{flow.GotoTable{Table: 10}}}
			b := audit.Bridge{Host: "h", Name: "b", Want: []flow.Flow{w}, Got: []flow.Flow{w, f}}
			got := len(audit.Flows(b)) == 1
			if want := together(m, n) && !isFilter(f, w); got != want {
				t.Errorf("%s over %s: shadowed %v, want %v", m, n, got, want)
			}
		}
	}
}

// together reports, bit by bit, whether some frame matches both.
func together(a, b flow.Match) bool {
	for _, x := range a {
		y, ok := b.Get(x.Field)
		if !ok {
			continue
		}
		for i := range len(x.Value) {
			mask := byte(0xff)
			if x.Mask != "" {
				mask &= x.Mask[i]
			}
			if y.Mask != "" {
				mask &= y.Mask[i]
			}
			if x.Value[i]&mask != y.Value[i]&mask {
				return false
			}
		}
	}
	return true
}

// isFilter is what audit takes for a rule of one VM, in this test's own words.
func isFilter(f, w flow.Flow) bool {
	text := "," + f.Match.String() + ","
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
	}
	return has(",ip,", ",arp,", ",tcp,", ",udp,") &&
		(has(",dl_src=02:00:00:00:00:01,", ",dl_dst=02:00:00:00:00:01,", ",dl_dst=02:00:00:00:00:03,") || has(",in_port=") && strings.Contains(w.Match.String(), "in_port=") && has(",nw_dst=", ",tp_dst="))
}
