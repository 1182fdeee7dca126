package topology

import (
	"math"
	"strings"
	"testing"
)

func TestTunnelName(t *testing.T) {
	tests := []struct {
		encap       Encap
		key         uint32
		self, peer  int
		want        string
		description string
	}{
		{GRE, 103, 1, 3, "t103-1-3", "as the old plugin calls it"},
		{VXLAN, 5000, 1, 3, "v5000-1-3", "the letter tells the encapsulation"},
		{VXLAN, 16777215, 10, 12, "v16777215-10-12", "15 characters just fit"},
		// printf v16777215-10-123 | sha256sum
		{VXLAN, 16777215, 10, 123, "v95a7b90f2c6a4e", "16 do not"},
		// printf t4294967295-1000-1001 | sha256sum
		{GRE, math.MaxUint32, 1000, 1001, "t24f5d11fe94f39", "nor do these"},
	}
	for _, tt := range tests {
		if got := TunnelName(tt.encap, tt.key, tt.self, tt.peer); got != tt.want {
			t.Errorf("%s: TunnelName(%s, %d, %d, %d) = %s, want %s", tt.description, tt.encap, tt.key, tt.self, tt.peer, got, tt.want)
		}
	}
}

func TestTunnelNamesFitAndAreUnique(t *testing.T) {
	seen := map[string][2]any{}
	for _, encap := range []Encap{GRE, VXLAN} {
		for _, key := range []uint32{1, 11, 103, 16777214, 16777215, 111111} {
			for peer := 1; peer <= 2000; peer++ {
				name := TunnelName(encap, key, 1111, peer)
				if len(name) > 15 || !strings.HasPrefix(name, map[Encap]string{GRE: "t", VXLAN: "v"}[encap]) {
					t.Fatalf("%s is no name for a %s port", name, encap)
				}
				if other, ok := seen[name]; ok {
					t.Fatalf("%s is the name of two tunnels: %v and key %d to %d", name, other, key, peer)
				}
				seen[name] = [2]any{key, peer}
			}
		}
	}
}
