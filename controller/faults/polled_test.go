package faults

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// What somebody does to flows of a switch that can't tell of it is put right
// within a minute, by the controller's own pace. The random faults run meanwhile.
func TestPolled(t *testing.T) {
	t.Parallel()
	runFault(t, startMesh(t, 2), "flows-polled", 1)
}

// An old switch refuses the flow monitor as it would, and nothing else.
func TestOldSwitchRefuses(t *testing.T) {
	const monitor = "041200380000000a ffff000000000000 4f4e46000000074e 00000001001e0000 ffffffffff000000 0001000400000000 0000000000000000"
	for name, c := range map[string]struct{ message, want string }{
		"flow monitor":       {monitor, "040100440000000a 00010003" + monitor},
		"its beginning":      {monitor[:33], ""},
		"flow stats":         {"041200380000000b 0001000000000000 ff000000ffffffff ffffffff00000000 0000000000000000 0000000000000000 0001000400000000", ""},
		"other experimenter": {"041200180000000c ffff000000000000 4f4e46000000074f", ""},
		"hello":              {"0400000800000001", ""},
		"header alone":       {"0412000800000001", ""},
	} {
		bytesOf := func(text string) []byte {
			b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(text), []byte(" "), nil)))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		if got := refuseMonitor(bytesOf(c.message)); !bytes.Equal(got, bytesOf(c.want)) {
			t.Errorf("%s: %x, want %s", name, got, c.want)
		}
	}
}
