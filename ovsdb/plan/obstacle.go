package plan

import (
	"fmt"
	"slices"
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
	// Of the plugin's bridges STP goes with a flood to all that is there; see Reflood.
	// Tunnels that are made in the same breath would not be flooded to.
	if (w.Normal || w.Take) && (len(own) > 0 || !OfPlugin(d.db, b)) {
		texts = append(texts, d.stpObstacle(b)...)
	}
	if w.Take && d.hasServices() {
		return append(texts, d.secureObstacle(b, own)...)
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

// stpObstacle says why STP may not be switched off where NORMAL is to forward.
// With several ways out of the host it may be what keeps its network free of
// loops. And Open vSwitch (3.1.0) goes on leaving out ports that take part in
// it when NORMAL floods: until it starts anew, or their NO_FLOOD changes.
func (d *differ) stpObstacle(b *schema.Bridge) []string {
	if !b.STPEnable && !b.RSTPEnable || d.ours(b.ExternalIDs) {
		return nil
	}
	var ports []string
	for _, id := range b.Ports {
		if p := d.db.Ports[id]; p != nil && p.Name != b.Name && !p.FakeBridge && p.ExternalIDs[schema.KeyOwner] == "" {
			ports = append(ports, p.Name)
		}
	}
	if len(ports) == 0 {
		return nil // those that come later are flooded to
	}
	slices.Sort(ports)
	return []string{fmt.Sprintf("bridge %s runs STP, and when that is switched off Open vSwitch floods nothing to ports that are there already (%s). "+
		"If there can be no loop without it, switch it off first: `ovs-vsctl set Bridge %s stp_enable=false rstp_enable=false`, "+
		"then for each port `ovs-ofctl -O OpenFlow10 mod-port %s PORT no-flood` and the same with `flood`",
		b.Name, someOf(ports), b.Name, b.Name)}
}

// secureObstacle says why a bridge with the host's own network in it can't be
// given back: it was secure, so that flows of its operator alone forward, and
// a change of fail_mode drops these. Nobody could put them in again, for the
// host would be cut off.
func (d *differ) secureObstacle(b *schema.Bridge, own []*schema.Port) []string {
	if b.FailMode != "secure" || len(own) == 0 || d.ours(b.ExternalIDs) {
		return nil
	}
	return []string{fmt.Sprintf("bridge %s is in secure mode and holds %s: to put that mode back some day would cut the host off. "+
		"`ovs-vsctl del-fail-mode %s` makes the bridge forward by itself, as takeBridge needs it", b.Name, own[0].Name, b.Name)}
}

// someOf joins the first few of a list.
func someOf(list []string) string {
	const shown = 5
	if more := len(list) - shown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:shown], ", "), more)
	}
	return strings.Join(list, ", ")
}

// passive reports whether OpenFlow controllers dial in at a target.
func passive(target string) bool {
	return strings.HasPrefix(target, "ptcp:") || strings.HasPrefix(target, "pssl:") || strings.HasPrefix(target, "punix:")
}
