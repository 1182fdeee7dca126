package controller

import (
	"slices"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

// numbersFound records tunnel ports that somebody has given another OpenFlow
// number (ofport_request). It is not given back, which would interrupt them once
// more: our flows follow, and then it is right again.
func (h *host) numbersFound(c schema.Changes) {
	if len(c.Renumbered) == 0 || h.leaver || !h.lastLocked {
		return
	}
	found := map[*bridge]map[uint32][]audit.Finding{}
	for _, t := range plan.Tunnels(h.att.db, h.env.owner) {
		was, renumbered := c.Renumbered[t.Name]
		b := h.bridges[t.Bridge]
		if !renumbered || was == t.OFPort || b == nil || b.stage != stageOurs {
			continue
		}
		id := uint32(0) // of ports that networks share
		if on := h.on[t.Network]; on != nil {
			id = on.Net.ID
		}
		is := foundTunnel(t)
		want := is
		want.OFPort = was
		if found[b] == nil {
			found[b] = map[uint32][]audit.Finding{}
		}
		found[b][id] = append(found[b][id], audit.Tunnels(h.name, []audit.Tunnel{want}, []audit.Tunnel{is})...)
	}
	for b, networks := range found {
		for id, list := range networks {
			list = slices.DeleteFunc(list, func(f audit.Finding) bool { return f.Kind != audit.ChangedTunnel })
			if len(list) > 0 {
				h.record(b.drift.opened(id), list, time.Now(), api.ByDatabase, "")
			}
		}
	}
}

// foundTunnel is a tunnel port as the audit takes it.
func foundTunnel(t plan.TunnelPort) audit.Tunnel {
	return audit.Tunnel{
		Name: t.Name, Type: t.Type, Bridge: t.Bridge, Network: networkNamed(t.Network), Peer: t.Peer, Key: t.Key,
		RemoteIP: t.RemoteIP, LocalIP: t.LocalIP, DstPort: t.DstPort, BFD: t.BFD, Fenced: t.Fenced, OFPort: t.OFPort, Error: t.Error,
	}
}
