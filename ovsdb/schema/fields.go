package schema

// Each column method returns where the named column's value goes, as
// Decoder.columns wants it, nil for a column that the row type has not.

func (o *OpenvSwitch) column(name string) any {
	switch name {
	case "_uuid":
		return rowID{&o.UUID}
	case "bridges":
		return refs{&o.Bridges}
	case "next_cfg":
		return &o.NextCfg
	case "cur_cfg":
		return &o.CurCfg
	case "ovs_version":
		return &o.OVSVersion
	case "datapath_types":
		return &o.DatapathTypes
	case "iface_types":
		return &o.IfaceTypes
	case "external_ids":
		return &o.ExternalIDs
	case "other_config":
		return &o.OtherConfig
	}
	return nil
}

func (b *Bridge) column(name string) any {
	switch name {
	case "_uuid":
		return rowID{&b.UUID}
	case "name":
		return &b.Name
	case "datapath_id":
		return &b.DatapathID
	case "datapath_type":
		return &b.DatapathType
	case "ports":
		return refs{&b.Ports}
	case "controller":
		return refs{&b.Controllers}
	case "fail_mode":
		return &b.FailMode
	case "protocols":
		return &b.Protocols
	case "stp_enable":
		return &b.STPEnable
	case "rstp_enable":
		return &b.RSTPEnable
	case "external_ids":
		return &b.ExternalIDs
	case "other_config":
		return &b.OtherConfig
	}
	return nil
}

func (p *Port) column(name string) any {
	switch name {
	case "_uuid":
		return rowID{&p.UUID}
	case "name":
		return &p.Name
	case "interfaces":
		return refs{&p.Interfaces}
	case "tag":
		return &p.Tag
	case "vlan_mode":
		return &p.VLANMode
	case "trunks":
		return &p.Trunks
	case "cvlans":
		return &p.CVLANs
	case "fake_bridge":
		return &p.FakeBridge
	case "protected":
		return &p.Protected
	case "external_ids":
		return &p.ExternalIDs
	}
	return nil
}

func (i *Interface) column(name string) any {
	switch name {
	case "_uuid":
		return rowID{&i.UUID}
	case "name":
		return &i.Name
	case "type":
		return &i.Type
	case "ofport":
		return &i.OFPort
	case "ofport_request":
		return &i.OFPortRequest
	case "error":
		return &i.Error
	case "link_state":
		return &i.LinkState
	case "mtu":
		return &i.MTU
	case "bfd":
		return &i.BFD
	case "bfd_status":
		return &i.BFDStatus
	case "options":
		return &i.Options
	case "external_ids":
		return &i.ExternalIDs
	case "status":
		return &i.Status
	}
	return nil
}

func (c *Controller) column(name string) any {
	switch name {
	case "_uuid":
		return rowID{&c.UUID}
	case "target":
		return &c.Target
	case "type":
		return &c.Type
	case "connection_mode":
		return &c.ConnectionMode
	case "external_ids":
		return &c.ExternalIDs
	}
	return nil
}
