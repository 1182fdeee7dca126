package schema

import "strings"

// Underlay reports whether a port of a bridge belongs to the host's own
// network: a bond, a VLAN fake bridge, or a physical NIC.
func Underlay(db *DB, b *Bridge, p *Port) bool {
	switch {
	case p.Name == b.Name:
		return false
	case p.FakeBridge || db.members(p) > 1:
		return true
	}
	for _, id := range p.Interfaces {
		if i := db.Interfaces[id]; i != nil && nic(i) {
			return true
		}
	}
	return false
}

// members counts the interfaces of a port, save those that we add for a moment.
func (db *DB) members(p *Port) int {
	n := len(p.Interfaces)
	if n < 2 {
		return n
	}
	for _, id := range p.Interfaces {
		if i := db.Interfaces[id]; i != nil && i.Type == "patch" && i.ExternalIDs[KeyOwner] != "" {
			n--
		}
	}
	return n
}

// nic judges a device by its external_ids, then its type and name, then the
// driver that ovs-vswitchd reports: a physical NIC is none of a VM's.
func nic(i *Interface) bool {
	for _, key := range []string{"attached-mac", "iface-id", "xs-vif-uuid", KeyNetwork} {
		if i.ExternalIDs[key] != "" {
			return false
		}
	}
	switch i.Type {
	case "dpdk":
		return true
	case "", "system", "afxdp", "afxdp-nonpmd":
	default:
		return false
	}
	if hasPrefix(i.Name, "vif", "tap", "vnet") {
		return false
	}
	if hasPrefix(i.Name, "eth", "en", "em", "bond", "ib", "wl") {
		return true
	}
	switch i.Status["driver_name"] {
	case "", "veth", "tun", "dummy", "openvswitch", "bridge":
		return false
	}
	return true
}

func hasPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
