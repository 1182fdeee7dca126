package topology

import (
	"cmp"
	"slices"
)

// naming is what the networks say of a bridge.
type naming struct {
	net      *netState // that names it; nil if none does or several do
	several  bool
	learning bool // one that names it is of profile learning
}

// resolve returns which network plain VIFs on a bridge of a host join. One that
// is pinned to the bridge names it on that host alone.
func (m *Mesh) resolve(host string, b *BridgeFacts) naming {
	var n naming
	keys := append(make([]factKey, 0, 2+len(b.XSNetworkUUIDs)), factKey{by: byBridge, text: b.Name}, factKey{by: byPinned, text: b.Name, host: host})
	for _, id := range b.XSNetworkUUIDs {
		keys = append(keys, factKey{by: byXSNetwork, text: id})
	}
	for _, k := range keys {
		n.learning = n.learning || len(m.learners[k]) > 0
	}
	for _, k := range keys {
		for _, net := range m.naming[k] {
			if n.net != nil && net != n.net {
				return naming{several: true, learning: n.learning}
			}
			n.net = net
		}
	}
	return n
}

// names reports whether a network names a bridge.
func (n *NetworkRecord) names(b *BridgeFacts) bool {
	if n.Bridge != "" && n.Bridge == b.Name {
		return true
	}
	return slices.ContainsFunc(n.XSNetworkUUIDs, func(id string) bool { return slices.Contains(b.XSNetworkUUIDs, id) })
}

// chooseBridge chooses the one bridge that carries a network on a host: the one
// to which a pin binds it there, else of those
// with VIFs of it the one that the network names, by name before by UUID, then
// the one with most VIFs, then the lowest name; without VIFs, the one that the
// network names, by name even where it is not there yet. "" if there is none.
func chooseBridge(n *NetworkRecord, host string, f *HostFacts, vifs []joined) string {
	if pinned, _ := n.pinnedBridge(host); pinned != "" {
		return pinned
	}
	if len(vifs) == 0 {
		return chooseEmpty(n, f)
	}
	count := map[string]int{}
	for _, v := range vifs {
		count[v.bridge]++
	}
	if len(count) == 1 {
		return vifs[0].bridge
	}
	best, bestRank := "", 0
	for i := range f.Bridges {
		b := &f.Bridges[i]
		if count[b.Name] == 0 {
			continue
		}
		rank := count[b.Name]
		switch {
		case n.Bridge == b.Name:
			rank += 2 * len(vifs)
		case n.names(b):
			rank += len(vifs)
		}
		if c := cmp.Compare(rank, bestRank); c > 0 || c == 0 && b.Name < best {
			best, bestRank = b.Name, rank
		}
	}
	return best
}

func chooseEmpty(n *NetworkRecord, f *HostFacts) string {
	if f == nil {
		return n.Bridge
	}
	byUUID := ""
	for i := range f.Bridges {
		switch b := &f.Bridges[i]; {
		case n.Bridge != "" && b.Name == n.Bridge:
			return n.Bridge
		case n.names(b) && (byUUID == "" || b.Name < byUUID):
			byUUID = b.Name
		}
	}
	return cmp.Or(byUUID, n.Bridge)
}
