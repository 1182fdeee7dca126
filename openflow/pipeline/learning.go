package pipeline

import (
	"errors"
	"fmt"

	"ovsmesh/openflow/flow"
)

// Priorities of profile learning; 1200, 1100 and 1000 are the plugin's.
const (
	prioLearnDeaf   = 1310
	prioLearnSource = 1300
	prioLearnEcho   = 1250
	prioLearnVIF    = 1200
	prioLearnTunnel = 1150
	prioLearnVIFs   = 1100
)

// echoLabel marks frames that exist for the sake of learning. It is one of the
// labels that mean nothing to anybody, RFC 3032 §2.1.
const echoLabel = "\x00\x00\x00\x08"

func (n *Network) checkLearning() error {
	for name, on := range map[string]bool{
		"port security": n.PortSecurity, "dropping broadcast": n.DropBroadcast, "dropping unknown unicast": n.DropUnknown,
	} {
		if on {
			return fmt.Errorf("%s is not possible with profile learning", name)
		}
	}
	for _, t := range n.Tunnels {
		if t.Key != 0 || t.Remote.IsValid() {
			return fmt.Errorf("ofport %d: tunnels that networks or peers share are not possible with profile learning", t.OFPort)
		}
	}
	if len(n.Stations) > 0 {
		return errors.New("answers to ARP are not possible with profile learning")
	}
	return nil
}

// learning makes the plugin's flows. Frames from VIFs are NORMAL and so reach
// all others and all tunnels, known, unknown or of a group. Frames from tunnels
// may reach VIFs only:
//
// With Port.protected NORMAL itself holds to that.
//
// Without it, OpenFlow 1.3 has no NO_FLOOD; and that would take unknown unicast
// from VIFs away from other hosts, too. So such frames are sent to the VIFs
// explicitly, and NORMAL gets a copy addressed to its own sender, only to learn
// from it: as the sender is on the port that the copy comes from, it is sent
// nowhere. But a switch revises cached flows without learning from them, and
// should the sender have been dropped from a full table of addresses meanwhile,
// it floods the copy: seen with 40 senders and a table of 10 addresses, on 3.1.0.
// Therefore the copy has a label by which the other ends drop it and no VM takes
// it. The size of the
// table is other_config:mac-table-size of the bridge.
//
// What is lost without Port.protected: frames of that label between hosts,
// frames from group addresses, and what tunnels bring for ports that are neither
// VIFs nor tunnels.
func (c *compiler) learning(n *Network, p *ports) {
	normal := flow.Output{Port: flow.PortNormal}
	if n.Like.Model {
		c.likePlugin(n, p)
		return
	}
	for _, v := range n.VIFs {
		if n.Deaf && !n.Protected {
			c.add(TableClassify, prioLearnDeaf, FloodFromVIF, c.match(flow.MatchInPort(v.OFPort)), c.outputs(p.vifs, p.tunnels)...)
		}
		for _, match := range pluginGroups() {
			c.add(TableClassify, prioLearnVIF, LearnVIF, c.with([]flow.OXM{flow.MatchInPort(v.OFPort)}, match), normal)
		}
	}
	if len(p.vifs) > 0 {
		for _, match := range pluginGroups() {
			c.add(TableClassify, prioLearnVIFs, LearnToVIFs, c.match(match...), c.outputs(p.vifs, nil)...)
		}
	}
	for _, t := range p.tunnels {
		c.lastWord(t.OFPort)
		in := flow.MatchInPort(t.OFPort)
		if n.Protected {
			c.add(TableClassify, prioLearnTunnel, LearnTunnel, c.match(in), normal)
			continue
		}
		c.add(TableClassify, prioLearnEcho, LearnEcho, c.match(in, flow.MatchEthType(etherTypeMPLS), flow.Exact(flow.MPLSLabel, echoLabel)))
		c.add(TableClassify, prioLearnTunnel, LearnTunnel, c.match(in), flow.GotoTable{Table: TableLookup})
	}
	if len(p.tunnels) > 0 && !n.Protected {
		c.learnQuietly(p, n.Deaf)
	}
}

// likePlugin makes those of the plugin's flows that it has. All else is NORMAL.
func (c *compiler) likePlugin(n *Network, p *ports) {
	for _, match := range pluginGroups() {
		for _, v := range n.VIFs {
			if n.Like.VIFs {
				c.add(TableClassify, prioLearnVIF, LearnVIF, c.with([]flow.OXM{flow.MatchInPort(v.OFPort)}, match), flow.Output{Port: flow.PortNormal})
			}
		}
		if n.Like.Deliver && len(p.vifs) > 0 {
			c.add(TableClassify, prioLearnVIFs, LearnToVIFs, c.match(match...), c.outputs(p.vifs, nil)...)
		}
	}
	for _, t := range p.tunnels {
		if n.Like.Tunnels {
			c.lastWord(t.OFPort)
		}
	}
}

// learnQuietly sends what tunnels bring to VIFs, and has the switch learn.
func (c *compiler) learnQuietly(p *ports, deaf bool) {
	bit := [6]byte{0x01}
	c.add(TableClassify, prioLearnSource, GroupSource, c.match(flow.MatchEthSrcMasked(bit, bit)))
	learn := []flow.Action{
		flow.Move{Src: flow.Whole(flow.EthSrc), Dst: flow.Whole(flow.EthDst)},
		flow.PushMPLS{EtherType: etherTypeMPLS},
		flow.SetField{OXM: flow.Exact(flow.MPLSLabel, echoLabel)},
		flow.Output{Port: flow.PortNormal},
	}
	if deaf {
		learn = nil
	}
	for here := range byMAC(p.local) {
		c.add(TableLookup, prioUnicast, UnicastLocal, c.match(flow.MatchEthDst(here[0].mac)), append(c.send(p, here, nil), learn...)...)
	}
	c.add(TableLookup, prioFlood, FloodFromTunnel, nil, append(c.outputs(p.vifs, nil), learn...)...)
}
