package wire

import (
	"encoding/hex"
	"testing"

	"ovsmesh/openflow/flow"
)

// wordsCases are actions as a switch sends them, and what ovs-ofctl prints.
var wordsCases = []struct{ bytes, want string }{
	{"ffff0010000023200001000100000000", "resubmit:1"},
	{"ffff001000002320000efff805000000", "resubmit(,5)"},
	{"ffff001000002320000e000105000000", "resubmit(1,5)"},
	{"ffff001000002320000e0001ff000000", "resubmit:1"},
	{"ffff001000002320002cfff805000000", "resubmit(,5,ct)"},
	{"ffff0018000023200007001f0001d6040000000000000009", "load:0x9->NXM_NX_CT_MARK[]"},
	{"ffff0018000023200007010300010604000000000000000f", "load:0xf->NXM_NX_REG3[4..7]"},
	{"ffff0010000023200008010203040506", "note:01.02.03.04.05.06"},
	{"ffff001800002320000f001f00010004ffff000000000000", "output:NXM_NX_REG0[]"},
	{"ffff0010000023200011000000000000", "exit"},
	{"ffff0010000023200013000500060000", "fin_timeout(idle_timeout=5,hard_timeout=6)"},
	{"ffff0010000023200014006400030000", "controller(reason=no_match,max_len=100,id=3)"},
	{"ffff0010000023200027000200000064", "output(port=2,max_len=100)"},
	{"ffff0010000023200022000200000007", "conjunction(7,1/2)"},
	{"ffff001000002320002b000000000000", "ct_clear"},
	{"ffff00204f4e46000c80000000060000000a0000000100040001020400000000", "move:NXM_NX_REG0[0..5]->NXM_NX_REG1[10..15]"},
	{"0011000881000000", "push_vlan:0x8100"},
	{"0012000800000000", "pop_vlan"},
	{"0014000808000000", "pop_mpls:0x0800"},
	{"0015000800000005", "set_queue:5"},
	{"0018000800000000", "dec_ttl"},
	{"ffff00300000232000230001000000000005ff0000000000ffff0018000023200007001f0001d6040000000000000009",
		"ct(commit,zone=5,exec(load:0x9->NXM_NX_CT_MARK[]))"},
	{"ffff0048000023200010000a012c00050000000000000099000014000000000000300000040600000000020600000810000000020000000100040000101000000002000000000000",
		"learn(table=20,idle_timeout=10,hard_timeout=300,priority=5,cookie=0x99,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],output:NXM_OF_IN_PORT[])"},
}

// TestWords has words for the actions above, and for none that is cut off.
func TestWords(t *testing.T) {
	for _, c := range wordsCases {
		b, err := hex.DecodeString(c.bytes)
		if err != nil {
			t.Fatal(c.bytes, err)
		}
		raw := flow.Raw{Bytes: string(b)}
		list := flow.Actions{flow.Output{Port: 1}, raw, flow.WriteActions{Actions: flow.Actions{raw}}}
		want := "output:1," + c.want + ",write_actions(" + c.want + ")"
		if got := Words(list).String(); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", c.bytes, got, want)
		}
		if list[1] != raw {
			t.Errorf("%s: the list that was given has changed", c.bytes)
		}
		for n := range b {
			if text, ok := words(string(b[:n]), 0); ok {
				t.Errorf("%s cut to %d bytes: %s", c.bytes, n, text)
			}
		}
	}
	for _, odd := range []string{"", "ffff", "ffff00100000232000ff000000000000", "ffff0010000000010001000100000000", "00ff000800000000"} {
		b, _ := hex.DecodeString(odd)
		list := flow.Actions{flow.Raw{Bytes: string(b)}}
		if got := Words(list); got[0] != list[0] {
			t.Errorf("%s: %s", odd, got)
		}
	}
}

// FuzzWords feeds any bytes: it ends, and what it says is one action.
func FuzzWords(f *testing.F) {
	for _, c := range wordsCases {
		b, _ := hex.DecodeString(c.bytes)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text, ok := words(string(b), 0)
		if !ok {
			return
		}
		got, err := flow.Parse("actions=" + text)
		if err != nil || len(got.Actions) != 1 {
			t.Errorf("%x: %s: %v", b, text, err)
		}
	})
}
