package forward

import (
	"encoding/binary"
	"fmt"

	"ovsmesh/openflow/flow"
)

// nested bounds how far actions may be in one another.
const nested = 8

// actOfBytes returns what an action does as it stands on the wire of OpenFlow
// 1.3, with Nicira's extensions (nicira-ext.h and ovs-actions(7)).
func actOfBytes(b []byte, depth int) act {
	if len(b) < 8 || len(b) != int(be16(b[2:])) {
		return unknown{fmt.Sprintf("action %x", b)}
	}
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	switch typ := be16(b); {
	case typ == 0 && len(b) == 16:
		return output{port: u32(4)}
	case typ == 11 || typ == 12 || typ == 15: // TTLs of labels: copied out, in, set
		return unknown{fmt.Sprintf("action of type %d", typ)}
	case typ == 16:
		return decTTL{mpls: true}
	case typ == 17:
		return pushVLAN{be16(b[4:])}
	case typ == 18:
		return popVLAN{}
	case typ == 19:
		return pushMPLS{be16(b[4:])}
	case typ == 20:
		return popMPLS{be16(b[4:])}
	case typ == 21:
		return noEffect{} // a queue
	case typ == 22:
		return toGroup{u32(4)}
	case typ == 23:
		return setField{flow.OXM{Field: flow.IPTTL.Field(), Value: string(b[4:5])}}
	case typ == 24:
		return decTTL{}
	case typ == 25:
		if a, ok := setOfBytes(b[4:]); ok {
			return a
		}
		return unknown{fmt.Sprintf("set_field %x", b[4:])}
	case typ == 29:
		return unknown{"meter"}
	case typ == 0xffff && len(b) >= 16 && u32(4) == 0x00002320:
		return actOfNicira(be16(b[8:]), b, depth)
	}
	return unknown{fmt.Sprintf("action of type %d", be16(b))}
}

// setOfBytes reads a field with its value.
func setOfBytes(b []byte) (act, bool) {
	field, masked, value, ok := entryOf(b)
	if !ok {
		return nil, false
	}
	x := flow.OXM{Field: field, Value: string(value)}
	if masked {
		x.Value, x.Mask = string(value[:len(value)/2]), string(value[len(value)/2:])
	}
	if w, known := whole(field); !known || w.n != 8*len(x.Value) {
		return nil, false
	}
	return setField{x}, true
}

// entryOf cuts the header and the value of a match field.
func entryOf(b []byte) (field flow.Field, masked bool, value []byte, ok bool) {
	if len(b) < 4 {
		return field, false, nil, false
	}
	n := int(b[3])
	if len(b) < 4+n || be16(b) == 0xffff {
		return field, false, nil, false // experimenters' are none that a Frame has
	}
	return flow.Field{Class: be16(b), ID: b[2] >> 1}, b[2]&1 != 0, b[4 : 4+n], true
}

// headerBits returns bits of a field by its header.
func headerBits(b []byte, first, n int) (bits, bool) {
	x := bits{flow.Field{Class: be16(b), ID: b[2] >> 1}, first, n}
	return x, x.within()
}

func actOfNicira(subtype uint16, b []byte, depth int) act {
	packed := func(at int) (first, n int) { v := be16(b[at:]); return int(v >> 6), int(v&63) + 1 }
	long := len(b) >= 24
	switch {
	case subtype == 1:
		return resubmit{port10(be16(b[10:])), tableHere}
	case subtype == 2:
		return setField{flow.OXM{Field: flow.TunnelID.Field(), Value: "\x00\x00\x00\x00" + string(b[12:16])}}
	case subtype == 6 && long:
		n := int(be16(b[10:]))
		src, ok := headerBits(b[16:], int(be16(b[12:])), n)
		dst, okay := headerBits(b[20:], int(be16(b[14:])), n)
		if ok && okay {
			return moveBits{src, dst}
		}
	case subtype == 7 && long:
		first, n := packed(10)
		if dst, ok := headerBits(b[12:], first, n); ok {
			return setBits{dst, string(b[16:24])}
		}
	case subtype == 9 && long:
		return setField{flow.OXM{Field: flow.TunnelID.Field(), Value: string(b[16:24])}}
	case subtype == 14:
		return resubmit{port10(be16(b[10:])), b[12]}
	case subtype == 15 && long:
		first, n := packed(10)
		if src, ok := headerBits(b[12:], first, n); ok {
			return outputField{src}
		}
	case subtype == 32 && long:
		first, n := packed(10)
		if src, ok := headerBits(b[14:], first, n); ok {
			return outputField{src}
		}
	case subtype == 33 && long:
		if a, ok := setOfBytes(b[16:]); ok {
			return a
		}
	case subtype == 18 || subtype == 21:
		return decTTL{}
	case subtype == 17:
		return exit{}
	case subtype == 20 || subtype == 37:
		return output{port: flow.PortController}
	case subtype == 22 && len(b) >= 32:
		return metadata{binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])}
	case subtype == 23:
		return pushMPLS{be16(b[10:])}
	case subtype == 24:
		return popMPLS{be16(b[10:])}
	case subtype == 26:
		return decTTL{mpls: true}
	case (subtype == 27 || subtype == 28) && long:
		if x, ok := headerBits(b[12:], int(be16(b[10:])), int(be16(b[16:]))); ok {
			if subtype == 27 {
				return pushBits{x}
			}
			return popBits{x}
		}
	case subtype == 39 && len(b) >= 16:
		return output{port: port10(be16(b[10:]))} // cut short
	case subtype == 42 && depth < nested:
		if acts, ok := actsOfBytes(b[16:], depth+1); ok {
			return clone{acts}
		}
	case quiet(subtype):
		return noEffect{}
	}
	return unknown{niciraName(subtype)}
}

// quiet reports whether an action does nothing to where a frame goes: queues,
// notes, samples, timeouts, forgetting what connection tracking has found.
func quiet(subtype uint16) bool {
	switch subtype {
	case 4, 5, 8, 19, 29, 38, 41, 43:
		return true
	}
	return false
}

func niciraName(subtype uint16) string {
	names := map[uint16]string{
		6: "move", 7: "load", 10: "multipath", 12: "bundle", 13: "bundle_load", 15: "output", 16: "learn", 25: "set_mpls_ttl",
		30: "set_mpls_label", 31: "set_mpls_tc", 33: "set_field", 34: "conjunction", 35: "ct", 36: "nat", 44: "resubmit(…,ct)",
		45: "learn", 46: "encap", 47: "decap", 48: "dec_nsh_ttl", 49: "check_pkt_larger", 50: "delete_field",
	}
	if name, ok := names[subtype]; ok {
		return name
	}
	return fmt.Sprintf("Nicira's action %d", subtype)
}

// actsOfBytes reads a list of actions.
func actsOfBytes(b []byte, depth int) ([]act, bool) {
	var list []act
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, false
		}
		n := int(be16(b[2:]))
		if n < 8 || n > len(b) {
			return nil, false
		}
		list = append(list, actOfBytes(b[:n], depth))
		b = b[n:]
	}
	return list, true
}

// port10 returns a port number of OpenFlow 1.0 as later versions have it.
func port10(p uint16) uint32 {
	if p >= 0xff00 {
		return 0xffff0000 | uint32(p)
	}
	return uint32(p)
}
