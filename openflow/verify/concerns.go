package verify

import "ovsmesh/openflow/flow"

// Concerns reports whether frames of a network, marked as such, may meet a flow:
// those that others' ports bring, or that are marked as another's, don't. By
// that a network's flows can be picked out of a large table.
func Concerns(f *flow.Flow, network uint32, ports Ports) bool {
	r := read(f.Match)
	if r.port != 0 && ports.Role(r.port) == Other {
		return false
	}
	return f.Table == 0 || (uint64(network)^r.metadata)&r.mask&networkBits == 0
}
