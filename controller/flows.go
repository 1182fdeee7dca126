package controller

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"go.uber.org/zap"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// flows brings the flows of every connected bridge in line, one bundle each.
// It reports whether it sent anything.
func (h *host) flows(ctx context.Context) bool {
	sent := false
	for _, b := range h.bridges {
		if b.sess == nil || !b.retry.ready() {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		n, err := h.syncBridge(ctx, b)
		cancel()
		sent = sent || n > 0
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
	done := map[uint32][]flow.Flow{}
	for id := range b.dirty {
		want, ok, err := h.compile(b, id)
		if err != nil {
			return 0, err
		}
		b.want[id] = len(want)
		if !ok {
			continue // its ports are being made: all its flows go out together then
		}
		mods = appendDelta(mods, flow.Diff(want, b.installed[id]), b.strangers)
		done[id] = want
	}
	if err := b.sess.Apply(ctx, mods); err != nil {
		return 0, err
	}
	h.env.metrics.flowMods.Add(float64(len(mods)))
	for id, want := range done {
		if len(want) == 0 {
			delete(b.installed, id)
			delete(b.want, id)
		} else {
			b.installed[id] = want
		}
		delete(b.dirty, id)
		h.status.touch(b.nets[id])
	}
	if !b.synced {
		b.synced = true
		if err := h.afterReadBack(ctx, b); err != nil {
			return len(mods), err
		}
	}
	if len(mods) > 0 {
		h.log.Info("flows", zap.String("bridge", b.name), zap.Int("mods", len(mods)), zap.Int("installed", b.count()))
	}
	return len(mods), nil
}

// readBack learns what the switch holds. It returns what must be put back of
// what others had before the bridge became ours.
func (h *host) readBack(ctx context.Context, b *bridge) ([]wire.Mod, error) {
	got, err := b.sess.Flows(ctx)
	if err != nil {
		return nil, err
	}
	b.installed = map[uint32][]flow.Flow{}
	b.strangers = map[flow.Key]struct{}{}
	b.virgin = true
	b.dirty[0] = struct{}{}
	for id := range b.nets {
		b.dirty[id] = struct{}{}
	}
	for _, f := range got {
		if !pipeline.Owned(f.Cookie) {
			b.strangers[f.Key()] = struct{}{}
			continue
		}
		id := pipeline.NetworkOf(f.Cookie)
		b.installed[id] = append(b.installed[id], f)
		b.dirty[id] = struct{}{}
		b.virgin = false
	}
	return h.strangersBack(b)
}

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
	// A bridge that is configured once while its controller is connected
	// redials every 1 to 1.5 s from then on, else only every 8 s.
	if err := h.send(ctx, plan.Touch(h.att.db, b.name, h.env.clockText())...); err != nil {
		return err
	}
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

// sweep makes the loop look at all rows and read every switch back once in a
// while, so that what somebody changed of ours is put right.
func (h *host) sweep() {
	if h.att == nil || time.Now().Before(h.nextSweep) {
		return
	}
	h.nextSweep = time.Now().Add(h.env.sweepEvery)
	h.complete = true
	for _, b := range h.bridges {
		b.synced = false
	}
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
	for _, name := range b.nets {
		h.dirty[name] = struct{}{} // its tunnels, which were held back
	}
}

func (h *host) readStrangers(ctx context.Context, b *bridge) error {
	got, err := b.sess.Flows(ctx)
	if err != nil {
		return err
	}
	var kept [][]byte
	for _, f := range got {
		if pipeline.Owned(f.Cookie) || isDefault(f) {
			continue
		}
		raw, err := wire.EncodeFlowMod(wire.Mod{Command: wire.Add, Flow: f}, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Text(), err)
		}
		kept = append(kept, raw)
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
	for _, fs := range b.installed {
		for _, f := range fs {
			mods = append(mods, wire.Mod{Command: wire.DeleteStrict, Flow: f})
		}
	}
	if err := b.sess.Apply(ctx, mods); err != nil {
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

// appendDelta adds the flow-mods of a difference, save those that would
// replace a flow of somebody else.
func appendDelta(mods []wire.Mod, d flow.Delta, strangers map[flow.Key]struct{}) []wire.Mod {
	add := func(c wire.Command, fs []flow.Flow) {
		for _, f := range fs {
			if _, taken := strangers[f.Key()]; !taken {
				mods = append(mods, wire.Mod{Command: c, Flow: f})
			}
		}
	}
	add(wire.Add, d.Add)
	add(wire.Add, d.Modify) // an add replaces the same match whole, cookie and all
	add(wire.DeleteStrict, d.Delete)
	return mods
}

// compile returns the flows that a bridge should hold for one network; none
// where the network is not on it. It reports false while rows are on their way
// that would change the answer.
func (h *host) compile(b *bridge, id uint32) ([]flow.Flow, bool, error) {
	if id == 0 {
		return pipeline.Base(), true, nil
	}
	on := h.on[b.nets[id]]
	if on == nil || on.Bridge != b.name {
		return nil, true, nil
	}
	n := pipeline.Network{ID: id, PortSecurity: on.Net.PortSecurity}
	for _, v := range on.VIFs {
		i := h.att.db.InterfaceByName(v.Interface)
		if i == nil || i.OFPort < 0 {
			continue
		}
		if i.OFPort == 0 {
			if h.settling.active() {
				return nil, false, nil
			}
			continue
		}
		vif := pipeline.VIF{OFPort: uint32(i.OFPort)}
		for _, m := range v.MACs {
			vif.MACs = append(vif.MACs, m)
		}
		n.VIFs = append(n.VIFs, vif)
	}
	ofports := map[string]uint32{} // by peer
	tunnels, _ := h.tunnels(h.att.db, on)
	for _, t := range tunnels {
		if t.row == nil || t.row.OFPort < 0 {
			continue
		}
		if t.row.OFPort == 0 {
			if h.settling.active() {
				return nil, false, nil
			}
			continue
		}
		ofports[t.Peer] = uint32(t.row.OFPort)
		n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: uint32(t.row.OFPort)})
	}
	for _, e := range topology.MACTable(on) {
		r := pipeline.Remote{MAC: e.MAC}
		for _, peer := range e.Peers {
			if p, ok := ofports[peer]; ok {
				r.OFPorts = append(r.OFPorts, p)
			}
		}
		if len(r.OFPorts) > 0 {
			n.Remotes = append(n.Remotes, r)
		}
	}
	want, err := pipeline.Compile(n)
	if err != nil {
		return nil, false, fmt.Errorf("network %s: %w", on.Net.Name, err)
	}
	return want, true, nil
}

// wantedTunnel is a tunnel port that is wanted, with the rows that are there
// for it.
type wantedTunnel struct {
	topology.Tunnel
	port *schema.Port
	row  *schema.Interface
}

// tunnels joins the tunnels that are wanted for a network with their rows, by
// peer and key: a port taken over from the old plugin has a name of its own.
// Tunnels that can't be wanted come second.
func (h *host) tunnels(db *schema.DB, on *topology.OnHost) ([]wantedTunnel, []topology.TunnelProblem) {
	want, failed := topology.Tunnels(on)
	there := map[string][]*schema.Port{} // by peer
	for _, p := range db.PortsOfNetwork(on.Net.Name) {
		if p.ExternalIDs[schema.KeyOwner] == h.env.owner && len(p.Interfaces) == 1 {
			peer := p.ExternalIDs[schema.KeyPeer]
			there[peer] = append(there[peer], p)
		}
	}
	key := strconv.FormatUint(uint64(on.Net.Key), 10)
	list := make([]wantedTunnel, len(want))
	for n, t := range want {
		list[n].Tunnel = t
		for _, p := range there[t.Peer] {
			i := db.Interfaces[p.Interfaces[0]]
			if i != nil && i.Type == string(t.Encap) && i.Options["key"] == key {
				list[n].port, list[n].row = p, i
				break
			}
		}
	}
	return list, failed
}
