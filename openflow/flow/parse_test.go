package flow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ovsmesh/openflow/flow"
)

// TestParseRefuses names the token that is wrong, in every refusal.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", `no actions= in ""`},
		{"priority=1", `no actions= in "priority=1"`},
		{"actions=", `unknown action ""`},
		{"actions=drop,output:1", `unknown action "drop"`},
		{"actions=output:1,", `unknown action ""`},
		{"actions=output:", "output:: not a number of 32 bits"},
		{"actions=output:4294967296", "output:4294967296: not a number of 32 bits"},
		{"actions=output:-1", "output:-1: not a number of 32 bits"},
		{"actions=CONTROLLER:65536", "CONTROLLER:65536: not a number of 16 bits"},
		{"actions=goto_table:256", "goto_table:256: not a number of 8 bits"},
		{"actions=write_metadata:0x", "write_metadata:0x: not a number of 64 bits"},
		{"actions=write_metadata:1/", "write_metadata:1/: not a number of 64 bits"},
		{"actions=write_metadata:1_0", "write_metadata:1_0: not a number of 64 bits"},
		{"actions=set_field:1", `unknown action "set_field:1"`},
		{"actions=set_field:256->nw_proto", `nw_proto=256: "256" is not a number of 1 bytes`},
		{"actions=set_field:1/1->in_port_oxm", "set_field:1/1->in_port_oxm: a mask on a field that takes none"},
		{"actions=set_field:0x1->oxm_8000_99", `oxm_8000_99=0x1: "0x1" is not a string of bytes`},
		{"actions=move:", "move:: not two equally wide parts"},
		{"actions=move:NXM_OF_ETH_SRC->NXM_OF_ETH_DST[]", "not two equally wide parts"},
		{"actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[", "not two equally wide parts"},
		{"actions=move:NXM_OF_ETH_SRC[]->NXM_OF_VLAN_TCI[]", "not two equally wide parts"},
		{"actions=move:NXM_OF_ETH_SRC[]->NXM_OF_IP_SRC[]", "not two equally wide parts"},
		{"actions=move:NXM_OF_ETH_SRC[48]->NXM_OF_ETH_DST[0]", "not two equally wide parts"},
		{"actions=move:NXM_OF_ETH_SRC[2..1]->NXM_OF_ETH_DST[2..1]", "not two equally wide parts"},
		{"actions=move:NXM_OF_ETH_SRC[a]->NXM_OF_ETH_DST[0]", "not two equally wide parts"},
		{"actions=push_mpls:0x18847", "push_mpls:0x18847: not a number of 16 bits"},
		{"actions=write_actions(output:1", `unknown action "write_actions(output:1"`},
		{"actions=write_actions(write_actions(drop))", "write_actions within write_actions"},
		{"actions=raw(0)", "raw(0): not in hexadecimal"},
		{"actions=raw_instruction(xy)", "raw_instruction(xy): not in hexadecimal"},
		{"cookie=0x10000000000000000, actions=drop", "cookie=0x10000000000000000: not a number of 64 bits"},
		{"table=256, actions=drop", "table=256: not a number of 8 bits"},
		{"table=1, table=2, actions=drop", "table twice"},
		{"priority=65536 actions=drop", "priority=65536: not a number of 16 bits"},
		{"idle_timeout=x, actions=drop", "idle_timeout=x: not a number of 16 bits"},
		{"flags=65536 actions=drop", "flags=65536: not a number of 16 bits"},
		{"ip,ip actions=drop", "ip twice"},
		{"ip,arp actions=drop", `a match field twice in "ip,arp "`},
		{"dl_dst=02:00:00:00:00:01,oxm_8000_3=0x020000000001 actions=drop", "a match field twice"},
		{"ipx actions=drop", `unknown word "ipx"`},
		{"tp_src=80 actions=drop", `match field "tp_src" before the protocol that it belongs to`},
		{"tp_src=80,tcp actions=drop", `match field "tp_src" before the protocol that it belongs to`},
		{"ip,icmp_type=8 actions=drop", `match field "icmp_type" before the protocol that it belongs to`},
		{"udp,tp_dst=65536 actions=drop", `tp_dst=65536: "65536" is not a number of 2 bytes`},
		{"in_port=nowhere actions=drop", `in_port=nowhere: "nowhere" is not a port`},
		{"in_port=1/1 actions=drop", "in_port=1/1: out of range, or a mask on a field that takes none"},
		{"dl_src=02:00:00:00:00 actions=drop", `dl_src=02:00:00:00:00: "02:00:00:00:00" is not an Ethernet address`},
		{"dl_src=02:00:00:00:00:01:02 actions=drop", "is not an Ethernet address"},
		{"dl_src=02:00:00:00:00:100 actions=drop", "is not an Ethernet address"},
		{"dl_src=02:00:00:00:00:001 actions=drop", "is not an Ethernet address"},
		{"dl_src=02:00:00:00:00:01/ff actions=drop", "is not an Ethernet address"},
		{"ip,nw_dst=10.0.0.0/33 actions=drop", `nw_dst=10.0.0.0/33: "33" is not an address of 4 bytes`},
		{"ip,nw_dst=10.0.0.0/ actions=drop", `nw_dst=10.0.0.0/: "" is not an address of 4 bytes`},
		{"ip,nw_dst=fe80::1 actions=drop", `nw_dst=fe80::1: "fe80::1" is not an address of 4 bytes`},
		{"ipv6,ipv6_dst=10.0.0.1 actions=drop", `ipv6_dst=10.0.0.1: "10.0.0.1" is not an address of 16 bytes`},
		{"ipv6,ipv6_dst=fe80::1%eth0 actions=drop", "is not an address of 16 bytes"},
		{"ip,nw_tos=5 actions=drop", `nw_tos=5: "5" has bits of the ECN`},
		{"dl_vlan=4096 actions=drop", "dl_vlan=4096: not a number of 12 bits"},
		{"dl_vlan=5/7 actions=drop", "dl_vlan=5/7: not a number of 12 bits"},
		{"dl_vlan=5,dl_vlan_pcp=8 actions=drop", "dl_vlan_pcp=8: out of range"},
		{"dl_vlan=5,vlan_tci=0x1005 actions=drop", "a match field twice"},
		{"vlan_tci=0x1005,dl_vlan_pcp=3 actions=drop", "dl_vlan_pcp beside vlan_tci"},
		{"vlan_tci=0x2000/0x3000 actions=drop", "vlan_tci=0x2000/0x3000: a part of the priority"},
		{"vlan_tci=0x2000/0xe000 actions=drop", "vlan_tci=0x2000/0xe000: a priority without a VLAN"},
		{"oxm_8000=0x00 actions=drop", `"oxm_8000" is not a field by class and number`},
		{"oxm_8000_128=0x00 actions=drop", `"oxm_8000_128" is not a field by class and number`},
		{"oxm_18000_1=0x00 actions=drop", `"oxm_18000_1" is not a field by class and number`},
		{"oxm_8000_1_00000001=0x00 actions=drop", `"oxm_8000_1_00000001" is not a field by class and number`},
		{"oxm_ffff_1=0x00 actions=drop", `"oxm_ffff_1" is not a field by class and number`},
		{manyWords(257) + " actions=drop", "more than 256 words before the actions"},
		{"oxm_8000_1=00 actions=drop", `oxm_8000_1=00: "00" is not a string of bytes`},
		{"oxm_8000_1=0x00/0x actions=drop", "oxm_8000_1=0x00/0x: an empty mask"},
	} {
		f, err := flow.Parse(c.line)
		if err == nil {
			t.Errorf("%s: read as %s", c.line, f)
			continue
		}
		if !strings.HasPrefix(err.Error(), "parse flow: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.line, err, c.want)
		}
	}
}

// manyWords returns fields that no switch has.
func manyWords(n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprintf("future%d=1", i)
	}
	return strings.Join(words, ",")
}

// TestParseTakesDumps reads what a dump has beside the flow, and what people
// write otherwise than ovs-ofctl.
func TestParseTakesDumps(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{" cookie=0x1, duration=1.5s, table=3, n_packets=4, n_bytes=5, idle_age=6, hard_age=7, priority=8 actions=drop\n",
			"cookie=0x1, table=3, priority=8 actions=drop"},
		{"ip,nw_dst=10.1.2.3/255.0.0.0 actions=drop", "cookie=0x0, table=0, ip,nw_dst=10.0.0.0/8 actions=drop"},
		{"dl_src=2:0:0:0:0:1/ff:ff:ff:ff:ff:ff actions=drop", "cookie=0x0, table=0, dl_src=02:00:00:00:00:01 actions=drop"},
		{"metadata=7/0xffffffffffffffff actions=write_metadata:5/0xffffffffffffffff",
			"cookie=0x0, table=0, metadata=0x7 actions=write_metadata:0x5"},
		{"dl_type=0x800,nw_proto=6,tp_dst=80 actions=drop", "cookie=0x0, table=0, tcp,tp_dst=80 actions=drop"},
		{"vlan_tci=0x1005/0x1fff actions=drop", "cookie=0x0, table=0, dl_vlan=5 actions=drop"},
		{"vlan_tci=0x7005 actions=drop", "cookie=0x0, table=0, dl_vlan=5,dl_vlan_pcp=3 actions=drop"},
		{"in_port=65534 actions=output:4294967290", "cookie=0x0, table=0, in_port=65534 actions=NORMAL"},
	} {
		f, err := flow.Parse(c.line)
		if err != nil || f.String() != c.want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", c.line, f, err, c.want)
		}
	}
}

// TestRoundTrip reads every flow back from its text: the text loses nothing.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Custom(anyFlow).Draw(t, "flow")
		got, err := flow.Parse(f.String())
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Fatalf("%s\n%s", f, diff)
		}
	})
}

// FuzzParse finds no text that is read but not read back the same.
func FuzzParse(f *testing.F) {
	for _, line := range slices.Concat(lines(), dumpLines()) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		want, err := flow.Parse(line)
		if err != nil {
			return
		}
		got, err := flow.Parse(want.String())
		if err != nil || !got.Equal(&want) {
			t.Fatalf("%q\nread as   %s\nread back %s, %v", line, want, got, err)
		}
	})
}
