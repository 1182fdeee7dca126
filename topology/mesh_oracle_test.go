package topology

import (
	"net/netip"
	"slices"
	"strings"
)

// world is what a Mesh was told of, in the plainest form.
type world struct {
	networks map[string]NetworkRecord
	hosts    map[string]HostRecord
	ports    map[string]Port
	facts    map[string]HostFacts
}

func newWorld() *world {
	return &world{map[string]NetworkRecord{}, map[string]HostRecord{}, map[string]Port{}, map[string]HostFacts{}}
}

// oracle works out from scratch, without an index and one question at a time,
// what each host should do for each network. Of Problems it says nothing.
func (w *world) oracle() map[string]map[string]*OnHost {
	views := map[string]map[string]*OnHost{}
	for _, n := range w.networks {
		view := &NetworkView{
			ID: n.ID, Name: n.Name, Tenant: n.Tenant, Encap: n.Encap, Key: n.Key, DstPort: n.DstPort,
			DatapathType: n.DatapathType, PortSecurity: n.PortSecurity == nil || *n.PortSecurity,
		}
		for _, h := range w.hosts {
			on := w.onHost(n, h)
			if on == nil {
				continue
			}
			on.Net = view
			view.Members = append(view.Members, on.Self)
			if views[h.Name] == nil {
				views[h.Name] = map[string]*OnHost{}
			}
			views[h.Name][n.Name] = on
		}
		slices.SortFunc(view.Members, func(a, b Member) int { return a.HostID - b.HostID })
	}
	return views
}

func (w *world) onHost(n NetworkRecord, h HostRecord) *OnHost {
	type at struct {
		bridge string
		vif    LocalVIF
	}
	var vifs []at
	perBridge := map[string]int{}
	f := w.facts[h.Name]
	for _, b := range f.Bridges {
		for _, i := range b.Interfaces {
			net, port, mac := w.vif(h.Name, f, b, i)
			if net != n.Name {
				continue
			}
			v := LocalVIF{Port: port, Interface: i.Name}
			if !mac.IsZero() {
				v.MACs = []MAC{mac}
			}
			vifs = append(vifs, at{b.Name, v})
			perBridge[b.Name]++
		}
	}
	listed := slices.Contains(n.Hosts, h.Name)
	if len(vifs) == 0 && !listed {
		return nil
	}
	on := &OnHost{Self: Member{Host: h.Name, HostID: h.ID}}
	on.Self.Endpoint, on.Self.Explicit = w.endpoint(h)
	on.Bridge = w.bridge(n, f, perBridge)
	on.CreateBridge = n.CreateBridge && listed && n.Bridge == on.Bridge
	for _, v := range vifs {
		if v.bridge == on.Bridge {
			on.VIFs = append(on.VIFs, v.vif)
			for _, m := range v.vif.MACs {
				if !slices.ContainsFunc(on.Self.Stations, func(s Station) bool { return s.MAC == m }) {
					on.Self.Stations = append(on.Self.Stations, Station{MAC: m})
				}
			}
		}
	}
	slices.SortFunc(on.VIFs, func(a, b LocalVIF) int { return strings.Compare(a.Interface, b.Interface) })
	slices.SortFunc(on.Self.Stations, func(a, b Station) int { return compareMAC(a.MAC, b.MAC) })
	return on
}

// bridge tries the rules of precedence one after the other.
func (w *world) bridge(n NetworkRecord, f HostFacts, perBridge map[string]int) string {
	some := func(want func(BridgeFacts) bool) string {
		best := ""
		for _, b := range f.Bridges {
			if len(perBridge) > 0 && perBridge[b.Name] == 0 || !want(b) {
				continue
			}
			if best == "" || perBridge[b.Name] > perBridge[best] || perBridge[b.Name] == perBridge[best] && b.Name < best {
				best = b.Name
			}
		}
		return best
	}
	if b := some(func(b BridgeFacts) bool { return b.Name == n.Bridge }); b != "" {
		return b
	}
	if b := some(func(b BridgeFacts) bool { return n.names(&b) }); b != "" {
		return b
	}
	if len(perBridge) == 0 {
		return n.Bridge
	}
	return some(func(BridgeFacts) bool { return true })
}

// vif says which network an interface joins, "" for none.
func (w *world) vif(host string, f HostFacts, b BridgeFacts, i InterfaceFacts) (network, port string, mac MAC) {
	pair := []InterfaceFacts{i} // i first, then the rest of its group in order
	for grown := true; grown; {
		grown = false
		for _, ob := range f.Bridges {
			for _, o := range ob.Interfaces {
				if !slices.Contains(pair, o) && slices.ContainsFunc(pair, func(p InterfaceFacts) bool { return together(p, o) }) {
					pair, grown = append(pair, o), true
				}
			}
		}
	}
	active := func(o InterfaceFacts) bool { return o.IfaceStatus == "active" }
	if slices.ContainsFunc(pair, active) && !active(i) {
		return "", "", MAC{}
	}
	said := func(what func(InterfaceFacts) string) string {
		if what(i) != "" {
			return what(i)
		}
		for _, ob := range f.Bridges {
			for _, o := range ob.Interfaces {
				if slices.Contains(pair, o) && what(o) != "" {
					return what(o)
				}
			}
		}
		return ""
	}
	attached := said(func(o InterfaceFacts) string { return o.AttachedMAC })
	ifaceID := said(func(o InterfaceFacts) string { return o.IfaceID })
	vifUUID := said(func(o InterfaceFacts) string { return o.XSVifUUID })
	named := said(func(o InterfaceFacts) string { return o.Network })
	known, _ := ParseMAC(attached)
	usable := known
	if !usable.IsUnicast() {
		usable = MAC{}
	}
	if p, ok := w.entry(func(m PortMatch) int {
		switch {
		case m.Host == host && m.Interface == i.Name:
			return 1
		case m.Host == host && m.Interface != "" && xenTwins(m.Interface, i.Name):
			return 2
		case m.IfaceID != "" && m.IfaceID == ifaceID:
			return 3
		case m.XSVifUUID != "" && m.XSVifUUID == vifUUID:
			return 4
		case !m.MAC.IsZero() && m.MAC == known:
			return 5
		}
		return 0
	}); ok {
		if p.MAC.IsZero() {
			return w.existing(p.Network), p.Name, usable
		}
		return w.existing(p.Network), p.Name, p.MAC
	}
	port = host + "/" + i.Name
	if named != "" {
		return w.existing(named), port, usable
	}
	marked := attached+ifaceID+vifUUID != ""
	if !marked && !strings.HasPrefix(i.Name, "vif") && !strings.HasPrefix(i.Name, "tap") &&
		!strings.HasPrefix(i.Name, "vnet") && i.Type != "internal" {
		return "", "", MAC{}
	}
	var by []string
	for _, n := range w.networks {
		if n.names(&b) {
			by = append(by, n.Name)
		}
	}
	if len(by) != 1 {
		return "", "", MAC{}
	}
	return by[0], port, usable
}

func (w *world) existing(network string) string {
	if _, ok := w.networks[network]; ok {
		return network
	}
	return ""
}

// entry returns the ports entry of the lowest rank above 0, by name among equals.
func (w *world) entry(rank func(PortMatch) int) (best Port, ok bool) {
	bestRank := 0
	for _, p := range w.ports {
		r := rank(p.Match)
		if r > 0 && (!ok || r < bestRank || r == bestRank && p.Name < best.Name) {
			best, bestRank, ok = p, r, true
		}
	}
	return best, ok
}

func together(a, b InterfaceFacts) bool {
	return a.IfaceID != "" && a.IfaceID == b.IfaceID || a.XSVifUUID != "" && a.XSVifUUID == b.XSVifUUID || xenTwins(a.Name, b.Name)
}

func xenTwins(a, b string) bool {
	return len(a) > 3 && len(b) > 3 && a != b && a[3:] == b[3:] && strings.Contains(a, ".") &&
		slices.Contains([]string{"vif", "tap"}, a[:3]) && slices.Contains([]string{"vif", "tap"}, b[:3])
}

// endpoint goes through all hosts that would have the same address.
func (w *world) endpoint(h HostRecord) (netip.Addr, bool) {
	mine, explicit := w.wish(h)
	if !mine.IsValid() {
		return netip.Addr{}, false
	}
	for _, o := range w.hosts {
		other, ox := w.wish(o)
		if other == mine && (ox && !explicit || ox == explicit && o.ID < h.ID) {
			return netip.Addr{}, false
		}
	}
	return mine, explicit
}

func (w *world) wish(h HostRecord) (netip.Addr, bool) {
	addr, explicit := h.Endpoint, true
	if f := w.facts[h.Name]; !addr.IsValid() {
		explicit = false
		switch {
		case f.LocalIP != "":
			addr, _ = netip.ParseAddr(f.LocalIP)
		case f.EndpointIP != "":
			addr, _ = netip.ParseAddr(f.EndpointIP)
		default:
			addr = f.PeerAddr
		}
	}
	if unusable(addr.Unmap()) != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), explicit
}
