package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// Controller is the Backend of the API.
var _ api.Backend = (*Controller)(nil)

// Registry returns the metrics.
func (c *Controller) Registry() *prometheus.Registry { return c.metrics.registry }

// Version says what runs here.
func (c *Controller) Version() api.Version {
	return api.Version{Version: c.cfg.Version, StoreID: c.env.owner, Observing: c.hub.observes()}
}

// Ready is closed once hosts may dial in.
func (c *Controller) Ready() <-chan struct{} { return c.ready }

// Events returns what came after an event.
func (c *Controller) Events(after uint64) api.EventPage { return c.env.events.since(after) }

// Apply makes a spec true in the intent, or only says what it would change.
// What it returns without an error is on disk.
func (c *Controller) Apply(ctx context.Context, r api.ApplyRequest) (api.ApplyResult, error) {
	files := make([]topology.File, len(r.Files))
	for i, f := range r.Files {
		files[i] = topology.File{Name: f.Name, Data: []byte(f.Data)}
	}
	spec, src, err := topology.Parse(files...)
	if err != nil {
		return api.ApplyResult{}, err
	}
	return c.change(ctx, r.DryRun, func() (*topology.Change, error) {
		return c.hub.intent.Plan(spec, src, r.Prune)
	})
}

// Delete takes one object out of the intent.
func (c *Controller) Delete(ctx context.Context, kind, name string) (api.ApplyResult, error) {
	return c.change(ctx, false, func() (*topology.Change, error) {
		return c.hub.intent.PlanDelete(kind, name)
	})
}

func (c *Controller) change(ctx context.Context, dry bool, plan func() (*topology.Change, error)) (api.ApplyResult, error) {
	res := &api.ApplyResult{DryRun: dry}
	var err error
	if e := c.hub.do(ctx, func() {
		var change *topology.Change
		if change, err = plan(); err != nil {
			return
		}
		if !dry {
			if err = c.hub.commit(change); err == nil {
				c.hub.recall(change.Items)
			}
		}
		res.Items = change.Items
		res.Generation = c.hub.gen
	}); e != nil {
		return api.ApplyResult{}, e
	}
	if err != nil {
		return api.ApplyResult{}, err
	}
	return *res, nil
}

// Sync says how far the connected hosts have followed to a generation.
func (c *Controller) Sync(ctx context.Context, gen uint64) (api.SyncStatus, error) {
	st := api.SyncStatus{Generation: gen, Pending: []api.HostPending{}, Errors: []string{}}
	if held := c.hub.held.Load(); held != nil {
		st.Held = held.waits
	}
	hosts, err := c.loopsNow(ctx)
	if err != nil {
		return st, err
	}
	for _, h := range hosts {
		last := h.mail.last()
		s := h.status
		s.mu.Lock()
		if !s.connected {
			s.mu.Unlock()
			continue
		}
		st.Hosts++
		// A host has it when it has dealt with all mail up to gen; mail of
		// later changes does not count.
		if s.applied >= min(gen, last) {
			st.InSync++
		} else {
			st.Pending = append(st.Pending, api.HostPending{Host: h.name, Reason: s.waiting})
		}
		for name := range s.failing {
			for _, p := range s.networks[name].failures {
				st.Errors = append(st.Errors, fmt.Sprintf("%s: network %s: %s", h.name, name, p))
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(st.Pending, func(a, b api.HostPending) int { return strings.Compare(a.Host, b.Host) })
	slices.Sort(st.Errors)
	st.Done = len(st.Pending) == 0
	return st, nil
}

// Export returns the intent as a spec that apply takes back.
func (c *Controller) Export(ctx context.Context) (spec topology.Spec, err error) {
	var s topology.Spec
	if err := c.hub.do(ctx, func() { s = c.hub.intent.Spec() }); err != nil {
		return topology.Spec{}, err
	}
	return s, nil
}

// Objects returns all objects of a kind, or the one of that name, with what
// became of them.
func (c *Controller) Objects(ctx context.Context, kind, name string) (api.Objects, error) {
	v, err := c.look(ctx)
	if err != nil {
		return api.Objects{}, err
	}
	var o api.Objects
	found := name == ""
	keep := func(n string) bool {
		ok := name == "" || n == name
		found = found || ok
		return ok
	}
	switch kind {
	case api.KindNetworks:
		o.Networks = []api.NetworkObject{}
		for _, n := range v.networks {
			if keep(n.rec.Name) {
				o.Networks = append(o.Networks, v.networkObject(n))
			}
		}
	case api.KindHosts:
		o.Hosts = []api.HostObject{}
		for _, h := range v.hosts {
			if keep(h.rec.Name) {
				o.Hosts = append(o.Hosts, h.hostObject())
			}
		}
	case api.KindPorts:
		o.Ports = []api.PortObject{}
		for _, p := range v.ports {
			if keep(p.Name) {
				o.Ports = append(o.Ports, api.PortObject{Port: p, Status: v.portStatus(p)})
			}
		}
	case api.KindKeyPools:
		o.KeyPools = []api.KeyPoolObject{}
		for _, p := range v.pools {
			if keep(p.Name()) {
				o.KeyPools = append(o.KeyPools, api.KeyPoolObject{KeyPool: p, Status: v.poolStatus(p)})
			}
		}
	default:
		return o, fmt.Errorf("kind %q: %w (there are networks, hosts, ports, keypools)", kind, topology.ErrNotFound)
	}
	if !found {
		return api.Objects{}, fmt.Errorf("%s %q: %w", strings.TrimSuffix(kind, "s"), name, topology.ErrNotFound)
	}
	return o, nil
}
