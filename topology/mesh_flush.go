package topology

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// work is which hosts are to be looked at anew, by network.
type work map[*netState]map[*hostState]struct{}

func (w work) add(n *netState, h *hostState) {
	if w[n] == nil {
		w[n] = map[*hostState]struct{}{}
	}
	w[n][h] = struct{}{}
}

// Flush takes everything into account that the Mesh was told since the last
// Flush and returns an Update for each host and network for which something is
// other now, sorted by host and network.
func (m *Mesh) Flush() []Update {
	m.spread()
	w := work{}
	addrs := map[netip.Addr]struct{}{}
	for h := range m.dirtyHosts {
		m.reclassify(h, w)
		m.reclaim(h, addrs, w)
	}
	m.settle(addrs, w)
	for n := range m.dirtyNets {
		for h := range n.on {
			w.add(n, h)
		}
		for _, name := range n.rec.named() {
			if h := m.hosts[name]; h != nil {
				w.add(n, h)
			}
		}
		if w[n] == nil {
			w[n] = map[*hostState]struct{}{}
		}
	}
	var updates []Update
	for n, hosts := range w {
		updates = m.publish(updates, n, hosts)
	}
	m.clean()
	slices.SortFunc(updates, func(a, b Update) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Network, b.Network))
	})
	return updates
}

// spread finds the hosts that dirty keys concern.
func (m *Mesh) spread() {
	renamed := map[*hostState]struct{}{} // with a bridge that a network names now, or no longer
	for k := range m.dirtyKeys {
		switch k.by {
		case byInterface, byPinned:
			if h := m.hosts[k.host]; h != nil {
				m.dirtyHosts[h] = struct{}{}
			}
		case byBridge, byXSNetwork:
			for _, h := range m.rows[k] {
				renamed[h] = struct{}{}
			}
		default:
			for _, h := range m.rows[k] {
				m.dirtyHosts[h] = struct{}{}
			}
		}
	}
	for h := range renamed {
		// One more network on a bridge that several name already is nothing
		// to the VIFs there.
		if _, dirty := m.dirtyHosts[h]; !dirty && m.renamed(h) {
			m.dirtyHosts[h] = struct{}{}
		}
	}
	clear(m.dirtyKeys)
}

func (m *Mesh) renamed(h *hostState) bool {
	if h.external() {
		return false
	}
	for i := range h.facts.Bridges {
		if m.resolve(h.name, &h.facts.Bridges[i]) != h.class.named[i] {
			return true
		}
	}
	return false
}

// reclassify looks at a host's interfaces anew and marks the networks for
// which something is other.
func (m *Mesh) reclassify(h *hostState, w work) {
	was := h.class
	h.class = m.classify(h)
	for n, j := range h.class.joins {
		if !j.equal(was.joins[n]) {
			w.add(n, h)
		}
	}
	for n := range was.joins {
		if h.class.joins[n] == nil {
			w.add(n, h)
		}
	}
	if h.recChanged || h.bridgesChanged || was.learners() || h.class.learners() || !slices.Equal(was.strays, h.class.strays) {
		m.touchAll(h, w)
		for _, n := range m.listed[h.name] {
			w.add(n, h)
		}
	}
	h.recChanged, h.bridgesChanged = false, false
}

// touchAll marks the networks that a host is in.
func (m *Mesh) touchAll(h *hostState, w work) {
	for n := range h.nets {
		w.add(n, h)
	}
	for n := range h.class.joins {
		w.add(n, h)
	}
}

// reclaim works out the endpoint that a host claims anew, and marks the
// addresses for whose holder that matters.
func (m *Mesh) reclaim(h *hostState, addrs map[netip.Addr]struct{}, w work) {
	was := h.claim
	h.claim = claim{}
	if h.rec != nil {
		h.claim = claimOf(h.rec, h.reported())
	}
	if was.addr != h.claim.addr {
		if was.addr.IsValid() {
			m.claimants.remove(was.addr, h)
		}
		if h.claim.addr.IsValid() {
			m.claimants.add(h.claim.addr, h)
		}
	}
	for _, a := range []netip.Addr{was.addr, h.claim.addr} {
		if a.IsValid() {
			addrs[a] = struct{}{}
		}
	}
	if !h.claim.addr.IsValid() {
		m.setEndpoint(h, h.claim.settle(h, h), w)
	}
}

// settle decides who has each address.
func (m *Mesh) settle(addrs map[netip.Addr]struct{}, w work) {
	for a := range addrs {
		claimants := m.claimants[a]
		if len(claimants) == 0 {
			continue
		}
		holder := holderOf(claimants)
		for _, h := range claimants {
			m.setEndpoint(h, h.claim.settle(h, holder), w)
		}
	}
}

func (m *Mesh) setEndpoint(h *hostState, e endpoint, w work) {
	if h.end != e {
		h.end = e
		m.touchAll(h, w)
	}
}

// publish looks at one network on some hosts anew, and appends what is other.
func (m *Mesh) publish(updates []Update, n *netState, hosts map[*hostState]struct{}) []Update {
	_, viewChanged := m.dirtyNets[n]
	fresh := make(map[*hostState]*OnHost, len(hosts))
	listed, pinned := map[string]bool{}, map[string]bool{}
	for _, name := range listedHosts(n.rec) {
		listed[name] = true
	}
	for _, name := range n.rec.pinnedHosts() {
		pinned[name] = true
	}
	for h := range hosts {
		on, was := n.attach(h, listed[h.name], pinned[h.name]), n.on[h]
		fresh[h] = on
		if (on == nil) != (was == nil) || on != nil && !on.Self.equal(&was.Self) {
			viewChanged = true
		}
	}
	former := n.view
	if viewChanged {
		n.look(fresh)
	}
	if n.view != former { // a new view is news to every member
		for h, was := range n.on {
			if _, ok := fresh[h]; !ok {
				on := *was
				fresh[h] = &on
			}
		}
	}
	for h, on := range fresh {
		was := n.on[h]
		switch {
		case on == nil && was == nil:
			continue
		case on == nil:
			delete(n.on, h)
			delete(h.nets, n)
		default:
			if was != nil && n.view == former && on.equal(was) {
				continue
			}
			on.Net = n.view
			n.on[h] = on
			h.nets[n] = struct{}{}
		}
		updates = append(updates, Update{Host: h.name, Network: n.name, On: on})
	}
	return updates
}

// clean forgets what is gone.
func (m *Mesh) clean() {
	for n := range m.dirtyNets {
		if n.rec == nil {
			delete(m.networks, n.name)
		}
	}
	for h := range m.dirtyHosts {
		if h.rec == nil && h.facts == nil {
			delete(m.hosts, h.name)
		}
	}
	clear(m.dirtyNets)
	clear(m.dirtyHosts)
}
