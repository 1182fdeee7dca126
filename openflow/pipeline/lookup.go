package pipeline

import "ovsmesh/openflow/flow"

// Priorities of table 60.
const (
	prioGroup   = 1200
	prioBoth    = 1100
	prioUnicast = 1000
	prioAllowed = 500
	prioUnknown = 100
)

// lookup sends to known addresses, and hands what is to be flooded on.
func (c *compiler) lookup(n *Network, p *ports) {
	for _, mac := range p.macs() {
		dst := flow.MatchEthDst(mac)
		local, remote := p.local[mac], p.remote[mac]
		fromVIF := flow.NewMatch(c.metadata(0, maskAll), dst)
		if len(local) > 0 {
			c.add(TableLookup, prioUnicast, UnicastLocal,
				flow.NewMatch(c.metadata(0, maskNetwork), dst), c.outputs(local, nil)...)
		}
		switch {
		case len(remote) == 0:
		case len(local) > 0: // a migration: nobody knows yet where it runs
			c.add(TableLookup, prioBoth, UnicastBoth, fromVIF, c.outputs(local, remote)...)
		default:
			c.add(TableLookup, prioUnicast, UnicastRemote, fromVIF, c.outputs(nil, remote)...)
		}
	}
	all, next := c.metadata(0, maskNetwork), flow.GotoTable{Table: TableFlood}
	c.add(TableLookup, prioGroup, GroupToFlood, flow.NewMatch(all, group()), next)
	if !n.DropUnknown {
		c.add(TableLookup, prioUnknown, UnknownToFlood, flow.NewMatch(all), next)
		return
	}
	c.add(TableLookup, prioUnknown, UnknownDrop, flow.NewMatch(all))
	for _, mac := range n.wanderers(p) {
		c.add(TableLookup, prioAllowed, UnknownToFlood, flow.NewMatch(all, flow.MatchEthDst(mac)), next)
	}
}

// wanderers are addresses that VIFs may take, and of which nobody is known to
// have them: they are there, so that frames to them are not dropped.
func (n *Network) wanderers(p *ports) [][6]byte {
	var list [][6]byte
	for _, v := range n.VIFs {
		for _, a := range v.Allowed {
			if a.MAC != [6]byte{} && len(p.local[a.MAC]) == 0 && len(p.remote[a.MAC]) == 0 {
				list = append(list, a.MAC)
			}
		}
	}
	list = distinct(list)
	sortMACs(list)
	return list
}
