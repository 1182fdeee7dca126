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
	own := d.underlay(b)
	if w.Take && d.hasServices() {
		return append(texts, d.stpObstacle(b, own)...)
	}
	for _, p := range own {
		what := "the physical NIC " + p.Name
		switch {
		case p.FakeBridge:
			what = "the VLAN fake bridge " + p.Name
		case p.Tag > 0:
			what = fmt.Sprintf("port %s in VLAN %d", p.Name, p.Tag)
		case len(p.Interfaces) > 1:
			what = "the bond " + p.Name
		}
		text := fmt.Sprintf("bridge %s holds %s", b.Name, what)
		if w.Take {
			text += ", and the host's Open vSwitch is too old for takeBridge: its controllers have no type"
		} else {
			text += ": takeBridge: true takes it with the host's own network in it"
		}
		texts = append(texts, text)
	}
	return texts
}

// stpObstacle says why STP may not be switched off: with several ways out of
// the host it may be what keeps its network free of loops.
func (d *differ) stpObstacle(b *schema.Bridge, own []*schema.Port) []string {
	if !b.STPEnable && !b.RSTPEnable || d.ours(b.ExternalIDs) {
		return nil
	}
	var ways []string
	for _, p := range own {
		if !p.FakeBridge && schema.Underlay(d.db, b, p) {
			ways = append(ways, p.Name)
		}
	}
	if len(ways) < 2 {
		return nil
	}
	return []string{fmt.Sprintf("bridge %s runs STP over %s, which can't be switched off without the danger of a loop: make a bond of them or switch it off (`ovs-vsctl set Bridge %s stp_enable=false rstp_enable=false`)",
		b.Name, strings.Join(ways, ", "), b.Name)}
}

// passive reports whether OpenFlow controllers dial in at a target.
func passive(target string) bool {
	return strings.HasPrefix(target, "ptcp:") || strings.HasPrefix(target, "pssl:") || strings.HasPrefix(target, "punix:")
}
