package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/wire"
	"ovsmesh/topology"
)

// Flows lists a bridge's flows, those that are wanted or those that its switch
// holds now.
func (c *Controller) Flows(ctx context.Context, r api.FlowsRequest) (api.FlowList, error) {
	v, err := c.look(ctx)
	if err != nil {
		return api.FlowList{}, err
	}
	now := v.byName[r.Host]
	switch {
	case now == nil:
		return api.FlowList{}, fmt.Errorf("host %q: %w", r.Host, topology.ErrNotFound)
	case r.Network != "" && !v.hasNetwork(r.Network):
		return api.FlowList{}, fmt.Errorf("network %q: %w", r.Network, topology.ErrNotFound)
	case now.loop == nil:
		return api.FlowList{}, fmt.Errorf("host %s has never dialled in: its ports are not known, nor its flows: %w", r.Host, api.ErrUnavailable)
	}
	a := hostAudit{host: r.Host, loop: now.loop, request: api.AuditRequest{Network: r.Network}}
	silent, why := a.probe(ctx)
	if why != "" {
		return api.FlowList{}, fmt.Errorf("host %s: %s: %w", r.Host, why, api.ErrUnavailable)
	}
	ran := flowLister{FlowsRequest: r, silent: silent} // written by the loop, read here only if the loop says that it is done
	if !now.loop.ask(ctx, func(ctx context.Context) { ran.run(ctx, now.loop) }) {
		return api.FlowList{}, fmt.Errorf("host %s: %s: %w", r.Host, a.busy(), api.ErrUnavailable)
	}
	return ran.list, ran.err
}

// flowLister lists one bridge's flows, on its host's loop.
type flowLister struct {
	api.FlowsRequest
	silent map[string]string

	names audit.Bridge // for what flows are about
	list  api.FlowList
	err   error
}

func (l *flowLister) run(ctx context.Context, h *host) {
	l.list, l.err = l.read(ctx, h)
}

func (l *flowLister) read(ctx context.Context, h *host) (api.FlowList, error) {
	list := api.FlowList{Host: l.Host, Bridge: l.Bridge, View: l.View, Flows: []api.FlowEntry{}}
	if h.att == nil {
		return list, fmt.Errorf("host %s is not connected: %w", l.Host, api.ErrUnavailable)
	}
	b := h.bridges[l.Bridge]
	if b == nil {
		return list, fmt.Errorf("bridge %q of host %s: %w%s", l.Bridge, l.Host, topology.ErrNotFound, managedText(h))
	}
	only, on := onBridge(h, b, l.Network)
	if !on {
		return list, fmt.Errorf("network %q on bridge %s of host %s: %w", l.Network, l.Bridge, l.Host, topology.ErrNotFound)
	}
	l.names = audit.Bridge{
		Host: l.Host, Name: l.Bridge, Network: func(id uint32) string { return b.nets[id] },
		Port: h.portNames(h.att.db, b), MAC: h.macNames(b),
	}
	want, err := l.want(h, b, only)
	if err != nil {
		return list, err
	}
	if l.View == api.ViewWant && !l.Foreign {
		l.fill(&list, want, "")
		return list, nil
	}
	ours, foreign, err := l.got(ctx, b, only)
	if err != nil {
		return list, err
	}
	list.Foreign = len(foreign)
	if l.View == api.ViewDiff {
		l.diff(&list, want, ours)
		return list, nil
	}
	flows := ours
	if l.View == api.ViewWant {
		flows = want
	}
	if l.Foreign {
		flows = beside(flows, foreign)
	}
	l.fill(&list, flows, "")
	return list, nil
}

// managedText names the bridges of a host that we manage, for who asked for
// another.
func managedText(h *host) string {
	if len(h.bridges) == 0 {
		return " (none is managed there)"
	}
	return " (managed there: " + strings.Join(slices.Sorted(maps.Keys(h.bridges)), ", ") + ")"
}

func (l *flowLister) want(h *host, b *bridge, only uint32) ([]flow.Flow, error) {
	var all []flow.Flow
	for id := range b.wantIDs() {
		if only != 0 && id != only {
			continue
		}
		want, err := h.wanted(b, id)
		if err != nil {
			return nil, fmt.Errorf("bridge %s: %w", b.name, err)
		}
		all = append(all, want...)
	}
	return all, nil
}

// got reads what the switch holds, ours and others'.
func (l *flowLister) got(ctx context.Context, b *bridge, only uint32) (ours, foreign []flow.Flow, err error) {
	switch {
	case b.sess == nil:
		return nil, nil, fmt.Errorf("bridge %s is not connected over OpenFlow: %w", b.name, api.ErrUnavailable)
	case l.silent[b.name] != "":
		return nil, nil, fmt.Errorf("bridge %s: %s: %w", b.name, l.silent[b.name], api.ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	got, err := b.sess.Flows(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("bridge %s: %w: %w", b.name, err, api.ErrUnavailable)
	}
	for _, f := range got {
		switch {
		case !pipeline.Owned(f.Cookie):
			foreign = append(foreign, f)
		case only == 0 || pipeline.NetworkOf(f.Cookie) == only:
			ours = append(ours, f)
		}
	}
	return ours, foreign, nil
}

// beside returns ours with others', which ours never replace.
func beside(ours, foreign []flow.Flow) []flow.Flow {
	taken := make(map[flow.Key]bool, len(foreign))
	for i := range foreign {
		taken[foreign[i].Key()] = true
	}
	all := slices.Clone(foreign)
	for _, f := range ours {
		if len(taken) == 0 || !taken[f.Key()] {
			all = append(all, f)
		}
	}
	return all
}

// fill appends flows in the order of their tables.
func (l *flowLister) fill(list *api.FlowList, flows []flow.Flow, sign string) {
	flow.Sort(flows)
	for i := range flows {
		list.Flows = append(list.Flows, l.entry(&flows[i], sign))
	}
}

// diff appends where wanted and held flows differ: of one key, first as wanted,
// then as it is.
func (l *flowLister) diff(list *api.FlowList, want, got []flow.Flow) {
	type signed struct {
		flow *flow.Flow
		sign string
	}
	d := flow.Diff(want, got)
	held := make(map[flow.Key]*flow.Flow, len(d.Modify))
	for i := range d.Modify {
		held[d.Modify[i].Key()] = nil
	}
	if len(held) > 0 {
		for i := range got {
			k := got[i].Key()
			if _, differs := held[k]; differs {
				held[k] = &got[i]
			}
		}
	}
	var all []signed
	for i := range d.Add {
		all = append(all, signed{&d.Add[i], "-"})
	}
	for i := range d.Modify {
		w := &d.Modify[i]
		all = append(all, signed{w, "-"}, signed{held[w.Key()], "+"})
	}
	for i := range d.Delete {
		all = append(all, signed{&d.Delete[i], "+"})
	}
	slices.SortStableFunc(all, func(a, b signed) int { return a.flow.Key().Compare(b.flow.Key()) })
	for _, s := range all {
		list.Flows = append(list.Flows, l.entry(s.flow, s.sign))
	}
}

func (l *flowLister) entry(f *flow.Flow, sign string) api.FlowEntry {
	shown := *f
	shown.Actions = wire.Words(f.Actions)
	e := api.FlowEntry{Sign: sign, Flow: shown.String(), Table: int(f.Table), Foreign: !pipeline.Owned(f.Cookie)}
	e.Opaque = opaque(e.Flow)
	for _, t := range pipeline.Tables() {
		if t.Number == f.Table {
			e.Purpose = t.Name + ": " + t.Purpose
		}
	}
	if !e.Foreign {
		e.Network, e.Reason = l.names.NetworkName(pipeline.NetworkOf(f.Cookie)), pipeline.ReasonOf(f.Cookie).String()
	}
	e.About = l.names.About(f)
	return e
}

// opaque reports whether a flow's text has words of our own, which ovs-ofctl
// does not know; see flow.Flow.String.
func opaque(text string) bool {
	match, actions, _ := strings.Cut(text, "actions=")
	return strings.Contains(match, "oxm_") || strings.Contains(match, "flags=0x") ||
		strings.Contains(actions, "raw(") || strings.Contains(actions, "raw_instruction(")
}
