package topology

// Values of the fields that have a choice of words. The first of each group is
// the default.
const (
	ProfileProgrammed = "programmed"
	ProfileLearning   = "learning"

	BroadcastSplitHorizon = "split-horizon"
	BroadcastDrop         = "drop"

	UnknownUnicastFlood = "flood"
	UnknownUnicastDrop  = "drop"

	TunnelPortsPerNetwork = "per-network" // a port for each network and peer
	TunnelPortsShared     = "shared"      // a port for each peer, key=flow
	TunnelPortsFlow       = "flow"        // one port, key=flow and remote_ip=flow

	KindManaged  = "managed"
	KindExternal = "external"

	DefaultVXLANPort uint16 = 4789 // IANA's, RFC 7348 §5
)

// Defaults returns the network with every field that was left out filled in,
// save the key, which is allocated.
func (n Network) Defaults() Network {
	fill(&n.Profile, ProfileProgrammed)
	fill(&n.Broadcast, BroadcastSplitHorizon)
	fill(&n.UnknownUnicast, UnknownUnicastFlood)
	fill(&n.TunnelPorts, TunnelPortsPerNetwork)
	if n.PortSecurity == nil {
		on := n.securesPorts()
		n.PortSecurity = &on
	}
	if n.Encap == VXLAN {
		fill(&n.DstPort, DefaultVXLANPort)
	}
	return n
}

// securesPorts is the default of PortSecurity: the learning profile leaves
// forwarding to NORMAL, which looks at nobody's address.
func (n *Network) securesPorts() bool { return n.Profile != ProfileLearning }

// short returns the network with every field that holds its default left out.
func (n Network) short() Network {
	drop(&n.Profile, ProfileProgrammed)
	drop(&n.Broadcast, BroadcastSplitHorizon)
	drop(&n.UnknownUnicast, UnknownUnicastFlood)
	drop(&n.TunnelPorts, TunnelPortsPerNetwork)
	drop(&n.DstPort, DefaultVXLANPort)
	if n.PortSecurity != nil && *n.PortSecurity == n.securesPorts() {
		n.PortSecurity = nil
	}
	return n
}

// Defaults returns the host with every field that was left out filled in, save
// the ID, which is allocated, and what only the host itself can say.
func (h Host) Defaults() Host {
	fill(&h.Kind, KindManaged)
	return h
}

func (h Host) short() Host {
	drop(&h.Kind, KindManaged)
	return h
}

func fill[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

func drop[T comparable](field *T, def T) {
	if *field == def {
		var zero T
		*field = zero
	}
}
