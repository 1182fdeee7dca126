package pipeline

import (
	"fmt"
	"net/netip"

	"ovsmesh/openflow/flow"
)

// The metadata: the network's ID, where the frame came from, and what of the
// source later tables need to know.
const (
	maskNetwork uint64 = 0xffffffff
	fromTunnel  uint64 = 1 << 32
	maskAll            = maskNetwork | fromTunnel

	anyMAC     uint64 = 1 << 33 // from a VIF whose addresses are not known
	fromDHCP   uint64 = 1 << 34 // from a tunnel behind which a DHCP server is
	fromRouter uint64 = 1 << 35 // from a tunnel behind which a router is
)

// Compile returns all flows of one network on one bridge, sorted by key; the
// same network gives the same flows, in whatever order its parts are listed.
// Base's flows are needed beside them. The error names the part that makes no
// sense, or says that the network has more ports than a flow can send to.
func Compile(n Network) ([]flow.Flow, error) {
	p, err := n.check()
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	c := &compiler{network: n.ID}
	size := 8 + 4*len(n.VIFs) + 3*len(n.Tunnels) + len(n.Remotes) + 2*len(n.Stations)
	c.flows = make([]flow.Flow, 0, size)
	c.fields = make([]flow.OXM, 0, 2*size)
	if n.Learning {
		c.learning(&n, p)
	} else {
		c.classify(&n, p)
		c.security(&n, p)
		c.addresses(&n, p)
		c.lookup(&n, p)
		c.flood(&n, p)
	}
	flow.Sort(c.flows)
	return c.flows, nil
}

// compiler gathers flows. Values that many of them have are made once, and the
// lists in them are parts of large ones: making them is most of what a large
// network costs.
type compiler struct {
	network uint32
	flows   []flow.Flow

	fields  []flow.OXM    // of matches
	actions []flow.Action // of lists

	masks []maskedOXM // of the metadata
	marks []marked
	key   keyed
}

type maskedOXM struct {
	bits, mask uint64
	oxm        flow.OXM
}

// marked is what a flow of table 0 does that writes bits to the metadata and
// goes on.
type marked struct {
	bits uint64
	next uint8
	do   []flow.Action
}

// keyed is a tunnel's key, matched and set.
type keyed struct {
	key uint64
	oxm flow.OXM
	set flow.Action
}

func (c *compiler) add(table uint8, priority uint16, r Reason, m flow.Match, actions ...flow.Action) {
	c.flows = append(c.flows, flow.Flow{
		Table: table, Priority: priority, Cookie: Cookie(c.network, r), Match: m, Actions: actions,
	})
}

// match is flow.NewMatch without memory of its own.
func (c *compiler) match(fields ...flow.OXM) flow.Match {
	if cap(c.fields)-len(c.fields) < len(fields) {
		c.fields = make([]flow.OXM, 0, max(slab, len(fields)))
	}
	from := len(c.fields)
	c.fields = flow.AppendMatch(c.fields, fields...)
	return flow.Match(c.fields[from:len(c.fields):len(c.fields)])
}

// slab is of how many parts a large list is at least.
const slab = 64

// metadata matches the network's frames; maskAll with or without fromTunnel
// those from VIFs or from tunnels.
func (c *compiler) metadata(bits, mask uint64) flow.OXM {
	for i := range c.masks {
		if m := &c.masks[i]; m.bits == bits && m.mask == mask {
			return m.oxm
		}
	}
	x := flow.NewMatch(flow.MatchMetadata(uint64(c.network)|bits, mask))[0]
	c.masks = append(c.masks, maskedOXM{bits, mask, x})
	return x
}

// mark writes the network and bits to the metadata, and goes on in a table.
func (c *compiler) mark(bits uint64, next uint8) []flow.Action {
	for i := range c.marks {
		if m := &c.marks[i]; m.bits == bits && m.next == next {
			return m.do
		}
	}
	do := []flow.Action{flow.WriteMetadata{Value: uint64(c.network) | bits, Mask: maskAll | bits}, flow.GotoTable{Table: next}}
	c.marks = append(c.marks, marked{bits, next, do})
	return do
}

// tunnelKey returns what matches and sets a tunnel's key. A network has one.
func (c *compiler) tunnelKey(key uint64) *keyed {
	if c.key.key != key {
		x := flow.MatchTunnelID(key)
		c.key = keyed{key, x, flow.SetField{OXM: x}}
	}
	return &c.key
}

// with returns a match of all fields of several lists.
func (c *compiler) with(lists ...[]flow.OXM) flow.Match {
	var room [8]flow.OXM
	all := room[:0]
	for _, list := range lists {
		all = append(all, list...)
	}
	return c.match(all...)
}

// Protocols as matches have them.
const (
	etherTypeIPv4 = 0x0800
	etherTypeARP  = 0x0806
	etherTypeIPv6 = 0x86dd
	etherTypeMPLS = 0x8847

	protoUDP    = 17
	protoICMPv6 = 58

	arpRequest = 1
	arpReply   = 2

	routerSolicitation    = 133 // RFC 4861
	routerAdvertisement   = 134
	neighborSolicitation  = 135
	neighborAdvertisement = 136
)

func ipv4() flow.OXM { return flow.MatchEthType(etherTypeIPv4) }
func arp() flow.OXM  { return flow.MatchEthType(etherTypeARP) }
func ipv6() flow.OXM { return flow.MatchEthType(etherTypeIPv6) }

// udp matches datagrams from one port to another, of the EtherType.
func udp(etherType, from, to uint16) []flow.OXM {
	return []flow.OXM{flow.MatchEthType(etherType), flow.Exact(flow.IPProto, string([]byte{protoUDP})),
		flow.Exact(flow.UDPSrc, be16(from)), flow.Exact(flow.UDPDst, be16(to))}
}

func icmpv6(typ byte) []flow.OXM {
	return []flow.OXM{ipv6(), flow.Exact(flow.IPProto, string([]byte{protoICMPv6})), flow.Exact(flow.ICMPv6Type, string([]byte{typ}))}
}

// byFamily returns the field for a's family.
func byFamily(a netip.Addr, v4, v6 flow.Name) flow.Name {
	if a.Is4() {
		return v4
	}
	return v6
}

func matchHost(n flow.Name, a netip.Addr) flow.OXM { return flow.Exact(n, string(a.AsSlice())) }

// group matches broadcast and multicast: by the bit that makes an address one
// of a group, IEEE 802-2014 §8.2.
func group() flow.OXM {
	bit := [6]byte{0x01}
	return flow.MatchEthDstMasked(bit, bit)
}

// untagged matches frames without a VLAN tag: what is in one is another LAN's.
func untagged() flow.OXM { return flow.Exact(flow.VLANVID, "\x00\x00") }
