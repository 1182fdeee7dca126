package plan

import (
	"fmt"
	"strings"

	"ovsmesh/ovsdb/schema"
)

// obstacles says why a bridge can't be made ours.
func (d *differ) obstacles(b *schema.Bridge, w Bridge) []string {
	var texts []string
	for _, id := range b.Controllers {
		c := d.db.Controllers[id]
		if c == nil || d.ours(c.ExternalIDs) || c.Target == w.Target || passive(c.Target) {
			continue
		}
		texts = append(texts, fmt.Sprintf("bridge %s has a controller of somebody else, %s: `ovs-vsctl del-controller %s` removes it",
			b.Name, c.Target, b.Name))
	}
	for _, p := range d.members(b) {
		switch {
		case p.Name == b.Name || p.ExternalIDs[schema.KeyOwner] != "":
		case p.FakeBridge:
			texts = append(texts, fmt.Sprintf("bridge %s holds the VLAN fake bridge %s", b.Name, p.Name))
		case p.Tag > 0:
			texts = append(texts, fmt.Sprintf("bridge %s holds port %s in VLAN %d", b.Name, p.Name, p.Tag))
		case schema.Underlay(d.db, b, p):
			texts = append(texts, fmt.Sprintf("bridge %s holds the physical NIC %s", b.Name, p.Name))
		}
	}
	return texts
}

// passive reports whether OpenFlow controllers dial in at a target.
func passive(target string) bool {
	return strings.HasPrefix(target, "ptcp:") || strings.HasPrefix(target, "pssl:") || strings.HasPrefix(target, "punix:")
}
