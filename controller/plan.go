package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// Plan says what is not yet as it is wanted on hosts. It is worked out by the
// code that does it, on copies of what the hosts' databases hold, up to where
// nothing is left to be done: so it is what would become of each row, however many
// transactions that takes. A host that can't be looked at makes it incomplete,
// and holds up no other.
func (c *Controller) Plan(ctx context.Context, r api.PlanRequest) (api.Plan, error) {
	p := api.Plan{Clean: true, Complete: true, Observing: c.hub.observes(), Hosts: []api.PlanHost{}}
	if held := c.hub.held.Load(); held != nil {
		p.Held = held.waits
	}
	hosts, err := c.planned(ctx, r)
	if err != nil {
		return api.Plan{}, err
	}
	var wg sync.WaitGroup
	looks := make([]*hostPlan, len(hosts))
	for i, at := range hosts {
		looks[i] = &hostPlan{request: r, found: api.PlanHost{Host: at.name, Bridges: []api.PlanBridge{}, Rows: []api.PlanRow{}, Problems: at.problems}}
		wg.Go(func() { looks[i].look(ctx, at.loop, c.auditing) })
	}
	wg.Wait()
	for _, l := range looks {
		h := l.found
		slices.Sort(h.Problems)
		h.Problems = append([]string{}, slices.Compact(h.Problems)...)
		p.Clean = p.Clean && len(h.Bridges) == 0 && h.Changes == 0 && len(h.Problems) == 0
		p.Complete = p.Complete && len(h.Unseen) == 0
		p.Hosts = append(p.Hosts, h)
	}
	return p, nil
}

// plannedHost is a host of which a plan tells.
type plannedHost struct {
	name     string
	loop     *host // nil of one that has never dialled in
	problems []string
}

// planned returns the hosts that a request is for, by name: those that are in the
// mesh, and those that are on their way out.
func (c *Controller) planned(ctx context.Context, r api.PlanRequest) ([]plannedHost, error) {
	v := &view{}
	loops := map[string]*host{}
	if err := c.hub.do(ctx, func() {
		c.hub.fill(v)
		for name, l := range c.hub.hosts {
			if l.isLeaving() {
				loops[name] = l
			}
		}
	}); err != nil {
		return nil, err
	}
	if r.Network != "" && !v.hasNetwork(r.Network) {
		return nil, fmt.Errorf("network %q: %w", r.Network, topology.ErrNotFound)
	}
	known := map[string]bool{}
	var list []plannedHost
	for _, now := range v.hosts {
		known[now.rec.Name] = true
		if now.rec.Kind == topology.KindExternal || now.left || loops[now.rec.Name] != nil || r.Network != "" && !slices.Contains(now.networks, r.Network) {
			continue
		}
		list = append(list, plannedHost{name: now.rec.Name, loop: now.loop, problems: slices.Clone(now.problems)})
	}
	for name, l := range loops {
		known[name] = true
		if r.Network == "" {
			list = append(list, plannedHost{name: name, loop: l})
		}
	}
	for _, name := range r.Hosts {
		if !known[name] {
			return nil, fmt.Errorf("host %q: %w", name, topology.ErrNotFound)
		}
	}
	if len(r.Hosts) > 0 {
		list = slices.DeleteFunc(list, func(h plannedHost) bool { return !slices.Contains(r.Hosts, h.name) })
	}
	slices.SortFunc(list, func(a, b plannedHost) int { return cmp.Compare(a.name, b.name) })
	return list, nil
}

// hostPlan is the plan of one host. It is owned by one goroutine.
type hostPlan struct {
	request api.PlanRequest
	found   api.PlanHost
}

func (l *hostPlan) unseen(why string) { l.found.Unseen = append(l.found.Unseen, why) }

func (l *hostPlan) look(ctx context.Context, loop *host, slots chan struct{}) {
	if loop == nil {
		l.unseen("it has never dialled in")
		return
	}
	a := hostAudit{host: loop.name, loop: loop, request: api.AuditRequest{Network: l.request.Network}}
	silent, why := a.probe(ctx)
	if why != "" {
		l.unseen(why)
		return
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		l.unseen(ctx.Err().Error())
		return
	}
	ran := rehearsed{hostPlan: *l, silent: silent} // written by the loop, read here only if the loop says that it is done
	if !loop.ask(ctx, func(ctx context.Context) { ran.run(ctx, loop) }) {
		l.unseen(a.busy())
		return
	}
	*l = ran.hostPlan
}

// concerns reports whether a request covers a bridge, or the network of a row on
// it.
func (l *hostPlan) concerns(h *host, b *bridge, network string) bool {
	if l.request.Network == "" {
		return true
	}
	if network != "" {
		return network == l.request.Network || topology.IsCarrier(network) && slices.Contains(h.carriers[network].users(), l.request.Network)
	}
	if b == nil {
		return false
	}
	_, on := onBridge(h, b, l.request.Network)
	return on
}

// problem notes that something wanted is not possible.
func (l *hostPlan) problem(network string, texts ...string) {
	for _, text := range texts {
		if network != "" && !strings.HasPrefix(text, "network "+network) {
			text = "network " + network + ": " + text
		}
		l.found.Problems = append(l.found.Problems, text)
	}
}
