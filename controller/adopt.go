package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"ovsmesh/controller/adopt"
	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/topology"
)

// Taking over what another store has left goes like this:
//
//	rows of all hosts ──► what they tell ──► spec ──► trial mesh
//	                                                     │ no tunnel goes or changes
//	                              intent: on disk, hosts see the networks
//	                                                     │ and that the rows are another's
//	                      each host's rows: one transaction that changes marks
//
// The intent comes first: a host whose rows were its own before it knew of their
// network would take them for forgotten.

// Adoptable says what other stores have left on the hosts that are connected.
func (c *Controller) Adoptable(ctx context.Context) (api.AdoptOffer, error) {
	hosts, unseen, err := c.readRows(ctx)
	if err != nil {
		return api.AdoptOffer{}, err
	}
	offer := api.AdoptOffer{Stores: []api.AdoptStore{}, Unseen: append([]string{}, unseen...)}
	for _, id := range adopt.Stores(hosts) {
		offer.Stores = append(offer.Stores, storeOffer(hosts, adopt.Rebuild(hosts, adopt.Pick{Store: id, All: true})))
	}
	if slices.Contains(sources(hosts), adopt.Plugin) {
		told := adopt.RebuildPlugin(hosts, adopt.Pick{All: true})
		o := storeOffer(hosts, told.Told)
		o.Left = append(o.Left, told.Left...)
		offer.Stores = append(offer.Stores, o)
	}
	return offer, nil
}

func storeOffer(hosts []adopt.Host, told adopt.Told) api.AdoptStore {
	o := api.AdoptStore{ID: told.Store, Networks: []api.AdoptNetwork{}, Hosts: []api.AdoptHost{}, Away: []api.AdoptAway{}, Problems: []string{}, Left: []string{}}
	for _, n := range told.Networks {
		row := api.AdoptNetwork{Name: n.Name, Tenant: n.Note.Network.Tenant, Encap: n.Note.Network.Encap, Key: n.Note.Network.Key, Told: n.Noted,
			Hosts: []string{}, Bridges: []string{}}
		for _, p := range n.On {
			row.Hosts = append(row.Hosts, p.Host)
			row.Bridges = append(row.Bridges, p.Bridge)
			row.Tunnels += p.Tunnels
		}
		row.Hosts = slices.Compact(row.Hosts)
		slices.Sort(row.Bridges)
		row.Bridges = slices.Compact(row.Bridges)
		o.Networks = append(o.Networks, row)
	}
	for _, n := range told.Hosts {
		row := api.AdoptHost{Host: n.Host, ID: n.Note.Host.ID, Bridges: []string{}}
		if n.Noted {
			row.Called = n.Note.Host.Name
		}
		at := slices.IndexFunc(hosts, func(h adopt.Host) bool { return h.Name == n.Host })
		for _, b := range hosts[at].Bridges {
			if b.Store == told.Store {
				row.Bridges = append(row.Bridges, b.Name)
				row.Tunnels += len(b.Tunnels)
			}
		}
		for _, b := range hosts[at].Plugin {
			if told.Store == adopt.Plugin && !b.VPC && b.Store == "" {
				row.Bridges = append(row.Bridges, b.Name)
				row.Tunnels += len(b.Tunnels)
			}
		}
		o.Hosts = append(o.Hosts, row)
	}
	for _, a := range told.Away {
		o.Away = append(o.Away, api.AdoptAway{Host: a.Name, ID: a.ID, Endpoint: a.Endpoint.String(), Networks: a.Networks})
	}
	for _, p := range told.Problems {
		o.Problems = append(o.Problems, p.String())
	}
	return o
}

// Adopt makes what another store has left this store's own, or only says what
// it would do. Nothing is changed where what is told contradicts itself, or where
// a tunnel would go or change; that is an api.AdoptError. Once it has begun, a
// host that fails holds up no other, and may be adopted again.
func (c *Controller) Adopt(ctx context.Context, r api.AdoptRequest) (api.AdoptResult, error) {
	res := api.AdoptResult{DryRun: r.DryRun, Items: []topology.Item{}, Hosts: []api.AdoptedHost{}, Warnings: []string{}}
	if held := c.hub.held.Load(); held != nil && !r.DryRun {
		return res, &api.AdoptError{Problems: []string{"nothing is written to hosts: waiting for " + held.waits + "; --dry-run shows what would be adopted"}}
	}
	spec, src, err := adoptSpec(r.Files)
	if err != nil {
		return res, err
	}
	hosts, unseen, err := c.readRows(ctx)
	if err != nil {
		return res, err
	}
	pick, err := pickOf(r, hosts)
	if err != nil {
		return res, err
	}
	if pick.Store == adopt.Plugin {
		return c.adoptPlugin(ctx, r, hosts, pick, unseen)
	}
	told := adopt.Rebuild(hosts, pick)
	if problems := unsettled(told.Problems, spec); len(problems) > 0 {
		return res, &api.AdoptError{Problems: problems}
	}
	if len(told.Marks) == 0 {
		return res, nil
	}
	res.Store = told.Store
	a := &adoption{told: told, hosts: hosts, spec: spec, src: src}
	if err := c.hub.do(ctx, func() { err = a.plan(c.hub) }); err != nil {
		return res, err
	} else if err != nil {
		return res, err
	}
	problems, warnings := a.try()
	if len(problems) > 0 && !r.Force {
		return res, &api.AdoptError{Problems: problems}
	}
	res.Items = a.change.Items
	res.Warnings = slices.Concat(res.Warnings, problems, warnings)
	if len(unseen) > 0 {
		res.Warnings = append(res.Warnings, fmt.Sprintf("not connected, or silent: %s; run it again once they are there", strings.Join(unseen, ", ")))
	}
	if r.DryRun {
		res.Generation = a.generation
		for _, m := range told.Marks {
			res.Hosts = append(res.Hosts, a.rows(m))
		}
		return res, nil
	}
	if e := c.hub.do(ctx, func() {
		err = c.hub.adopt(a.change, a.away)
		res.Generation = c.hub.gen
	}); e != nil || err != nil {
		return res, errors.Join(e, err)
	}
	c.log.Info("rows of another store are adopted", zap.String("store", told.Store), zap.Int("hosts", len(told.Marks)))
	res.Hosts = c.mark(ctx, told)
	return res, nil
}

func adoptSpec(files []api.File) (*topology.Spec, *topology.Source, error) {
	if len(files) == 0 {
		return &topology.Spec{}, nil, nil
	}
	list := make([]topology.File, len(files))
	for i, f := range files {
		list[i] = topology.File{Name: f.Name, Data: []byte(f.Data)}
	}
	return topology.Parse(list...)
}

// pickOf finds what a request names.
func pickOf(r api.AdoptRequest, hosts []adopt.Host) (adopt.Pick, error) {
	pick := adopt.Pick{Store: r.Store, All: r.All}
	if r.All != (r.Name == "") {
		return pick, &api.RequestError{Text: "name one host or network, or ask for all"}
	}
	stores := sources(hosts)
	switch {
	case r.Store != "" && !slices.Contains(stores, r.Store):
		return pick, fmt.Errorf("store %s: %w on any host that is connected; there is %s", r.Store, topology.ErrNotFound, orNone(stores))
	case r.Store == "" && len(stores) == 1:
		pick.Store = stores[0]
	case r.Store == "" && len(stores) > 1 && slices.Contains(stores, adopt.Plugin):
		return pick, &api.RequestError{Text: fmt.Sprintf("hosts carry rows of CloudStack's plugin and of %s: choose with --store, `--store %s` first", orNone(adopt.Stores(hosts)), adopt.Plugin)}
	}
	if r.All {
		return pick, nil
	}
	kind, name, qualified := strings.Cut(r.Name, "/")
	if !qualified {
		kind, name = "", r.Name
	}
	var names []string
	for _, h := range hosts {
		names = append(names, h.Name)
		if h.Name == name && kind != "network" {
			pick.Host = name
		}
		for _, b := range h.Bridges {
			names = append(names, b.Networks()...)
			if pick.Store != adopt.Plugin && slices.Contains(b.Networks(), name) && kind != "host" {
				pick.Network = name
			}
		}
	}
	if pick.Store == adopt.Plugin {
		for _, n := range adopt.RebuildPlugin(hosts, adopt.Pick{All: true}).Networks {
			names = append(names, n.Name)
			if n.Name == strings.ToLower(name) && kind != "host" {
				pick.Network = n.Name
			}
		}
	}
	slices.Sort(names)
	switch {
	case pick.Host != "" && pick.Network != "":
		return pick, &api.RequestError{Text: fmt.Sprintf("%s is a host and a network: say host/%s or network/%s", name, name, name)}
	case pick.Host == "" && pick.Network == "":
		return pick, fmt.Errorf("%s: %w among what other stores have left on the hosts that are connected; there is %s", r.Name, topology.ErrNotFound, orNone(slices.Compact(names)))
	}
	return pick, nil
}

func orNone(names []string) string {
	const shown = 10
	switch {
	case len(names) == 0:
		return "nothing"
	case len(names) > shown:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// unsettled returns the problems that a spec does not settle.
func unsettled(problems []adopt.Problem, spec *topology.Spec) []string {
	var texts []string
	for _, p := range problems {
		settled := false
		switch p.Kind {
		case topology.KindNetworks:
			settled = slices.ContainsFunc(spec.Networks, func(n topology.Network) bool { return n.Name == p.Name })
		case topology.KindHosts:
			settled = slices.ContainsFunc(spec.Hosts, func(h topology.Host) bool { return h.Name == p.Name })
		}
		if !settled {
			texts = append(texts, p.String())
		}
	}
	return texts
}

// readRows reads what other stores have left on all hosts, and says which could
// not be read.
func (c *Controller) readRows(ctx context.Context) (hosts []adopt.Host, unseen []string, err error) {
	v, err := c.look(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var wg sync.WaitGroup
	slots := make(chan struct{}, auditors)
	read := make([]*adopt.Host, len(v.hosts))
	for i, now := range v.hosts {
		if now.loop == nil {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			h := &adopt.Host{Name: now.rec.Name, ID: now.rec.ID, Endpoint: topology.EndpointOf(now.rec, now.facts)}
			// Written by the loop, read here only if the loop says that it is done.
			connected := false
			if now.loop.ask(ctx, func(context.Context) {
				if connected = now.loop.att != nil; connected {
					h.Bridges = adopt.Read(now.loop.att.db, c.env.owner)
					h.Plugin = adopt.ReadPlugin(now.loop.att.db, c.env.owner)
				}
			}) && connected {
				read[i] = h
			}
		})
	}
	wg.Wait()
	for i, now := range v.hosts {
		switch {
		case read[i] != nil:
			hosts = append(hosts, *read[i])
		case now.rec.Kind != topology.KindExternal:
			unseen = append(unseen, now.rec.Name)
		}
	}
	return hosts, unseen, nil
}

// mark has the hosts' loops mark rows as ours, some at a time.
func (c *Controller) mark(ctx context.Context, told adopt.Told) []api.AdoptedHost {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	done := make([]api.AdoptedHost, len(told.Marks))
	var wg sync.WaitGroup
	slots := make(chan struct{}, auditors)
	for i, m := range told.Marks {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			done[i] = api.AdoptedHost{Host: m.Host, Bridges: m.Bridges}
			var loop *host
			if err := c.hub.do(ctx, func() { loop = c.hub.hosts[m.Host] }); err != nil || loop == nil {
				done[i].Error = "it is no longer in the mesh"
				return
			}
			// Written by the loop, read here only if the loop says that it is done.
			rows, why := 0, ""
			if !loop.ask(ctx, func(ctx context.Context) { rows, why = loop.adopt(ctx, told.Store, m.Bridges) }) {
				why = "it does not answer in time"
			} else {
				done[i].Rows = rows
			}
			done[i].Error = why
		})
	}
	wg.Wait()
	slices.SortFunc(done, func(a, b api.AdoptedHost) int { return cmp.Compare(a.Host, b.Host) })
	return done
}

// adopt marks the rows of another store as ours, in one transaction. It returns
// how many, and why not. It runs on the loop's goroutine.
func (h *host) adopt(ctx context.Context, from string, bridges []string) (rows int, why string) {
	if h.att == nil {
		return 0, "it is not connected"
	}
	h.takeMail() // so that the networks are known before their rows are ours
	if err := h.takeRows(ctx); err != nil {
		return 0, err.Error()
	}
	held, err := h.claim(ctx)
	switch {
	case err != nil:
		return 0, err.Error()
	case !held:
		return 0, "another controller holds the lock of its database, and may still be at work: stop it first" + h.writing.manager()
	}
	ops, rows := plan.Adopt(h.att.db, h.env.owner, from, bridges)
	if rows == 0 {
		return 0, "" // done before
	}
	if err := h.send(ctx, ops...); err != nil {
		return 0, err.Error()
	}
	h.complete = true
	h.log.Info("rows adopted", zap.String("from", from), zap.Strings("bridges", bridges), zap.Int("rows", rows))
	h.rows.ours = true
	err = h.takeRows(ctx)
	h.rows.ours = false
	h.wake()
	if err != nil {
		return rows, err.Error()
	}
	return rows, ""
}
