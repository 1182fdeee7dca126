package controller

import (
	"maps"
	"slices"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// When a network's tunnelPorts change, ports replace others that lead to the
// same peers, and on the wire nothing is other. So that no packet is lost, the
// new ports are made while the old ones stay (keep), what arrives by them is
// expected before they are there (numbersAsked, welcome), flows then send by
// them, and only after that the old ones go (keptAgain).

// keep returns the ports under a name that are no longer wanted and through
// which a network still sends to a peer of its own: they go when its flows use
// the ports that replace them, so that no packet finds none.
func (h *host) keep(w plan.Network) []string {
	if on := h.on[w.Name]; on != nil && h.carrierOf(on) == "" {
		return nil // what a network has of its own replaces nothing of its own
	}
	wanted := make(map[string]bool, len(w.Tunnels))
	for _, t := range w.Tunnels {
		wanted[t.Name] = true
	}
	var names []string
	for _, p := range h.att.db.PortsOfNetwork(w.Name) {
		if p.ExternalIDs[schema.KeyOwner] != h.env.owner || len(p.Interfaces) != 1 || wanted[p.Name] {
			continue
		}
		r, i := h.att.db.BridgeOfPort(p.UUID), h.att.db.Interfaces[p.Interfaces[0]]
		if r == nil || i == nil || i.OFPort <= 0 {
			continue
		}
		if b := h.bridges[r.Name]; b != nil && h.inUse(b, w.Name, uint32(i.OFPort), p.ExternalIDs[schema.KeyPeer]) {
			names = append(names, p.Name)
		}
	}
	return names
}

// inUse reports whether the flows of a network on a bridge send through a port
// to a peer, any if peer is "", to which the network is to send in future, too.
// Of a carrier that is any network on the bridge.
func (h *host) inUse(b *bridge, name string, ofport uint32, peer string) bool {
	uses := func(id uint32) bool {
		on := h.on[b.nets[id]]
		if h.carrierOf(on) == name || on == nil {
			return false // its ports under that name are those that are wanted
		}
		if _, sends := b.uses[id][ofport]; !sends && b.synced {
			return false
		}
		tunnels, _ := h.tunnelsWanted(on)
		return slices.ContainsFunc(tunnels, func(t topology.Tunnel) bool { return peer == "" || t.Peer == peer })
	}
	if on := h.on[name]; on != nil {
		return h.carrierOf(on) != "" && on.Bridge == b.name && uses(on.Net.ID)
	}
	for id := range b.nets {
		if uses(id) {
			return true
		}
	}
	return false
}

// numbersAsked returns the OpenFlow port numbers that a plan asks for, by the
// names of the ports.
func numbersAsked(p plan.Plan) map[string]int64 {
	numbers := map[string]int64{}
	for _, g := range p.Groups {
		for _, op := range g.Ops {
			if op.Op != "insert" || op.Table != schema.TableInterface {
				continue
			}
			name, _ := op.Row["name"].(string)
			if n, ok := op.Row["ofport_request"].(int64); ok {
				numbers[name] = n
			}
		}
	}
	return numbers
}

// keptAgain has those ports looked at again that were kept because flows used
// them, once flows have changed.
func (h *host) keptAgain() {
	if h.keptDue {
		h.keptDue = false
		maps.Copy(h.dirty, h.kept)
		clear(h.kept)
	}
}

// welcome returns flows that may go out before the ports of a network are
// there: those that take what arrives by a port which replaces another. It gets
// the other's packets from the moment when it is made.
func (h *host) welcome(b *bridge, id uint32, d difference) []flow.Flow {
	if len(h.kept) == 0 || len(d.have) == 0 || id == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.delta.Add), func(f flow.Flow) bool {
		return pipeline.ReasonOf(f.Cookie) != pipeline.ClassifyTunnel
	})
}
