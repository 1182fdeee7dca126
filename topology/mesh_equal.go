package topology

import "slices"

// equal reports whether two reports say the same.
func (f *HostFacts) equal(o *HostFacts) bool {
	return f.SystemID == o.SystemID && f.Hostname == o.Hostname &&
		f.LocalIP == o.LocalIP && f.EndpointIP == o.EndpointIP && f.PeerAddr == o.PeerAddr &&
		slices.EqualFunc(f.Bridges, o.Bridges, func(a, b BridgeFacts) bool {
			return a.sameIdentity(b) && slices.Equal(a.Physical, b.Physical) && slices.Equal(a.Interfaces, b.Interfaces)
		})
}

// sameBridges reports whether two reports name the same bridges; nil is no
// report.
func sameBridges(a, b *HostFacts) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.EqualFunc(a.Bridges, b.Bridges, BridgeFacts.sameIdentity)
}

func (b BridgeFacts) sameIdentity(o BridgeFacts) bool {
	return b.Name == o.Name && slices.Equal(b.XSNetworkUUIDs, o.XSNetworkUUIDs)
}

func (m *Member) equal(o *Member) bool {
	return m.Host == o.Host && m.HostID == o.HostID && m.Endpoint == o.Endpoint &&
		m.Explicit == o.Explicit && m.Error == o.Error && m.External == o.External &&
		m.DHCPServer == o.DHCPServer && m.Router == o.Router &&
		slices.Equal(m.Floating, o.Floating) && slices.EqualFunc(m.Stations, o.Stations, func(a, b Station) bool { return a.MAC == b.MAC && slices.Equal(a.IPs, b.IPs) })
}

// equal compares all but Addresses, which follow from the rest.
func (v *NetworkView) equal(o *NetworkView) bool {
	return v.ID == o.ID && v.Name == o.Name && v.Tenant == o.Tenant && v.Encap == o.Encap &&
		v.Key == o.Key && v.DstPort == o.DstPort && v.DatapathType == o.DatapathType && v.PortSecurity == o.PortSecurity &&
		v.Learning == o.Learning && v.DropBroadcast == o.DropBroadcast && v.DropUnknown == o.DropUnknown &&
		v.TunnelPorts == o.TunnelPorts && v.BFD == o.BFD && v.TakeBridge == o.TakeBridge && v.MTU == o.MTU && v.Note == o.Note &&
		slices.EqualFunc(v.Members, o.Members, func(a, b Member) bool { return a.equal(&b) })
}

// equal compares all but Net.
func (on *OnHost) equal(o *OnHost) bool {
	return on.Bridge == o.Bridge && on.CreateBridge == o.CreateBridge && on.Listed == o.Listed && on.HostNote == o.HostNote && on.Self.equal(&o.Self) &&
		slices.EqualFunc(on.VIFs, o.VIFs, LocalVIF.equal) && slices.Equal(on.Problems, o.Problems)
}

func (v LocalVIF) equal(o LocalVIF) bool {
	return v.Port == o.Port && v.Interface == o.Interface && slices.Equal(v.MACs, o.MACs) && slices.Equal(v.IPs, o.IPs) &&
		slices.Equal(v.Allowed, o.Allowed) && v.DHCPServer == o.DHCPServer && v.Router == o.Router
}
