package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/flow"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

// planBridges is what was found for each bridge, by name.
type planBridges map[string]*api.PlanBridge

func (p planBridges) at(name string) *api.PlanBridge {
	if p[name] == nil {
		p[name] = &api.PlanBridge{Bridge: name, Rows: []api.PlanRow{}}
	}
	return p[name]
}

// busy returns those on which something is to be done, by name.
func (p planBridges) busy() []api.PlanBridge {
	list := []api.PlanBridge{}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		b := p[name]
		flows := b.Flows.Add + b.Flows.Change + b.Flows.Delete
		if !b.Flows.Read {
			flows = b.Flows.Wanted
		}
		if b.Verb != api.PlanNothing || b.Settings+b.Make+b.Take+b.Change+b.Delete+flows > 0 || len(b.Rows) > 0 {
			list = append(list, *b)
		}
	}
	return list
}

// rows sorts what becomes of rows to their bridges.
func (l *rehearsed) rows(h *host, changes []plan.Change, to planBridges) {
	ports := map[[2]string]bool{} // bridge and port, of which the Port itself changes
	for _, c := range changes {
		if c.Table == schema.TablePort {
			ports[[2]string{c.Bridge, c.Port}] = true
		}
	}
	for _, c := range changes {
		network := c.Network
		if network == "" && c.Table == schema.TablePort {
			network = h.vifs[c.Name]
		}
		if c.Bridge == "" && l.request.Network != "" || c.Bridge != "" && !l.concerns(h, h.bridges[c.Bridge], network) {
			continue
		}
		if c.Bridge == "" {
			l.found.Changes += len(c.Columns)
			if l.request.Details {
				l.found.Rows = append(l.found.Rows, planRow(c))
			}
			continue
		}
		b, port := to.at(c.Bridge), [2]string{c.Bridge, c.Port}
		switch {
		case c.Table == schema.TableBridge:
			b.Verb = c.Verb
			b.Settings += len(c.Columns)
		case c.Table == schema.TableController:
			b.Settings += len(c.Columns)
			if b.Verb == api.PlanNothing {
				b.Verb = api.PlanChange
			}
		case c.Port == c.Bridge: // its own
		case c.Table == schema.TablePort:
			countPort(b, c.Verb)
		case !ports[port]:
			ports[port] = true
			b.Change++
		}
		if l.request.Details {
			b.Rows = append(b.Rows, planRow(c))
		}
	}
}

func countPort(b *api.PlanBridge, verb string) {
	switch verb {
	case plan.VerbMake:
		b.Make++
	case plan.VerbTake:
		b.Take++
	case plan.VerbDelete:
		b.Delete++
	default:
		b.Change++
	}
}

func planRow(c plan.Change) api.PlanRow {
	row := api.PlanRow{Table: c.Table, Name: c.Name, Verb: c.Verb, Network: c.Network, Peer: c.Peer, Columns: []api.PlanColumn{}}
	for _, col := range c.Columns {
		row.Columns = append(row.Columns, api.PlanColumn(col))
	}
	return row
}

// flows works out what is to be done to the flows of a bridge. The host's rows
// are those that are to be; before are those that are.
func (l *rehearsed) flows(ctx context.Context, h *host, b *bridge, before *schema.DB, to planBridges) {
	only, on := onBridge(h, b, l.request.Network)
	if !on {
		return
	}
	guarded := b.guarded // what the gate knows is of the rows that are
	defer func() { b.guarded = guarded }()
	want, stays := l.wanted(h, b, only)
	got, read := l.read(ctx, h, b, before)
	if !read && len(want) == 0 {
		return
	}
	out := &to.at(b.name).Flows
	out.Wanted, out.Read = len(want), read
	strangers := map[flow.Key]struct{}{}
	var ours []flow.Flow
	for _, f := range got {
		switch id, is := b.networkOf(&f); {
		case b.drift.fights.concedes(f.Key()):
		case !is:
			strangers[f.Key()] = struct{}{}
		case only != 0 && id != only:
		default:
			if _, stay := stays[id]; !stay {
				ours = append(ours, f)
			}
		}
	}
	want = slices.DeleteFunc(want, func(f flow.Flow) bool {
		_, taken := strangers[f.Key()]
		return taken || b.drift.fights.concedes(f.Key())
	})
	d := flow.Diff(want, ours)
	if read {
		out.Add, out.Change, out.Delete = len(d.Add), len(d.Modify), len(d.Delete)
	}
	if l.request.Flows {
		out.List = modTexts(appendDelta(nil, d, nil))
	}
}

// wanted returns the flows that a bridge is to hold for the networks that are
// asked for, and the IDs of those whose flows stay as they are, since what they
// should be is refused.
func (l *rehearsed) wanted(h *host, b *bridge, only uint32) (want []flow.Flow, stays map[uint32]struct{}) {
	stays = map[uint32]struct{}{}
	if !b.wanted() || !h.owned(h.att.db.BridgeByName(b.name)) {
		return nil, stays
	}
	if text := b.complaint(nil); text != "" {
		l.problem("", "bridge "+b.name+": "+text)
	}
	for _, id := range slices.Sorted(maps.Keys(b.wantIDs())) {
		if only != 0 && id != only {
			continue
		}
		flows, err := h.flowsFor(b, id)
		why := ""
		switch {
		case err != nil:
			why = err.Error()
		case id != 0:
			why = h.judge(b, id, flows, false)
		}
		if why != "" {
			l.problem(b.nets[id], why)
			stays[id] = struct{}{}
			continue
		}
		want = append(want, flows...)
	}
	return want, stays
}

// flowsFor compiles the flows of one network, 0 for what belongs to none.
func (h *host) flowsFor(b *bridge, id uint32) ([]flow.Flow, error) {
	if id == 0 {
		return h.gate.base(h.base(b)), nil
	}
	n, _ := h.network(b, id)
	if n.ID == 0 {
		return nil, nil
	}
	return h.gate.compile(n)
}

// dials reports whether a bridge is ours and has this controller.
func (h *host) dials(db *schema.DB, bridge string) bool {
	b := db.BridgeByName(bridge)
	return h.owned(b) && slices.ContainsFunc(b.Controllers, func(id string) bool {
		c := db.Controllers[id]
		return c != nil && c.Target == h.target()
	})
}

// read reads the flows that a bridge holds, where it can be asked. A bridge that
// should dial this controller and does not makes the look incomplete; another is
// not expected to.
func (l *rehearsed) read(ctx context.Context, h *host, b *bridge, before *schema.DB) ([]flow.Flow, bool) {
	switch {
	case b.sess == nil && h.dials(before, b.name):
		l.unseen(fmt.Sprintf("bridge %s: it is not connected over OpenFlow, so its flows are not known", b.name))
		return nil, false
	case b.sess == nil:
		return nil, false
	case l.silent[b.name] != "":
		l.unseen(fmt.Sprintf("bridge %s: %s", b.name, l.silent[b.name]))
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	got, err := b.sess.Flows(ctx)
	if err != nil {
		l.unseen(fmt.Sprintf("bridge %s: %v", b.name, err))
		if errors.Is(err, context.DeadlineExceeded) {
			for name := range h.bridges { // one switch serves them all
				if l.silent[name] == "" {
					l.silent[name] = "not asked, as the same switch has not answered for bridge " + b.name
				}
			}
		}
		return nil, false
	}
	return got, true
}
