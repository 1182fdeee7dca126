package controller

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/wire"
)

// flows brings the flows of every connected bridge in line, one bundle each.
// It reports whether it sent anything.
func (h *host) flows(ctx context.Context) bool {
	sent := false
	for _, b := range h.bridges {
		if b.sess == nil || !b.retry.ready() || ctx.Err() != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		n, err := h.syncBridge(ctx, b)
		cancel()
		sent = sent || n > 0
		if h.late(err) {
			h.log.Info("flows not sent: the lock is no longer held", zap.String("bridge", b.name), zap.Error(err))
			b.synced = false
			b.retry.fail()
			continue
		}
		if err != nil {
			h.log.Warn("flows not brought in", zap.String("bridge", b.name), zap.Error(err))
			h.env.metrics.bundleErrors.Inc()
			b.flowErr = err.Error()
			b.synced = false
			b.retry.fail()
			continue
		}
		if b.retry.step != 0 {
			b.flowErr, b.retry = "", backoff{}
		}
	}
	return sent
}

// syncBridge sends what one bridge lacks, and returns how many flow-mods that
// took.
func (h *host) syncBridge(ctx context.Context, b *bridge) (int, error) {
	switch {
	case b.stage == stageRestored && !b.wanted():
		return h.clearBridge(ctx, b)
	case b.stage != stageOurs:
		return 0, nil // its own business still, or no longer ours
	}
	h.digest(b)
	defer h.lookAgain(b, time.Now())()
	var mods []wire.Mod
	if !b.synced {
		if h.settling.active() {
			return 0, nil // a change of fail_mode is under way, which drops all flows
		}
		back, err := h.readBack(ctx, b)
		if err != nil {
			return 0, err
		}
		mods = back
	}
	done := map[uint32]difference{}
	early := map[uint32][]flow.Flow{}
	for id := range b.dirty {
		if _, first := h.dirty[b.nets[id]]; first && !h.writable() && h.retry.ready() {
			continue // its rows come first, and are about to
		}
		d, ok, err := h.difference(b, id)
		if err != nil {
			return 0, err
		}
		b.want[id] = len(d.want)
		if !ok {
			// Its ports are being made: its flows go out together then.
			if fs := h.welcome(b, id, d); len(fs) > 0 {
				early[id] = fs
				mods = appendDelta(mods, flow.Delta{Add: fs}, b.strangers)
			}
			continue
		}
		h.suspect(b, id, d)
		mods = appendDelta(mods, d.delta, b.strangers)
		done[id] = d
	}
	mods, err := h.admit(b, mods, done, early)
	if err != nil {
		return 0, err
	}
	if len(mods) > 0 {
		h.status.setWaiting("the flows of bridge " + b.name) // a switch that is stuck keeps us here
	}
	if err := b.sess.ApplyWith(ctx, mods, permit{h.att.sess, &h.proofLimit}); err != nil {
		return 0, err
	}
	h.did.bundle(b.name, mods)
	b.drift.sending(mods)
	h.env.metrics.flowMods.Add(float64(len(mods)))
	for id, fs := range early {
		b.installed[id] = slices.Concat(b.installed[id], fs)
	}
	for id, d := range done {
		h.installed(b, id, d)
	}
	if len(done) > 0 && len(h.kept) > 0 {
		h.keptDue = true
		h.wake()
	}
	if !b.synced {
		b.synced = true
		h.looked(b, time.Now())
		if err := h.afterReadBack(ctx, b); err != nil {
			return len(mods), err
		}
	}
	b.settle()
	if len(mods) > 0 {
		h.log.Log(h.workLevel(), "flows", zap.String("bridge", b.name), zap.Int("mods", len(mods)), zap.Int("installed", b.count()))
	}
	return len(mods), nil
}

// installed notes that a switch holds the flows of one network.
func (h *host) installed(b *bridge, id uint32, d difference) {
	delete(b.prepared, id)
	delete(b.dirty, id)
	b.drift.index.changed(id)
	h.quieted(b, d.from.network)
	h.mended(b, id)
	h.status.touch(b.nets[id])
	if len(d.want) == 0 {
		delete(b.installed, id)
		delete(b.want, id)
		delete(b.uses, id)
		return
	}
	b.installed[id] = b.standing(id, d)
	uses := make(map[uint32]struct{}, len(d.from.network.Tunnels))
	for _, t := range d.from.network.Tunnels {
		if !t.ReceiveOnly {
			uses[t.OFPort] = struct{}{}
		}
	}
	b.uses[id] = uses
}

// readBack learns what the switch holds. It returns what must be put back of
// what others had before the bridge became ours.
func (h *host) readBack(ctx context.Context, b *bridge) ([]wire.Mod, error) {
	h.beginReadBack(ctx, b)
	got, err := b.sess.Flows(ctx)
	if err != nil {
		return nil, err
	}
	strangers := b.strangers
	b.installed = map[uint32][]flow.Flow{}
	b.strangers = map[flow.Key]struct{}{}
	b.virgin = true
	b.dirty[0] = struct{}{}
	for id := range b.nets {
		b.dirty[id] = struct{}{}
	}
	for _, f := range got {
		id, ours := b.networkOf(&f)
		if !ours {
			b.strangers[f.Key()] = struct{}{}
			continue
		}
		b.installed[id] = append(b.installed[id], f)
		b.dirty[id] = struct{}{}
		b.virgin = false
	}
	b.endReadBack(got, strangers)
	return h.strangersBack(b)
}

// sweep makes the loop look at all rows, and read back every switch that does
// not tell of changes, once in a while, so that what somebody changed of ours is
// put right. It reports whether it is time for that.
func (h *host) sweep() bool {
	if h.att == nil || time.Now().Before(h.nextSweep) {
		return false
	}
	h.nextSweep = time.Now().Add(h.env.sweepEvery)
	h.complete = true
	for _, b := range h.bridges {
		if !b.pushed() {
			b.synced = false
		}
	}
	return true
}

// appendDelta adds the flow-mods of a difference, save those that would
// replace a flow of somebody else.
func appendDelta(mods []wire.Mod, d flow.Delta, strangers map[flow.Key]struct{}) []wire.Mod {
	mods = slices.Grow(mods, len(d.Add)+len(d.Modify)+len(d.Delete))
	add := func(c wire.Command, fs []flow.Flow) {
		for i := range fs {
			if len(strangers) > 0 {
				if _, taken := strangers[fs[i].Key()]; taken {
					continue
				}
			}
			mods = append(mods, wire.Mod{Command: c, Flow: &fs[i]})
		}
	}
	add(wire.Add, d.Add)
	add(wire.Add, d.Modify) // an add replaces the same match whole, cookie and all
	add(wire.DeleteStrict, d.Delete)
	return mods
}
