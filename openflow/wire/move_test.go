package wire

import (
	"errors"
	"testing"

	"ovsmesh/openflow/flow"
)

// moveHead is how a move begins; the number of bits, offsets and fields follow.
const moveHead = "\xff\xff\x00\x18\x00\x00\x23\x20\x00\x06"

// TestDecodeMove reads a move of known fields as one, and keeps what is not
// quite one byte for byte.
func TestDecodeMove(t *testing.T) {
	for _, c := range []struct{ name, action, want string }{
		{"whole", moveHead + "\x00\x30\x00\x00\x00\x00\x00\x00\x04\x06\x00\x00\x02\x06", "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]"},
		{"parts", moveHead + "\x00\x08\x00\x10\x00\x00\x00\x01\x20\x08\x00\x01\x00\x04", "move:NXM_NX_TUN_ID[16..23]->NXM_NX_REG0[0..7]"},
		{"a field that is not known", moveHead + "\x00\x08\x00\x00\x00\x00\x00\x01\xfe\x02\x00\x01\x00\x04",
			"raw(ffff00180000232000060008000000000001fe0200010004)"},
		{"beyond the end", moveHead + "\x00\x08\x00\x29\x00\x00\x00\x00\x04\x06\x00\x01\x00\x04",
			"raw(ffff00180000232000060008002900000000040600010004)"},
		{"no bits", moveHead + "\x00\x00\x00\x00\x00\x00\x00\x00\x04\x06\x00\x01\x00\x04",
			"raw(ffff00180000232000060000000000000000040600010004)"},
		{"another action of Nicira", "\xff\xff\x00\x18\x00\x00\x23\x20\x00\x07\x00\x30\x00\x00\x00\x00\x00\x00\x04\x06\x00\x00\x02\x06",
			"raw(ffff00180000232000070030000000000000040600000206)"},
		{"another experimenter", "\xff\xff\x00\x18\x00\x00\x23\x21\x00\x06\x00\x30\x00\x00\x00\x00\x00\x00\x04\x06\x00\x00\x02\x06",
			"raw(ffff00180000232100060030000000000000040600000206)"},
		{"too short", "\xff\xff\x00\x10\x00\x00\x23\x20\x00\x06\x00\x30\x00\x00\x00\x00", "raw(ffff0010000023200006003000000000)"},
		{"a label", "\x00\x13\x00\x08\x88\x47\x00\x00", "push_mpls:0x8847"},
	} {
		r := newReader("actions", []byte(c.action))
		got := r.actions()
		if r.err != nil || got.String() != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, r.err, c.want)
			continue
		}
		b, err := EncodeFlowMod(Mod{Flow: &flow.Flow{Actions: got}}, 1)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if again, err := DecodeFlowMod(b); err != nil || !again.Flow.Actions.Equal(got) {
			t.Errorf("%s: sent and read as %s, %v", c.name, again.Flow.Actions, err)
		}
		for n := 1; n < len(c.action); n++ {
			r := newReader("actions", []byte(c.action[:n]))
			if r.actions(); !errors.Is(r.err, ErrMalformed) {
				t.Errorf("%s cut to %d bytes: %v", c.name, n, r.err)
			}
		}
	}
}
