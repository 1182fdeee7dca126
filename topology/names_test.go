package topology

import (
	"fmt"
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

func TestCarrierPort(t *testing.T) {
	tests := []struct {
		mode       string
		encap      Encap
		dstPort    uint16
		self, peer int
		want       string
	}{
		{TunnelPortsShared, GRE, 0, 1, 2, "sg-1-2"},
		{TunnelPortsShared, VXLAN, 0, 1, 2, "sv-1-2"},
		{TunnelPortsShared, VXLAN, 4789, 10000, 100001, "sv-10000-100001"},
		// printf sg-100000-100001 | sha256sum
		{TunnelPortsShared, GRE, 0, 100000, 100001, "sg7d233d3658894"},
		// printf sv65535-1-2 | sha256sum
		{TunnelPortsShared, VXLAN, 65535, 1, 2, "sv19388b995fb71"},
		{TunnelPortsFlow, GRE, 0, 1, 2, "fg0"},
		{TunnelPortsFlow, VXLAN, 0, 1, 2, "fv4789"},
		{TunnelPortsFlow, VXLAN, 65535, 1, 2, "fv65535"},
	}
	for _, tt := range tests {
		if got := carrierPort(tt.mode, tt.encap, tt.dstPort, tt.self, tt.peer); got != tt.want {
			t.Errorf("carrierPort(%s, %s, %d, %d, %d) = %s, want %s", tt.mode, tt.encap, tt.dstPort, tt.self, tt.peer, got, tt.want)
		}
	}
}

func TestSharedPortNamesFitAndAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, self := range []int{1, 11, 111111} {
		for peer := 1; peer <= 2000; peer++ {
			for _, of := range []struct {
				encap   Encap
				dstPort uint16
			}{{GRE, 0}, {VXLAN, 4789}, {VXLAN, 8472}} {
				name := carrierPort(TunnelPortsShared, of.encap, of.dstPort, self, peer)
				port := fmt.Sprint(of, self, peer)
				if len(name) > 15 || !strings.HasPrefix(name, map[Encap]string{GRE: "sg", VXLAN: "sv"}[of.encap]) {
					t.Fatalf("%s is no name for %s", name, port)
				}
				if other, ok := seen[name]; ok {
					t.Fatalf("%s is the name of two ports: %s and %s", name, other, port)
				}
				seen[name] = port
			}
		}
	}
}

func TestCarriersBeside(t *testing.T) {
	for _, tt := range []struct {
		carrier, shared, flow string
		is                    bool
	}{
		{"flow/gre", "shared/gre", "", true},
		{"flow/vxlan:8472", "shared/vxlan:8472", "", true},
		{"shared/vxlan", "", "flow/vxlan", true},
		{"flow", "", "", false}, // networks may be called so
		{"shared-gre", "", "", false},
		{"", "", "", false},
	} {
		if s, f, is := SharedBeside(tt.carrier), FlowBeside(tt.carrier), IsCarrier(tt.carrier); s != tt.shared || f != tt.flow || is != tt.is {
			t.Errorf("%q: shared %q, flow %q, carrier %v; want %q, %q, %v", tt.carrier, s, f, is, tt.shared, tt.flow, tt.is)
		}
	}
}
