package pipeline

import (
	"fmt"

	"ovsmesh/openflow/flow"
)

const (
	maskNetwork uint64 = 0xffffffff
	fromTunnel  uint64 = 1 << 32
	maskAll            = maskNetwork | fromTunnel
)

// Priorities by table. The plugin's own are kept where they are known to
// operators: 1000 is its drop of a tunnel's broadcast.
const (
	prioTunnel        = 1100
	prioBroadcastDrop = 1000
	prioVIF           = 100

	prioGroupSource = 200
	prioSecurity    = 100

	prioGroup     = 1200
	prioBoth      = 1100
	prioUnicast   = 1000
	prioUnknown   = 100
	prioFlood     = 100
	prioMiss      = 0
	etherTypeIPv4 = 0x0800
)

// Bridge is what a bridge has beside its networks.
type Bridge struct {
	Learning bool     // its network is of profile learning
	Carriers []uint32 // tunnel ports that several networks share
	Host     []uint32 // ports of the host itself, which stay connected among themselves
}

// Base returns the flows of a bridge that belong to no network, sorted by key.
func Base(_ Bridge) []flow.Flow {
	c := compiler{}
	for _, t := range Tables() {
		c.add(t.Number, prioMiss, Miss, nil, t.Miss...)
	}
	group := groupBit()
	c.add(TableSecurity, prioGroupSource, GroupSource, flow.NewMatch(flow.MatchEthSrcMasked(group, group)))
	flow.Sort(c.flows)
	return c.flows
}

// Compile returns all flows of one network on one bridge, sorted by key; the
// same network gives the same flows, in whatever order its parts are listed.
// Base's flows are needed beside them. The error names the part that makes no
// sense, or says that the network has more ports than a flow can send to.
func Compile(n Network) ([]flow.Flow, error) {
	p, err := n.check()
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	c := compiler{network: n.ID}
	c.classify(p)
	c.security(n)
	c.lookup(p)
	c.flood(p)
	flow.Sort(c.flows)
	return c.flows, nil
}

type compiler struct {
	network uint32
	flows   []flow.Flow
}

func (c *compiler) add(table uint8, priority uint16, r Reason, m flow.Match, actions ...flow.Action) {
	c.flows = append(c.flows, flow.Flow{
		Table: table, Priority: priority, Cookie: Cookie(c.network, r), Match: m, Actions: actions,
	})
}

func (c *compiler) classify(p *ports) {
	net := uint64(c.network)
	for _, port := range p.tunnels {
		in := flow.MatchInPort(port)
		c.add(TableClassify, prioTunnel, ClassifyTunnel, flow.NewMatch(in),
			flow.WriteMetadata{Value: net | fromTunnel, Mask: maskAll}, flow.GotoTable{Table: TableLookup})
		// Shadowed by the flow above, on purpose: should that be lost, nothing
		// that a tunnel brings may run round the mesh.
		c.add(TableClassify, prioBroadcastDrop, BroadcastDrop,
			flow.NewMatch(in, flow.MatchEthDst([6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})))
		c.add(TableClassify, prioBroadcastDrop, BroadcastDrop,
			flow.NewMatch(in, flow.MatchEthType(etherTypeIPv4),
				flow.MatchIPv4Dst([4]byte{224}, [4]byte{0xff, 0xff, 0xff})))
	}
	for _, port := range p.vifs {
		c.add(TableClassify, prioVIF, ClassifyVIF, flow.NewMatch(flow.MatchInPort(port)),
			flow.WriteMetadata{Value: net, Mask: maskAll}, flow.GotoTable{Table: TableSecurity})
	}
}

func (c *compiler) security(n Network) {
	next := flow.GotoTable{Table: TableLookup}
	for _, v := range n.VIFs {
		in := flow.MatchInPort(v.OFPort)
		if !n.PortSecurity || len(v.MACs) == 0 {
			c.add(TableSecurity, prioSecurity, Security, flow.NewMatch(in), next)
			continue
		}
		seen := make(map[[6]byte]bool, len(v.MACs))
		for _, mac := range v.MACs {
			if !seen[mac] {
				seen[mac] = true
				c.add(TableSecurity, prioSecurity, Security, flow.NewMatch(in, flow.MatchEthSrc(mac)), next)
			}
		}
	}
}

func (c *compiler) lookup(p *ports) {
	net := uint64(c.network)
	for _, mac := range p.macs() {
		dst := flow.MatchEthDst(mac)
		local, remote := p.local[mac], p.remote[mac]
		fromVIF := flow.NewMatch(flow.MatchMetadata(net, maskAll), dst)
		if len(local) > 0 {
			c.add(TableLookup, prioUnicast, UnicastLocal,
				flow.NewMatch(flow.MatchMetadata(net, maskNetwork), dst), outputs(local)...)
		}
		switch {
		case len(remote) == 0:
		case len(local) > 0: // a migration: nobody knows yet where it runs
			c.add(TableLookup, prioBoth, UnicastBoth, fromVIF, outputs(local, remote)...)
		default:
			c.add(TableLookup, prioUnicast, UnicastRemote, fromVIF, outputs(remote)...)
		}
	}
	group, all := groupBit(), flow.MatchMetadata(net, maskNetwork)
	next := flow.GotoTable{Table: TableFlood}
	c.add(TableLookup, prioGroup, GroupToFlood, flow.NewMatch(all, flow.MatchEthDstMasked(group, group)), next)
	c.add(TableLookup, prioUnknown, UnknownToFlood, flow.NewMatch(all), next)
}

func (c *compiler) flood(p *ports) {
	if len(p.vifs) == 0 {
		return // nothing comes from a VIF, and nothing goes to one
	}
	net := uint64(c.network)
	c.add(TableFlood, prioFlood, FloodFromVIF,
		flow.NewMatch(flow.MatchMetadata(net, maskAll)), outputs(p.vifs, p.tunnels)...)
	if len(p.tunnels) > 0 {
		c.add(TableFlood, prioFlood, FloodFromTunnel,
			flow.NewMatch(flow.MatchMetadata(net|fromTunnel, maskAll)), outputs(p.vifs)...)
	}
}

// outputs sends to all ports; the switch leaves out the one that the frame came
// from.
func outputs(lists ...[]uint32) []flow.Action {
	var out []flow.Action
	for _, list := range lists {
		for _, port := range list {
			out = append(out, flow.Output{Port: port})
		}
	}
	return out
}

// groupBit is the bit that makes an address one of a group, IEEE 802-2014 §8.2.
func groupBit() [6]byte { return [6]byte{0x01} }
