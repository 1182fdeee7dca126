package pipeline_test

import (
	"slices"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/verify"
)

// TestGoldensPassTheGate holds that nothing that is right is refused before it is
// sent.
func TestGoldensPassTheGate(t *testing.T) {
	var g verify.Gate
	for name, networks := range goldens() {
		base := bases()[name]
		host := func(port uint32) bool { return slices.Contains(base.Host, port) }
		if got := verify.CheckBase(pipeline.Base(base), host, base.Learning); len(got) > 0 {
			t.Errorf("%s: base: %v", name, got)
		}
		shared := map[uint32]struct{}{}
		for _, port := range base.Carriers {
			shared[port] = struct{}{}
		}
		for _, n := range networks {
			if got := g.Check(gated(t, n, pipeline.Base(base), shared)); len(got) > 0 {
				t.Errorf("%s: network %d: %v", name, n.ID, got)
			}
		}
	}
}

// gated is a network as a gate looks at it, with the ports that the compiler was
// told of.
func gated(t *testing.T, n pipeline.Network, base []flow.Flow, shared map[uint32]struct{}) *verify.Network {
	t.Helper()
	flows, err := pipeline.Compile(n)
	if err != nil {
		t.Fatal(err)
	}
	v := &verify.Network{
		ID: n.ID, Flows: flows, Base: verify.Passages(base), Alone: n.Learning, Protected: n.Protected,
		Ports: verify.Ports{Own: map[uint32]verify.Role{}, Shared: shared},
	}
	for _, vif := range n.VIFs {
		v.Ports.Own[vif.OFPort] = verify.VIF
	}
	for _, tunnel := range n.Tunnels {
		if tunnel.Key != 0 {
			v.Key = tunnel.Key
			continue
		}
		v.Ports.Own[tunnel.OFPort] = verify.Tunnel
	}
	return v
}
