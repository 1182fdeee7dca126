package topology

import "testing"

func TestPortIDs(t *testing.T) {
	for _, name := range []string{"", "t", "t103", "t103-1", "t103-1-", "t103--2", "t103-1-2-3", "t103-01-2", "t103-0-2", "t103-1-+2", "x103-1-2",
		"t-1-2", "fg0", "fv4789", "s-1-2", "sg-1", "v1234567890abcd", "t103-1-99999999999999999999"} {
		if local, peer, ok := PortIDs(name); ok {
			t.Errorf("%q is from %d to %d", name, local, peer)
		}
	}
	for _, name := range []string{TunnelName(GRE, 103, 12, 7), TunnelName(VXLAN, 5003, 12, 7), carrierPort(TunnelPortsShared, GRE, 0, 12, 7), carrierPort(TunnelPortsShared, VXLAN, 0, 12, 7)} {
		if local, peer, ok := PortIDs(name); !ok || local != 12 || peer != 7 {
			t.Errorf("%q is from %d to %d, %v", name, local, peer, ok)
		}
	}
	long := TunnelName(GRE, 4294967295, 120, 1007)
	if _, _, ok := PortIDs(long); ok {
		t.Errorf("%s tells IDs", long)
	}
	if got := HashedPeerID(long, GRE, 4294967295, 120); got != 1007 {
		t.Errorf("%s leads to %d", long, got)
	}
	if got := HashedPeerID(long, GRE, 4294967295, 121); got != 0 {
		t.Errorf("%s of another host leads to %d", long, got)
	}
}
