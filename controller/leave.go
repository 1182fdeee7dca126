package controller

import (
	"context"
	"time"

	"go.uber.org/zap"

	"ovsmesh/ovsdb/plan"
	"ovsmesh/topology"
)

// leaveGrace is how long the loop of a host that leaves waits for the host,
// and a bridge that is released for its OpenFlow session.
const leaveGrace = 5 * time.Second

// startLeaving turns the loop to giving everything back: no network is wanted
// here any longer, so every bridge goes the way back, see stage.
func (h *host) startLeaving() {
	h.log.Info("host leaves the mesh")
	h.leaver = true
	for name := range h.on {
		h.setWanted(name, nil)
	}
	h.on = map[string]*topology.OnHost{}
	h.complete = true
	h.leaveBy = time.Now().Add(leaveGrace)
}

// finishLeaving ends the loop of a host that leaves: soon where the host is
// not connected, for then it is asked when it dials in again; else when nothing of ours is left on it and the host has been told so.
func (h *host) finishLeaving(ctx context.Context) bool {
	if h.att == nil {
		return !time.Now().Before(h.leaveBy) && h.env.hub.released(ctx, h, "") == nil
	}
	if h.writing.bar == barForeign { // nothing of ours is there
		return h.env.hub.released(ctx, h, h.att.db.Open.ExternalIDs["system-id"]) == nil
	}
	if len(h.bridges) > 0 || h.complete || h.settling.active() || !h.lastLocked {
		return false
	}
	if err := h.send(ctx, plan.MarkLeave(h.att.db, leaveDone)...); err != nil {
		h.log.Warn("host not told that it has left", zap.Error(err))
		h.retry.fail()
		return false
	}
	if err := h.env.hub.released(ctx, h, h.att.db.Open.ExternalIDs["system-id"]); err != nil {
		return false
	}
	h.log.Info("host has left; everything there is as it was")
	return true
}

// clearMark takes the mark of a former leave off a host that is in the mesh
// again because a spec names it.
func (h *host) clearMark(ctx context.Context) {
	if h.leaver || markOf(h.att.db) != leaveDone {
		return
	}
	if err := h.send(ctx, plan.ClearLeave(h.att.db)...); err != nil {
		h.log.Warn("mark of the former leave stays", zap.Error(err))
	}
}
