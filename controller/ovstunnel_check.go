package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// What follows looks at one host, on its loop, for what a call of the plugin has
// asked for.

// answerable says why nothing can be told yet of the host as of a generation; ok
// where it can.
func (h *host) answerable(gen uint64) (v verdict, ok bool) {
	held := h.env.hub.held.Load()
	switch {
	case h.leaver:
		return verdict{err: fmt.Errorf("host %s leaves the mesh: %w", h.name, api.ErrUnavailable)}, false
	case h.att == nil:
		return verdict{why: "its connection to come back"}, false
	case held != nil:
		return verdict{err: fmt.Errorf("host %s waits for %s: %w", h.name, held.waits, api.ErrUnavailable)}, false
	case h.writing.bar != barNone:
		return verdict{err: fmt.Errorf("host %s waits for %s: %w", h.name, h.writing.text, api.ErrUnavailable)}, false
	case h.seen < min(gen, h.mail.last()):
		return verdict{why: "its turn"}, false
	}
	return verdict{}, true
}

// cant is a verdict on what can't be as things are.
func (h *host) cant(format string, args ...any) verdict {
	return verdict{err: fmt.Errorf("host %s: %s: %w", h.name, fmt.Sprintf(format, args...), api.ErrUnavailable)}
}

// bridgeStands looks whether a bridge is there, ours, and holds the flows of a
// call's network.
func (h *host) bridgeStands(p pinned, bridge string) verdict {
	v, ok := h.answerable(p.gen)
	if !ok {
		return v
	}
	network := p.Network
	on := h.on[network]
	switch {
	case on == nil:
		return verdict{why: "network " + network}
	case on.Bridge != bridge && len(on.Problems) > 0:
		return h.cant("%s", strings.Join(on.Problems, "; "))
	case on.Bridge != bridge && on.Bridge != "":
		return h.cant("network %s is on bridge %s there", network, on.Bridge)
	case h.att.db.BridgeByName(bridge) == nil:
		return verdict{why: fmt.Sprintf("bridge %s, which is not there", bridge)}
	case on.Bridge == "":
		return verdict{why: fmt.Sprintf("network %s to be on bridge %s", network, bridge)}
	}
	return h.flowsStand(on)
}

// flowsStand looks whether a network's bridge is ours and holds the flows that
// are wanted for it.
func (h *host) flowsStand(on *topology.OnHost) verdict {
	b := h.bridges[on.Bridge]
	if b == nil {
		return verdict{why: "its turn"}
	}
	_, dirty := b.dirty[on.Net.ID]
	_, dirtyBase := b.dirty[0]
	switch {
	case len(b.problems) > 0 && b.stage != stageOurs:
		return h.cant("%s", strings.Join(b.problems, "; "))
	case on.Net.Learning && b.crowded():
		return h.cant("network %s needs bridge %s for itself, and others are on it", on.Net.Name, b.name)
	case b.sess == nil:
		return verdict{why: fmt.Sprintf("bridge %s to connect over OpenFlow to %s", b.name, h.target())}
	case b.stage != stageOurs:
		return verdict{why: fmt.Sprintf("bridge %s to be taken over", b.name)}
	case b.guarded.refused[on.Net.ID] != "":
		return h.cant("%s", b.guarded.refused[on.Net.ID])
	case b.flowErr != "":
		return verdict{why: fmt.Sprintf("the flows of bridge %s: %s", b.name, b.flowErr)}
	case !b.synced || dirty || dirtyBase:
		return verdict{why: "the flows of bridge " + b.name}
	}
	return verdict{done: true}
}

// tunnelStands looks whether a call's tunnel is there, has a port of the switch,
// and the flows that use it.
func (h *host) tunnelStands(p pinned, bridge string) verdict {
	if v, ok := h.answerable(p.gen); !ok {
		return v
	}
	v := h.bridgeStands(p, bridge)
	network, remote := p.Network, p.Remote
	on := h.on[network]
	if on == nil || on.Bridge != bridge {
		return v
	}
	tunnels, failed := h.tunnels(h.att.db, on)
	at := slices.IndexFunc(tunnels, func(t wantedTunnel) bool { return t.Peer == remote })
	if at < 0 {
		for _, p := range failed {
			if p.Peer == remote {
				return h.cant("tunnel to %s: %s", remote, p.Text)
			}
		}
		return verdict{why: "host " + remote + " to be in network " + network}
	}
	t := &tunnels[at]
	switch {
	case t.row == nil && len(h.rowErrors[network]) > 0:
		return h.cant("tunnel to %s: %s", remote, strings.Join(h.rowErrors[network], "; "))
	case t.row == nil && v.done:
		return verdict{why: "port " + t.Name}
	case t.row == nil:
		return v
	case t.Carrier == "" && t.row.Options["remote_ip"] != t.RemoteIP.String():
		return verdict{why: fmt.Sprintf("port %s to lead to %s", t.port.Name, t.RemoteIP)}
	case t.row.Error != "":
		return h.cant("port %s: %s", t.port.Name, t.row.Error)
	case t.row.OFPort < 0:
		return h.cant("port %s: Open vSwitch could not make it", t.port.Name)
	case t.row.OFPort == 0:
		return verdict{why: fmt.Sprintf("ovs-vswitchd to make port %s", t.port.Name)}
	}
	return v
}

// tunnelGone looks whether a port is gone, or is there for other reasons: somebody
// else's, or still wanted since both hosts are in the network.
func (h *host) tunnelGone(gen uint64, port string) verdict {
	if v, ok := h.answerable(gen); !ok {
		return v
	}
	p := h.att.db.PortByName(port)
	if p == nil || p.ExternalIDs[schema.KeyOwner] != h.env.owner {
		return verdict{done: true}
	}
	if h.carriers[p.ExternalIDs[schema.KeyNetwork]] != nil {
		return verdict{done: true}
	}
	if on := h.on[p.ExternalIDs[schema.KeyNetwork]]; on != nil && on.Bridge != "" {
		tunnels, _ := h.tunnels(h.att.db, on)
		if slices.ContainsFunc(tunnels, func(t wantedTunnel) bool { return t.port == p }) {
			return verdict{done: true}
		}
	}
	return verdict{why: fmt.Sprintf("port %s to be deleted", port)}
}

// bridgeFree looks whether nothing but its own port and tunnels is on a bridge.
func (h *host) bridgeFree(bridge string) verdict {
	if v, ok := h.answerable(0); !ok {
		return v
	}
	r := h.att.db.BridgeByName(bridge)
	if r == nil {
		return verdict{done: true}
	}
	if owner := r.ExternalIDs[schema.KeyOwner]; owner != "" && owner != h.env.owner {
		return verdict{err: fmt.Errorf("%w: bridge %s of host %s belongs to another ovsmesh store (%s)", topology.ErrConflict, bridge, h.name, owner)}
	}
	if list := plan.Occupants(h.att.db, h.env.owner, bridge); len(list) > 0 {
		const shown = 5
		return verdict{err: fmt.Errorf("%w: bridge %s of host %s is in use: port %s is on it; nothing is deleted",
			topology.ErrConflict, bridge, h.name, firstOf(list, shown))}
	}
	return verdict{done: true}
}

// bridgeGone looks whether a bridge is gone, and deletes it once it is ours no
// longer and nobody uses it.
func (h *host) bridgeGone(ctx context.Context, gen uint64, bridge string) verdict {
	if v, ok := h.answerable(gen); !ok {
		return v
	}
	if b := h.bridges[bridge]; b != nil && b.wanted() {
		return verdict{err: fmt.Errorf("%w: bridge %s of host %s stays: %s", topology.ErrConflict, bridge, h.name, h.keepers(b))}
	}
	r := h.att.db.BridgeByName(bridge)
	if r == nil {
		return verdict{done: true}
	}
	if v := h.bridgeFree(bridge); !v.done {
		return v
	}
	if h.owned(r) {
		return verdict{why: fmt.Sprintf("bridge %s to be released", bridge)}
	}
	if err := h.send(ctx, plan.DeleteBridge(h.att.db, bridge)...); refused(err) || errors.Is(err, ovsdb.ErrNotLocked) {
		return verdict{why: fmt.Sprintf("bridge %s to be deleted: %v", bridge, err)}
	} else if err != nil {
		// It may be carried out yet: what is there has to be read anew.
		h.att.sess.Close()
		h.detach("outcome of a transaction not known: " + err.Error())
		return verdict{why: "its connection to come back"}
	}
	h.wake() // to take over the rows that went
	return verdict{why: fmt.Sprintf("bridge %s to be deleted", bridge)}
}

// keepers says why a bridge is wanted.
func (h *host) keepers(b *bridge) string {
	var list []string
	for _, name := range b.nets {
		why := "network " + name + " has it"
		if on := h.on[name]; on != nil && on.Listed {
			why = "network " + name + " lists the host in its spec"
		} else if on != nil && len(on.VIFs) > 0 {
			why = fmt.Sprintf("network %s has port %s there", name, on.VIFs[0].Interface)
		}
		list = append(list, why)
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}
