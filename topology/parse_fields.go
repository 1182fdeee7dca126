package topology

import "net/netip"

// The tables of the fields of each kind of object.

func keyPoolFields() map[string]setter[KeyPool] {
	return map[string]setter[KeyPool]{
		"encap": text(func(p *KeyPool) *Encap { return &p.Encap }),
		"range": parsed(ParseKeyRange, func(p *KeyPool) *KeyRange { return &p.Range }),
	}
}

func networkFields() map[string]setter[Network] {
	return map[string]setter[Network]{
		"name":   text(func(n *Network) *string { return &n.Name }),
		"tenant": text(func(n *Network) *string { return &n.Tenant }),
		"encap":  text(func(n *Network) *Encap { return &n.Encap }),
		"key":    number(1, uint64(GRE.MaxKey()), func(n *Network) *uint32 { return &n.Key }),
		"bridge": text(func(n *Network) *string { return &n.Bridge }),
		"xsNetworkUUIDs": list(text(func(s *string) *string { return s }),
			func(n *Network) *[]string { return &n.XSNetworkUUIDs }),
		"createBridge":   yes(func(n *Network) *bool { return &n.CreateBridge }),
		"datapathType":   text(func(n *Network) *string { return &n.DatapathType }),
		"takeBridge":     yes(func(n *Network) *bool { return &n.TakeBridge }),
		"hosts":          list(text(func(s *string) *string { return s }), func(n *Network) *[]string { return &n.Hosts }),
		"profile":        text(func(n *Network) *string { return &n.Profile }),
		"broadcast":      text(func(n *Network) *string { return &n.Broadcast }),
		"unknownUnicast": text(func(n *Network) *string { return &n.UnknownUnicast }),
		"portSecurity": func(d *decoder, n *Network, path string, v *node) {
			on := true
			yes(func(b *bool) *bool { return b })(d, &on, path, v)
			n.PortSecurity = &on
		},
		"tunnelPorts": text(func(n *Network) *string { return &n.TunnelPorts }),
		"bfd":         yes(func(n *Network) *bool { return &n.BFD }),
		"mtu":         number(0, 65535, func(n *Network) *int { return &n.MTU }),
		"dstPort":     number(1, 65535, func(n *Network) *uint16 { return &n.DstPort }),
	}
}

func hostFields() map[string]setter[Host] {
	return map[string]setter[Host]{
		"name":        text(func(h *Host) *string { return &h.Name }),
		"id":          number(1, maxHostID, func(h *Host) *int { return &h.ID }),
		"systemID":    text(func(h *Host) *string { return &h.SystemID }),
		"endpoint":    parsed(parseAddr, func(h *Host) *netip.Addr { return &h.Endpoint }),
		"kind":        text(func(h *Host) *string { return &h.Kind }),
		"underlayMTU": number(0, 65535, func(h *Host) *int { return &h.UnderlayMTU }),
	}
}

func portFields() map[string]setter[Port] {
	return map[string]setter[Port]{
		"name":    text(func(p *Port) *string { return &p.Name }),
		"network": text(func(p *Port) *string { return &p.Network }),
		"match":   below(matchFields(), func(p *Port) *PortMatch { return &p.Match }),
		"mac":     parsed(parseStation, func(p *Port) *MAC { return &p.MAC }),
		"ips":     list(parsed(parseAddr, func(a *netip.Addr) *netip.Addr { return a }), func(p *Port) *[]netip.Addr { return &p.IPs }),
		"allowedAddresses": list(below(addressFields(), func(a *Address) *Address { return a }),
			func(p *Port) *[]Address { return &p.AllowedAddresses }),
		"dhcpServer": yes(func(p *Port) *bool { return &p.DHCPServer }),
		"router":     yes(func(p *Port) *bool { return &p.Router }),
	}
}

func matchFields() map[string]setter[PortMatch] {
	return map[string]setter[PortMatch]{
		"ifaceID":   text(func(m *PortMatch) *string { return &m.IfaceID }),
		"xsVifUUID": text(func(m *PortMatch) *string { return &m.XSVifUUID }),
		"mac":       parsed(parseStation, func(m *PortMatch) *MAC { return &m.MAC }),
		"host":      text(func(m *PortMatch) *string { return &m.Host }),
		"interface": text(func(m *PortMatch) *string { return &m.Interface }),
	}
}

func addressFields() map[string]setter[Address] {
	return map[string]setter[Address]{
		"mac": parsed(parseStation, func(a *Address) *MAC { return &a.MAC }),
		"ip":  parsed(parseAddr, func(a *Address) *netip.Addr { return &a.IP }),
	}
}
