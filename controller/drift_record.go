package controller

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/flow"
)

// historyBatch is how many differences of one network at one moment the history
// lists; the others are counted.
const historyBatch = 100

// open is what was found at one place and is not mended. The zero value is
// ready.
type open struct {
	spans  []span
	kinds  map[string]int
	effect string // of the first
	since  time.Time
}

// span is entries of the history in a row.
type span struct {
	first uint64
	count int
}

// opened returns what is open of a network.
func (d *drift) opened(network uint32) *open {
	if d.open == nil {
		d.open = map[uint32]*open{}
	}
	o := d.open[network]
	if o == nil {
		o = &open{}
		d.open[network] = o
	}
	return o
}

// again notes that entries of before are to be mended after all.
func (o *open) again(s span) {
	if s.count > 0 {
		o.spans = append(o.spans, s)
	}
}

// found records that others have changed flows of a network: d.want is what was
// there, d.have what there is now, keys what differs, and foreign what others
// have put in its place. What the switch itself has dropped is left out. What others change again and again is left to them from
// now on.
func (h *host) found(b *bridge, id uint32, d difference, keys []flow.Key, foreign map[flow.Key]flow.Flow, by string) {
	now := time.Now()
	if now.Before(b.drift.flushed) {
		return
	}
	fate := make(map[flow.Key]int, len(keys))
	var given []*fight
	for _, k := range keys {
		if b.isStranger(k) {
			fate[k] = driftKnown
			continue
		}
		fate[k] = driftMend
		if f := b.drift.fights.note(k, id, now); f != nil {
			given = append(given, f)
			fate[k] = driftLeave
		}
	}
	if list := h.driftFindings(b, id, d, fate, driftMend, foreign); len(list) > 0 {
		h.record(b.drift.opened(id), list, now, by, "")
	}
	if len(given) == 0 {
		return
	}
	for _, f := range given {
		b.strangers[f.key] = struct{}{}
	}
	h.status.touch(b.nets[id])
	why := b.complaint(&id)
	if list := h.driftFindings(b, id, d, fate, driftLeave, foreign); len(list) > 0 {
		var o open
		h.record(&o, list, now, by, why)
		given[0].told = o.spans[0] // they all are over at the same moment
	}
	h.env.metrics.driftLeft.Add(float64(len(given)))
	h.log.Warn("flows are left to another program that changes them again and again",
		zap.String("bridge", b.name), zap.String("network", b.nets[id]), zap.Int("flows", len(given)), zap.Duration("for", given[0].step))
	h.status.tell(h.driftEvent(b.name, b.nets[id], api.EventLeftAlone, len(given), why))
}

// What becomes of a flow that differs.
const (
	driftMend  = iota + 1
	driftLeave // from now on
	driftKnown // it is nothing new, and stays as it is
)

// driftFindings returns what an audit has to say of the flows of a network that
// have a certain fate; the others that differ are left out.
func (h *host) driftFindings(b *bridge, id uint32, d difference, fate map[flow.Key]int, only int, foreign map[flow.Key]flow.Flow) []audit.Finding {
	concerned := 0
	for _, f := range fate {
		if f == only {
			concerned++
		}
	}
	if concerned == 0 {
		return nil
	}
	want, got := d.want, slices.Clip(d.have)
	if concerned < len(fate) {
		drop := func(f flow.Flow) bool { what := fate[f.Key()]; return what != 0 && what != only }
		want, got = slices.DeleteFunc(slices.Clone(want), drop), slices.DeleteFunc(slices.Clone(got), drop)
	}
	for k, what := range fate {
		if f, ok := foreign[k]; ok && what == only {
			got = append(got, f)
		}
	}
	names := &bridge{nets: map[uint32]string{}}
	if name, on := b.nets[id]; on {
		names.nets[id] = name
	}
	return audit.Flows(audit.Bridge{
		Host: h.name, Name: b.name, Want: want, Got: got,
		Network: func(id uint32) string { return b.nets[id] },
		Port:    h.portNames(h.att.db, names), MAC: h.macNames(names),
	})
}

// record puts findings into the history and counts them.
func (h *host) record(o *open, list []audit.Finding, now time.Time, by, note string) {
	if o.kinds == nil {
		o.kinds, o.effect, o.since = map[string]int{}, list[0].Effect, now
	}
	for i := range list {
		o.kinds[list[i].Kind]++
		h.env.metrics.drift.WithLabelValues(list[i].Kind).Inc()
	}
	more := max(0, len(list)-historyBatch)
	entries := make([]api.HistoryEntry, 0, len(list)-more)
	for _, f := range list[:len(list)-more] {
		entries = append(entries, api.HistoryEntry{
			Host: f.Host, Bridge: f.Bridge, Network: f.Network, Kind: f.Kind, Want: f.Want, Got: f.Got, Effect: f.Effect,
			By: by, Note: note,
		})
	}
	entries[len(entries)-1].More = more
	o.spans = append(o.spans, span{h.env.history.add(now, entries), len(entries)})
}

// mended notes that what was open of a network on a bridge is right again.
func (h *host) mended(b *bridge, id uint32) {
	if o := b.drift.open[id]; o != nil {
		delete(b.drift.open, id)
		h.close(o, b.name, b.nets[id])
	}
}

// close tells that what was open is mended.
func (h *host) close(o *open, bridge, network string) {
	now := time.Now()
	for _, s := range o.spans {
		h.env.history.mended(now, s.first, s.count)
	}
	n := 0
	for _, count := range o.kinds {
		n += count
	}
	if n == 0 {
		return // what was left alone for a while, and has been told
	}
	h.env.metrics.driftRepaired.Add(float64(n))
	text := o.text()
	h.log.Info("drift mended", zap.String("bridge", bridge), zap.String("network", network), zap.String("found", text),
		zap.Duration("took", now.Sub(o.since)))
	h.status.tell(h.driftEvent(bridge, network, api.EventRepaired, n, text))
}

// text says in one line what was found.
func (o *open) text() string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(o.kinds)) {
		parts = append(parts, fmt.Sprintf("%d %s", o.kinds[kind], kind))
	}
	return strings.Join(parts, ", ") + ": " + cmp.Or(o.effect, "nothing")
}

func (h *host) driftEvent(bridge, network, state string, n int, text string) api.Event {
	e := api.Event{Kind: api.EventDrift, Bridge: bridge, Network: network, State: state, Count: n, Error: text}
	if on := h.on[network]; on != nil {
		e.Tenant = on.Net.Tenant
	}
	return e
}
