package topology

import "testing"

// What a VM may send over an underlay that carries 1,500 bytes, as measured on
// Open vSwitch 3.1.
func TestOverhead(t *testing.T) {
	for _, tc := range []struct {
		encap Encap
		ipv6  bool
		want  int
	}{{GRE, false, 1458}, {VXLAN, false, 1450}, {GRE, true, 1438}, {VXLAN, true, 1430}} {
		if got := AssumedUnderlayMTU - Overhead(tc.encap, tc.ipv6); got != tc.want {
			t.Errorf("%s, IPv6 %v: %d, want %d", tc.encap, tc.ipv6, got, tc.want)
		}
	}
}
