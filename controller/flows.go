package controller

import (
	"context"
	"fmt"
	"reflect"
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
		d, ok, err := h.difference(b, id)
		if err != nil {
			return 0, err
		}
		b.want[id] = len(d.want)
		if !ok {
			continue // its ports are being made: all its flows go out together then
		}
		mods = appendDelta(mods, d.delta, b.strangers)
		done[id] = d.want
	}
	if len(mods) > 0 {
		h.status.setWaiting("the flows of bridge " + b.name) // a switch that is stuck keeps us here
	}
	if err := b.sess.Apply(ctx, mods); err != nil {
		return 0, err
	}
	h.env.metrics.flowMods.Add(float64(len(mods)))
	for id, want := range done {
		delete(b.prepared, id)
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
			if len(strangers) > 0 {
				if _, taken := strangers[f.Key()]; taken {
					continue
				}
			}
			mods = append(mods, wire.Mod{Command: c, Flow: f})
		}
	}
	add(wire.Add, d.Add)
	add(wire.Add, d.Modify) // an add replaces the same match whole, cookie and all
	add(wire.DeleteStrict, d.Delete)
	return mods
}

// difference is what one network's flows on a bridge are to be, and what it
// takes to get there.
type difference struct {
	from  pipeline.Network
	have  []flow.Flow // that it starts from
	want  []flow.Flow
	delta flow.Delta
}

// difference compares the flows of one network with those that the switch
// holds. While the switch makes ports it reports false, and works the flows out
// already for the port numbers that it has been asked for.
func (h *host) difference(b *bridge, id uint32) (difference, bool, error) {
	from, sure := h.network(b, id)
	have := b.installed[id]
	if p, ok := b.prepared[id]; ok && reflect.DeepEqual(p.from, from) && len(p.have) == len(have) &&
		(len(have) == 0 || &p.have[0] == &have[0]) {
		return p, sure, nil
	}
	d := difference{from: from, have: have}
	switch {
	case id == 0:
		d.want = pipeline.Base()
	case from.ID != 0:
		var err error
		if d.want, err = pipeline.Compile(from); err != nil {
			return d, false, fmt.Errorf("network %s: %w", b.nets[id], err)
		}
	}
	d.delta = flow.Diff(d.want, have)
	if !sure {
		b.prepared[id] = d
	}
	return d, sure, nil
}

// network returns one network as it is to be on a bridge; ID 0 where it is not
// to be there. It reports false while ports are being made, and then takes them
// to get the numbers that were asked for.
func (h *host) network(b *bridge, id uint32) (pipeline.Network, bool) {
	on := h.on[b.nets[id]]
	if id == 0 || on == nil || on.Bridge != b.name {
		return pipeline.Network{}, true
	}
	sure := true
	n := pipeline.Network{ID: id, PortSecurity: on.Net.PortSecurity}
	for _, v := range on.VIFs {
		i := h.att.db.InterfaceByName(v.Interface)
		if i == nil || i.OFPort < 0 {
			continue
		}
		if i.OFPort == 0 {
			sure = sure && !h.settling.active()
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
		number := t.row.OFPort
		if number == 0 {
			sure = sure && !h.settling.active()
			if number = t.row.OFPortRequest; number == 0 || sure {
				continue
			}
		}
		ofports[t.Peer] = uint32(number)
		n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: uint32(number)})
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
	return n, sure
}

// compile returns the flows that a bridge should hold for one network; none
// where the network is not on it. It reports false while ports are being made.
func (h *host) compile(b *bridge, id uint32) ([]flow.Flow, bool, error) {
	d, ok, err := h.difference(b, id)
	return d.want, ok, err
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
	want, failed := h.tunnelsWanted(on)
	key := strconv.FormatUint(uint64(on.Net.Key), 10)
	rowOf := func(t topology.Tunnel, p *schema.Port) *schema.Interface {
		if p == nil || len(p.Interfaces) != 1 || p.ExternalIDs[schema.KeyOwner] != h.env.owner ||
			p.ExternalIDs[schema.KeyNetwork] != on.Net.Name || p.ExternalIDs[schema.KeyPeer] != t.Peer {
			return nil
		}
		if i := db.Interfaces[p.Interfaces[0]]; i != nil && i.Type == string(t.Encap) && i.Options["key"] == key {
			return i
		}
		return nil
	}
	var byPeer map[string][]*schema.Port // made for the first that is not there under its name
	list := make([]wantedTunnel, len(want))
	for n, t := range want {
		w := &list[n]
		w.Tunnel, w.port = t, db.PortByName(t.Name)
		if w.row = rowOf(t, w.port); w.row != nil {
			continue
		}
		w.port = nil
		if byPeer == nil {
			byPeer = map[string][]*schema.Port{}
			for _, p := range db.PortsOfNetwork(on.Net.Name) {
				byPeer[p.ExternalIDs[schema.KeyPeer]] = append(byPeer[p.ExternalIDs[schema.KeyPeer]], p)
			}
		}
		for _, p := range byPeer[t.Peer] {
			if i := rowOf(t, p); i != nil {
				w.port, w.row = p, i
				break
			}
		}
	}
	return list, failed
}

// wants is what topology.Tunnels says of on, which stays the same as long as on
// does: it is asked several times in a step.
type wants struct {
	on      *topology.OnHost
	tunnels []topology.Tunnel
	failed  []topology.TunnelProblem
}

func (h *host) tunnelsWanted(on *topology.OnHost) ([]topology.Tunnel, []topology.TunnelProblem) {
	w, ok := h.wants[on.Net.Name]
	if !ok || w.on != on {
		w.on = on
		w.tunnels, w.failed = topology.Tunnels(on)
		h.wants[on.Net.Name] = w
	}
	return w.tunnels, w.failed
}
