package controller

import (
	"fmt"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// underlay returns the MTU of the underlay at a host, and whether that is only
// assumed: what the spec says, else what the host reports of the interface by
// which its tunnels leave.
func (h *hostNow) underlay() (mtu int, assumed bool) {
	if h.rec.UnderlayMTU > 0 {
		return h.rec.UnderlayMTU, false
	}
	if h.loop != nil {
		s := h.loop.status
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.underlay > 0 {
			return s.underlay, false
		}
	}
	return topology.AssumedUnderlayMTU, true
}

// fitMTU fills in what fits through the tunnels of a network, and warns of VMs'
// interfaces that promise more: their packets would vanish without a word,
// since neither the switch nor the tunnel tells the sender.
func (v *view) fitMTU(n *networkNow, t *api.TopologyNetwork) {
	least, fits := 0, 0 // of the underlay, of VMs
	for _, name := range n.members {
		now := v.byName[name]
		self := &n.on[name].Self
		mtu, assumed := now.underlay()
		if self.External && now.rec.UnderlayMTU == 0 {
			continue // whose it is knows; the other end has the same underlay
		}
		t.MTUAssumed = t.MTUAssumed || assumed
		if fit := mtu - topology.Overhead(n.rec.Encap, self.Endpoint.Is6()); fits == 0 || fit < fits {
			least, fits = mtu, fit
		}
	}
	for i := range t.Tunnels {
		end := &t.Tunnels[i]
		mtu, _ := v.byName[end.From].underlay()
		end.MTU = mtu - topology.Overhead(end.Encap, strings.Contains(end.RemoteIP, ":"))
	}
	t.MTU, t.UnderlayMTU = fits, least
	if n.rec.MTU > 0 {
		t.MTU = n.rec.MTU
	}
	if fits == 0 || len(n.members) < 2 {
		return
	}
	if n.rec.MTU > fits {
		t.Warnings = append(t.Warnings, fmt.Sprintf("mtu: %d is more than the %d bytes that fit through its tunnels: larger packets vanish without a word; "+
			"lower it, or raise the MTU of the underlay from %d to %d", n.rec.MTU, fits, least, least+n.rec.MTU-fits))
	}
	limit := min(fits, t.MTU)
	var lost, odd []string // interfaces that promise more than fits, or only more than mtu says
	most := 0
	for _, name := range n.members {
		for port, mtu := range n.status(name).vifMTU {
			switch text := fmt.Sprintf("%s (%d)", port, mtu); {
			case mtu > fits:
				lost = append(lost, text)
				most = max(most, mtu)
			case mtu > limit:
				odd = append(odd, text)
			}
		}
	}
	if len(lost) > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("interfaces whose MTU is more than the %d bytes that fit through its tunnels: %s; "+
			"larger packets vanish without a word: set MTU %d in these VMs (DHCP option 26, or `ip link set dev eth0 mtu %d`), or raise the MTU of the underlay from %d to %d",
			fits, someOf(lost), limit, limit, least, least+most-fits))
	}
	if len(odd) > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("interfaces whose MTU is more than the network's mtu of %d: %s; their packets get through, but VMs may not take them: "+
			"set MTU %d in these VMs, or raise mtu", limit, someOf(odd), limit))
	}
}

// someOf sorts a list and joins the first few of it.
func someOf(list []string) string {
	const shown = 5
	slices.Sort(list)
	text := strings.Join(list[:min(shown, len(list))], ", ")
	if more := len(list) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
