package forward

import (
	"encoding/binary"
	"slices"

	"ovsmesh/openflow/flow"
)

func (f *Frame) tagged() bool { return f.Get(flow.VLANVID)[0]&0x10 != 0 }

func (f *Frame) labelled() bool {
	t := f.etherType()
	return t == etherMPLS || t == etherMPLSMulticast
}

// maxLabels is how many MPLS labels Open vSwitch keeps of a frame
// (FLOW_MAX_MPLS_LABELS of flow.h); it drops one that is to have more.
const maxLabels = 3

// labels returns how many MPLS labels the frame has, as far as a switch looks.
func (f *Frame) labels() int {
	if !f.labelled() {
		return 0
	}
	b := f.Bytes()
	for n := range maxLabels {
		if at := f.typeAt() + 2 + 4*n; len(b) >= at+4 && b[at+2]&1 != 0 {
			return n + 1
		}
	}
	return maxLabels
}

// pushVLAN puts an empty tag on; false if there is one already: how many tags a
// switch sees depends on its other_config:vlan-limit.
func (f *Frame) pushVLAN(etherType uint16) bool {
	if f.tagged() {
		return false
	}
	raw := []byte(f.raw)
	if len(raw) >= 14 {
		f.raw = string(slices.Concat(raw[:12], []byte(put16(etherType)), []byte{0, 0}, raw[12:]))
	}
	f.set(flow.VLANVID, "\x10\x00")
	f.set(flow.VLANPCP, "\x00")
	return true
}

// popVLAN takes the tag off, if there is one.
func (f *Frame) popVLAN() {
	if !f.tagged() {
		return
	}
	if raw := f.raw; len(raw) >= 18 {
		f.raw = raw[:12] + raw[16:]
	}
	f.set(flow.VLANVID, "\x00\x00")
	f.set(flow.VLANPCP, "\x00")
}

// putTCI writes the whole tag: bit 12 says that there is to be one.
func (f *Frame) putTCI(v string) bool {
	if v[0]&0x10 == 0 {
		f.popVLAN()
		return true
	}
	if !f.tagged() {
		f.pushVLAN(etherVLAN)
	}
	f.set(flow.VLANVID, string([]byte{v[0] & 0x1f, v[1]}))
	f.set(flow.VLANPCP, string([]byte{v[0] >> 5}))
	return true
}

// popMPLS takes the outer label off, if there is one, and has what is below
// seen as of the EtherType.
func (f *Frame) popMPLS(etherType uint16) {
	at := f.typeAt()
	raw := f.Bytes()
	if !f.labelled() || len(raw) < at+6 {
		return
	}
	raw = slices.Concat(raw[:at], []byte(put16(etherType)), raw[at+6:])
	below, err := Parse(raw)
	if err != nil {
		return
	}
	start, _ := locate(flow.MPLSLabel.Field())
	end, _ := locate(flow.PktMark.Field())
	copy(f.fields[start:end], below.fields[start:end])
	f.set(flow.EthType, below.Get(flow.EthType))
	f.raw = string(raw)
}

// decTTL counts down an IP packet; false if it may not go any further.
func (f *Frame) decTTL() bool {
	if t := f.etherType(); t != etherIPv4 && t != etherIPv6 {
		return true
	}
	ttl := f.Get(flow.IPTTL)[0]
	if ttl <= 1 {
		return false
	}
	f.set(flow.IPTTL, string([]byte{ttl - 1}))
	return true
}

func (f *Frame) decMPLSTTL() bool {
	if !f.labelled() {
		return true
	}
	ttl := f.Get(flow.MPLSTTL)[0]
	if ttl <= 1 {
		return false
	}
	f.set(flow.MPLSTTL, string([]byte{ttl - 1}))
	return true
}

// pushMPLS puts a label on. What was above Ethernet is out of a switch's sight
// from then on.
func (f *Frame) pushMPLS(etherType uint16) {
	const explicitNull6 = "\x00\x00\x00\x02" // RFC 3032 §2.1
	at := f.typeAt()
	label, tc, ttl, inner := "\x00\x00\x00\x00", byte(0), byte(labelTTL), f.labelled()
	switch t := f.etherType(); {
	case inner:
		label, tc, ttl = f.Get(flow.MPLSLabel), f.Get(flow.MPLSTC)[0], f.Get(flow.MPLSTTL)[0]
	case t == etherIPv6:
		label = explicitNull6
		fallthrough
	case t == etherIPv4:
		tc = f.Get(flow.IPDSCP)[0] & 7
		if v := f.Get(flow.IPTTL)[0]; v != 0 {
			ttl = v
		}
	}
	raw := f.Bytes()
	raw = slices.Concat(raw[:at:at], []byte(put16(etherType)), []byte{0, 0, 0, ttl}, raw[min(at+2, len(raw)):])
	start, _ := locate(flow.MPLSLabel.Field())
	end, _ := locate(flow.PktMark.Field())
	clear(f.fields[start:end])
	f.set(flow.EthType, string(binary.BigEndian.AppendUint16(nil, etherType)))
	f.set(flow.MPLSLabel, label)
	f.set(flow.MPLSTC, string([]byte{tc}))
	f.set(flow.MPLSTTL, string([]byte{ttl}))
	if !inner {
		f.set(flow.MPLSBOS, "\x01")
	}
	f.raw = string(raw)
}
