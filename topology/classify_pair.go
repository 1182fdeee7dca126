package topology

import (
	"cmp"
	"slices"
	"strings"
)

// candidate is an Interface of one host on its way to becoming a VIF.
type candidate struct {
	bridge *BridgeFacts
	own    *InterfaceFacts
	group  *group
}

// group is the Interfaces of one VM's interface, with what any of them says
// of it.
type group struct {
	members                                       []*candidate
	active                                        bool // one of them has iface-status=active
	attachedMAC, ifaceID, xsVifUUID, network, ips string
}

// candidates returns a host's interfaces that count. Xen gives a VM's
// interface two of them, vifD.N for the paravirtual driver and tapD.N for the
// emulated device, of which one carries the traffic. Those of one VM's
// interface are known by the same iface-id or xs-vif-uuid or by their names;
// if one of them has iface-status=active, the others don't count. If none has,
// all do: better a frame to an idle device than none to the right one.
func candidates(f *HostFacts) []*candidate {
	var all []*candidate
	first := map[factKey]*candidate{}
	for i := range f.Bridges {
		b := &f.Bridges[i]
		for j := range b.Interfaces {
			r := &b.Interfaces[j]
			if r.Name == b.Name {
				continue // LOCAL
			}
			c := &candidate{bridge: b, own: r}
			c.group = &group{members: []*candidate{c}}
			all = append(all, c)
			for _, k := range r.identities() {
				if other, ok := first[k]; ok {
					merge(other.group, c.group)
				} else {
					first[k] = c
				}
			}
		}
	}
	for _, c := range all {
		c.group.learn(c.own)
	}
	return slices.DeleteFunc(all, func(c *candidate) bool {
		return c.group.active && c.own.IfaceStatus != "active"
	})
}

// merge makes one group of two. The smaller goes into the larger, so that a
// host that claims one identity for thousands of interfaces costs little.
func merge(a, b *group) {
	if a == b {
		return
	}
	if len(a.members) < len(b.members) {
		a, b = b, a
	}
	a.members = append(a.members, b.members...)
	for _, c := range b.members {
		c.group = a
	}
}

// learn adds what one member says; where two differ, the first counts.
func (g *group) learn(r *InterfaceFacts) {
	g.active = g.active || r.IfaceStatus == "active"
	g.attachedMAC = cmp.Or(g.attachedMAC, r.AttachedMAC)
	g.ifaceID = cmp.Or(g.ifaceID, r.IfaceID)
	g.xsVifUUID = cmp.Or(g.xsVifUUID, r.XSVifUUID)
	g.network = cmp.Or(g.network, r.Network)
	g.ips = cmp.Or(g.ips, r.IPs)
}

// The values that decide on a candidate: its own or, where it says nothing,
// those of its group.

func (c *candidate) attachedMAC() string { return cmp.Or(c.own.AttachedMAC, c.group.attachedMAC) }
func (c *candidate) ifaceID() string     { return cmp.Or(c.own.IfaceID, c.group.ifaceID) }
func (c *candidate) xsVifUUID() string   { return cmp.Or(c.own.XSVifUUID, c.group.xsVifUUID) }
func (c *candidate) network() string     { return cmp.Or(c.own.Network, c.group.network) }
func (c *candidate) ips() string         { return cmp.Or(c.own.IPs, c.group.ips) }

// identities returns the keys that an Interface shares with others of the same
// VM's interface and with none else on its host.
func (r *InterfaceFacts) identities() []factKey {
	var keys []factKey
	if r.IfaceID != "" {
		keys = append(keys, factKey{by: byIfaceID, text: r.IfaceID})
	}
	if r.XSVifUUID != "" {
		keys = append(keys, factKey{by: byXSVif, text: r.XSVifUUID})
	}
	if device, ok := xenDevice(r.Name); ok {
		keys = append(keys, factKey{by: byXenDevice, text: device})
	}
	return keys
}

// xenDevice returns D.N of XenServer's vifD.N or tapD.N: domain and device.
func xenDevice(name string) (string, bool) {
	device, ok := strings.CutPrefix(name, "vif")
	if !ok {
		device, ok = strings.CutPrefix(name, "tap")
	}
	domain, number, dot := strings.Cut(device, ".")
	return device, ok && dot && isDigits(domain) && isDigits(number)
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
