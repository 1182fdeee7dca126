package controller

import (
	"slices"
	"strconv"

	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

func (l *hostLook) tunnels(h *host, db *schema.DB) {
	var want, got []audit.Tunnel
	for name, on := range h.on {
		if !l.concerns(h, name) {
			continue
		}
		tunnels, _ := h.tunnels(db, on)
		for _, t := range tunnels {
			if t.Carrier != "" {
				continue
			}
			w := auditTunnel(name, on.Bridge, ownTunnel(t.Tunnel))
			if t.port != nil {
				w.Name = t.port.Name // taken over from the old plugin, under its name
			}
			want = append(want, w)
		}
	}
	for name, c := range h.carriers {
		if l.concerns(h, name) {
			for _, t := range c.tunnels() {
				want = append(want, auditTunnel(name, c.bridge(), t))
			}
		}
	}
	for i := range want {
		if b := h.bridges[want[i].Bridge]; b != nil {
			want[i].Fenced = b.takes()
		}
	}
	for _, t := range plan.Tunnels(db, h.env.owner) {
		if l.concerns(h, t.Network) {
			got = append(got, foundTunnel(t))
		}
	}
	l.checked.Tunnels += len(want)
	l.findings = append(l.findings, audit.Tunnels(l.host, want, got)...)
}

// concerns reports whether the request covers a network, or a carrier that
// carries the network asked for.
func (l *hostLook) concerns(h *host, name string) bool {
	return l.request.Network == "" || l.request.Network == name ||
		topology.IsCarrier(name) && slices.Contains(h.carriers[name].users(), l.request.Network)
}

// networkNamed returns the network of a tunnel port; "" of one that several
// networks share.
func networkNamed(name string) string {
	if topology.IsCarrier(name) {
		return ""
	}
	return name
}

// auditTunnel is a tunnel port as it should be.
func auditTunnel(network, bridge string, t plan.Tunnel) audit.Tunnel {
	w := audit.Tunnel{
		Name: t.Name, Type: t.Type, Bridge: bridge, Network: networkNamed(network), Peer: t.Peer,
		Key: "flow", RemoteIP: "flow", LocalIP: addrText(t.LocalIP), BFD: t.BFD,
	}
	if t.Key != 0 {
		w.Key = strconv.FormatUint(uint64(t.Key), 10)
	}
	if t.RemoteIP.IsValid() {
		w.RemoteIP = t.RemoteIP.String()
	}
	if t.DstPort != topology.DefaultVXLANPort {
		w.DstPort = t.DstPort
	}
	return w
}

// settings compares a bridge's settings, and those of our controller on it.
func (l *hostLook) settings(h *host, db *schema.DB, b *bridge) {
	want, got := plan.Settings(db, b.name, h.env.owner, h.target())
	if want == nil || !b.wanted() {
		return // it is not there, or being given back
	}
	l.findings = append(l.findings, audit.Settings(l.host, b.name, want, got)...)
}
