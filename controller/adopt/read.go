// Package adopt reads out of the rows of hosts what another ovsmesh store must
// have known, so that a store that is lost can be made anew.
//
//	schema.DB of each host ──Read──► Host ──┐
//	                                        ├─ Rebuild ─► Told, with all contradictions
//	what is to be adopted ──────── Pick ────┘
//
// Bridges that ovsmesh manages carry notes of the host and of the networks on
// them (topology.HostNote and NetworkNote); tunnel ports tell peers, addresses
// and keys. The two are held against each other, and hosts against hosts: what
// is told in two ways is never decided here.
//
// It is pure: it reads no clock, does no I/O and starts no goroutine.
package adopt

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// Host is a host that is connected, and what its rows tell of other stores.
type Host struct {
	Name     string     // as the store that adopts has it
	ID       int        // likewise
	Endpoint netip.Addr // of its tunnels, as it follows from what the host reports; may be invalid
	Bridges  []Bridge   // those of other stores, sorted by name

	Plugin []PluginBridge // those of CloudStack's plugin, sorted by name
}

// Bridge is a bridge that another store has marked as its own.
type Bridge struct {
	Name           string
	Store          string            // UUID
	XSNetworkUUIDs []string          // external_ids:xs-network-uuids
	HostNote       string            // "" where there is none, as with an older version
	Notes          map[string]string // of networks, by their names
	Tunnels        []plan.TunnelPort // of that store, sorted by name
	Rows           int               // that carry the store's mark, the bridge's own and its controllers' with them
}

// Read returns the bridges of a host that a store other than own has marked.
func Read(db *schema.DB, own string) []Bridge {
	var list []Bridge
	tunnels := map[string][]plan.TunnelPort{} // by store
	for _, b := range db.Bridges {
		store := b.ExternalIDs[schema.KeyOwner]
		if store == "" || store == own {
			continue
		}
		if _, read := tunnels[store]; !read {
			tunnels[store] = plan.Tunnels(db, store)
		}
		row := Bridge{Name: b.Name, Store: store, HostNote: b.ExternalIDs[schema.KeyHost], Notes: map[string]string{}}
		for id := range strings.SplitSeq(b.ExternalIDs["xs-network-uuids"], ";") {
			if id = strings.TrimSpace(id); id != "" {
				row.XSNetworkUUIDs = append(row.XSNetworkUUIDs, id)
			}
		}
		for key, text := range b.ExternalIDs {
			if network, ok := schema.Noted(key); ok {
				row.Notes[network] = text
			}
		}
		for _, t := range tunnels[store] {
			if t.Bridge == b.Name {
				row.Tunnels = append(row.Tunnels, t)
			}
		}
		_, row.Rows = plan.Adopt(db, own, store, []string{b.Name})
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b Bridge) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Called returns what a host is called by the other store that has managed it,
// if one has and says so; else what it calls itself. So a host that comes when
// its peers' rows are adopted already is the one that their tunnels lead to.
func Called(db *schema.DB, own, itself string) string {
	name := ""
	for _, b := range db.Bridges {
		text, store := b.ExternalIDs[schema.KeyHost], b.ExternalIDs[schema.KeyOwner]
		if text == "" || store == "" || store == own {
			continue
		}
		note, err := topology.ParseHostNote(text)
		if err != nil || name != "" && name != note.Host.Name {
			return itself
		}
		name = note.Host.Name
	}
	return cmp.Or(name, itself)
}
