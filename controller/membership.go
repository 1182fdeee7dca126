package controller

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"ovsmesh/controller/store"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// A host is in the mesh from the moment that it is admitted until it leaves:
// because it asked to (external_ids:ovsmesh-leave=requested, written by
// `ovsmesh host leave`) or because an operator deleted it. A host that has
// left stays out, though it goes on dialling in, until a spec names it again
// or `ovsmesh host join` takes the mark off it.
const (
	leaveRequested = "requested" // the host's wish
	leaveDone      = "done"      // our answer: everything there has been put back
)

// errOut is why a host that dialled in gets no loop for now; it is asked again
// when something changed.
type errOut struct{ reason string }

func (e errOut) Error() string { return e.reason }

// admit decides which loop serves a host that dialled in with these facts.
func (h *hub) admit(ctx context.Context, f topology.HostFacts, mark string, autoRegister bool) (*host, error) {
	var found *host
	var err error
	if e := h.do(ctx, func() { found, err = h.admitted(f, mark, autoRegister) }); e != nil {
		return nil, e
	}
	return found, err
}

func (h *hub) admitted(f topology.HostFacts, mark string, autoRegister bool) (*host, error) {
	if f.SystemID == "" {
		return nil, errOut{"it has no external_ids:system-id; ovs-ctl sets one when it starts Open vSwitch"}
	}
	if l, out := h.left[f.SystemID]; out {
		switch {
		case !l.Released:
			return h.leaver(l.Name), nil
		case h.external(l.Name) && !h.assumed(l.Name):
			return nil, errOut{fmt.Sprintf("the spec has it as %s, which is external; make that one kind: managed to have it back", l.Name)}
		case mark != "":
			return nil, errOut{fmt.Sprintf("%s has left the mesh; `ovsmesh host join` on it, or a spec that names it, brings it back", l.Name)}
		}
		h.setLeft(f.SystemID, nil) // `host join` took the mark away
	}
	c, rec, err := h.intent.PlanRegister(f)
	if err != nil {
		return nil, errOut{err.Error()}
	}
	if _, known := h.intent.HostBySystemID(f.SystemID); !known && !autoRegister && rec.Registered {
		return nil, errOut{"no spec names it, and hosts.autoRegister is off"}
	}
	if mark == leaveRequested {
		h.letGo(rec.Name, f.SystemID)
		return h.leaver(rec.Name), nil
	}
	// One that was assumed goes on being where it was, for its peers and after a
	// restart, only if it is known at the same moment where that is.
	if err := h.commitWith(c, map[string]topology.HostFacts{rec.Name: f}); err != nil {
		return nil, errOut{err.Error()}
	}
	l := h.hosts[rec.Name]
	if l != nil && l.isLeaving() {
		return nil, errOut{"it is still giving back what it had"}
	}
	h.mesh.SetHost(rec)
	if !c.Empty() {
		h.takeFacts(rec.Name, f)
	}
	return h.start(rec.Name), nil
}

// start makes sure that a host has a loop.
func (h *hub) start(name string) *host {
	if l := h.hosts[name]; l != nil {
		return l
	}
	l := h.newLoop(name)
	h.hosts[name] = l
	h.spawn(l)
	if views := h.mesh.Views(name); len(views) > 0 {
		l.mail.put(views, h.gen)
	}
	return l
}

// startManaged makes sure that a host has a loop, unless nobody of us programs
// it.
func (h *hub) startManaged(r topology.HostRecord) {
	if r.Kind != topology.KindExternal {
		h.start(r.Name)
	}
}

// external reports whether the spec has a host of this name as one that nobody
// of us programs.
func (h *hub) external(name string) bool {
	r, ok := h.intent.Host(name)
	return ok && r.Kind == topology.KindExternal
}

// assumed reports whether that host is one of which no spec told.
func (h *hub) assumed(name string) bool {
	r, ok := h.intent.Host(name)
	return ok && r.Assumed
}

// absorb has a host take the place of the assumed one that its address is.
func (h *hub) absorb(name string, f topology.HostFacts) {
	c, err := h.intent.PlanAbsorb(name, f)
	if err == nil {
		err = h.commitWith(c, map[string]topology.HostFacts{name: f})
	}
	if err != nil {
		h.log.Warn("host is at the address of an assumed one and does not take its place", zap.String("host", name), zap.Error(err))
	}
}

// forgetUnpinned takes away what only CloudStack's calls have made and nothing
// keeps any longer, and reports whether there was any.
func (h *hub) forgetUnpinned() bool {
	c := h.intent.PlanForget(func(network string) bool {
		v := h.mesh.Network(network)
		return v != nil && len(v.Members) > 0
	})
	if c.Empty() {
		return false
	}
	if err := h.commit(c); err != nil { // tried again with the next request
		h.log.Warn("what CloudStack's calls made stays", zap.Error(err))
		return false
	}
	return true
}

// leaver returns the loop that gives back what a host has.
func (h *hub) leaver(name string) *host {
	l := h.start(name)
	l.leave()
	return l
}

// expel takes a deleted host out of the mesh. Its loop, or a later one when it
// dials in again, puts its bridges back.
func (h *hub) expel(name string) {
	if f, ok := h.facts[name]; ok && f.SystemID != "" {
		h.setLeft(f.SystemID, &store.Left{Name: name})
	}
	h.forget(name)
	if l := h.hosts[name]; l != nil {
		l.leave()
	}
}

// forget drops a host from the mesh, so that its peers take their tunnels to
// it away.
func (h *hub) forget(name string) {
	h.mesh.DeleteHost(name)
	delete(h.facts, name)
	h.batch.Forget = append(h.batch.Forget, name)
	delete(h.batch.Facts, name)
}

// readmit takes a host that a spec names into the mesh, also one that had left.
func (h *hub) readmit(r topology.HostRecord) {
	for id, l := range h.left {
		if (id == r.SystemID || l.Name == r.Name) && !r.Registered && r.Kind != topology.KindExternal {
			h.setLeft(id, nil)
		}
	}
	h.mesh.SetHost(r)
	l := h.hosts[r.Name]
	switch {
	case r.Kind == topology.KindExternal:
		// What we put there is not that somebody else's; if it can't be reached
		// now, it is taken away when it dials in again.
		if f, ok := h.facts[r.Name]; ok && f.SystemID != "" {
			h.setLeft(f.SystemID, &store.Left{Name: r.Name})
		}
		h.mesh.DropFacts(r.Name)
		delete(h.facts, r.Name)
		delete(h.batch.Facts, r.Name)
		h.batch.Forget = append(h.batch.Forget, r.Name)
		if l != nil {
			l.leave()
		}
	case l == nil || !l.isLeaving():
		h.start(r.Name)
	}
}

// recall brings back the hosts that had left and that a spec names without
// saying anything new of them: naming them is the wish. It must run on the
// hub's goroutine.
func (h *hub) recall(items []topology.Item) {
	for _, it := range items {
		if it.Kind != topology.KindHosts || it.Verb != topology.VerbUnchanged {
			continue
		}
		r, ok := h.intent.Host(it.Name)
		if !ok {
			continue
		}
		if _, out := h.left[r.SystemID]; out && r.SystemID != "" {
			h.gen++
			h.readmit(r)
		}
	}
}

func (h *hub) setLeft(systemID string, l *store.Left) {
	if l == nil {
		delete(h.left, systemID)
	} else {
		h.left[systemID] = *l
	}
	if h.batch.Left == nil {
		h.batch.Left = map[string]*store.Left{}
	}
	h.batch.Left[systemID] = l
}

// requestLeave is called by the loop of a host that asks to leave.
func (h *hub) requestLeave(ctx context.Context, name, systemID string) error {
	return h.do(ctx, func() { h.letGo(name, systemID) })
}

// letGo takes a host that asked for it out of the mesh. A host that a spec
// names stays in the spec; one that had only dialled in is forgotten, or is one
// from then on of which CloudStack's calls alone tell.
func (h *hub) letGo(name, systemID string) {
	if r, ok := h.intent.Host(name); ok && r.Registered {
		c, err := h.intent.PlanLeave(name, topology.EndpointOf(r, h.facts[name]))
		if err == nil {
			err = h.commit(c)
		}
		if err != nil {
			h.log.Warn("host that leaves is still named", zap.String("host", name), zap.Error(err))
		}
	}
	h.setLeft(systemID, &store.Left{Name: name})
	if !h.assumed(name) {
		h.forget(name)
	}
	h.leaver(name)
}

// released is called by the loop of a leaving host once nothing of ours is on
// it any longer, or, with an empty systemID, when the host can't be reached
// and must be asked when it dials in again. The loop ends.
func (h *hub) released(ctx context.Context, l *host, systemID string) error {
	return h.do(ctx, func() {
		if left, ok := h.left[systemID]; ok && systemID != "" {
			left.Released = true
			h.setLeft(systemID, &left)
		}
		if h.hosts[l.name] == l {
			delete(h.hosts, l.name)
		}
		// A spec may have named it again meanwhile.
		if r, ok := h.intent.Host(l.name); ok {
			if _, out := h.left[r.SystemID]; !out || r.SystemID == "" {
				h.startManaged(r)
			}
		}
	})
}

// markOf returns a host's own word on whether it is to be in the mesh.
func markOf(db *schema.DB) string { return db.Open.ExternalIDs[schema.KeyLeave] }
