package controller

import (
	"slices"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

// rowDrift is what others changed of our rows and is not mended, by what it
// concerns: a network's tunnel ports, or a bridge's settings. The zero value is
// ready.
type rowDrift struct {
	ours bool // the rows that come now are what we have just written
	open map[rowPlace]*open
}

// rowPlace is where rows differ: one of the two is "".
type rowPlace struct{ network, bridge string }

// rowsFound records what others have changed of rows that were as wanted. It
// must run before the networks concerned are noted as dirty: of those that are,
// nobody knows who is at work.
func (h *host) rowsFound(c schema.Changes) {
	if h.rows.ours || h.leaver || h.complete || !h.lastLocked {
		return
	}
	now := time.Now()
	for name := range c.Network {
		if _, dirty := h.dirty[name]; !dirty {
			h.rowsOpen(rowPlace{network: name}, h.tunnelFindings(name), now)
		}
	}
	if len(c.Bridges)+len(c.Controllers) == 0 {
		return
	}
	for _, b := range h.bridges {
		if b.stage == stageOurs && b.wanted() && (len(c.Controllers) > 0 || slices.Contains(c.Bridges, b.name)) {
			h.rowsOpen(rowPlace{bridge: b.name}, h.settingFindings(b.name), now)
		}
	}
}

func (h *host) rowsOpen(at rowPlace, list []audit.Finding, now time.Time) {
	if len(list) == 0 {
		return
	}
	if h.rows.open == nil {
		h.rows.open = map[rowPlace]*open{}
	}
	o := h.rows.open[at]
	if o == nil {
		o = &open{}
		h.rows.open[at] = o
	}
	h.record(o, list, now, api.ByDatabase, "")
}

// rowsMended tells of what is right again after a plan has been carried out.
func (h *host) rowsMended(l look, errs map[string][]string) {
	for at, o := range h.rows.open {
		switch {
		case at.bridge != "":
			if len(h.settingFindings(at.bridge)) > 0 {
				continue
			}
		case len(errs[at.network]) > 0:
			continue
		default:
			if _, looked := l.networks[at.network]; !looked && !l.complete {
				continue
			}
		}
		delete(h.rows.open, at)
		bridge := at.bridge
		if on := h.on[at.network]; on != nil {
			bridge = on.Bridge
		}
		h.close(o, bridge, networkNamed(at.network))
	}
}

// tunnelFindings compares the tunnel ports of a network or of a carrier with
// those that are wanted. Where their bridge is gone there is nothing to mend.
func (h *host) tunnelFindings(name string) []audit.Finding {
	db := h.att.db
	var want, got []audit.Tunnel
	var bridge string
	if on := h.on[name]; on != nil {
		bridge = on.Bridge
		tunnels, _ := h.tunnels(db, on)
		for _, t := range tunnels {
			if t.Carrier != "" {
				continue
			}
			w := auditTunnel(name, on.Bridge, ownTunnel(t.Tunnel))
			if t.port != nil {
				w.Name = t.port.Name
			}
			want = append(want, w)
		}
	} else if c := h.carriers[name]; c != nil {
		bridge = c.bridge()
		for _, t := range c.tunnels() {
			want = append(want, auditTunnel(name, bridge, t))
		}
	}
	if bridge != "" && db.BridgeByName(bridge) == nil {
		return nil
	}
	if b := h.bridges[bridge]; b != nil {
		for i := range want {
			want[i].Fenced = b.takes()
		}
	}
	for _, t := range plan.Tunnels(db, h.env.owner) {
		if t.Network == name && t.Bridge != "" { // a port that goes leaves its bridge first
			got = append(got, audit.Tunnel{
				Name: t.Name, Type: t.Type, Bridge: t.Bridge, Network: networkNamed(t.Network), Peer: t.Peer, Key: t.Key,
				RemoteIP: t.RemoteIP, LocalIP: t.LocalIP, DstPort: t.DstPort, BFD: t.BFD, Fenced: t.Fenced, OFPort: t.OFPort,
			})
		}
	}
	return slices.DeleteFunc(audit.Tunnels(h.name, want, got), func(f audit.Finding) bool { return f.Kind == audit.TunnelError })
}

// settingFindings compares a bridge's settings with those that are wanted.
func (h *host) settingFindings(name string) []audit.Finding {
	db := h.att.db
	r := db.BridgeByName(name)
	if r == nil {
		return nil
	}
	want, got := plan.Settings(db, name)
	want["controller"] = h.target()
	for _, id := range r.Controllers {
		if c := db.Controllers[id]; c != nil && (c.Target == h.target() || got["controller"] == "") {
			got["controller"] = c.Target
		}
	}
	return audit.Settings(h.name, name, want, got)
}
