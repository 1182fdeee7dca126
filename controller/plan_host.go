package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// maxRounds bounds how many plans a rehearsal makes, each on what the one before
// would leave: the second is for tunnels that have to wait until others have gone.
const maxRounds = 4

// rehearsed is the plan of a host that is being worked out on its loop, so that
// what is wanted can't change meanwhile.
type rehearsed struct {
	hostPlan
	silent map[string]string // bridges whose switches do not answer, and why
}

func (l *rehearsed) run(ctx context.Context, h *host) {
	if h.att == nil {
		l.unseen("it is not connected")
		return
	}
	h.takeMail() // what was applied before the question
	if l.barred(ctx, h) {
		return
	}
	before := h.att.db
	l.amiss(h)
	after, err := l.rehearse(h)
	if err != nil {
		l.unseen(err.Error())
		return
	}
	found := planBridges{}
	l.rows(h, plan.Compare(before, after), found)
	h.att.db = after // flows follow from the rows, as these will be
	defer func() { h.att.db = before }()
	for _, name := range slices.Sorted(maps.Keys(h.bridges)) {
		l.flows(ctx, h, h.bridges[name], before, found)
	}
	l.found.Bridges = found.busy()
}

// barred notes why the loop would write nothing whatever is wanted, and reports
// whether that is so for good.
func (l *rehearsed) barred(ctx context.Context, h *host) bool {
	if h.foreign() {
		l.problem("", fmt.Sprintf("all that an ovsmesh has made here is another store's (%s): nothing is written until `ovsmesh adopt` makes it ours, or it is gone",
			strings.Join(h.others(), ", ")))
		return true
	}
	switch held := h.env.hub.held.Load(); {
	case h.writing.text != "":
		l.problem("", "it waits for "+h.writing.text)
	case held != nil:
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		if holder := h.lockHolder(ctx); holder != "" {
			l.problem("", fmt.Sprintf("another controller holds the lock %q of its database (manager %s): while it does, nothing of this can be done", ovsdb.LockName, holder))
		}
	}
	return false
}

// amiss notes what is wrong with networks whatever is done with rows.
func (l *rehearsed) amiss(h *host) {
	for _, name := range slices.Sorted(maps.Keys(h.on)) {
		on := h.on[name]
		if !l.concerns(h, nil, name) {
			continue
		}
		l.problem(name, on.Problems...)
		l.problem(name, h.misfits(on)...)
		if text := h.rowsComplaint(name); text != "" {
			l.problem(name, text)
		}
		_, failed := h.tunnelsWanted(on)
		for _, f := range failed {
			l.problem(name, fmt.Sprintf("tunnel to %s: %s", f.Peer, f.Text))
		}
	}
}

// rehearse returns what the host's database is to hold in the end.
func (l *rehearsed) rehearse(h *host) (*schema.DB, error) {
	before, complete := h.att.db, h.complete
	h.complete, h.rehearsing = true, true
	defer func() { h.att.db, h.complete, h.rehearsing = before, complete, false }()
	for range maxRounds {
		p, _ := h.plan(false)
		l.impossible(h, p)
		if len(p.Groups) == 0 {
			break
		}
		after, err := p.After(h.att.db)
		if err != nil {
			return nil, err
		}
		if h.att.db = after; len(p.Later) == 0 {
			break
		}
	}
	return besidePlans(h, before)
}

// besidePlans returns what the database is to hold with what is written apart from
// plans; save what is noted of a bridge once it has dialled in: when that was, and
// which of the plugin's flows it had.
func besidePlans(h *host, before *schema.DB) (*schema.DB, error) {
	var ops []ovsdb.Operation
	switch {
	case h.leaver:
		ops = plan.MarkLeave(before, leaveDone)
	case markOf(before) == leaveDone:
		ops = plan.ClearLeave(before)
	}
	if len(ops) == 0 {
		return h.att.db, nil
	}
	return plan.Plan{Groups: []plan.Group{{Ops: ops}}}.After(h.att.db)
}

// impossible notes what a plan can't do.
func (l *rehearsed) impossible(h *host, p plan.Plan) {
	for _, pr := range p.Problems {
		if !l.concerns(h, h.bridges[pr.Bridge], pr.Network) {
			continue
		}
		name := pr.Network
		if topology.IsCarrier(name) {
			name = ""
		}
		l.problem(name, pr.Text)
	}
	for _, s := range p.Settings {
		if s.Left && l.concerns(h, h.bridges[s.Bridge], "") {
			l.problem("", fmt.Sprintf("bridge %s: another program insists on %s: it stays for now (ovsmesh audit --history)", s.Bridge, s.Name))
		}
	}
}
