package controller

import (
	"context"
	"slices"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// beginReadBack is called before a switch is read back: what was told before no
// longer counts.
func (h *host) beginReadBack(ctx context.Context, b *bridge) {
	d := &b.drift
	if b.wanted() {
		h.watchFlows(ctx, b)
	}
	b.sess.TakeFlows()
	d.sent, d.bundles = nil, 0
	d.before = nil
	if d.settled == b.sess {
		d.before = b.installed
	}
	d.settled = nil
}

// endReadBack is called when the switch has been read back; strangers are what
// was known of them before. A flow that has come in the place of one of ours is
// no stranger's: ours was there first.
func (b *bridge) endReadBack(got []flow.Flow, strangers map[flow.Key]struct{}) {
	d := &b.drift
	d.index, d.waiting, d.foreign = flowIndex{}, nil, map[flow.Key]flow.Flow{}
	if len(d.before) > 0 {
		var were flowIndex
		for i := range got {
			f := &got[i]
			if pipeline.Owned(f.Cookie) {
				continue
			}
			k := f.Key()
			if _, old := strangers[k]; old {
				continue
			}
			if id, ours := were.network(d.before, k); ours && holds(d.before[id], k) {
				delete(b.strangers, k)
				d.foreign[k] = *f
			}
		}
	}
	for k := range d.claims {
		delete(b.strangers, k)
	}
	for k := range d.fights.held {
		b.strangers[k] = struct{}{}
	}
}

// suspect records what a network lacks now that the switch has been read back,
// unless that is because other flows are wanted than were there before.
func (h *host) suspect(b *bridge, id uint32, d difference) {
	if b.drift.before == nil || d.delta.Empty() {
		return
	}
	if slices.ContainsFunc(keysOf(flow.Diff(d.want, b.drift.before[id])), func(k flow.Key) bool { return !b.isStranger(k) }) {
		return
	}
	b.drift.looking.doubts = backoff{} // there was something in it
	h.found(b, id, d, keysOf(d.delta), b.drift.foreign, api.BySweep)
}

func keysOf(d flow.Delta) (keys []flow.Key) {
	for _, list := range [][]flow.Flow{d.Add, d.Modify, d.Delete} {
		for i := range list {
			keys = append(keys, list[i].Key())
		}
	}
	return keys
}

// settle notes that all was in line at the end of a look.
func (b *bridge) settle() {
	b.drift.settled = b.sess
	b.drift.before, b.drift.foreign, b.drift.claims = nil, nil, nil
}

// standing returns what a switch holds of a network once a difference has been
// sent to it, but for what must not be touched there. Where that is not all that
// is wanted, it is noted for the day when it may.
func (b *bridge) standing(id uint32, d difference) []flow.Flow {
	if len(b.strangers) == 0 {
		return d.want
	}
	stays := map[flow.Key]*flow.Flow{} // nil: it is not there
	for _, k := range keysOf(d.delta) {
		if b.isStranger(k) {
			stays[k] = nil
		}
	}
	if len(stays) == 0 {
		return d.want
	}
	for i := range d.have {
		k := d.have[i].Key()
		if _, ok := stays[k]; ok {
			stays[k] = &d.have[i]
		}
	}
	now := make([]flow.Flow, 0, len(d.want))
	for i := range d.want {
		if _, ok := stays[d.want[i].Key()]; !ok {
			now = append(now, d.want[i])
		}
	}
	for k, f := range stays {
		if f != nil {
			now = append(now, *f)
			continue
		}
		if b.drift.waiting == nil {
			b.drift.waiting = map[flow.Key]uint32{}
		}
		b.drift.waiting[k] = id
	}
	return now
}

func (b *bridge) isStranger(k flow.Key) bool {
	_, is := b.strangers[k]
	return is
}
