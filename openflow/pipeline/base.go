package pipeline

import "ovsmesh/openflow/flow"

// Bridge is what a bridge has beside its networks.
type Bridge struct {
	Learning bool     // its network is of profile learning
	Carriers []uint32 // tunnel ports that several networks share
	Host     []uint32 // ports of the host itself, which stay connected among themselves

	// Taken is a bridge in standalone mode: the switch itself puts NORMAL into
	// table 0 at priority 0, which must lie under all that is ours.
	Taken bool
}

// prioHost is below every flow of ours that knows a port.
const prioHost = 15

// Base returns the flows of a bridge that belong to no network, sorted by key.
// The host's own ports are NORMAL: that VIFs and tunnels are not among the
// ports to which NORMAL sends is for the ports' configuration to see to.
func Base(b Bridge) []flow.Flow {
	c := &compiler{}
	if b.Learning {
		prio := uint16(prioMiss)
		if b.Taken {
			prio++
		}
		c.add(TableClassify, prio, Normal, nil, flow.Output{Port: flow.PortNormal})
		return c.flows
	}
	for _, t := range Tables() {
		r := Miss
		if len(t.Miss) > 0 {
			r = Pass
		}
		prio := uint16(prioMiss)
		if b.Taken && t.Number == TableClassify {
			prio++
		}
		c.add(t.Number, prio, r, nil, t.Miss...)
	}
	for _, port := range distinct(b.Carriers) {
		c.lastWord(port)
	}
	for _, port := range distinct(b.Host) {
		c.add(TableClassify, prioHost, HostNormal, c.match(flow.MatchInPort(port)), flow.Output{Port: flow.PortNormal})
	}
	bit := [6]byte{0x01}
	c.add(TableSecurity, prioGroupSource, GroupSource, c.match(flow.MatchEthSrcMasked(bit, bit)))
	flow.Sort(c.flows)
	return c.flows
}

// distinct returns list without repetitions.
func distinct[T comparable](list []T) []T {
	seen := make(map[T]bool, len(list))
	var out []T
	for _, x := range list {
		if !seen[x] {
			seen[x] = true
			out = append(out, x)
		}
	}
	return out
}
