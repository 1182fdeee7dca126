package topology

import (
	"errors"
	"fmt"
	"slices"
)

// PlanTakeover returns what it takes to have all that CloudStack's ovstunnel plugin
// has left: as if it had made these calls, in this order, all at once. Calls
// without RemoteIP are of bridges, the others of tunnels, which keep the names that
// they have (Port). Name is what a network that there is not yet is called. The error
// joins one for each call that can't be.
func (in *Intent) PlanTakeover(calls []PluginCall) (*Change, error) {
	p := in.newPinner()
	var errs []error
	for _, call := range calls {
		if err := p.takeOver(call); err != nil {
			what := "bridge " + call.Bridge
			if call.Port != "" {
				what = "port " + call.Port
			}
			errs = append(errs, fmt.Errorf("%s of %s: %w", what, call.Host, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p.change(), nil
}

func (p *pinner) takeOver(call PluginCall) error {
	if call.Key == 0 || call.Key > GRE.MaxKey() {
		return &CallError{"Key", fmt.Sprintf("is missing, or not in 1..%d", GRE.MaxKey())}
	}
	self, err := p.caller(call)
	if err != nil {
		return err
	}
	pin := Pin{From: self.Name, Bridge: call.Bridge, Port: call.Port}
	if call.RemoteIP.IsValid() {
		call.RemoteIP = call.RemoteIP.Unmap()
		if why := unusable(call.RemoteIP); why != "" {
			return &CallError{"RemoteIP", fmt.Sprintf("%s is %s", call.RemoteIP, why)}
		}
		remote, err := p.takenRemote(call)
		if err != nil {
			return err
		}
		if remote.Name == self.Name {
			return &CallError{"RemoteIP", fmt.Sprintf("%s is where the tunnels of host %s itself begin", call.RemoteIP, self.Name)}
		}
		pin.To = remote.Name
	}
	n, err := p.takenNetwork(call)
	if err != nil {
		return err
	}
	n.put(pin)
	return nil
}

// takenRemote returns the host at the far end, also one that this change has made.
func (p *pinner) takenRemote(call PluginCall) (*HostRecord, error) {
	if call.Remote == "" {
		for _, r := range p.hosts {
			if r.Assumed && r.Endpoint == call.RemoteIP {
				return r, p.setID(r, call.To)
			}
		}
	}
	return p.remote(call)
}

// takenNetwork returns the network of a key, also one that this change has made.
func (p *pinner) takenNetwork(call PluginCall) (*NetworkRecord, error) {
	for _, n := range p.nets {
		if n.Encap == GRE && n.Key == call.Key {
			return n, p.agree(n, call)
		}
	}
	n, err := p.networkOf(call, call.Name)
	if err != nil {
		return nil, err
	}
	for _, other := range p.nets {
		if other != n && slices.Contains(other.bridgesOn(call.Host), call.Bridge) {
			return nil, fmt.Errorf("%w: bridge %s is that of key %d already", ErrConflict, call.Bridge, other.Key)
		}
	}
	return n, nil
}

// bridgesOn returns the bridges of a host that pins of the network name.
func (n *NetworkRecord) bridgesOn(host string) []string {
	var names []string
	for _, p := range n.pinsOf(host) {
		if p.Bridge != "" {
			names = append(names, p.Bridge)
		}
	}
	return names
}
