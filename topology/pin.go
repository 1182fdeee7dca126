package topology

import (
	"cmp"
	"maps"
	"slices"
)

// Pin keeps hosts in a network because a call of CloudStack's ovstunnel plugin
// asked for a tunnel or a bridge there: both are members as if the network listed
// them, until a call takes the pin away. Pins are no part of a spec. Where it
// names a bridge, that one, and no other of From, carries the network there,
// whatever the network itself names: on another host a bridge of that name may
// be another network's.
type Pin struct {
	From   string `json:"from"`             // host that was called
	To     string `json:"to,omitempty"`     // host to which the tunnel leads; "": the bridge alone, which is made where it is missing
	Port   string `json:"port,omitempty"`   // of the tunnel, as it was answered
	Bridge string `json:"bridge,omitempty"` // of From; "": the one that the network names
}

func comparePins(a, b Pin) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
}

// hostBridge is a bridge of one host.
type hostBridge struct{ host, bridge string }

// pinnedHosts returns the hosts that a network's pins name, sorted, each once.
func (n *NetworkRecord) pinnedHosts() []string {
	if n == nil || len(n.Pins) == 0 {
		return nil
	}
	names := map[string]struct{}{}
	for _, p := range n.Pins {
		names[p.From] = struct{}{}
		if p.To != "" {
			names[p.To] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// pinnedBridges returns the bridges that a network's pins name, one a host.
func (n *NetworkRecord) pinnedBridges() []hostBridge {
	if n == nil {
		return nil
	}
	var list []hostBridge
	for _, p := range n.Pins { // those of a host stand together
		if p.Bridge != "" && (len(list) == 0 || list[len(list)-1].host != p.From) {
			list = append(list, hostBridge{p.From, p.Bridge})
		}
	}
	return list
}

// pinsOf returns the pins of which a host is From.
func (n *NetworkRecord) pinsOf(host string) []Pin {
	from, _ := slices.BinarySearchFunc(n.Pins, host, func(p Pin, host string) int { return cmp.Compare(p.From, host) })
	to := from
	for to < len(n.Pins) && n.Pins[to].From == host {
		to++
	}
	return n.Pins[from:to]
}

// pinnedBridge returns the bridge that carries the network on a host because a
// pin says so, and whether it is to be made there; "" if none says so.
func (n *NetworkRecord) pinnedBridge(host string) (bridge string, create bool) {
	for _, p := range n.pinsOf(host) {
		bridge = cmp.Or(bridge, p.Bridge)
		create = create || p.To == ""
	}
	return bridge, create && bridge != ""
}
