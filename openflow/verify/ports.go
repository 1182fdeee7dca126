package verify

// Role is what a port of a bridge is to one network.
type Role uint8

// The roles. Whatever is none of the others is not the network's.
const (
	Other   Role = iota // of another network, of nobody, or not known
	VIF                 // a VM of the network
	Tunnel              // a tunnel of the network alone
	Leaving             // such a tunnel that is no longer wanted: nothing has to guard it
	Carrier             // a tunnel that networks share: the key tells them apart
	Host                // the host's own
)

// Ports are the roles of a bridge's ports for one network. Ports in neither map
// are not the network's.
type Ports struct {
	Own    map[uint32]Role
	Shared map[uint32]struct{} // carriers, the same for all networks of a bridge
}

// Role returns the role of a port.
func (p Ports) Role(port uint32) Role {
	if r, ok := p.Own[port]; ok {
		return r
	}
	if _, ok := p.Shared[port]; ok {
		return Carrier
	}
	return Other
}
