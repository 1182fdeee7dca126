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
	all, next := c.metadata(0, maskNetwork), flow.GotoTable{Table: TableFlood}
	c.add(TableLookup, prioGroup, GroupToFlood, c.match(all, group()), next)
	dst := func(list []spot) flow.OXM { return flow.MatchEthDst(list[0].mac) }
	for here := range byMAC(p.local) {
		if there := where(p.remote, here[0].mac); len(there) > 0 { // a migration: nobody knows yet where it runs
			c.add(TableLookup, prioBoth, UnicastBoth, c.match(c.metadata(0, maskAll), dst(here)), c.send(p, here, there)...)
		}
	}
	for here := range byMAC(p.local) {
		c.add(TableLookup, prioUnicast, UnicastLocal, c.match(all, dst(here)), c.send(p, here, nil)...)
	}
	fromVIF := c.metadata(0, maskAll)
	for there := range byMAC(p.remote) {
		if len(where(p.local, there[0].mac)) == 0 {
			c.add(TableLookup, prioUnicast, UnicastRemote, c.match(fromVIF, dst(there)), c.send(p, nil, there)...)
		}
	}
	if !n.DropUnknown {
		c.add(TableLookup, prioUnknown, UnknownToFlood, c.match(all), next)
		return
	}
	for _, mac := range n.wanderers(p) {
		c.add(TableLookup, prioAllowed, UnknownToFlood, c.match(all, flow.MatchEthDst(mac)), next)
	}
	c.add(TableLookup, prioUnknown, UnknownDrop, c.match(all))
}

// wanderers are addresses that VIFs may take, and of which nobody is known to
// have them: they are there, so that frames to them are not dropped.
func (n *Network) wanderers(p *ports) [][6]byte {
	var list [][6]byte
	for _, v := range n.VIFs {
		for _, a := range v.Allowed {
			if a.MAC != [6]byte{} && !p.has(a.MAC) {
				list = append(list, a.MAC)
			}
		}
	}
	list = distinct(list)
	sortMACs(list)
	return list
}
