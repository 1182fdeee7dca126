package forward

import (
	"testing"

	"ovsmesh/openflow/flow"
)

// TestSlots holds the fields to fill their part of a Frame exactly.
func TestSlots(t *testing.T) {
	sum := 0
	names := map[string]bool{}
	for _, s := range slots {
		if at, width := locate(s.name.Field()); at != sum || width != s.width {
			t.Errorf("field %#x is %d bytes at %d, want %d at %d", s.name, width, at, s.width, sum)
		}
		sum += s.width
		if names[s.texts] || s.texts == "" {
			t.Errorf("field %#x has no name of its own", s.name)
		}
		names[s.texts] = true
	}
	first, _ := locate(flow.TCPSrc.Field())
	last, width := locate(flow.ICMPv6Code.Field())
	if first != atTransport || last+width != endTransport {
		t.Errorf("the transport's fields are from %d to %d", first, last+width)
	}
	if sum != slotBytes {
		t.Errorf("fields are %d bytes, not %d", sum, slotBytes)
	}
}
