package plan

import "ovsmesh/ovsdb/schema"

// Taken reports whether a bridge is wholly the owner's: marked, and forwarding
// by the owner's flows alone. One that is held or being released is not.
//
// A bridge is in secure mode then, save one with the host's own network in it,
// which Bridge.Take asks for. There secure mode would cut the host off whenever
// ovs-vswitchd starts: without flows nothing passes, and the host can't dial
// out to get some. In-band control, which Open vSwitch has against that, lets
// any VM pass for the controller. So such a bridge is standalone, and
//
//   - its Controller is of type service, for which no bridge ever fails open:
//     while flows are in, nothing goes NORMAL that they don't send there, be
//     the controller there or not;
//   - after a start of ovs-vswitchd, until flows are in, everything goes NORMAL
//     as before the bridge was taken, which the switch does by a flow of its own in
//     table 0, of priority 0. It may stay there: ours are of higher priority;
//   - tunnels, and VMs' ports named by Bridge.Fence, are fenced off from
//     NORMAL, so that in that time no frame runs round the mesh or from VM to
//     VM, save what a VM tags for VLAN 4095 itself.
//
// A bridge on which NORMAL forwards anyway, and that Bridge.Open leaves
// standalone, is taken in the same way but for the fence: NORMAL is to reach its
// ports, and their being protected keeps frames from going from tunnel to tunnel.
func Taken(b *schema.Bridge, owner string) bool {
	if b == nil || owner == "" || b.ExternalIDs[schema.KeyOwner] != owner {
		return false
	}
	if b.ExternalIDs[keyTaken] != "" {
		return b.FailMode != "secure"
	}
	return b.FailMode == "secure"
}

// Spanning reports whether a bridge is taken with its tunnels open to each other,
// see Bridge.Spans.
func Spanning(b *schema.Bridge) bool { return b.ExternalIDs[keyTaken] == takenSpanning }

// takes reports whether a bridge is to be taken with the host's own network in
// it. One that is stays so while either it is asked for or that network is in
// it: a wrong step back would cut the host off.
func (d *differ) takes(b *schema.Bridge, w Bridge) bool {
	if !d.hasServices() {
		return false
	}
	before := d.ours(b.ExternalIDs) && b.ExternalIDs[keyTaken] == takenUnderlay
	if w.Take && before {
		return true
	}
	return (w.Take || before) && len(d.underlay(b)) > 0
}

// hasServices reports whether the host's switch knows controllers of type
// service; without them a standalone bridge fails open.
func (d *differ) hasServices() bool { return d.db.Has("Controller", "type") }

// takenBridge reports whether a bridge is taken with the host's own network in
// it, or is so by this plan.
func (d *differ) takenBridge(name string) bool {
	if is, looked := d.taken[name]; looked {
		return is
	}
	b := d.db.BridgeByName(name)
	return b != nil && d.ours(b.ExternalIDs) && b.ExternalIDs[keyTaken] == takenUnderlay
}

// opens says how a bridge that is to stay open is taken: takenOpen or
// takenSpanning; "" where it can't stay so. It must be standalone, for a change
// of fail_mode to secure drops its flows and one back again does, too.
func (d *differ) opens(b *schema.Bridge, w Bridge) string {
	switch {
	case !w.Open || d.taken[b.Name] || b.FailMode == "secure" || !d.hasServices() || !d.db.Has("Port", "protected"):
		return ""
	case w.Spans:
		return takenSpanning
	}
	return takenOpen
}

// spans reports whether a bridge is one of a tree, see Bridge.Spans.
func (d *differ) spans(bridge string) bool {
	if how, looked := d.opened[bridge]; looked {
		return how == takenSpanning
	}
	b := d.db.BridgeByName(bridge)
	return b != nil && d.ours(b.ExternalIDs) && b.ExternalIDs[keyTaken] == takenSpanning
}

// underlay returns the ports of a bridge that belong to the host's own network,
// and those in VLANs, by name.
func (d *differ) underlay(b *schema.Bridge) []*schema.Port {
	var ports []*schema.Port
	for _, id := range b.Ports {
		p := d.db.Ports[id]
		if p == nil || p.Name == b.Name || p.ExternalIDs[schema.KeyOwner] != "" {
			continue
		}
		if p.Tag > 0 || schema.Underlay(d.db, b, p) {
			ports = append(ports, p)
		}
	}
	return sorted(ports, func(p *schema.Port) string { return p.Name })
}
