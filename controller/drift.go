package controller

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller/api"
	"ovsmesh/openflow"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/wire"
)

// driftGap is how long changes that others make are collected before they are
// looked at: a burst is mended by few bundles.
const driftGap = 10 * time.Millisecond

// watchTimeout bounds the wait for a switch that does not say whether it can tell
// of changes.
const watchTimeout = 3 * time.Second

// maxStrangers bounds the flows of others of which a switch may tell: it is read
// back then, for which there is a limit, too.
const maxStrangers = 500_000

// drift is what a bridge's loop knows of changes that others make of its flows.
//
//	switch ──flow monitor──► digest ─┐ bridge.installed is what the switch holds,
//	                                 ├─► the network is dirty, and is brought in
//	sweep, ──all flows───► readBack ─┘ line as ever
//	look, doubt
//
// The zero value is ready.
type drift struct {
	watched *openflow.Session // the one that was asked to tell
	push    bool              // and does
	settled *openflow.Session // the one over which all was in line, as far as is known
	looking looking
	flushed time.Time // until when what its flows lack is put down to the switch itself: it drops them all when somebody changes fail_mode

	sent    []wire.Mod // of the last bundle, until it is known what happened before it
	bundles int        // sent since the last look at what was told

	before  map[uint32][]flow.Flow // what the switch held, by network, before it was read back; nil where that is not known
	foreign map[flow.Key]flow.Flow // others' flows that were found in the place of ours then

	waiting map[flow.Key]uint32   // flows that are wanted where others' stand, by network
	open    map[uint32]*open      // what was found and is not mended, by network
	claims  map[flow.Key]struct{} // flows of ours that are to be put back whatever stands in their place
	index   flowIndex
	fights  fights
}

// watchFlows asks the switch to tell of changes. A switch that says that it can't
// is asked no more; until one says something it is read back once in a while.
func (h *host) watchFlows(ctx context.Context, b *bridge) {
	d := &b.drift
	if d.watched == b.sess {
		return
	}
	d.watched, d.push = nil, false
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	err := b.sess.Watch(ctx)
	if err == nil || errors.Is(err, openflow.ErrNotWatched) {
		d.watched, d.push = b.sess, err == nil
	}
	if err != nil {
		h.log.Info("flows are polled", zap.String("bridge", b.name), zap.Duration("every", h.env.sweepEvery), zap.Error(err))
	}
}

// pushed reports whether the bridge's switch tells of changes.
func (b *bridge) pushed() bool { return b.sess != nil && b.drift.watched == b.sess && b.drift.push }

// watchedText says how changes of a bridge's flows are noticed, "" while it is
// not known.
func (b *bridge) watchedText() string {
	switch {
	case b.sess == nil || b.drift.watched != b.sess:
		return ""
	case b.drift.push:
		return api.WatchedPush
	}
	return api.WatchedPoll
}

// mistrust forgets what is known of the switches: another controller has been
// writing.
func (h *host) mistrust() {
	for _, b := range h.bridges {
		b.synced = false
		b.drift.settled = nil
	}
}

// digest takes over what the switch has told of changes. It costs what has
// changed, and for networks of ours that are concerned, what these have.
func (h *host) digest(b *bridge) {
	d := &b.drift
	h.resume(b)
	if !b.pushed() || !b.synced {
		return // all is going to be read
	}
	c := b.sess.TakeFlows()
	sent, bundles := d.sent, d.bundles
	d.sent, d.bundles = nil, 0
	if len(c.Updates) == 0 && !c.Lost {
		return
	}
	if c.Lost || c.Own > 0 && bundles != 1 {
		b.synced = false
		return
	}
	before := c.Own
	if before < 0 && bundles > 0 { // it has changed nothing, or the switch does not tell
		before = len(c.Updates)
	}
	var over map[flow.Key]struct{} // what our bundle has made of these came later
	if before > 0 {
		over = make(map[flow.Key]struct{}, len(sent))
		for _, m := range sent {
			over[m.Flow.Key()] = struct{}{}
		}
	}
	e := edits{b: b, networks: map[uint32]*edit{}, foreign: map[flow.Key]flow.Flow{}}
	for i := range c.Updates {
		k := c.Updates[i].Flow.Key()
		if _, ours := over[k]; ours && i < before {
			if c.Own < 0 { // before or after: who knows
				b.synced = false
				return
			}
			continue
		}
		e.update(k, &c.Updates[i])
	}
	if len(b.strangers) > maxStrangers {
		b.synced = false
		return
	}
	h.take(b, &e)
}

// take makes what was told what the bridge holds.
func (h *host) take(b *bridge, e *edits) {
	for id, n := range e.networks {
		now, keys, doubted := n.result()
		if doubted {
			b.drift.looking.doubt(time.Now())
		}
		if len(keys) == 0 {
			continue
		}
		b.installed[id] = now
		b.dirty[id] = struct{}{}
		b.drift.index.changed(id)
		h.status.touch(b.nets[id])
		h.found(b, id, difference{want: n.old, have: now}, keys, e.foreign, api.ByPush)
	}
}

// resume gives fights over whose time is up another chance.
func (h *host) resume(b *bridge) {
	for _, f := range b.drift.fights.due(time.Now()) {
		delete(b.strangers, f.key)
		b.drift.claim(f.key)
		b.dirty[f.network] = struct{}{}
		b.drift.opened(f.network).again(f.told)
		h.status.touch(b.nets[f.network])
	}
}

// forgive does so for all fights at once, because somebody who has ended them
// says so. It reports whether there were any.
func (h *host) forgive() bool {
	now := time.Now()
	any := len(h.rows.fights.held) > 0
	h.rows.fights.forgive()
	h.resumeRows()
	for _, b := range h.bridges {
		any = any || len(b.drift.fights.held) > 0
		b.drift.fights.forgive()
		h.resume(b)
		any = b.contests.forgive(now) || any
	}
	return any
}

func (d *drift) claim(k flow.Key) {
	if d.claims == nil {
		d.claims = map[flow.Key]struct{}{}
	}
	d.claims[k] = struct{}{}
}

// sending notes a bundle that the switch has taken.
func (d *drift) sending(mods []wire.Mod) {
	if len(mods) > 0 && d.push {
		d.sent = mods
		d.bundles++
	}
}
