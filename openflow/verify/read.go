package verify

import "ovsmesh/openflow/flow"

// reading is what of a match a Gate looks at. What it does not understand
// counts as not there: the flow then seems to match more than it does.
type reading struct {
	port     uint32 // in_port; 0: any
	key      uint64 // tun_id
	keyed    bool   // whether tun_id is matched whole
	metadata uint64
	mask     uint64 // of the metadata; 0: any
}

func read(m flow.Match) (r reading) {
	for i := range m {
		x := &m[i]
		if x.Field.Class != basicClass {
			continue
		}
		switch x.Field.ID {
		case idInPort:
			if x.Mask == "" {
				r.port = uint32(number(x.Value))
			}
		case idMetadata:
			r.metadata, r.mask = number(x.Value), ^uint64(0)
			if x.Mask != "" {
				r.mask = number(x.Mask)
			}
		case idTunnelID:
			if x.Mask == "" {
				r.key, r.keyed = number(x.Value), true
			}
		}
	}
	return r
}

// The fields of a reading, OpenFlow 1.3.5 §7.2.3.7.
const (
	basicClass = uint16(flow.InPort >> 8)
	idInPort   = uint8(flow.InPort & 0xff)
	idMetadata = uint8(flow.Metadata & 0xff)
	idTunnelID = uint8(flow.TunnelID & 0xff)
)

// number reads a value of up to eight bytes.
func number(b string) (v uint64) {
	if len(b) == 8 { // metadata and keys, of which there are most
		return uint64(b[7]) | uint64(b[6])<<8 | uint64(b[5])<<16 | uint64(b[4])<<24 |
			uint64(b[3])<<32 | uint64(b[2])<<40 | uint64(b[1])<<48 | uint64(b[0])<<56
	}
	for i := range len(b) {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// pins reports whether only frames meet r that are marked as a network's.
func (r *reading) pins(network uint32) bool {
	return r.mask&networkBits == networkBits && r.metadata&networkBits == uint64(network)
}
