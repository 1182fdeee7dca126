package controller

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/flow"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

// rowDrift is what others changed of our rows and is not mended, by what it
// concerns: a network's tunnel ports, or a bridge's settings. The zero value is
// ready.
type rowDrift struct {
	ours   bool // the rows that come now are what we have just written
	open   map[rowPlace]*open
	fights fights // over the tunnel ports of networks; see rowsKey
}

// rowsKey is what stands for the tunnel ports of a network among fights.
func rowsKey(network string) flow.Key { return flow.Key{Match: network} }

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
		if _, dirty := h.dirty[name]; !dirty && !h.rows.fights.concedes(rowsKey(name)) {
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

// awayFound records what others have changed of the settings of bridges of ours
// while we did not look, as the host was away or another controller wrote.
func (h *host) awayFound() {
	now := time.Now()
	for _, b := range h.bridges {
		at := rowPlace{bridge: b.name}
		if b.stage == stageOurs && b.wanted() && h.owned(h.att.db.BridgeByName(b.name)) && h.rows.open[at] == nil {
			h.rowsOpen(at, h.settingFindings(b.name), now)
		}
	}
}

func (h *host) rowsOpen(at rowPlace, list []audit.Finding, now time.Time) {
	if len(list) == 0 {
		return
	}
	if at.network != "" {
		if f := h.rows.fights.note(rowsKey(at.network), 0, now); f != nil {
			h.leaveRows(at.network, list, now, f)
			return
		}
	}
	h.record(h.rows.opened(at), list, now, api.ByDatabase, "")
}

// opened returns what is open at a place.
func (r *rowDrift) opened(at rowPlace) *open {
	if r.open == nil {
		r.open = map[rowPlace]*open{}
	}
	o := r.open[at]
	if o == nil {
		o = &open{}
		r.open[at] = o
	}
	return o
}

// leaveRows leaves the tunnel ports of a network as somebody has made them who
// does so again and again.
func (h *host) leaveRows(network string, list []audit.Finding, now time.Time, f *fight) {
	h.status.touch(network)
	why := h.rowsComplaint(network)
	var o open
	h.record(&o, list, now, api.ByDatabase, why)
	f.told = o.spans[0]
	h.env.metrics.driftLeft.Inc()
	h.log.Warn("tunnel ports are left to another program that changes them again and again",
		zap.String("network", network), zap.Duration("for", f.step))
	h.status.tell(h.driftEvent(list[0].Bridge, networkNamed(network), api.EventLeftAlone, len(list), why))
}

// resumeRows gives fights over whose time is up another chance.
func (h *host) resumeRows() {
	for _, f := range h.rows.fights.due(time.Now()) {
		network := f.key.Match
		h.rows.opened(rowPlace{network: network}).again(f.told)
		h.dirty[network] = struct{}{}
		h.status.touch(network)
	}
}

// leftRows reports whether the tunnel ports of a network are left as they are.
func (h *host) leftRows(network string) bool { return h.rows.fights.concedes(rowsKey(network)) }

// rowsComplaint says for people that the tunnel ports of a network are left as
// they are, "" if they are not.
func (h *host) rowsComplaint(network string) string {
	f := h.rows.fights.held[rowsKey(network)]
	if f == nil {
		return ""
	}
	return fmt.Sprintf("another program has changed tunnel ports of this network more than %d times in a minute: left as it made them until %s; "+
		"find it with ovsmesh audit --history, stop it, then run ovsmesh audit --repair", fightLimit, f.until.UTC().Format("15:04:05 UTC"))
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
	for _, t := range plan.TunnelsOf(db, h.env.owner, name) {
		if t.Bridge != "" { // a port that goes leaves its bridge first
			got = append(got, foundTunnel(t))
		}
	}
	return slices.DeleteFunc(audit.Tunnels(h.name, want, got), func(f audit.Finding) bool { return f.Kind == audit.TunnelError })
}

// settingFindings compares a bridge's settings with those that are wanted, save
// those that somebody insists on: these have a tale of their own.
func (h *host) settingFindings(name string) []audit.Finding {
	db := h.att.db
	want, got := plan.Settings(db, name, h.env.owner, h.target())
	if b := h.bridges[name]; b != nil && len(b.contests) > 0 {
		now := time.Now()
		maps.DeleteFunc(want, func(k, _ string) bool { return b.contests.insists(plan.SettingOf(k), now) })
	}
	return audit.Settings(h.name, name, want, got)
}
