package forward

import (
	"encoding/hex"
	"testing"

	"ovsmesh/openflow/flow"
)

// TestActionsText prints actions of which only the bytes are known, as a switch
// sends them over OpenFlow 1.3, and reads them from that text again.
func TestActionsText(t *testing.T) {
	for _, c := range []struct{ bytes, want string }{
		{"ffff001000002320000efff802000000", "resubmit(,2)"},
		{"ffff001000002320000e000301000000", "resubmit(3,1)"},
		{"ffff00180000232000070081000106040000000000000002", "load:0x2->NXM_NX_REG3[2..3]"},
		{"ffff0018000023200007000f000000020000000000000000", "load:0x0->NXM_OF_IN_PORT[]"},
		{"ffff001800002320000f00030001 0004ffff000000000000", "output:NXM_NX_REG0[0..3]"},
		{"ffff001800002320001b0000000100040020000000000000", "push:NXM_NX_REG0[]"},
		{"ffff001800002320001c0000000106040020000000000000", "pop:NXM_NX_REG3[]"},
		{"0018000800000000", "dec_ttl"},
		{"0011000881000000", "push_vlan:0x8100"},
		{"0012000800000000", "pop_vlan"},
		{"ffff00180000232000230000000000000000050000000000", "ct(…)"},
		{"00110008", "action 00110008(…)"},
	} {
		b := unspaced(t, c.bytes)
		if got := ActionsText(flow.Actions{flow.Raw{Bytes: string(b)}}); got != c.want {
			t.Errorf("%s is %s, want %s", c.bytes, got, c.want)
		}
		a := actOfBytes(b, 0)
		if _, not := a.(unknown); not {
			continue
		}
		if got := actText(actOfText(c.want, 0), flow.Raw{}); got != c.want {
			t.Errorf("%s is read as %s", c.want, got)
		}
	}
	if got := ActionsText(nil); got != "drop" {
		t.Errorf("nothing is %s", got)
	}
}

func unspaced(t *testing.T, text string) []byte {
	t.Helper()
	var digits []byte
	for _, c := range []byte(text) {
		if c != ' ' {
			digits = append(digits, c)
		}
	}
	b, err := hex.DecodeString(string(digits))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
