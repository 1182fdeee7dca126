package pipeline

import (
	"net/netip"
	"slices"

	"ovsmesh/openflow/flow"
)

// Priorities of table 20.
const (
	prioTarget       = 230 // an advertisement of an address that the VIF has
	prioTargetDrop   = 220 // and all others of a VIF whose addresses are known
	prioStolenTarget = 210 // an advertisement of what is known as another's
	prioOwner        = 120 // who has the address himself asks whether others do
	prioStation      = 110 // a question about an address that is known
)

// addresses answers ARP requests that VIFs broadcast for known addresses, and
// sends neighbour solicitations for known addresses to the one that has them
// (RFC 6085). A request to one address alone passes: it asks whether that is
// still there. So do questions of those who have the address themselves, which
// detect duplicates.
func (c *compiler) addresses(n *Network, p *ports) {
	next := flow.GotoTable{Table: TableLookup}
	if len(n.VIFs) == 0 {
		return
	}
	for i := range n.VIFs {
		v := &n.VIFs[i]
		for _, ip := range p.stations.owns(v) {
			in := flow.MatchInPort(v.OFPort)
			if ip.Is4() {
				c.add(TableAddresses, prioOwner, AskOwner, c.match(in, arp(), matchHost(flow.ARPTPA, ip)), next)
				continue
			}
			c.add(TableAddresses, prioOwner, AskOwner,
				c.with([]flow.OXM{in, matchHost(flow.NDTarget, ip)}, icmpv6(neighborSolicitation)), next)
		}
	}
	answer := newResponder()
	for _, s := range n.Stations {
		ip, in := plain(s.IP), c.metadata(0, maskNetwork)
		if ip.Is4() {
			c.add(TableAddresses, prioStation, AnswerARP, c.match(in, arp(), untagged(),
				flow.MatchEthDst([6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
				flow.Exact(flow.ARPOp, be16(arpRequest)), matchHost(flow.ARPTPA, ip)), answer.actions(ip, s.MAC)...)
			continue
		}
		c.add(TableAddresses, prioStation, DirectND,
			c.with([]flow.OXM{in, untagged(), group(), matchHost(flow.NDTarget, ip)}, icmpv6(neighborSolicitation)),
			flow.SetField{OXM: flow.MatchEthDst(s.MAC)}, next)
	}
}

// stations are a network's stations by address.
type stations struct {
	byIP  map[netip.Addr][6]byte
	byMAC map[[6]byte][]netip.Addr
}

// owns returns the stations' addresses that are those of a VIF, sorted: by its
// own addresses, by those that it may use, or by its MAC.
func (s *stations) owns(v *VIF) []netip.Addr {
	if len(s.byIP) == 0 {
		return nil
	}
	var list []netip.Addr
	for _, ip := range v.addresses() {
		if _, known := s.byIP[ip]; known {
			list = append(list, ip)
		}
	}
	for _, mac := range v.MACs {
		list = append(list, s.byMAC[mac]...)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// responder makes the actions that turn a request into its answer; what is the
// same in all of them is there once.
type responder struct {
	before, between []flow.Action
	back            flow.Action
}

func newResponder() responder {
	move := func(from, to flow.Name) flow.Action { return flow.Move{Src: flow.Whole(from), Dst: flow.Whole(to)} }
	return responder{
		before: []flow.Action{move(flow.EthSrc, flow.EthDst)},
		between: []flow.Action{
			flow.SetField{OXM: flow.Exact(flow.ARPOp, be16(arpReply))},
			move(flow.ARPSHA, flow.ARPTHA), move(flow.ARPSPA, flow.ARPTPA),
		},
		back: flow.Output{Port: flow.PortInPort},
	}
}

func (r responder) actions(ip netip.Addr, mac [6]byte) []flow.Action {
	address := string(mac[:])
	list := make([]flow.Action, 0, len(r.before)+len(r.between)+4)
	list = append(list, r.before...)
	list = append(list, flow.SetField{OXM: flow.Exact(flow.EthSrc, address)})
	list = append(list, r.between...)
	return append(list, flow.SetField{OXM: flow.Exact(flow.ARPSHA, address)},
		flow.SetField{OXM: matchHost(flow.ARPSPA, ip)}, r.back)
}
