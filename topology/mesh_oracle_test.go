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
			DatapathType: n.DatapathType, Learning: n.Profile == "learning",
			PortSecurity:  n.PortSecurity != nil && *n.PortSecurity || n.PortSecurity == nil && n.Profile != "learning",
			DropBroadcast: n.Broadcast == "drop", DropUnknown: n.UnknownUnicast == "drop",
			TunnelPorts: n.TunnelPorts, BFD: n.BFD, TakeBridge: n.TakeBridge, MTU: n.MTU,
		}
		if view.TunnelPorts == "" {
			view.TunnelPorts = "per-network"
		}
		for _, h := range w.hosts {
			on := w.onHost(n, h)
			if on == nil {
				continue
			}
			on.Listed, on.HostNote = slices.Contains(n.Hosts, h.Name), noteOfHost(h)
			on.Net = view
			view.Members = append(view.Members, on.Self)
			if views[h.Name] == nil {
				views[h.Name] = map[string]*OnHost{}
			}
			views[h.Name][n.Name] = on
		}
		slices.SortFunc(view.Members, func(a, b Member) int { return a.HostID - b.HostID })
		view.Addresses = addressesOf(view.Members, view.DropBroadcast)
		view.MACs = placesOf(view.Members)
		view.Note = noteOfNetwork(n, view.Members)
	}
	return views
}

// placesOf says which members have each MAC.
func placesOf(members []Member) []RemoteMAC {
	var places []RemoteMAC
	for _, m := range members {
		for _, s := range m.Stations {
			at := slices.IndexFunc(places, func(r RemoteMAC) bool { return r.MAC == s.MAC })
			if at < 0 {
				at = len(places)
				places = append(places, RemoteMAC{MAC: s.MAC})
			}
			places[at].Peers = append(places[at].Peers, m.Host)
		}
	}
	slices.SortFunc(places, func(a, b RemoteMAC) int { return compareMAC(a.MAC, b.MAC) })
	return places
}

// addressesOf asks of each address who has it, and who may have it.
func addressesOf(members []Member, linkLocals bool) []KnownAddress {
	ipsOf := func(s Station) []netip.Addr {
		if linkLocals {
			return append(slices.Clone(s.IPs), linkLocal(s.MAC))
		}
		return s.IPs
	}
	var known []KnownAddress
	for _, m := range members {
		for _, s := range m.Stations {
			for _, ip := range ipsOf(s) {
				sure := true
				for _, o := range members {
					sure = sure && !slices.Contains(o.Floating, ip)
					for _, os := range o.Stations {
						sure = sure && (os.MAC == s.MAC || !slices.Contains(ipsOf(os), ip))
					}
				}
				if k := (KnownAddress{ip, s.MAC}); sure && !slices.Contains(known, k) {
					known = append(known, k)
				}
			}
		}
	}
	slices.SortFunc(known, func(a, b KnownAddress) int { return a.IP.Compare(b.IP) })
	return known
}

// pinned says what a network's pins say of a host: that it is a member, on which
// bridge, and whether that is to be made.
func pinned(n NetworkRecord, host string) (member bool, bridge string, create bool) {
	for _, p := range n.Pins {
		if p.To == host {
			member = true
		}
		if p.From != host {
			continue
		}
		member = true
		if bridge == "" {
			bridge = p.Bridge
		}
		if p.To == "" {
			create = true
		}
	}
	return member, bridge, create && bridge != ""
}

func (w *world) onHost(n NetworkRecord, h HostRecord) *OnHost {
	type at struct {
		bridge string
		vif    LocalVIF
	}
	var vifs []at
	perBridge, member := map[string]int{}, slices.Contains(n.Hosts, h.Name)
	isPinned, pinBridge, pinCreate := pinned(n, h.Name)
	member = member || isPinned
	if h.Kind == "external" {
		return w.onExternal(n, h)
	}
	f := w.facts[h.Name]
	for _, b := range f.Bridges {
		for _, i := range b.Interfaces {
			net, v := w.vif(h.Name, f, b, i)
			if net != n.Name {
				continue
			}
			member = true
			if w.apart(n, h.Name, f, b) {
				continue
			}
			vifs = append(vifs, at{b.Name, v})
			perBridge[b.Name]++
		}
	}
	listed := slices.Contains(n.Hosts, h.Name)
	if !member {
		return nil
	}
	on := &OnHost{Self: Member{Host: h.Name, HostID: h.ID}}
	on.Self.Endpoint, on.Self.Explicit = w.endpoint(h)
	on.Bridge = w.bridge(n, f, perBridge)
	if pinBridge != "" {
		on.Bridge = pinBridge
	}
	for _, b := range f.Bridges {
		if b.Name == on.Bridge && n.Profile == "learning" && len(w.namers(h.Name, b)) > 1 {
			on.Bridge = ""
		}
	}
	on.CreateBridge = n.CreateBridge && listed && n.Bridge == on.Bridge && on.Bridge != "" || pinCreate && on.Bridge != ""
	for _, v := range vifs {
		if v.bridge == on.Bridge {
			on.VIFs = append(on.VIFs, v.vif)
			publish(&on.Self, v.vif)
		}
	}
	slices.SortFunc(on.VIFs, func(a, b LocalVIF) int { return strings.Compare(a.Interface, b.Interface) })
	return on
}

// apart reports whether a network's VIFs on a bridge are left out because a
// network of profile learning would be joined with another one there.
func (w *world) apart(n NetworkRecord, host string, f HostFacts, b BridgeFacts) bool {
	namers := w.namers(host, b)
	if len(namers) == 1 && w.networks[namers[0]].Profile == "learning" {
		return namers[0] != n.Name
	}
	if n.Profile != "learning" {
		return false
	}
	for _, i := range b.Interfaces {
		if net, _ := w.vif(host, f, b, i); net != "" && net != n.Name {
			return true
		}
	}
	return len(namers) > 0
}

// namers returns the networks that name a bridge of a host.
func (w *world) namers(host string, b BridgeFacts) []string {
	var by []string
	for _, n := range w.networks {
		if _, bridge, _ := pinned(n, host); n.names(&b) || bridge == b.Name {
			by = append(by, n.Name)
		}
	}
	return by
}

// onExternal is what a host that only the spec speaks of is in a network.
func (w *world) onExternal(n NetworkRecord, h HostRecord) *OnHost {
	if isPinned, _, _ := pinned(n, h.Name); !isPinned && !slices.Contains(n.Hosts, h.Name) {
		return nil
	}
	on := &OnHost{Self: Member{Host: h.Name, HostID: h.ID, External: true}}
	on.Self.Endpoint, on.Self.Explicit = w.endpoint(h)
	for _, p := range w.ports {
		if p.Match.Host == h.Name && p.Network == n.Name {
			publish(&on.Self, entered(p))
		}
	}
	return on
}

// publish adds to a member, one thing after the other, what peers need to know
// of a VIF.
func publish(m *Member, v LocalVIF) {
	for _, mac := range v.MACs {
		at := slices.IndexFunc(m.Stations, func(s Station) bool { return s.MAC == mac })
		if at < 0 {
			m.Stations = append(m.Stations, Station{MAC: mac})
			slices.SortFunc(m.Stations, func(a, b Station) int { return compareMAC(a.MAC, b.MAC) })
			at = slices.IndexFunc(m.Stations, func(s Station) bool { return s.MAC == mac })
		}
		for _, ip := range v.IPs {
			insert(&m.Stations[at].IPs, ip)
		}
	}
	for _, a := range v.Allowed {
		insert(&m.Floating, a.IP)
	}
	if v.DHCPServer {
		m.DHCPServer = true
	}
	if v.Router {
		m.Router = true
	}
}

// insert puts an address into a sorted list that does not have it.
func insert(list *[]netip.Addr, ip netip.Addr) {
	if at, found := slices.BinarySearchFunc(*list, ip, netip.Addr.Compare); !found {
		*list = slices.Insert(slices.Clone(*list), at, ip)
	}
}

// entered is a VIF as its ports entry alone describes it, save its Interface.
func entered(p Port) LocalVIF {
	v := LocalVIF{Port: p.Name, DHCPServer: p.DHCPServer, Router: p.Router}
	if !p.MAC.IsZero() {
		v.MACs = []MAC{p.MAC}
	}
	for _, ip := range p.IPs {
		insert(&v.IPs, ip.Unmap())
	}
	for _, a := range p.AllowedAddresses {
		a.IP = a.IP.Unmap()
		if a.MAC == p.MAC {
			a.MAC = MAC{}
		}
		if !slices.Contains(v.Allowed, a) {
			v.Allowed = append(v.Allowed, a)
		}
	}
	slices.SortFunc(v.Allowed, func(a, b Address) int {
		if a.IP != b.IP {
			return a.IP.Compare(b.IP)
		}
		return compareMAC(a.MAC, b.MAC)
	})
	return v
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

// vif says which network an interface joins, "" for none, and as what.
func (w *world) vif(host string, f HostFacts, b BridgeFacts, i InterfaceFacts) (network string, v LocalVIF) {
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
		return "", v
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
	v = LocalVIF{Port: host + "/" + i.Name, Interface: i.Name}
	if usable.IsUnicast() {
		v.MACs = []MAC{usable}
	}
	for text := range strings.SplitSeq(said(func(o InterfaceFacts) string { return o.IPs }), ",") {
		if ip, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil && badIP(ip.Unmap()) == "" {
			insert(&v.IPs, ip.Unmap())
		}
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
		e := entered(p)
		if e.Interface = i.Name; len(e.MACs) == 0 {
			e.MACs = v.MACs
		}
		if len(e.IPs) == 0 {
			e.IPs = v.IPs
		}
		return w.existing(p.Network), e
	}
	if named != "" {
		return w.existing(named), v
	}
	marked := attached+ifaceID+vifUUID != ""
	if !marked && !strings.HasPrefix(i.Name, "vif") && !strings.HasPrefix(i.Name, "tap") &&
		!strings.HasPrefix(i.Name, "vnet") && (i.Type != "internal" || len(b.Physical) > 0) {
		return "", v
	}
	by := w.namers(host, b)
	if len(by) != 1 {
		return "", v
	}
	return by[0], v
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
	if f := w.facts[h.Name]; !addr.IsValid() && h.Kind != "external" {
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
