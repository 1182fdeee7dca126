package topology

import "slices"

// index finds values by key. A key's values are in no particular order and
// each there once; who adds sees to that.
type index[K comparable, V comparable] map[K][]V

func (x index[K, V]) add(k K, v V) { x[k] = append(x[k], v) }

func (x index[K, V]) remove(k K, v V) {
	list := x[k]
	i := slices.Index(list, v)
	if i < 0 {
		return
	}
	last := len(list) - 1
	if last == 0 {
		delete(x, k)
		return
	}
	var zero V
	list[i], list[last] = list[last], zero
	x[k] = list[:last]
}

// keyKind says what a factKey's text is.
type keyKind uint8

const (
	byBridge    keyKind = iota // a bridge's name
	byXSNetwork                // one of a bridge's xs-network-uuids
	byIfaceID                  // external_ids:iface-id
	byXSVif                    // external_ids:xs-vif-uuid
	byMAC                      // external_ids:attached-mac, as six bytes
	byNetwork                  // external_ids:ovsmesh-network
	byInterface                // an Interface's name, on one host only
	byPinned                   // the name of a bridge to which a pin binds a network, on one host only
	byXenDevice                // D.N of XenServer's vifD.N and tapD.N; only among one host's rows
)

// factKey is a value by which rows of hosts and objects of the intent find
// each other.
type factKey struct {
	by   keyKind
	text string
	host string // byInterface and byPinned only
}

func macKey(m MAC) factKey { return factKey{by: byMAC, text: string(m[:])} }

// matchKey returns the key of the rows that a Port means; false if it names none.
func matchKey(p PortMatch) (factKey, bool) {
	switch {
	case p.IfaceID != "":
		return factKey{by: byIfaceID, text: p.IfaceID}, true
	case p.XSVifUUID != "":
		return factKey{by: byXSVif, text: p.XSVifUUID}, true
	case !p.MAC.IsZero():
		return macKey(p.MAC), true
	case p.Interface != "":
		return factKey{by: byInterface, text: p.Interface, host: p.Host}, true
	}
	return factKey{}, false
}

// bridgeKeys returns the keys of the bridges that a network names.
func bridgeKeys(n *NetworkRecord) map[factKey]struct{} {
	keys := map[factKey]struct{}{}
	if n == nil {
		return keys
	}
	if n.Bridge != "" {
		keys[factKey{by: byBridge, text: n.Bridge}] = struct{}{}
	}
	for _, id := range n.XSNetworkUUIDs {
		keys[factKey{by: byXSNetwork, text: id}] = struct{}{}
	}
	for _, b := range n.pinnedBridges() {
		keys[factKey{by: byPinned, text: b.bridge, host: b.host}] = struct{}{}
	}
	return keys
}

// factKeys returns the keys under which a host is found, save byInterface,
// which names the host itself.
func factKeys(f *HostFacts) map[factKey]struct{} {
	keys := map[factKey]struct{}{}
	if f == nil {
		return keys
	}
	put := func(by keyKind, text string) {
		if text != "" {
			keys[factKey{by: by, text: text}] = struct{}{}
		}
	}
	for i := range f.Bridges {
		b := &f.Bridges[i]
		put(byBridge, b.Name)
		for _, id := range b.XSNetworkUUIDs {
			put(byXSNetwork, id)
		}
		for j := range b.Interfaces {
			r := &b.Interfaces[j]
			put(byIfaceID, r.IfaceID)
			put(byXSVif, r.XSVifUUID)
			put(byNetwork, r.Network)
			if mac, err := ParseMAC(r.AttachedMAC); err == nil {
				keys[macKey(mac)] = struct{}{}
			}
		}
	}
	return keys
}
