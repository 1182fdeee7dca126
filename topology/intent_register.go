package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// PlanRegister returns which host it is that dialled in with these facts, and
// what it takes to have it in the intent (nothing, mostly). It is the host
// with that system-id; else the host of the spec without system-id that is
// called like it, which is tied to the system-id from then on; else a new one,
// registered by its short lower-case host name, or by its system-id where that
// is no name or belongs to another. An external host of a spec is never it: the
// error is ErrConflict. But where its tunnels begin at the endpoint of an Assumed
// host, that is what it is: it takes that one's ID and place in all networks, and
// is called as any host is that dials in, save where a spec names it as it was.
func (in *Intent) PlanRegister(f HostFacts) (*Change, HostRecord, error) {
	p, r, err := in.planRegister(f)
	if err != nil {
		return nil, HostRecord{}, err
	}
	p.absorb(r, f)
	return p.change(), *r, nil
}

func (in *Intent) planRegister(f HostFacts) (*pinner, *HostRecord, error) {
	p := in.newPinner()
	if why := badSystemID(f.SystemID); why != "" {
		return nil, nil, fmt.Errorf("external_ids:system-id %.64q %s", f.SystemID, why)
	}
	if r, ok := in.HostBySystemID(f.SystemID); ok {
		return p, p.host(r.Name), nil
	}
	name := shortHostname(f.Hostname)
	for _, n := range []string{f.Hostname, name} {
		if r := in.hosts[n]; r.Kind == KindExternal && !r.Assumed {
			return nil, nil, notExternal(n)
		}
	}
	if r, ok := in.specHost(f.Hostname, name); ok {
		r := p.host(r.Name)
		r.SystemID = f.SystemID
		return p, r, nil
	}
	// By its old name where a spec speaks of it, or where that is its own: it may
	// have been in the mesh before.
	if was := in.assumedAt(EndpointOf(HostRecord{}, f)); was != "" && (was == name || len(in.networksOn[was])+len(in.portsOn[was]) > 0) && in.bridged(was) {
		r := p.host(was)
		r.Kind, r.SystemID, r.Endpoint, r.Assumed, r.Registered = KindManaged, f.SystemID, netip.Addr{}, false, true
		return p, r, nil
	}
	if _, taken := in.hosts[name]; taken || badName(name) != "" {
		name = strings.ToLower(f.SystemID)
	}
	if why := badName(name); why != "" {
		return nil, nil, fmt.Errorf("neither its host name %.64q nor its system-id %.64q can name the host: %s; name it in a spec", f.Hostname, f.SystemID, why)
	}
	if other, taken := in.hosts[name]; taken && other.Kind == KindExternal {
		return nil, nil, notExternal(name)
	} else if taken {
		return nil, nil, fmt.Errorf("%w: host %s has system-id %s, not %s", ErrConflict, name, other.SystemID, f.SystemID)
	}
	r := &HostRecord{Host: Host{Name: name, ID: p.lowestID(name), SystemID: f.SystemID}.Defaults(), AutoID: true, Registered: true}
	p.hosts[name] = r
	return p, r, nil
}

// bridged reports whether all networks that list a host know a bridge of it, as
// they must of one that is managed.
func (in *Intent) bridged(host string) bool {
	return !slices.ContainsFunc(in.networksOn[host], func(name string) bool {
		n := in.networks[name]
		return n.Bridge == "" && len(n.XSNetworkUUIDs) == 0
	})
}

// notExternal is the answer to a host that dials in by an external one's name.
func notExternal(name string) error {
	return fmt.Errorf("%w: a host that dials in can't be host %s, which is external in the spec: "+
		"make that one kind: managed, or add a host of another name with this one's system-id", ErrConflict, name)
}

// specHost returns the host of the spec that waits for a host of this name:
// the whole one or the short one.
func (in *Intent) specHost(hostname, short string) (HostRecord, bool) {
	for _, name := range []string{hostname, short} {
		if r, ok := in.hosts[name]; ok && r.SystemID == "" && r.Kind != KindExternal {
			return r, true
		}
	}
	return HostRecord{}, false
}

// shortHostname returns a host name in lower case up to its first dot.
func shortHostname(hostname string) string {
	short, _, _ := strings.Cut(hostname, ".")
	return strings.ToLower(short)
}
