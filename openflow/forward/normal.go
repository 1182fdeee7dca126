package forward

import (
	"slices"

	"ovsmesh/openflow/flow"
)

// VLANs is how a port takes part in NORMAL, ovs-vswitchd.conf.db(5) "VLAN
// configuration". The zero value is a trunk of all VLANs.
type VLANs struct {
	Tag    uint16   // of an access port, or the native VLAN of a trunk; 0: none
	Native bool     // Tag is that of a trunk's untagged frames
	Tagged bool     // with Native: which leave with the tag
	Trunks []uint16 // VLANs of a trunk; none: all
}

// vlan returns the VLAN that a frame is in when it comes in on a port; false
// where the port does not take it.
func (v *VLANs) vlan(f *Frame) (uint16, bool) {
	id := be16([]byte(f.Get(flow.VLANVID))) & 0xfff
	switch {
	case v.Tag != 0 && !v.Native:
		return v.Tag, id == 0
	case v.Native && id == 0:
		return v.Tag, true
	}
	return id, v.carries(id)
}

// carries reports whether a frame of a VLAN may leave.
func (v *VLANs) carries(vlan uint16) bool {
	if v.Tag != 0 {
		if vlan == v.Tag {
			return true
		}
		if !v.Native || vlan == 0 { // what is untagged there is in VLAN Tag
			return false
		}
	}
	return len(v.Trunks) == 0 || slices.Contains(v.Trunks, vlan)
}

// leaving returns a frame of a VLAN as it leaves by a port.
func (v *VLANs) leaving(f Frame, vlan uint16) Frame {
	bare := vlan == 0 || v.Tag == vlan && !(v.Native && v.Tagged)
	switch {
	case !bare:
		if !f.tagged() {
			f.pushVLAN(etherVLAN)
		}
		f.put(flow.VLANVID.Field(), put16(vlan))
	case f.tagged() && (vlan != 0 || f.Get(flow.VLANPCP) == "\x00"):
		f.popVLAN()
	}
	return f
}

// normal forwards as a switch that learns, ovs-actions(7) "normal": it learns
// where the sender is, and sends to where the receiver was learned, or to all.
func (b *Bridge) normal(x *run, in uint32, f *Frame) {
	at := slices.IndexFunc(b.ports, func(p Port) bool { return p.Number == in })
	src, dst := f.Get(flow.EthSrc), f.Get(flow.EthDst)
	if at < 0 || reservedAddress(dst) {
		return
	}
	from := &b.ports[at]
	id, ok := from.VLANs.vlan(f)
	if !ok {
		return
	}
	vlan := put16(id)
	if src[0]&1 == 0 && !b.frozen {
		b.learned[place{vlan, src}] = in
	}
	port, known := b.learned[place{vlan, dst}]
	for i := range b.ports {
		p := &b.ports[i]
		switch {
		case p.Number == in || p.Protected && from.Protected || !p.VLANs.carries(id):
		case known && p.Number == port, !known && !p.NoFlood:
			out := p.VLANs.leaving(*f, id)
			x.send(p.Number, &out)
		}
	}
}

// reservedAddress reports whether NORMAL drops frames to an address: those of
// link protocols, unless other_config:forward-bpdu says otherwise.
func reservedAddress(dst string) bool {
	switch dst[:5] {
	case "\x01\x80\xc2\x00\x00": // IEEE 802.1Q-2014 §8.6.3
		return dst[5] < 0x10
	case "\x01\x00\x0c\xcc\xcc": // Cisco's: CDP, VTP and others; PVST+; STP's fast uplink
		return dst[5] >= 0xcc && dst[5] <= 0xce
	case "\x01\x00\x0c\x00\x00": // ISL
		return dst[5] == 0
	case "\x01\x00\x0c\xdd\xdd": // CGMP
		return dst[5] == 0xdd
	case "\x00\xe0\x2b\x00\x00": // Extreme's EDP and EAPS
		return dst[5] == 0 || dst[5] == 4 || dst[5] == 6
	}
	return false
}

// Forget makes the bridge one that has learned nothing.
func (b *Bridge) Forget() { clear(b.learned) }

// Learned returns the port at which an address was learned, among untagged
// frames.
func (b *Bridge) Learned(mac [6]byte) (port uint32, ok bool) {
	port, ok = b.learned[place{"\x00\x00", string(mac[:])}]
	return port, ok
}
