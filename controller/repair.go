package controller

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

const (
	repairTimeout = 20 * time.Second // for a host to be as wanted
	repairPoll    = 20 * time.Millisecond
)

// deeds is what a host's loop has written since a repair began. The nil value
// takes no notes.
type deeds struct {
	host    string
	repairs []audit.Repair
}

// rows notes what a transaction that was carried out has changed.
func (d *deeds) rows(steps []string) {
	if d != nil && len(steps) > 0 {
		d.repairs = append(d.repairs, audit.Repair{Host: d.host, Rows: steps, Flows: []string{}})
	}
}

// bundle notes the flow-mods of a bundle that was committed.
func (d *deeds) bundle(bridge string, mods []wire.Mod) {
	if d != nil && len(mods) > 0 {
		d.repairs = append(d.repairs, audit.Repair{Host: d.host, Bridge: bridge, Rows: []string{}, Flows: modTexts(mods)})
	}
}

// repair has the host's loop bring everything of ours in line, as it does by
// itself after every connect: all rows are looked at, and every switch is read
// back, so that what the loop takes for installed is what is there. Then it
// looks again, and what is no longer found counts as repaired.
func (a *hostAudit) repair(ctx context.Context) {
	var forgiven bool // flows that have been left to another program are ours again
	if a.loop != nil {
		a.loop.ask(ctx, func(context.Context) { forgiven = a.loop.forgive() })
	}
	if !forgiven && !slices.ContainsFunc(a.findings, func(f audit.Finding) bool { return f.Mendable() }) {
		return
	}
	why := a.bringInLine(ctx)
	l, _ := a.look(ctx)
	a.findings = audit.Mend(a.findings, l.findings)
	a.checked = l.checked
	for i := range a.findings {
		f := &a.findings[i]
		switch {
		case f.Repaired || !f.Mendable() || f.Note != "":
		case f.Kind == audit.TunnelError:
			f.Note = "its row is as it should be: it is Open vSwitch that can't make the port"
		default:
			f.Note = cmp.Or(why, "still so after everything of ours was written anew")
		}
	}
}

// bringInLine returns when the host is as wanted, or can't be brought there; it
// says why then. What it has written is in a.repairs.
func (a *hostAudit) bringInLine(ctx context.Context) (why string) {
	select {
	case a.slots <- struct{}{}: // it reads everything, too
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return ctx.Err().Error()
	}
	ctx, cancel := context.WithTimeout(ctx, repairTimeout)
	defer cancel()
	h := a.loop
	if !h.ask(ctx, func(ctx context.Context) { h.startRepair(ctx) }) {
		return a.busy()
	}
	ticker := time.NewTicker(repairPoll)
	defer ticker.Stop()
	for {
		var left string
		var over bool
		if !h.ask(ctx, func(context.Context) { left, over = h.repaired() }) {
			return a.busy()
		}
		if left == "" || over || ctx.Err() != nil {
			why = left
			break
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	// Not under ctx, which may have ended: the loop must not note things for
	// ever.
	h.ask(context.WithoutCancel(ctx), func(context.Context) {
		if h.did != nil {
			a.repairs, h.did = append(a.repairs, h.did.repairs...), nil
		}
	})
	return why
}

// startRepair forgets what the loop takes for true of rows and flows, and what
// it has put off, and lets it go to work.
func (h *host) startRepair(ctx context.Context) {
	h.did = &deeds{host: h.name}
	h.complete = true
	h.retry = backoff{}
	for _, b := range h.bridges {
		b.synced = false
		b.retry, b.flowErr = backoff{}, ""
	}
	h.retryTunnels(ctx)
	h.reconcile(ctx)
}

// retryTunnels has ovs-vswitchd try once more to make those tunnel ports of ours
// that it could not make. By itself it does so only when something is written
// next time: it refuses a port whose place another one leaves in the same
// breath, and leaves it at that.
func (h *host) retryTunnels(ctx context.Context) {
	if h.att == nil || !h.lastLocked {
		return
	}
	for _, p := range h.att.db.OwnedPorts() {
		if p.ExternalIDs[schema.KeyOwner] != h.env.owner || len(p.Interfaces) != 1 {
			continue
		}
		i, r := h.att.db.Interfaces[p.Interfaces[0]], h.att.db.BridgeOfPort(p.UUID)
		if i == nil || i.OFPort >= 0 || r == nil {
			continue
		}
		if err := h.send(ctx, plan.Touch(h.att.db, r.Name, h.env.clockText())...); err != nil {
			h.log.Warn("tunnels not tried again", zap.Error(err))
		}
		return // of all bridges, as ovs-vswitchd looks at everything
	}
}

// repaired says what is left to be done on the host, "" if nothing is, and
// whether it is no use to wait for it.
func (h *host) repaired() (left string, over bool) {
	held := h.env.hub.held.Load()
	switch {
	case h.att == nil:
		return "the host is not connected", true
	case held != nil:
		return "waiting for " + held.waits, true
	case h.writing.bar == barForeign:
		return "waiting for " + h.writing.text, true
	case !h.lastLocked:
		return "another controller holds the lock \"ovsmesh\" of this host's database: it alone writes", true
	}
	over = h.retry.left() > 0
	for _, b := range h.bridges {
		over = over || b.flowErr != "" || len(b.guarded.refused) > 0
	}
	if left = h.unfinished(); left != "" {
		left = "waiting for " + left
	}
	return left, over
}
