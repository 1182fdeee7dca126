package pipeline

import (
	"slices"

	"ovsmesh/openflow/flow"
)

// Priorities of table 0. The plugin's own is kept where it is known to
// operators: 1000 is its drop of a tunnel's broadcast.
const (
	prioTunnel        = 1100
	prioBroadcastDrop = 1000
	prioVIF           = 100
	prioMiss          = 0
)

// classify says by port, and of shared ports by key and peer, what network a
// frame is in. A key or a peer that is not known meets the miss.
func (c *compiler) classify(n *Network, p *ports) {
	for i := range p.tunnels {
		t := &p.tunnels[i]
		fields := append(make([]flow.OXM, 0, 3), t.in)
		if t.Key != 0 {
			fields = append(fields, c.tunnelKey(t.Key).oxm)
		}
		if t.Remote.IsValid() {
			fields = append(fields, t.from)
		}
		bits := fromTunnel
		if n.DropBroadcast && t.DHCPServer {
			bits |= fromDHCP
		}
		if n.DropBroadcast && t.Router {
			bits |= fromRouter
		}
		c.add(TableClassify, prioTunnel, ClassifyTunnel, c.match(fields...), c.mark(bits, TableLookup)...)
	}
	for _, port := range ownPorts(p.tunnels) {
		c.lastWord(port)
	}
	for _, v := range n.VIFs {
		var bits uint64
		if n.PortSecurity && len(v.MACs) == 0 {
			bits |= anyMAC
		}
		c.add(TableClassify, prioVIF, ClassifyVIF, c.match(flow.MatchInPort(v.OFPort)), c.mark(bits, TableSecurity)...)
	}
}

// ownPorts returns the ports that belong to the network alone.
func ownPorts(tunnels []way) []uint32 {
	var list []uint32
	for i := range tunnels {
		if tunnels[i].Key == 0 {
			list = append(list, tunnels[i].OFPort)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// lastWord drops a tunnel port's broadcast, as the plugin does. It is shadowed
// by the flows that classify, on purpose: should they be lost, nothing that a
// tunnel brings may run round the mesh.
func (c *compiler) lastWord(port uint32) {
	in := flow.MatchInPort(port)
	for _, match := range pluginGroups() {
		c.add(TableClassify, prioBroadcastDrop, BroadcastDrop, c.with([]flow.OXM{in}, match))
	}
}

// pluginGroups are the two matches of the plugin: broadcast, and the multicast
// of IPv4 that stays in a network.
func pluginGroups() [][]flow.OXM {
	return [][]flow.OXM{
		{flow.MatchEthDst([6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})},
		{ipv4(), flow.MatchIPv4Dst([4]byte{224}, [4]byte{0xff, 0xff, 0xff})},
	}
}
