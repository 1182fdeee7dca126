package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ovsmesh/ovsdb/schema"
)

// Diff returns what makes the rows of db those that are wanted. It is
// deterministic, and of rows that are as wanted it returns an empty plan. Save
// with Complete, its work grows with what is listed; only where a tunnel is
// added or changed it looks at all tunnels once for clashes.
func Diff(db *schema.DB, want Want) Plan {
	d := differ{
		db: db, owner: want.Owner,
		open: map[string]bool{}, gone: map[string]bool{}, changing: map[string]bool{},
		opened: map[string]string{}, returns: want.Return,
		named: map[string]string{}, numbers: map[string]*numbers{}, taken: map[string]bool{}, noBFD: map[string]bool{},
	}
	for _, b := range sorted(want.Bridges, func(b Bridge) string { return b.Name }) {
		d.bridge(b)
		d.noteHost(b)
	}
	for _, r := range sorted(want.Release, func(r Release) string { return r.Bridge }) {
		d.release(r)
	}
	networks := sorted(want.Networks, func(n Network) string { return n.Name })
	if want.Complete {
		networks = d.withForgotten(networks)
	}
	var matches []match
	for _, n := range networks {
		matches = append(matches, d.match(n))
	}
	for _, m := range matches {
		d.network(m)
		d.noteNetwork(m.Network)
	}
	return d.plan
}

// differ is one Diff under way.
type differ struct {
	db    *schema.DB
	owner string
	plan  Plan
	seq   int // number of uuid-names given out

	open     map[string]bool     // bridges by name that this plan looked at: ours with it, and free for new tunnels?
	gone     map[string]bool     // Port UUIDs that this plan deletes
	changing map[string]bool     // Interface UUIDs whose options this plan changes
	named    map[string]string   // names that this plan gives to new rows: what they are
	numbers  map[string]*numbers // by bridge name
	taken    map[string]bool     // by name of the bridges that this plan looked at: see Taken
	opened   map[string]string   // likewise: takenOpen, takenSpanning or ""
	returns  bool                // see Want.Return
	noBFD    map[string]bool     // networks whose problem with BFD has been told
	claims   map[claimKey]claim  // built when first needed
	freed    map[claimKey]string // names of the ports that this plan deletes; built with claims
}

func sorted[T any](list []T, key func(T) string) []T {
	byKey := func(a, b T) int { return cmp.Compare(key(a), key(b)) }
	if slices.IsSortedFunc(list, byKey) {
		return slices.Clip(list)
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, byKey)
	return list
}

// withForgotten adds the networks that only rows of ours know, without tunnels.
func (d *differ) withForgotten(networks []Network) []Network {
	known := map[string]bool{}
	for _, n := range networks {
		known[n.Name] = true
	}
	for _, p := range d.db.OwnedPorts() {
		if name := p.ExternalIDs[schema.KeyNetwork]; d.ours(p.ExternalIDs) && !known[name] {
			known[name] = true
			networks = append(networks, Network{Name: name})
		}
	}
	for _, name := range d.db.NotedNetworks() {
		if !known[name] {
			networks = append(networks, Network{Name: name}) // it has no ports, and goes only where it is ours
		}
	}
	return sorted(networks, func(n Network) string { return n.Name })
}

func (d *differ) ours(ids map[string]string) bool {
	return ids[schema.KeyOwner] != "" && ids[schema.KeyOwner] == d.owner
}

// foreign reports whether a row is another store's.
func (d *differ) foreign(ids map[string]string) bool {
	return ids[schema.KeyOwner] != "" && ids[schema.KeyOwner] != d.owner
}

// id returns a uuid-name, unique in the plan (RFC 7047 §3.1 <id>).
func (d *differ) id(kind string) string {
	d.seq++
	return fmt.Sprintf("%s%d", kind, d.seq)
}

func (d *differ) problem(bridge, network, tunnel, format string, args ...any) {
	d.plan.Problems = append(d.plan.Problems, Problem{
		Bridge: bridge, Network: network, Tunnel: tunnel, Text: fmt.Sprintf(format, args...),
	})
}

// add puts a group into the plan, if it does anything.
func (d *differ) add(g Group) {
	if len(g.Ops) > 0 {
		d.plan.Groups = append(d.plan.Groups, g)
	}
}

// members returns the ports of a bridge by name.
func (d *differ) members(b *schema.Bridge) []*schema.Port {
	var ports []*schema.Port
	for _, id := range b.Ports {
		if p := d.db.Ports[id]; p != nil {
			ports = append(ports, p)
		}
	}
	slices.SortFunc(ports, func(a, b *schema.Port) int { return strings.Compare(a.Name, b.Name) })
	return ports
}
