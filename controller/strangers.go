package controller

import (
	"context"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/plan"
)

// strangersBack returns the flow-mods that put back what keepStrangers kept
// and the switch has dropped.
func (h *host) strangersBack(b *bridge) ([]wire.Mod, error) {
	kept, err := h.env.hub.store.Foreign(h.name, b.name)
	if err != nil {
		return nil, err
	}
	b.keeps = len(kept) > 0
	var mods []wire.Mod
	for _, raw := range kept {
		m, err := wire.DecodeFlowMod(raw)
		if err != nil {
			return nil, fmt.Errorf("kept flow of others: %w", err)
		}
		if _, there := b.strangers[m.Flow.Key()]; !there {
			mods = append(mods, m)
			b.strangers[m.Flow.Key()] = struct{}{}
		}
	}
	return mods, nil
}

// afterReadBack is what follows once the switch holds what it should again.
func (h *host) afterReadBack(ctx context.Context, b *bridge) error {
	if err := h.forgetStrangers(b); err != nil {
		return err
	}
	if !b.virgin {
		return nil
	}
	b.virgin = false
	if b.touched == b.sess {
		return nil
	}
	// A bridge that is configured once while its controller is connected
	// redials every 1 to 1.5 s from then on, else only every 8 s.
	if err := h.send(ctx, plan.Touch(h.att.db, b.name, h.env.clockText())...); err != nil {
		return err
	}
	b.touched = b.sess
	return h.takeRows(ctx)
}

// forgetStrangers drops the kept flows of others, which stand again.
func (h *host) forgetStrangers(b *bridge) error {
	if !b.keeps {
		return nil
	}
	b.keeps = false
	return h.env.hub.store.SetForeign(h.name, b.name, nil)
}

// keepStrangers reads the flows that others have on a bridge that is about to
// be taken or released, and keeps them until they can be put back.
func (h *host) keepStrangers(ctx context.Context, b *bridge) {
	if b.sess == nil || b.kept() || (b.wanted() && b.stage == stageOurs) || !b.retry.ready() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := h.readStrangers(ctx, b); err != nil {
		h.log.Warn("can't read the flows of others", zap.String("bridge", b.name), zap.Error(err))
		b.flowErr = err.Error()
		b.retry.fail()
		return
	}
	b.stage = stageKept
	h.dirtyTunnels(b) // which were held back
}

func (h *host) readStrangers(ctx context.Context, b *bridge) error {
	got, err := b.sess.Flows(ctx)
	if err != nil {
		return err
	}
	var kept [][]byte
	var plugin pipeline.Plugin
	for _, f := range got {
		if pipeline.Owned(f.Cookie) || isDefault(f) || b.ofPlugin && plugin.Add(&f) {
			continue
		}
		raw, err := wire.EncodeFlowMod(wire.Mod{Command: wire.Add, Flow: &f}, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Text(), err)
		}
		kept = append(kept, raw)
	}
	// What is kept already was dropped by the switch and has not gone back: we
	// ended, or lost the connection, in between.
	before, err := h.env.hub.store.Foreign(h.name, b.name)
	if err != nil {
		return err
	}
	for _, raw := range before {
		m, err := wire.DecodeFlowMod(raw)
		if err != nil {
			return fmt.Errorf("kept flow of others: %w", err)
		}
		if !slices.ContainsFunc(got, func(f flow.Flow) bool { return f.Key() == m.Flow.Key() }) {
			kept = append(kept, raw)
		}
	}
	if b.ofPlugin && b.wanted() {
		b.plugin = h.pluginNote(b, plugin).String()
	}
	if len(kept) > 0 {
		h.log.Info("flows of others kept", zap.String("bridge", b.name), zap.Int("flows", len(kept)))
	}
	return h.env.hub.store.SetForeign(h.name, b.name, kept)
}

// isDefault reports whether a flow is the one that ovs-vswitchd itself puts
// into a standalone bridge without a controller.
func isDefault(f flow.Flow) bool {
	return f.Table == 0 && f.Priority == 0 && f.Cookie == 0 && len(f.Match) == 0 &&
		f.Actions.Equal(flow.Actions{flow.Output{Port: flow.PortNormal}})
}

// clearBridge takes our flows off a bridge whose settings have been restored,
// and puts others' back.
func (h *host) clearBridge(ctx context.Context, b *bridge) (int, error) {
	if h.settling.active() {
		return 0, nil
	}
	mods, err := h.readBack(ctx, b)
	if err != nil {
		return 0, err
	}
	back := map[flow.Key]struct{}{}
	for _, f := range h.pluginFlows(b) {
		back[f.Key()] = struct{}{}
		mods = append(mods, wire.Mod{Command: wire.Add, Flow: &f})
	}
	for _, fs := range b.installed {
		for _, f := range fs {
			if _, replaced := back[f.Key()]; !replaced {
				mods = append(mods, wire.Mod{Command: wire.DeleteStrict, Flow: &f})
			}
		}
	}
	if err := b.sess.ApplyWith(ctx, mods, permit{h.att.sess, &h.proofLimit}); err != nil {
		return 0, err
	}
	if err := h.forgetStrangers(b); err != nil {
		return 0, err
	}
	b.installed = map[uint32][]flow.Flow{}
	b.stage = stageCleared
	h.wake()
	return len(mods), nil
}
