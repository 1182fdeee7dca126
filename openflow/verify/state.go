package verify

// origin is a set of kinds of frames, by where they entered the bridge.
type origin uint8

const (
	fromVIF    origin = 1 << iota // a VM of the network
	fromTunnel                    // a tunnel, and of the network
	elsewhere                     // another network's, or nobody's, from wherever
)

// String names the kinds for people, the worst first.
func (o origin) String() string {
	switch {
	case o&elsewhere != 0:
		return "what is not the network's"
	case o&fromTunnel != 0:
		return "what comes from a tunnel"
	}
	return "what comes from a VM"
}

// networkBits are those of the metadata that say which network a frame is in.
// It is what networks agree on: none may touch what is marked with another's.
const networkBits uint64 = 0xffffffff

// state is a set of frames that may reach a table.
type state struct {
	table uint8
	from  origin
	value uint64 // of the metadata
	known uint64 // its bits that all these frames have
}

// maxStates bounds the states of a network: beyond it, sets are put together.
const maxStates = 64

// reach adds frames to those that may reach a table.
func (g *Gate) reach(s state) {
	for i := range g.states {
		o := &g.states[i]
		if o.table != s.table {
			continue
		}
		if o.value == s.value && o.known == s.known {
			o.from |= s.from
			return
		}
		if len(g.states) >= maxStates {
			o.from |= s.from
			o.known &= s.known &^ (o.value ^ s.value)
			o.value &= o.known
			return
		}
	}
	g.states = append(g.states, s)
}

// meets reports whether frames of s may have the metadata that r matches.
func (s *state) meets(r *reading) bool {
	return (s.value^r.metadata)&r.mask&s.known == 0
}
