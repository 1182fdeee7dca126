package topology

import (
	"fmt"
	"slices"
)

// pinIndex finds networks by their pins.
type pinIndex struct {
	on       index[hostBridge, string] // a bridge of one host → networks pinned to it
	bridges  index[string, string]     // a bridge's name, on whichever hosts → networks pinned to it
	hosts    index[string, string]     // host → networks whose pins name it
	unpinned map[string]struct{}       // networks that the plugin made and that have no pin
	loose    map[string]struct{}       // Assumed hosts that nothing names
}

func newPinIndex() pinIndex {
	return pinIndex{index[hostBridge, string]{}, index[string, string]{}, index[string, string]{}, map[string]struct{}{}, map[string]struct{}{}}
}

func (x pinIndex) add(r *NetworkRecord) {
	for _, b := range r.pinnedBridges() {
		x.on.add(b, r.Name)
	}
	for _, b := range r.bridgeNames() {
		x.bridges.add(b, r.Name)
	}
	for _, h := range r.pinnedHosts() {
		x.hosts.add(h, r.Name)
	}
	if r.Plugin && len(r.Pins) == 0 {
		x.unpinned[r.Name] = struct{}{}
	}
}

func (x pinIndex) remove(r *NetworkRecord) {
	for _, b := range r.pinnedBridges() {
		x.on.remove(b, r.Name)
	}
	for _, b := range r.bridgeNames() {
		x.bridges.remove(b, r.Name)
	}
	for _, h := range r.pinnedHosts() {
		x.hosts.remove(h, r.Name)
	}
	delete(x.unpinned, r.Name)
}

// loosen finds out anew whether anything but itself keeps a host.
func (in *Intent) loosen(host string) {
	if in.hosts[host].Assumed && len(in.pins.hosts[host])+len(in.networksOn[host])+len(in.portsOn[host]) == 0 {
		in.pins.loose[host] = struct{}{}
	} else {
		delete(in.pins.loose, host)
	}
}

// loosenAll does that for the hosts that a network names.
func (in *Intent) loosenAll(r *NetworkRecord) {
	for _, h := range r.Hosts {
		in.loosen(h)
	}
	for _, h := range r.pinnedHosts() {
		in.loosen(h)
	}
}

// bridgeNames returns the names of the bridges that pins name, each once.
func (n *NetworkRecord) bridgeNames() []string {
	var names []string
	for _, b := range n.pinnedBridges() {
		names = append(names, b.bridge)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// checkPins says why saved pins can't be.
func (in *Intent) checkPins(r NetworkRecord) error {
	for i, p := range r.Pins {
		switch {
		case i > 0 && comparePins(r.Pins[i-1], p) >= 0:
			return fmt.Errorf("pins are not sorted, or saved twice: %s → %s", p.From, p.To)
		case p.From == p.To:
			return fmt.Errorf("pins host %s to itself", p.From)
		case i > 0 && r.Pins[i-1].From == p.From && r.Pins[i-1].Bridge != p.Bridge:
			return fmt.Errorf("pins name several bridges of host %s", p.From)
		}
		for _, h := range []string{p.From, p.To} {
			if _, ok := in.hosts[h]; !ok && h != "" {
				return fmt.Errorf("pins host %s, which there is not", h)
			}
		}
	}
	return nil
}
