package topology

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// Saved is an intent at rest.
type Saved struct {
	Networks      []NetworkRecord
	Hosts         []HostRecord
	Ports         []Port
	KeyPools      []KeyPool // in the order in which networks draw from them
	NextNetworkID uint32    // 0 in an empty store
}

// Intent is all that operators have declared, with the keys and IDs that were
// given out. It plans changes and takes them over once the store has them:
//
//	Plan ──► Change ──store──► Commit
//
// It is indexed, so that the cost of a change is that of what it names,
// however much else there is. One goroutine owns it; what it hands out must
// not be changed.
type Intent struct {
	networks map[string]NetworkRecord
	hosts    map[string]HostRecord
	ports    map[string]Port
	pools    []KeyPool

	keys        map[tunnelKey]string // network name
	networkIDs  map[uint32]string
	hostIDs     map[int]string
	systemIDs   map[string]string
	endpoints   map[string]string // by address text: explicit endpoints only
	matches     map[factKey]string
	stations    map[station]string   // port name
	ips         map[networkIP]string // port name
	accords     accords
	portsOf     index[string, string] // network → ports in it
	portsOn     index[string, string] // host → ports whose match names it
	networksOn  index[string, string] // host → networks that list it
	pins        pinIndex
	keyBounds   map[KeyPool]uint64 // all keys of the pool below are in use
	hostIDBound int                // all IDs below are in use

	nextNetworkID uint32
	generation    uint64
}

type tunnelKey struct {
	encap Encap
	key   uint32
}

// station is a MAC address in a network.
type station struct {
	network string
	mac     MAC
}

// networkIP is an IP address in a network.
type networkIP struct {
	network string
	ip      netip.Addr
}

// NewIntent returns the intent that was saved. Records that contradict each
// other are an error that names them all: it is better not to start than to
// build a wrong mesh.
func NewIntent(saved Saved) (*Intent, error) {
	in := &Intent{
		networks: map[string]NetworkRecord{}, hosts: map[string]HostRecord{}, ports: map[string]Port{},
		keys: map[tunnelKey]string{}, networkIDs: map[uint32]string{}, hostIDs: map[int]string{},
		systemIDs: map[string]string{}, endpoints: map[string]string{}, matches: map[factKey]string{},
		stations: map[station]string{}, ips: map[networkIP]string{}, accords: accords{}, portsOf: index[string, string]{}, portsOn: index[string, string]{},
		networksOn: index[string, string]{}, pins: newPinIndex(), hostIDBound: 1, nextNetworkID: max(1, saved.NextNetworkID),
		pools: slices.Clone(saved.KeyPools),
	}
	var errs []error
	for _, r := range saved.Networks {
		if err := in.checkNetwork(r); err != nil {
			errs = append(errs, fmt.Errorf("network %s: %w", r.Name, err))
			continue
		}
		in.addNetwork(r)
	}
	for _, r := range saved.Hosts {
		if err := in.checkHost(r); err != nil {
			errs = append(errs, fmt.Errorf("host %s: %w", r.Name, err))
			continue
		}
		in.addHost(r)
	}
	for _, p := range saved.Ports {
		if err := in.checkPort(p); err != nil {
			errs = append(errs, fmt.Errorf("port %s: %w", p.Name, err))
			continue
		}
		in.addPort(p)
	}
	errs = append(errs, in.checkPools()...)
	for _, r := range saved.Networks {
		for _, h := range r.Hosts {
			if _, ok := in.hosts[h]; !ok {
				errs = append(errs, fmt.Errorf("network %s: lists host %s, which there is not", r.Name, h))
			}
		}
		if err := in.checkPins(r); err != nil {
			errs = append(errs, fmt.Errorf("network %s: %w", r.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	in.resetBounds()
	in.raiseBounds()
	return in, nil
}

// Networks returns all networks, sorted by name.
func (in *Intent) Networks() []NetworkRecord {
	return slices.SortedFunc(maps.Values(in.networks), func(a, b NetworkRecord) int { return cmp.Compare(a.Name, b.Name) })
}

// Hosts returns all hosts, also those that only dialled in, sorted by name.
func (in *Intent) Hosts() []HostRecord {
	return slices.SortedFunc(maps.Values(in.hosts), func(a, b HostRecord) int { return cmp.Compare(a.Name, b.Name) })
}

// Ports returns all ports, sorted by name.
func (in *Intent) Ports() []Port {
	return slices.SortedFunc(maps.Values(in.ports), func(a, b Port) int { return cmp.Compare(a.Name, b.Name) })
}

// KeyPools returns the pools in the order in which networks draw from them.
func (in *Intent) KeyPools() []KeyPool { return slices.Clone(in.pools) }

// Count returns how many networks there are.
func (in *Intent) Count() int { return len(in.networks) }

// Network returns the network of that name.
func (in *Intent) Network(name string) (NetworkRecord, bool) {
	r, ok := in.networks[name]
	return r, ok
}

// Host returns the host of that name.
func (in *Intent) Host(name string) (HostRecord, bool) {
	r, ok := in.hosts[name]
	return r, ok
}

// HostBySystemID returns the host that is tied to external_ids:system-id.
func (in *Intent) HostBySystemID(id string) (HostRecord, bool) {
	name, ok := in.systemIDs[id]
	return in.hosts[name], ok
}

// HostByID returns the host of that number.
func (in *Intent) HostByID(id int) (HostRecord, bool) {
	name, ok := in.hostIDs[id]
	return in.hosts[name], ok
}

// Port returns the port of that name.
func (in *Intent) Port(name string) (Port, bool) {
	p, ok := in.ports[name]
	return p, ok
}

// Spec returns the intent as a spec that Plan takes back, for export: defaults
// left out, allocated keys and IDs named, so that an empty store becomes the
// same mesh from it. Hosts that only dialled in are in it for that reason too.
func (in *Intent) Spec() Spec {
	s := Spec{KeyPools: in.KeyPools(), Ports: in.Ports()}
	for _, r := range in.Networks() {
		s.Networks = append(s.Networks, r.Network.short())
	}
	for _, r := range in.Hosts() {
		s.Hosts = append(s.Hosts, r.Host.short())
	}
	return s
}
