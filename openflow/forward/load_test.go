package forward

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
)

func parsed(t testing.TB, lines ...string) []flow.Flow {
	t.Helper()
	var list []flow.Flow
	for _, line := range lines {
		f, err := flow.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

// ping is an ICMP echo request from 02:…:bb to 02:…:aa with a TTL of 64.
func ping(t testing.TB) Frame {
	t.Helper()
	b, err := hex.DecodeString("0200000000aa0200000000bb08004500001c00000000400100000a0000010a0000020800000000000000")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func portsOf(r Result) string {
	var list []string
	for _, o := range r.Outputs {
		list = append(list, fmt.Sprint(o.Port))
	}
	return strings.Join(list, " ")
}

// TestDoubts meets what can't be followed, and says so; and what only seems so.
func TestDoubts(t *testing.T) {
	selected := []Group{{ID: 1, Type: GroupSelect, Buckets: []Bucket{
		{Weight: 1, WatchPort: flow.PortAny, WatchGroup: flow.PortAny, Actions: flow.Actions{flow.Output{Port: 5}}},
		{Weight: 1, WatchPort: flow.PortAny, WatchGroup: flow.PortAny, Actions: flow.Actions{flow.Output{Port: 6}}},
	}}}
	for _, c := range []struct {
		name   string
		groups []Group
		lines  []string
		doubt  string // part of one; "": there is none
		ports  string
	}{
		{"connection tracking", nil, []string{"priority=1 actions=ct(table=1),output:2"}, "ct(table=1) is not followed", "2"},
		{"learning", nil, []string{"priority=1 actions=learn(table=9),output:2"}, "learn(table=9) is not followed", "2"},
		{"a field that is not known", nil, []string{"priority=2,oxm_8000_99=0x01 actions=drop", "priority=1 actions=output:2"}, "can't be told", "2"},
		{"a field that is not known, below what matches", nil, []string{"priority=1,oxm_8000_99=0x01 actions=drop", "priority=2 actions=output:2"}, "", "2"},
		{"a field that is not known, doing the same", nil, []string{"priority=2,oxm_8000_99=0x01 actions=output:2", "priority=1 actions=output:2"}, "", "2"},
		{"a field that is not known, of another kind of frames", nil, []string{"priority=2,arp,oxm_8000_99=0x01 actions=drop", "priority=1 actions=output:2"}, "", "2"},
		{"two flows of one priority", nil, []string{"priority=1,icmp actions=output:2", "priority=1,in_port=1 actions=output:3"}, "same priority", "2"},
		{"a part of a conjunction", nil, []string{"priority=2,ip actions=conjunction(1,1/2)", "priority=1 actions=output:2"}, "can't be told", "2"},
		{"a group that is not known", nil, []string{"priority=1 actions=group:1"}, "group 1 is not known", ""},
		{"a group that there is not", []Group{}, []string{"priority=1 actions=group:1,output:2"}, "", "2"},
		{"a choice of buckets", selected, []string{"priority=1 actions=group:1"}, "picks one of 2 buckets", "5"},
		{"round and round", nil, []string{"priority=1 actions=output:2,resubmit(,0)"}, "more resubmits than a switch carries out", ""},
		{"a second tag", nil, []string{"priority=1 actions=push_vlan:0x8100,push_vlan:0x8100,output:2"}, "a second VLAN tag", "2"},
		{"a field that can't be written", nil, []string{"priority=1,ip actions=load:1->NXM_NX_CT_MARK[],output:2"}, "", "2"},
		{"four labels", nil, []string{"priority=1 actions=output:2,push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,output:2"}, "more MPLS labels", ""},
		{"three labels", nil, []string{"priority=1 actions=push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,output:2"}, "", "2"},
		{"a clone within the action set", []Group{{ID: 1, Type: GroupIndirect, Buckets: []Bucket{
			{WatchPort: flow.PortAny, WatchGroup: flow.PortAny, Actions: flow.Actions{flow.Text{Text: "resubmit(,1)"}}},
		}}}, []string{"priority=1 actions=write_actions(group:1)", "table=1,priority=1 actions=clone(output:2),write_actions(output:3)"}, "", "2"},
		{"back to an earlier table", nil, []string{"priority=1 actions=goto_table:1", "table=1,priority=1 actions=goto_table:1"}, "goto_table:1 goes back", ""},
		{"a wide register beside its half", nil, []string{"priority=1,reg0=0 actions=output:2", "priority=2,xreg0=0 actions=output:3"}, "", "3"},
	} {
		b := Load(Switch{Flows: parsed(t, c.lines...), Groups: c.groups})
		for range 2 * asksBeforeIndex { // as a list, and sorted
			r, err := b.Run(1, ping(t))
			if err != nil {
				t.Fatal(err)
			}
			if got := portsOf(r); got != c.ports {
				t.Errorf("%s: leaves on %q, want %q", c.name, got, c.ports)
			}
			if c.doubt == "" && len(r.Doubts) > 0 || c.doubt != "" && !slices.ContainsFunc(r.Doubts, func(d Doubt) bool { return strings.Contains(d.Text, c.doubt) }) {
				t.Errorf("%s: %v, want %q", c.name, r.Doubts, c.doubt)
			}
		}
	}
}

// TestDoubtsAreBounded gives up frames whose actions multiply, instead of
// filling the memory.
func TestDoubtsAreBounded(t *testing.T) {
	outputs := strings.TrimSuffix(strings.Repeat("output:2,", 4000), ",")
	unknowns := strings.TrimSuffix(strings.Repeat("ct(table=1),", 4000), ",")
	resubmits := strings.TrimSuffix(strings.Repeat("resubmit(,1),", 4000), ",")
	for _, actions := range []string{unknowns, "write_actions(" + outputs + ")", strings.Repeat("NORMAL,", 4000) + "output:2"} {
		b := Load(Switch{Flows: parsed(t, "priority=1 actions="+resubmits, "table=1,priority=1 actions="+actions),
			Ports: []Port{{Number: 1}, {Number: 2}, {Number: 3}}})
		r, err := b.Run(1, ping(t))
		if err != nil || len(r.Outputs) > maxWork || len(r.Doubts) == 0 || len(r.Doubts) > maxDoubts+1 || len(r.Steps) > maxWork {
			t.Errorf("%.20s…: %d outputs, %d doubts, %d steps, %v", actions, len(r.Outputs), len(r.Doubts), len(r.Steps), err)
		}
	}
}

// TestWatchedGroups follows groups that watch one another.
func TestWatchedGroups(t *testing.T) {
	group := func(id, port, watched uint32, out uint32) Group {
		return Group{ID: id, Type: GroupFailover, Buckets: []Bucket{
			{WatchPort: flow.PortAny, WatchGroup: watched, Actions: flow.Actions{flow.Output{Port: out}}},
			{WatchPort: port, WatchGroup: flow.PortAny, Actions: flow.Actions{flow.Output{Port: out + 1}}},
		}}
	}
	b := Load(Switch{
		Flows: parsed(t, "priority=1,in_port=1 actions=group:1", "priority=1,in_port=2 actions=group:2",
			"priority=1,in_port=3 actions=group:3", "priority=1,in_port=4 actions=group:5"),
		// 1 and 2 watch each other, and 1 has a port that is up; 3 and 4 watch each
		// other and ports that are down; 5 watches itself.
		Groups: []Group{group(1, 7, 2, 10), group(2, 8, 1, 20), group(3, 8, 4, 30), group(4, 8, 3, 40), group(5, 7, 5, 50)},
		Ports:  []Port{{Number: 7}, {Number: 8, Down: true}},
	})
	for in, want := range map[uint32]string{1: "10", 2: "20", 3: "", 4: "50"} {
		if r, err := b.Run(in, ping(t)); err != nil || portsOf(r) != want {
			t.Errorf("from %d it leaves on %q, want %q, %v", in, portsOf(r), want, err)
		}
	}
}

// TestOldWords carries out actions in the words of OpenFlow 1.0, which only
// dumps have.
func TestOldWords(t *testing.T) {
	for text, want := range map[string]string{
		"mod_vlan_vid:5,output:2":                "2 vlan 1005/00",
		"mod_vlan_pcp:3,output:2":                "2 vlan 1000/03",
		"mod_vlan_vid:5,strip_vlan,2":            "2 vlan 0000/00",
		"mod_dl_src:02:00:00:00:00:09,output:2":  "2 vlan 0000/00 from 020000000009",
		"enqueue:2:7":                            "2 vlan 0000/00",
		"enqueue(2,7)":                           "",
		"output(port=2,max_len=100)":             "2 vlan 0000/00",
		"set_tunnel:0x7,resubmit:9":              "",
		"mod_nw_ttl:1,dec_ttl,output:2":          "4294967293 vlan 0000/00",
		"controller(max_len=9,reason=no_match)":  "4294967293 vlan 0000/00",
		"load:0x2->NXM_NX_REG0[],output:reg0[]":  "2 vlan 0000/00",
		"output:NXM_NX_XXREG0[]":                 "",
		"set_field:1/3->reg0,output:reg0[0..15]": "1 vlan 0000/00",
	} {
		var acts []act
		for _, token := range split(text) {
			acts = append(acts, actOfText(token, 0))
		}
		b := Load(Switch{})
		f, r := ping(t), Result{}
		x := run{b: b, r: &r, in: 3}
		x.carryOut(acts, &f)
		got := ""
		for _, o := range r.Outputs {
			got = fmt.Sprintf("%d vlan %x/%x", o.Port, o.Frame.Get(flow.VLANVID), o.Frame.Get(flow.VLANPCP))
			if src := o.Frame.Get(flow.EthSrc); src != "\x02\x00\x00\x00\x00\xbb" {
				got += fmt.Sprintf(" from %x", src)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestProtected sends nothing from one protected port to another.
func TestProtected(t *testing.T) {
	ports := []Port{{Number: 1, Protected: true}, {Number: 2, Protected: true}, {Number: 3}}
	b := Load(Switch{Flows: parsed(t, "priority=1 actions=output:2,output:3,ALL"), Ports: ports})
	r, err := b.Run(1, ping(t))
	if err != nil || portsOf(r) != "3 3" || len(r.Skips) != 2 || r.Skips[0].Port != 2 {
		t.Errorf("leaves on %q, skips %v, %v", portsOf(r), r.Skips, err)
	}
}

// FuzzActions finds no bytes and no text that an action could be at which it
// can't be carried out.
func FuzzActions(f *testing.F) {
	for _, text := range []string{"ffff001000002320000efff802000000", "ffff00180000232000070081000106040000000000000002",
		"ffff003000002320002a0000000000000019001080000806020000000001000000000010000000050000000000000000", "0019001080000c0800000000aabbccdd"} {
		b, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "set_field:0x1/0x3->reg1")
	}
	f.Add([]byte{0, 24, 0, 8, 0, 0, 0, 0}, "clone(output:NXM_NX_XXREG0[0..63],push:NXM_OF_ETH_SRC[],pop:NXM_NX_REG0[])")
	ping := ping(f)
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		var r Result
		frame := ping
		x := run{b: Load(Switch{Groups: []Group{}}), r: &r, in: 1}
		list, _ := actsOfBytes(b, 0)
		for _, token := range split(text) {
			list = append(list, actOfText(token, 0))
		}
		x.carryOut(list, &frame)
		x.carryOut(ordered(list), &frame)
		if _, err := ParseBuckets(string(b)); err != nil {
			return
		}
	})
}

// FuzzRun finds no tables and groups in which a frame goes on for ever, or
// further than they reach.
func FuzzRun(f *testing.F) {
	bucket, err := hex.DecodeString("00180001ffffffffffffffff000000000016000800000001")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("priority=1 actions=goto_table:1,resubmit(,1)\ntable=1,priority=2,ip actions=write_actions(group:1),goto_table:0", bucket, bucket)
	f.Add("actions=group:1,clone(group:2,NORMAL),IN_PORT,ALL\npriority=7,reg0=1 actions=TABLE,drop", bucket, bucket[:16])
	ping := ping(f)
	f.Fuzz(func(t *testing.T, lines string, one, two []byte) {
		s := Switch{Ports: []Port{{Number: 1, Protected: true}, {Number: 2, VLANs: VLANs{Tag: 5}}}}
		for line := range strings.Lines(lines) {
			if f, err := flow.Parse(line); err == nil {
				s.Flows = append(s.Flows, f)
			}
		}
		for i, b := range [][]byte{one, two} {
			if buckets, err := ParseBuckets(string(b)); err == nil {
				s.Groups = append(s.Groups, Group{ID: uint32(i + 1), Type: GroupType(len(b) / 8 % 4), Buckets: buckets})
			}
		}
		b := Load(s)
		for range 2 * asksBeforeIndex {
			r, err := b.Run(1, ping)
			if err != nil || len(r.Steps) == 0 || len(r.Steps) > maxWork || len(r.Outputs) > maxWork || len(r.Doubts) > maxDoubts+1 {
				t.Fatalf("%d steps, %d outputs, %d doubts, %v", len(r.Steps), len(r.Outputs), len(r.Doubts), err)
			}
		}
	})
}
