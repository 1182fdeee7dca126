package pipeline_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/pipeline"
)

// meadow is a full mesh of bridges that learn. Host h's port 100+p is its
// tunnel to host p; VIF v's port is v+1 wherever it is, and mac(v+1) its MAC.
type meadow struct {
	protected bool
	bridges   []*forward.Bridge
	at        []int  // hosts of VIFs
	known     []bool // whether the VIF has been heard by all since it came where it is
}

func (m *meadow) network(host int) pipeline.Network {
	n := pipeline.Network{ID: 7, Learning: true, Protected: m.protected}
	for v, at := range m.at {
		if at == host {
			vif := pipeline.VIF{OFPort: uint32(v + 1)}
			if v%3 != 0 { // not of all is the address known
				vif.MACs = [][6]byte{mac(byte(v + 1))}
			}
			n.VIFs = append(n.VIFs, vif)
		}
	}
	for peer := range m.bridges {
		if peer != host {
			n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: uint32(100 + peer)})
		}
	}
	return n
}

// build makes a host's bridge anew. It has learned nothing: of a VIF that comes
// or goes a switch forgets what it knows.
func (m *meadow) build(host int) error {
	n := m.network(host)
	flows, err := pipeline.Compile(n)
	if err != nil {
		return err
	}
	flows = append(flows, pipeline.Base(pipeline.Bridge{Learning: true})...)
	var ports []forward.Port
	for _, v := range n.VIFs {
		ports = append(ports, forward.Port{Number: v.OFPort})
	}
	for _, t := range n.Tunnels {
		ports = append(ports, forward.Port{Number: t.OFPort, Protected: m.protected})
	}
	m.bridges[host], err = forward.New(flows, ports...)
	return err
}

// send carries a frame and counts what arrives at each VIF.
func (m *meadow) send(host int, in uint32, f forward.Frame) (map[int]int, error) {
	type hop struct {
		host  int
		in    uint32
		frame forward.Frame
	}
	arrived := map[int]int{}
	for queue, hops := []hop{{host, in, f}}, 0; len(queue) > 0; hops++ {
		at := queue[0]
		queue = queue[1:]
		r, err := m.bridges[at.host].Run(at.in, at.frame)
		if err != nil || hops > 100 {
			return nil, fmt.Errorf("%s loops, or %w", f, err)
		}
		for _, out := range r.Outputs {
			switch {
			case out.Port >= 100 && at.in >= 100:
				return nil, fmt.Errorf("%s goes from tunnel to tunnel on host %d", f, at.host)
			case out.Port >= 100:
				queue = append(queue, hop{int(out.Port - 100), uint32(100 + at.host), out.Frame})
			case out.Frame.Get(flow.EthType) != f.Get(flow.EthType):
				return nil, fmt.Errorf("%s arrives as %s", f, out.Frame)
			default:
				arrived[int(out.Port-1)]++
			}
		}
	}
	return arrived, nil
}

// check sends a frame from a VIF, and holds what arrives: nothing twice, what is
// for a group at all others, what is for a VIF that has been heard there.
func (m *meadow) check(from int, dst [6]byte, etherType uint16) error {
	f := parse(eth(mac(byte(from+1)), dst, etherType, make([]byte, 40)))
	got, err := m.send(m.at[from], uint32(from+1), f)
	if err != nil {
		return err
	}
	group := dst[0]&1 != 0
	for v := range m.at {
		due := group || dst == mac(byte(v+1)) && m.known[v]
		switch {
		case v == from && got[v] != 0, got[v] > 1:
			return fmt.Errorf("%s from VIF %d arrives %d times at VIF %d", f, from, got[v], v)
		case v != from && due && got[v] != 1:
			return fmt.Errorf("%s from VIF %d does not arrive at VIF %d on host %d", f, from, v, m.at[v])
		}
	}
	m.known[from] = m.known[from] || group
	return nil
}

// TestLearning walks meshes of learning bridges: VIFs speak and move, switches
// forget.
func TestLearning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &meadow{protected: rapid.Bool().Draw(t, "protected")}
		m.bridges = make([]*forward.Bridge, rapid.IntRange(1, 5).Draw(t, "hosts"))
		host := rapid.IntRange(0, len(m.bridges)-1)
		for range rapid.IntRange(2, 6).Draw(t, "vifs") {
			m.at, m.known = append(m.at, host.Draw(t, "host")), append(m.known, true)
		}
		for h := range m.bridges {
			if err := m.build(h); err != nil {
				t.Fatal(err)
			}
		}
		vif := rapid.IntRange(0, len(m.at)-1)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			v := vif.Draw(t, "vif")
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				from := m.at[v]
				m.at[v], m.known[v] = host.Draw(t, "to"), false
				for _, h := range []int{from, m.at[v]} {
					if err := m.build(h); err != nil {
						t.Fatal(err)
					}
				}
			case 1:
				m.bridges[m.at[v]].Forget()
			case 2, 3:
				dst := rapid.SampledFrom([][6]byte{broadcast, toAll4, toAll6, {1, 2, 3, 4, 5, 6}}).Draw(t, "group")
				if err := m.check(v, dst, 0x88b5); err != nil {
					t.Fatal(err)
				}
			case 4:
				if err := m.check(v, nobody, 0x8847); err != nil {
					t.Fatal(err)
				}
			default:
				if err := m.check(v, mac(byte(vif.Draw(t, "dst")+1)), 0x86dd); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestLearningAtOnce holds that the first frame of a VM that has moved, and not
// only broadcast, is learned by those who get it.
func TestLearningAtOnce(t *testing.T) {
	for _, protected := range []bool{true, false} {
		m := &meadow{protected: protected, bridges: make([]*forward.Bridge, 3), at: []int{0, 1, 2}, known: make([]bool, 3)}
		for h := range m.bridges {
			if err := m.build(h); err != nil {
				t.Fatal(err)
			}
		}
		step := func(from int, dst [6]byte) {
			t.Helper()
			if err := m.check(from, dst, 0x88b5); err != nil {
				t.Error(err)
			}
		}
		for v := range m.at {
			step(v, broadcast)
		}
		step(0, mac(2))
		m.at[1] = 2
		for _, h := range []int{1, 2} {
			if err := m.build(h); err != nil {
				t.Fatal(err)
			}
		}
		m.known[1] = false
		if at, ok := m.bridges[0].Learned(mac(2)); !ok || at != 101 {
			t.Fatalf("protected %v: before: %d, %v", protected, at, ok)
		}
		step(1, mac(1))
		if at, ok := m.bridges[0].Learned(mac(2)); !ok || at != 102 {
			t.Errorf("protected %v: learned at %d, %v", protected, at, ok)
		}
		m.known[1] = true
		step(0, mac(2))
	}
}

// TestEchoStops holds that what a switch sends of its own learning, having
// forgotten the sender meanwhile, ends at the other side of the tunnel.
func TestEchoStops(t *testing.T) {
	m := &meadow{bridges: make([]*forward.Bridge, 3), at: []int{0, 1, 2}}
	for h := range m.bridges {
		if err := m.build(h); err != nil {
			t.Fatal(err)
		}
	}
	echo := parse(eth(mac(1), mac(1), 0x8847, []byte{0, 0, 0x81, 64, 1, 2, 3}))
	if got, err := m.send(1, 100, echo); err != nil || len(got) != 0 {
		t.Errorf("an echo arrives at %v, %v", got, err)
	}
	if at, ok := m.bridges[1].Learned(mac(1)); ok {
		t.Errorf("an echo makes %d the port of its sender", at)
	}
}

// TestLearningNeedsTheHorizon holds the walk above to notice if tunnels are not
// kept apart.
func TestLearningNeedsTheHorizon(t *testing.T) {
	m := &meadow{protected: true, bridges: make([]*forward.Bridge, 3), at: []int{0, 1, 2}, known: make([]bool, 3)}
	for h := range m.bridges {
		flows, err := pipeline.Compile(m.network(h))
		if err != nil {
			t.Fatal(err)
		}
		flows = append(flows, pipeline.Base(pipeline.Bridge{Learning: true})...)
		var ports []forward.Port
		for _, number := range []uint32{uint32(h + 1), 100, 101, 102} {
			if number != uint32(100+h) {
				ports = append(ports, forward.Port{Number: number})
			}
		}
		if m.bridges[h], err = forward.New(flows, ports...); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.check(0, broadcast, 0x88b5); err == nil {
		t.Error("nobody noticed")
	}
}
