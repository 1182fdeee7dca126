package controller

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/flow"
	"ovsmesh/topology"
)

// Offline is a whole mesh worked out from files, as a controller with that spec
// and those hosts works it out: what should be on every bridge, and which port
// is what. It speaks with nobody. One goroutine owns it.
type Offline struct {
	hosts    map[string]*OfflineHost
	networks []string // names
}

// OfflineHost is one managed host. Its loop is never run.
type OfflineHost struct {
	Name    string
	Missing string // why the inventory has nothing of its bridges; "": it has
	loop    *host  // its database is in att, without a session; none of its bridges has one
}

// NewOffline works out the mesh of a spec, as "ovsmesh export" writes it, over
// an inventory, as "ovsmesh export --inventory" writes it. The error is
// topology.SpecErrors where the spec is bad, and names the host where the
// inventory is. What the spec leaves to the controller to choose, keys and
// numbers, is taken from the inventory.
func NewOffline(spec []topology.File, inv api.Inventory) (*Offline, error) {
	intent, err := offlineIntent(spec, inv)
	if err != nil {
		return nil, err
	}
	o := &Offline{hosts: map[string]*OfflineHost{}}
	mesh := topology.NewMesh()
	left := map[string]bool{}
	for _, h := range inv.Hosts {
		left[h.Name] = h.Left
	}
	for _, r := range intent.Networks() {
		mesh.SetNetwork(r)
		o.networks = append(o.networks, r.Name)
	}
	for _, r := range intent.Hosts() {
		if left[r.Name] {
			continue
		}
		mesh.SetHost(r)
		if r.Kind != topology.KindExternal {
			o.hosts[r.Name] = &OfflineHost{Name: r.Name, Missing: "the inventory does not have it: it has never dialled in", loop: newHost(r.Name, offlineEnvironment(inv.StoreID))}
		}
	}
	for _, p := range intent.Ports() {
		mesh.SetPort(p)
	}
	var errs []error
	for i := range inv.Hosts {
		f := &inv.Hosts[i]
		mesh.SetFacts(f.Name, f.HostFacts)
		if h := o.hosts[f.Name]; h != nil {
			if err := h.take(f); err != nil {
				errs = append(errs, fmt.Errorf("inventory: host %s: %w", f.Name, err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, u := range mesh.Flush() {
		if h := o.hosts[u.Host]; h != nil {
			h.loop.setWanted(u.Network, u.On)
		}
	}
	return o, nil
}

// offlineEnvironment is that of one host alone, since each may be reached by
// another address.
func offlineEnvironment(owner string) *environment {
	return &environment{log: zap.NewNop(), events: newEvents(1), owner: owner}
}

// offlineIntent returns the intent of a controller with the inventory's store
// that a spec has been made true in.
func offlineIntent(files []topology.File, inv api.Inventory) (*topology.Intent, error) {
	spec, src, err := topology.Parse(files...)
	if err != nil {
		return nil, err
	}
	saved := topology.Saved{NextNetworkID: 1}
	for _, n := range inv.Networks {
		r := topology.NetworkRecord{Network: topology.Network{Name: n.Name, Encap: n.Encap, Key: n.Key}.Defaults(), ID: n.ID, AutoKey: true}
		saved.Networks = append(saved.Networks, r)
		saved.NextNetworkID = max(saved.NextNetworkID, n.ID+1)
	}
	for i := range inv.Hosts {
		h := &inv.Hosts[i]
		r := topology.HostRecord{Host: topology.Host{Name: h.Name, ID: h.ID, SystemID: h.SystemID}.Defaults(), AutoID: true, Registered: true}
		saved.Hosts = append(saved.Hosts, r)
	}
	intent, err := topology.NewIntent(saved)
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	change, err := intent.Plan(spec, src, true)
	if err != nil {
		return nil, err
	}
	if err := intent.Commit(change); err != nil {
		return nil, err
	}
	return intent, offlinePins(intent, inv)
}

// offlinePins adds what CloudStack's calls keep, as far as the spec still has
// its hosts.
func offlinePins(intent *topology.Intent, inv api.Inventory) error {
	kept := topology.Adoption{Spec: &topology.Spec{}, Networks: map[string]topology.AdoptedNetwork{}}
	for _, n := range inv.Networks {
		gone := func(p topology.Pin) bool {
			_, from := intent.Host(p.From)
			_, to := intent.Host(p.To)
			return !from || !to && p.To != ""
		}
		kept.Networks[n.Name] = topology.AdoptedNetwork{Pins: slices.DeleteFunc(slices.Clone(n.Pins), gone)}
	}
	change, err := intent.PlanAdopt(kept)
	if err != nil {
		return err
	}
	return intent.Commit(change)
}

// take lends the loop the database that the inventory describes.
func (h *OfflineHost) take(f *api.InventoryHost) error {
	if f.OVS == nil {
		h.Missing = "the inventory has no rows of it"
		if f.Missing != "" {
			h.Missing += ": when it was written, " + f.Missing
		}
		return nil
	}
	if f.OVS.Target == "" {
		return errors.New("ovs.target, where its bridges dial in, is missing: export the inventory anew")
	}
	db, err := databaseOf(f.OVS)
	if err != nil {
		return err
	}
	h.Missing = ""
	h.loop.env.advertise = f.OVS.Target
	h.loop.att = &attachment{db: db}
	for _, r := range db.Bridges {
		if h.loop.owned(r) {
			h.loop.bridge(r.Name)
		}
	}
	return nil
}

// Hosts returns the managed hosts, sorted by name.
func (o *Offline) Hosts() []*OfflineHost {
	list := make([]*OfflineHost, 0, len(o.hosts))
	for _, name := range slices.Sorted(maps.Keys(o.hosts)) {
		list = append(list, o.hosts[name])
	}
	return list
}

// Host returns the managed host of that name, nil if there is none.
func (o *Offline) Host(name string) *OfflineHost { return o.hosts[name] }

// Bridges returns the names of the bridges that are managed, or are to be,
// sorted; nil where Missing says why that is not known.
func (h *OfflineHost) Bridges() []string {
	if h.Missing != "" {
		return nil
	}
	return slices.Sorted(maps.Keys(h.loop.bridges))
}

// Want returns the flows that a bridge should hold, by network ID, 0 for those
// of no network.
func (h *OfflineHost) Want(bridge string) (map[uint32][]flow.Flow, error) {
	b := h.loop.bridges[bridge]
	if b == nil || h.Missing != "" {
		return nil, fmt.Errorf("host %s manages no bridge %q", h.Name, bridge)
	}
	want := map[uint32][]flow.Flow{}
	for _, id := range append(slices.Sorted(maps.Keys(b.nets)), 0) {
		flows, _, err := h.loop.compile(b, id)
		if err != nil {
			return nil, fmt.Errorf("bridge %s: %w", bridge, err)
		}
		want[id] = flows
	}
	return want, nil
}
