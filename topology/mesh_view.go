package topology

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// View returns what a host should do for a network as of the last Flush, nil
// if nothing.
func (m *Mesh) View(host, network string) *OnHost {
	h, n := m.hosts[host], m.networks[network]
	if h == nil || n == nil {
		return nil
	}
	return n.on[h]
}

// Views returns all that a host should do as of the last Flush, sorted by
// network.
func (m *Mesh) Views(host string) []Update {
	h := m.hosts[host]
	if h == nil || len(h.nets) == 0 {
		return nil
	}
	views := make([]Update, 0, len(h.nets))
	for n := range h.nets {
		views = append(views, Update{Host: host, Network: n.name, On: n.on[h]})
	}
	slices.SortFunc(views, func(a, b Update) int { return strings.Compare(a.Network, b.Network) })
	return views
}

// Network returns one network with its members as of the last Flush, nil if
// there is none of that name.
func (m *Mesh) Network(name string) *NetworkView {
	if n := m.networks[name]; n != nil {
		return n.view
	}
	return nil
}

// Networks returns all networks with their members as of the last Flush,
// sorted by name, those without members too.
func (m *Mesh) Networks() []*NetworkView {
	views := make([]*NetworkView, 0, len(m.networks))
	for _, n := range m.networks {
		if n.view != nil {
			views = append(views, n.view)
		}
	}
	slices.SortFunc(views, func(a, b *NetworkView) int { return strings.Compare(a.Name, b.Name) })
	return views
}

// HostProblems returns what is wrong with a host's VIFs as of the last Flush
// that shows in no network of it: those that name a network that does not
// exist, and those of which nothing says which of several networks they join.
func (m *Mesh) HostProblems(host string) []string {
	h := m.hosts[host]
	if h == nil || h.rec == nil {
		return nil
	}
	problems := slices.Clone(h.class.problems)
	for _, s := range h.class.strays {
		problems = append(problems, s.text)
	}
	return few(problems)
}

// problemsShown bounds what one host can put before people's eyes.
const problemsShown = 20

// few sorts problems and cuts a long list short.
func few(problems []string) []string {
	slices.Sort(problems)
	if more := len(problems) - problemsShown; more > 0 {
		problems = append(problems[:problemsShown:problemsShown], fmt.Sprintf("and %d problems more", more))
	}
	return problems
}

// attach works out what a host is in a network, all but Net; nil if it is no
// member.
func (n *netState) attach(h *hostState, listed, pinned bool) *OnHost {
	if n.rec == nil || h.rec == nil {
		return nil
	}
	j, external := h.class.joins[n], h.external()
	if !listed && !pinned && (j == nil || external) {
		return nil
	}
	if j == nil {
		j = &joins{}
	}
	on := &OnHost{Problems: slices.Clone(j.problems), Listed: listed, HostNote: h.note()}
	on.Self = Member{
		Host: h.name, HostID: h.rec.ID,
		Endpoint: h.end.addr, Explicit: h.end.explicit, Error: h.end.err, External: external,
		Assumed: external && h.rec.Assumed,
	}
	if external {
		on.Self.seeAll(j.vifs)
		return on
	}
	on.Bridge = chooseBridge(n.rec, h.name, h.facts, j.vifs)
	if n.learning() && h.crowded(on.Bridge) {
		on.Problems = append(on.Problems, fmt.Sprintf("bridge %s can't carry the network: another network names it too, and with profile learning NORMAL would join the two", on.Bridge))
		on.Bridge = ""
	}
	bridge, create := n.rec.pinnedBridge(h.name)
	on.CreateBridge = on.Bridge != "" && (listed && n.rec.CreateBridge && on.Bridge == n.rec.Bridge || create && on.Bridge == bridge)
	here := make([]joined, 0, len(j.vifs))
	for _, v := range j.vifs {
		if v.bridge != on.Bridge {
			on.Problems = append(on.Problems, fmt.Sprintf("interface %s is left out: it is on bridge %s, while %s carries the network on this host", v.Interface, v.bridge, on.Bridge))
			continue
		}
		here = append(here, v)
		on.VIFs = append(on.VIFs, v.LocalVIF)
	}
	on.Self.seeAll(here)
	if h.facts != nil {
		if on.Bridge == "" && len(on.Problems) == 0 {
			on.Problems = append(on.Problems, "no bridge of this host is known to carry the network: none has one of its xsNetworkUUIDs")
		}
		on.Problems = append(on.Problems, n.strayProblems(h)...)
	}
	on.Problems = few(on.Problems)
	return on
}

// strayProblems says what is wrong with the bridges that a network names on a
// host, apart from its VIFs.
func (n *netState) strayProblems(h *hostState) []string {
	if len(h.class.strays) == 0 {
		return nil
	}
	var problems []string
	for i := range h.facts.Bridges {
		b := &h.facts.Bridges[i]
		for _, s := range h.class.strays {
			if s.bridge == b.Name && n.rec.names(b) {
				problems = append(problems, s.text)
			}
		}
	}
	return problems
}

// look makes the view anew from the published members and fresh ones, where
// nil is one that left. A view that would say the same stays.
func (n *netState) look(fresh map[*hostState]*OnHost) {
	if n.rec == nil {
		n.view = nil
		return
	}
	members := maps.Clone(n.on)
	for h, on := range fresh {
		if on == nil {
			delete(members, h)
		} else {
			members[h] = on
		}
	}
	r := n.rec.Defaults()
	view := &NetworkView{
		ID: n.rec.ID, Name: r.Name, Tenant: r.Tenant, Encap: r.Encap, Key: r.Key, DstPort: r.DstPort,
		DatapathType: r.DatapathType, PortSecurity: *r.PortSecurity,
		Learning: r.Profile == ProfileLearning, DropBroadcast: r.Broadcast == BroadcastDrop,
		DropUnknown: r.UnknownUnicast == UnknownUnicastDrop, TunnelPorts: r.TunnelPorts,
		BFD: r.BFD, TakeBridge: r.TakeBridge, MTU: r.MTU,
	}
	if len(members) > 0 {
		view.Members = make([]Member, 0, len(members))
	}
	for _, on := range members {
		view.Members = append(view.Members, on.Self)
	}
	slices.SortFunc(view.Members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.HostID, b.HostID), strings.Compare(a.Host, b.Host))
	})
	view.Note = n.note(view.Members)
	if n.view == nil || !n.view.equal(view) {
		view.Addresses = knownAddresses(view.Members, view.DropBroadcast)
		view.MACs = macsOf(view.Members)
		n.view = view
	}
}

func compareMAC(a, b MAC) int { return bytes.Compare(a[:], b[:]) }
