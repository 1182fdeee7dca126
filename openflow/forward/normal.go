package forward

import (
	"slices"

	"ovsmesh/openflow/flow"
)

// normal forwards as a switch that learns, ovs-actions(7) "normal": it learns
// where the sender is, and sends to where the receiver was learned, or to all.
// Ports are taken to be trunks of all VLANs.
func (b *Bridge) normal(in uint32, f *Frame, r *Result) {
	at := slices.IndexFunc(b.ports, func(p Port) bool { return p.Number == in })
	src, dst, vlan := f.Get(flow.EthSrc), f.Get(flow.EthDst), f.Get(flow.VLANVID)
	if at < 0 || dst[:5] == "\x01\x80\xc2\x00\x00" && dst[5] < 0x10 { // reserved, IEEE 802.1Q-2014 §8.6.3
		return
	}
	if src[0]&1 == 0 {
		b.learned[place{vlan, src}] = in
	}
	from := b.ports[at]
	port, known := b.learned[place{vlan, dst}]
	for _, p := range b.ports {
		switch {
		case p.Number == in || p.Protected && from.Protected:
		case known && p.Number == port, !known && !p.NoFlood:
			r.Outputs = append(r.Outputs, Output{p.Number, *f})
		}
	}
}

// Forget makes the bridge one that has learned nothing.
func (b *Bridge) Forget() { clear(b.learned) }

// Learned returns the port at which an address was learned, among untagged
// frames.
func (b *Bridge) Learned(mac [6]byte) (port uint32, ok bool) {
	port, ok = b.learned[place{"\x00\x00", string(mac[:])}]
	return port, ok
}
