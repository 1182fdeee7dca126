package controller

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// callTimeout bounds one transaction, one bundle and one read-back. A host
// that does not answer in that time is let go; it dials in again.
const callTimeout = 10 * time.Second

// operationTimeout is what each operation of a transaction may take longer: a
// database has been seen to take 10 s over 6,000 on a machine that was busy.
const operationTimeout = 5 * time.Millisecond

// stepsLogged is how many steps of a plan go into the log; a mesh of a thousand
// hosts has a thousand.
const stepsLogged = 5

// write looks once at what is wanted and what is there, and sends what
// differs. It reports whether it sent anything.
//
// Rows come before flows, since a flow needs the ofport of its tunnel. What
// only shrinks goes the other way round: no flow may outlive the port that it
// names, for the number may be given to another network's port.
func (h *host) write(ctx context.Context) bool {
	h.observe()
	h.resumeRows()
	h.waiting = h.pacing.left() > 0
	h.surveyBridges()
	for _, b := range h.bridges {
		h.keepStrangers(ctx, b)
		h.closeMesh(b)
	}
	wrote := false
	if h.writable() && h.retry.ready() {
		if h.complete {
			h.unflood(ctx)
		}
		h.keptAgain()
		p, looked := h.plan(false)
		if len(h.kept) > 0 {
			h.asking = numbersAsked(p)
		}
		if shrinks(p) || len(h.asking) > 0 {
			wrote = h.flows(ctx)
		}
		h.asking = nil
		if ctx.Err() != nil {
			return wrote
		}
		if h.transact(ctx, p, looked) {
			wrote = true
		}
		if h.att == nil {
			return wrote
		}
	}
	return h.flows(ctx) || wrote
}

// observe takes over how far ovs-vswitchd is.
func (h *host) observe() {
	if h.settling.observe(h.att.db.Open.CurCfg) {
		h.pacing.end()
	}
}

// writable reports whether it is time for the next transaction.
func (h *host) writable() bool { return !h.settling.active() && !h.waiting }

// look is which networks and bridges a plan was made for.
type look struct {
	complete bool
	networks map[string]struct{}
}

// plan compares the rows that are wanted with those that are there, forgiving
// those that are left to other programs or not.
func (h *host) plan(forgiving bool) (plan.Plan, look) {
	l := look{complete: h.complete, networks: maps.Clone(h.dirty)}
	w := plan.Want{Owner: h.env.owner, Complete: h.complete, Return: h.isLeaving()}
	for _, b := range h.bridges {
		switch {
		case b.wanted():
			wb := h.wantBridge(b)
			if !forgiving {
				wb.Leave = b.contests.left(time.Now())
			}
			w.Bridges = append(w.Bridges, wb)
		case h.rehearsing:
			w.Release = append(w.Release, plan.Release{Bridge: b.name})
		case b.mayRelease():
			w.Release = append(w.Release, plan.Release{Bridge: b.name, Keep: b.sess != nil && b.stage != stageCleared})
		}
	}
	names := h.dirty
	if h.complete {
		names = map[string]struct{}{}
		for name := range h.on {
			names[name] = struct{}{}
		}
		for name := range h.carriers {
			names[name] = struct{}{}
		}
		for _, p := range h.att.db.OwnedPorts() {
			if p.ExternalIDs[schema.KeyOwner] == h.env.owner {
				names[p.ExternalIDs[schema.KeyNetwork]] = struct{}{}
			}
		}
	}
	for name := range names {
		if !forgiving && h.leftRows(name) {
			w.Complete = false // or they would be taken for forgotten
			continue
		}
		w.Networks = append(w.Networks, h.wantPorts(name))
	}
	return plan.Diff(h.att.db, w), l
}

func (h *host) wantBridge(b *bridge) plan.Bridge {
	w := plan.Bridge{Name: b.name, Target: h.target(), Hold: h.held(b), Take: b.takes(), Normal: len(b.learning) > 0}
	w.Open, w.Spans, w.Plugin = h.keepsOpen(b), h.spans(b), b.plugin
	for _, name := range b.nets {
		on := h.on[name]
		if on == nil {
			continue
		}
		if on.CreateBridge {
			w.Create, w.DatapathType = true, on.Net.DatapathType
		}
		w.Note = on.HostNote
		if !w.Take {
			continue
		}
		for _, v := range on.VIFs { // NORMAL, which the host's own ports are, must not reach them
			if i := h.att.db.InterfaceByName(v.Interface); i != nil {
				if p := h.att.db.PortOfInterface(i.UUID); p != nil {
					w.Fence = append(w.Fence, p.Name)
				}
			}
		}
	}
	return w
}

// held reports whether a bridge must wait, for its own flows to be read,
// before it may be made ours. A bridge that is not there yet has none, and one
// whose tunnels stand already must not be left forwarding by itself.
func (h *host) held(b *bridge) bool {
	if b.stage != stageNew || h.rehearsing || !h.att.db.Has("Controller", "type") {
		return false
	}
	r := h.att.db.BridgeByName(b.name)
	if r == nil {
		return false
	}
	for _, id := range r.Ports {
		if p := h.att.db.Ports[id]; p != nil && p.ExternalIDs[schema.KeyOwner] == h.env.owner {
			return false
		}
	}
	return true
}

// wantPorts returns the tunnel ports that are wanted under a name, which is
// that of a network or of a carrier; none where it is neither any longer.
func (h *host) wantPorts(name string) plan.Network {
	w := plan.Network{Name: name}
	on := h.on[name]
	if c := h.carriers[name]; c != nil {
		w.Bridge = c.bridge()
	} else if on != nil {
		w.Bridge = on.Bridge
	}
	b := h.bridges[w.Bridge]
	if b != nil && h.held(b) {
		return w
	}
	if on != nil && on.Bridge != "" {
		w.Note = on.Note()
	}
	if on == nil {
		w.Tunnels = h.carriers[name].tunnels()
	} else if on.Bridge != "" {
		tunnels, _ := h.tunnelsWanted(on)
		for i := range tunnels {
			if tunnels[i].Carrier == "" {
				w.Tunnels = append(w.Tunnels, ownTunnel(&tunnels[i]))
			}
		}
	}
	if b != nil && b.takes() {
		for i := range w.Tunnels {
			w.Tunnels[i].Fenced = true
		}
	}
	if h.rehearsing {
		return w
	}
	if w.Keep = h.keep(w); len(w.Keep) > 0 {
		h.kept[name] = struct{}{}
	}
	return w
}

// ownTunnel is the port of a tunnel that no other shares.
func ownTunnel(t *topology.Tunnel) plan.Tunnel {
	return plan.Tunnel{
		Name: t.Name, Type: string(t.Encap), Peer: t.Peer, Key: t.Key,
		RemoteIP: t.RemoteIP, LocalIP: t.LocalIP, DstPort: t.DstPort, BFD: t.BFD,
	}
}

// target is where bridges of this host dial: the address that the host itself
// reached us on, unless the operator says otherwise.
func (h *host) target() string {
	if h.env.advertise != "" {
		return h.env.advertise
	}
	return h.env.switchTarget(h.att.sess.LocalAddr().Addr())
}

// shrinks reports whether a plan takes rows away and makes none.
func shrinks(p plan.Plan) bool {
	deletes := false
	for _, g := range p.Groups {
		for _, op := range g.Ops {
			switch op.Op {
			case "insert":
				return false
			case "delete":
				deletes = true
			case "mutate":
				for _, m := range op.Mutations {
					if m.Column == "ports" && m.Mutator == "delete" {
						deletes = true
					}
				}
			}
		}
	}
	return deletes
}

// transact sends a plan as one transaction, or as few as many deletions take;
// only if it is refused as a whole, group by group, so that one that can't be done holds up no other.
func (h *host) transact(ctx context.Context, p plan.Plan, l look) bool {
	errs := map[string][]string{}
	refusedBridges := map[string]bool{}
	for _, pr := range p.Problems {
		errs[pr.Network] = append(errs[pr.Network], pr.Text)
	}
	h.bridgeProblems(p.Problems)
	h.contested(p.Settings)
	batches := p.Batches(h.att.db)
	h.pacing.since = time.Time{}
	if len(batches) > 0 {
		h.status.setWaiting("its database to take a transaction")
		h.pacing.start()
		steps := p.Steps()
		h.log.Log(h.workLevel(), "rows", zap.Int("steps", len(steps)), zap.Strings("first", steps[:min(len(steps), stepsLogged)]))
		then := h.reflood(p, batches)
		sent, err := h.sendAll(ctx, batches)
		if err == nil && len(then) > 0 {
			err = h.sendSettled(ctx, then)
		}
		if err == nil {
			h.did.rows(steps)
		}
		if refused(err) && sent == 0 {
			err = nil
			for _, g := range p.Groups {
				e := h.send(ctx, plan.Plan{Groups: []plan.Group{g}}.Ops(h.att.db)...)
				if refused(e) {
					h.log.Warn("rows refused", zap.String("bridge", g.Bridge), zap.String("network", g.Network), zap.Error(e))
					errs[g.Network] = append(errs[g.Network], e.Error())
					refusedBridges[g.Bridge] = refusedBridges[g.Bridge] || g.Network == ""
					h.retry.fail()
				} else if e != nil {
					err = e
				} else {
					h.did.rows(g.Steps)
				}
			}
		}
		if err != nil && !refused(err) && !errors.Is(err, ovsdb.ErrNotLocked) {
			// It may be carried out yet: what is there has to be read anew.
			h.att.sess.Close()
			h.detach("outcome of a transaction not known: " + err.Error())
			return true
		}
		if err != nil {
			h.log.Warn("transaction failed", zap.Error(err))
			h.retry.fail()
			h.complete = true
			if !errors.Is(err, ovsdb.ErrNotLocked) {
				h.status.setError(err.Error())
			}
			return true
		}
	}
	h.noteErrors(l, errs)
	h.putRight(p.Settings, refusedBridges)
	if len(batches) > 0 {
		h.rows.ours = true
		err := h.takeRows(ctx)
		h.rows.ours = false
		if err != nil {
			h.att.sess.Close()
			h.detach(err.Error())
			return true
		}
		if !l.complete {
			// What these rows are now is what was just planned. Should
			// somebody have changed one at the same moment, the next sweep
			// sees it.
			for name := range l.networks {
				delete(h.dirty, name)
			}
		}
		for _, name := range p.Later {
			h.dirty[name] = struct{}{} // once the switch has settled
		}
		h.routes.start()
		h.bfd.start()
		h.settling.start(h.att.db.Open.NextCfg)
		h.surveyBridges()
		h.observe()
	}
	h.rowsMended(l, errs)
	if h.retry.ready() {
		h.retry = backoff{}
	}
	h.advance()
	return len(batches) > 0
}

// sendAll sends transactions in order until one fails, and returns how many did
// not.
func (h *host) sendAll(ctx context.Context, batches [][]ovsdb.Operation) (int, error) {
	for i, ops := range batches {
		if err := h.send(ctx, ops...); err != nil {
			return i, err
		}
	}
	return len(batches), nil
}

func (h *host) send(ctx context.Context, ops ...ovsdb.Operation) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout+time.Duration(len(ops))*operationTimeout)
	defer cancel()
	h.env.metrics.transactions.Inc()
	_, err := h.att.sess.TransactLocked(ctx, ops...)
	if err != nil && !h.late(err) {
		h.env.metrics.transactionErrors.Inc()
	}
	return err
}

// refused reports whether the database took the transaction up and said no, as
// against a session that failed or a lock that is not ours.
func refused(err error) bool {
	var e *ovsdb.Error
	return errors.As(err, &e) && e.Refused()
}

// noteErrors replaces what was wrong with the networks that were looked at.
func (h *host) noteErrors(l look, errs map[string][]string) {
	if l.complete {
		h.rowErrors = errs
		for name := range h.on {
			h.dirtyFlows(name)
			h.status.touch(name)
		}
		h.complete = false
	} else {
		for name := range l.networks {
			switch {
			case !topology.IsCarrier(name):
				h.dirtyFlows(name)
				h.status.touch(name)
			case !slices.Equal(h.rowErrors[name], errs[name]):
				h.touchCarrier(name, nil)
			}
			delete(h.rowErrors, name)
		}
		maps.Copy(h.rowErrors, errs)
	}
	clear(h.dirty)
}

// dirtyFlows notes that a network's flows may be off.
func (h *host) dirtyFlows(name string) {
	if on := h.on[name]; on != nil {
		if b := h.bridges[on.Bridge]; b != nil {
			b.dirty[on.Net.ID] = struct{}{}
		}
	}
}

func (h *host) bridgeProblems(ps []plan.Problem) {
	for _, b := range h.bridges {
		b.problems = b.problems[:0]
	}
	for _, p := range ps {
		if b := h.bridges[p.Bridge]; b != nil && p.Network == "" {
			b.problems = append(b.problems, p.Text)
		}
	}
}

// advance moves bridges on whose settings the transaction has put back.
func (h *host) advance() {
	for _, b := range h.bridges {
		if !b.wanted() && b.stage == stageKept {
			b.stage = stageRestored
			b.synced = false
		}
	}
}

// mark notes which networks are concerned by rows that changed.
func (h *host) mark(c schema.Changes) {
	for name := range c.Network {
		h.dirty[name] = struct{}{}
		if topology.IsCarrier(name) { // a port of it may be gone
			h.touchCarrier(name, h.peersOf(name, c.Interfaces))
		}
	}
	if c.Foreign || len(c.Ports) > 0 {
		for name := range h.rowErrors { // what was in the way may be gone
			h.dirty[name] = struct{}{}
		}
		delete(h.dirty, "")
	}
	if len(c.Ports) > 0 || len(c.Interfaces) > 0 {
		for _, b := range h.bridges {
			if b.takes() {
				b.dirty[0] = struct{}{} // the host's own ports are in there
			}
		}
	}
	for name := range c.Reported {
		if topology.IsCarrier(name) {
			h.touchCarrier(name, h.peersOf(name, c.Interfaces))
			continue
		}
		h.dirtyFlows(name)
		h.status.touch(name)
	}
	for _, iface := range c.Interfaces {
		if name, ok := h.vifs[iface]; ok {
			h.dirtyFlows(name)
			h.status.touch(name)
		}
		if _, ok := h.egress[iface]; ok { // its MTU is that of all tunnels
			for name := range h.on {
				h.status.touch(name)
			}
		}
	}
}
