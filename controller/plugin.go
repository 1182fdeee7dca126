package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

// A bridge that CloudStack's ovstunnel plugin has set up is taken over like this:
//
//	bridge              flows                       tunnels
//	standalone, STP     the plugin's                the plugin's
//	 │ our service controller: nothing is flushed
//	 │                  read: which kinds
//	 │ stays standalone                             marked as ours: name, number,
//	 │                                              key and address stay
//	 │                  one bundle: each of the
//	 │                  plugin's is replaced by one
//	 │                  of ours that does the same
//	 ▼
//	the same, while the plugin runs a host of the network
//	 │                  ours, which keep tunnels
//	 │                  apart
//	 │ STP off                                      protected
//	 │                  ours, simpler
//	 ▼
//	standalone          ours, and all others'       ours
//
// fail_mode stays, so the switch drops no flow at any time; see plan.Taken. When the
// host leaves, the way back ends with the plugin's flows for the tunnels and VIFs
// that there are then.

// surveyPlugin finds out whether the plugin has had a hand in a bridge.
func (h *host) surveyPlugin(b *bridge, r *schema.Bridge) {
	switch {
	case r == nil:
		b.ofPlugin, b.plugin = false, ""
	case r.ExternalIDs[schema.KeyPlugin] != "":
		b.ofPlugin, b.plugin = true, ""
	case b.stage != stageOurs:
		b.ofPlugin = plan.OfPlugin(h.att.db, r)
	}
}

// keepsOpen reports whether a bridge may go on forwarding by itself.
func (h *host) keepsOpen(b *bridge) bool {
	if !b.ofPlugin || len(b.learning) != 1 || b.crowded() || b.takes() || !h.att.db.Has("Port", "protected") || !h.att.db.Has("Controller", "type") {
		return false
	}
	r := h.att.db.BridgeByName(b.name)
	return r != nil && r.FailMode != "secure"
}

// mixed reports whether the plugin still runs a host of the network of a bridge
// that has not been cut off from its way of forwarding yet. Its hosts send from
// tunnel to tunnel, and may reach each other by a detour over this one: with STP
// always, without where one has forgotten an address. So the bridge goes on as
// the plugin has it.
func (h *host) mixed(b *bridge) bool {
	if !h.keepsOpen(b) {
		return false
	}
	if r := h.att.db.BridgeByName(b.name); h.taken(r) && !plan.Spanning(r) {
		return false
	}
	for id := range b.learning {
		if on := h.on[b.nets[id]]; on != nil {
			for i := range on.Net.Members {
				if on.Net.Members[i].Assumed {
					return true
				}
			}
		}
	}
	return false
}

// apart reports whether the switch itself keeps the tunnels of a bridge apart, by
// the rows in the host's database.
func (h *host) apart(b *bridge) bool {
	r := h.att.db.BridgeByName(b.name)
	if !h.taken(r) || r.STPEnable || r.RSTPEnable {
		return false
	}
	for id := range b.learning {
		for _, p := range h.att.db.PortsOfNetwork(b.nets[id]) {
			if p.ExternalIDs[schema.KeyOwner] == h.env.owner && !p.Protected {
				return false
			}
		}
	}
	return true
}

// A mesh is closed, which is to say that nobody sends from tunnel to tunnel any
// longer, when the last of its hosts is taken over; its hosts do that by
// themselves, milliseconds apart. A host that has done so forgets addresses, for
// the switch does when ports are protected or STP goes, and so floods; one that has
// not passes that on, and a third would learn from that where VMs are not, and keep
// that for long where they are silent. So for deafTime flows keep tunnels apart
// and nothing is learnt from them, until all hosts are as far. What VMs send is
// flooded to all hosts in that time, and delivered by one.
const deafTime = time.Second

// spans reports whether the tunnels of a bridge are to be open to each other as far
// as its rows go: until flows keep them apart. The addresses that it knows are to
// be forgotten at once then, for some are those of detours.
func (h *host) spans(b *bridge) bool {
	if !h.keepsOpen(b) || h.apart(b) {
		return false
	}
	if h.rehearsing { // that it spans on the way there is not told
		return h.mixed(b)
	}
	if h.mixed(b) {
		b.deaf, b.closed = time.Time{}, false
		return true
	}
	return b.deaf.IsZero()
}

// asPlugin has a network forward in the way that its bridge is in.
func (h *host) asPlugin(b *bridge, n *pipeline.Network) {
	switch {
	case !n.Learning || !h.keepsOpen(b):
	case h.mixed(b):
		note, _ := plan.PluginBridge(h.att.db.BridgeByName(b.name))
		n.Like = pipeline.PluginKinds{Model: true, Tunnels: note.Drop, VIFs: note.VIFs, Deliver: len(note.Deliver) > 0}
	case !h.apart(b), !b.deaf.IsZero() && !b.closed:
		n.Protected, n.Deaf = false, true
	}
}

// quieted notes that flows are in which keep the tunnels of a bridge apart.
func (h *host) quieted(b *bridge, n pipeline.Network) {
	if !n.Deaf || !b.deaf.IsZero() {
		return
	}
	b.deaf = time.Now()
	h.dirtyTunnels(b)
	h.wake()
}

// closeMesh takes the last step once a bridge has been deaf for long enough.
func (h *host) closeMesh(b *bridge) {
	if b.closed || b.deaf.IsZero() || time.Since(b.deaf) < deafTime {
		return
	}
	b.closed = true
	for id := range b.learning {
		b.dirty[id] = struct{}{}
	}
}

// deafLeft returns how long a bridge is to be deaf yet, 0 if it is not.
func (b *bridge) deafLeft(now time.Time) time.Duration {
	if b.deaf.IsZero() || b.closed {
		return 0
	}
	return max(b.deaf.Add(deafTime).Sub(now), time.Millisecond)
}

// isPlugins reports whether a flow is the plugin's.
func (b *bridge) isPlugins(f *flow.Flow) bool {
	var p pipeline.Plugin
	return b.ofPlugin && p.Add(f)
}

// networkOf returns the network that a flow is to count as one of, if it is ours:
// by its cookie, or because it is the plugin's on a bridge that was taken over.
func (b *bridge) networkOf(f *flow.Flow) (id uint32, ours bool) {
	if pipeline.Owned(f.Cookie) {
		return pipeline.NetworkOf(f.Cookie), true
	}
	if !b.isPlugins(f) {
		return 0, false
	}
	for id = range b.learning { // which has what has the same match
	}
	return id, true
}

// pluginNote says which of the plugin's flows a bridge has.
func (h *host) pluginNote(b *bridge, p pipeline.Plugin) plan.PluginNote {
	n := plan.PluginNote{Drop: len(p.Tunnels) > 0, VIFs: len(p.VIFs) > 0}
	for _, number := range p.Deliver {
		for _, i := range h.interfacesOf(b) {
			if hostPort(i.OFPort) == number {
				n.Deliver = append(n.Deliver, i.Name)
			}
		}
	}
	return n
}

// pluginFlows returns the flows that the plugin is to find on a bridge that is
// given back: for the tunnels and VIFs that there are now. What it delivered to
// comes first, in its order.
func (h *host) pluginFlows(b *bridge) []flow.Flow {
	r := h.att.db.BridgeByName(b.name)
	if r == nil || !h.isLeaving() {
		return nil
	}
	n, ok := plan.PluginBridge(r)
	if !ok {
		return nil
	}
	var p pipeline.Plugin
	var vifs []*schema.Interface
	for _, i := range h.interfacesOf(b) {
		port := h.att.db.PortOfInterface(i.UUID)
		switch {
		case plan.Returns(h.att.db, port, h.env.owner):
			if n.Drop {
				p.Tunnels = append(p.Tunnels, uint32(i.OFPort))
			}
		case port.ExternalIDs[schema.KeyOwner] == "" && isVIF(r, i):
			vifs = append(vifs, i)
			if n.VIFs {
				p.VIFs = append(p.VIFs, uint32(i.OFPort))
			}
		}
	}
	if len(n.Deliver) > 0 {
		for _, name := range n.Deliver {
			if at := slices.IndexFunc(vifs, func(i *schema.Interface) bool { return i.Name == name }); at >= 0 {
				p.Deliver = append(p.Deliver, uint32(vifs[at].OFPort))
				vifs = slices.Delete(vifs, at, at+1)
			}
		}
		for _, i := range vifs {
			p.Deliver = append(p.Deliver, uint32(i.OFPort))
		}
	}
	return p.Flows()
}

// isVIF reports whether an Interface is a VM's, as far as that shows without the
// spec.
func isVIF(b *schema.Bridge, i *schema.Interface) bool {
	if !maybeVIF(b, i) {
		return false
	}
	for _, key := range []string{"attached-mac", "iface-id", "xs-vif-uuid"} {
		if i.ExternalIDs[key] != "" {
			return true
		}
	}
	return slices.ContainsFunc([]string{"vif", "tap", "vnet"}, func(s string) bool { return strings.HasPrefix(i.Name, s) })
}

// interfacesOf returns the interfaces of a bridge that have a number, by name.
func (h *host) interfacesOf(b *bridge) []*schema.Interface {
	r := h.att.db.BridgeByName(b.name)
	if r == nil {
		return nil
	}
	var list []*schema.Interface
	for _, id := range r.Ports {
		p := h.att.db.Ports[id]
		if p == nil || len(p.Interfaces) != 1 {
			continue
		}
		if i := h.att.db.Interfaces[p.Interfaces[0]]; i != nil && i.OFPort > 0 {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *schema.Interface) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// reflood adds to the first of a plan's transactions what makes NORMAL flood to
// all ports again where it switches STP off, and returns what is to follow.
func (h *host) reflood(p plan.Plan, batches [][]ovsdb.Operation) (then []ovsdb.Operation) {
	for _, name := range p.Refloods {
		now, next := plan.Reflood(h.att.db, h.env.owner, name)
		batches[0] = append(batches[0], now...)
		then = append(then, next...)
	}
	return then
}

// unflood does what is to follow where a controller was stopped before it did.
func (h *host) unflood(ctx context.Context) {
	if ops := plan.Unflood(h.att.db, h.env.owner); len(ops) > 0 {
		if err := h.send(ctx, ops...); err != nil {
			h.log.Warn("second interfaces of ports stay", zap.Error(err))
		}
	}
}

// settlePoll is how often ovs-vswitchd is asked how far it is where something must
// follow at once.
const settlePoll = time.Millisecond

// sendSettled sends operations as soon as ovs-vswitchd has carried out what was
// sent before. Rows are not looked at meanwhile: what lies between is nobody's
// news.
func (h *host) sendSettled(ctx context.Context, ops []ovsdb.Operation) error {
	deadline := time.Now().Add(settleLimit)
	target := int64(-1)
	for {
		next, cur, err := h.config(ctx)
		if err != nil {
			return err
		}
		if target < 0 {
			target = next
		}
		if cur >= target {
			break
		}
		if time.Now().After(deadline) {
			h.log.Warn("ovs-vswitchd is slow: it may be late to see what it should see apart", zap.Int64("wanted", target), zap.Int64("done", cur))
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settlePoll):
		}
	}
	return h.send(ctx, ops...)
}

// config reads what configuration the database holds and which ovs-vswitchd has
// carried out.
func (h *host) config(ctx context.Context) (next, cur int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	results, err := h.att.sess.Select(ctx, ovsdb.Operation{Op: "select", Table: "Open_vSwitch", Columns: []string{"next_cfg", "cur_cfg"}})
	if err != nil {
		return 0, 0, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return 0, 0, fmt.Errorf("the database has no row of Open_vSwitch")
	}
	next, ok := number(results[0].Rows[0]["next_cfg"])
	cur, is := number(results[0].Rows[0]["cur_cfg"])
	if !ok || !is {
		return 0, 0, fmt.Errorf("next_cfg and cur_cfg are no numbers")
	}
	return next, cur, nil
}

func number(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case float64:
		return int64(n), true
	}
	return 0, false
}
