package schema

import (
	"maps"
	"slices"
)

// Changes tells what an Apply changed. Names are sorted, each once; a row that
// was renamed is there with both names, one that is gone with its last.
type Changes struct {
	Open        bool // the row of table Open_vSwitch
	Bridges     []string
	Ports       []string
	Interfaces  []string
	Controllers []string // UUIDs

	// Network holds the networks whose owned ports or their interfaces were
	// added, configured otherwise, moved or deleted.
	Network map[string]struct{}

	// Reported holds the networks of which the switch reports otherwise on an
	// owned interface: ofport, error, link_state, mtu, bfd_status or status.
	// A name is what external_ids:ovsmesh-network of the interface says.
	Reported map[string]struct{}

	// Renumbered holds the owned interfaces that the switch has given another
	// ofport, with the one that each had before; nil where there are none.
	Renumbered map[string]int64

	// Foreign says that something changed that decides who the host is and
	// what is plugged into its bridges: external_ids or other_config of
	// Open_vSwitch, a bridge, a port or interface that nobody owns. It stays
	// false for what the switch itself reports: ofport, error, link_state, mtu.
	Foreign bool
}

// Empty reports whether nothing changed.
func (c Changes) Empty() bool {
	return !c.Open && !c.Foreign && len(c.Bridges)+len(c.Ports)+len(c.Interfaces)+len(c.Controllers)+len(c.Network)+len(c.Reported) == 0
}

// tally collects changes while rows are replaced. What concerns a row's
// parents is looked up at the end, when all rows are there.
type tally struct {
	db          *DB
	open        bool
	foreign     bool
	bridges     []string
	ports       []string
	ifaces      []string
	controllers []string
	networks    []string
	reported    []string // networks
	renumbered  map[string]int64
	moved       []string // Ports by UUID
	touched     []string // Interfaces by UUID, added, gone or configured otherwise
}

func (t *tally) opened(old, row *OpenvSwitch) {
	t.open = true
	if old.UUID != row.UUID || !maps.Equal(old.ExternalIDs, row.ExternalIDs) || !maps.Equal(old.OtherConfig, row.OtherConfig) {
		t.foreign = true
	}
}

func (t *tally) bridge(old, row *Bridge, gone, come []string) {
	if old == nil && row == nil {
		return
	}
	if old != nil {
		t.bridges = append(t.bridges, old.Name)
	}
	if row != nil {
		t.bridges = append(t.bridges, row.Name)
	}
	if old == nil || row == nil || old.Name != row.Name || !maps.Equal(old.ExternalIDs, row.ExternalIDs) {
		t.foreign = true
	}
	t.moved = append(append(t.moved, gone...), come...)
}

func (t *tally) port(old, row *Port) {
	if old == nil && row == nil {
		return
	}
	for _, p := range []*Port{old, row} {
		if p == nil {
			continue
		}
		t.ports = append(t.ports, p.Name)
		if p.ExternalIDs[KeyOwner] == "" {
			t.foreign = true
		} else {
			t.network(p.ExternalIDs)
		}
	}
}

func (t *tally) iface(old, row *Interface) {
	if old == nil && row == nil {
		return
	}
	if old != nil && row != nil && row.ExternalIDs[KeyOwner] != "" {
		t.number(row.Name, old.OFPort, row.OFPort)
	}
	if old != nil && row != nil && row.ExternalIDs[KeyOwner] != "" && configuredAlike(old, row) {
		t.ifaces = append(t.ifaces, row.Name)
		t.reported = append(t.reported, row.ExternalIDs[KeyNetwork])
		return
	}
	for _, i := range []*Interface{old, row} {
		if i == nil {
			continue
		}
		t.ifaces = append(t.ifaces, i.Name)
		if i.ExternalIDs[KeyOwner] != "" {
			t.network(i.ExternalIDs)
		} else if old == nil || row == nil || old.Name != row.Name || old.Type != row.Type ||
			old.Status["driver_name"] != row.Status["driver_name"] || !maps.Equal(old.ExternalIDs, row.ExternalIDs) {
			t.foreign = true
		}
		t.touched = append(t.touched, i.UUID)
	}
}

// number notes another ofport of an owned interface. Of several in a row it is
// the first former one that was in use.
func (t *tally) number(name string, was, is int64) {
	if was <= 0 || is <= 0 || was == is {
		return
	}
	if t.renumbered == nil {
		t.renumbered = make(map[string]int64)
	}
	if _, noted := t.renumbered[name]; !noted {
		t.renumbered[name] = was
	}
}

// configuredAlike reports whether two states of an Interface differ only in
// what the switch reports of it.
func configuredAlike(a, b *Interface) bool {
	return a.Name == b.Name && a.Type == b.Type && a.OFPortRequest == b.OFPortRequest &&
		maps.Equal(a.Options, b.Options) && maps.Equal(a.BFD, b.BFD) && maps.Equal(a.ExternalIDs, b.ExternalIDs)
}

func (t *tally) network(externalIDs map[string]string) {
	if n := externalIDs[KeyNetwork]; n != "" {
		t.networks = append(t.networks, n)
	}
}

func (t *tally) changes() Changes {
	for _, id := range t.moved {
		// A row that is gone has been counted when it went.
		if p := t.db.Ports[id]; p != nil && p.ExternalIDs[KeyOwner] == "" {
			t.foreign = true
		} else if p != nil {
			t.network(p.ExternalIDs)
		}
	}
	for _, id := range t.touched {
		if p := t.db.PortOfInterface(id); p != nil && p.ExternalIDs[KeyOwner] != "" {
			t.network(p.ExternalIDs)
		}
	}
	c := Changes{
		Open: t.open, Foreign: t.foreign,
		Bridges: once(t.bridges), Ports: once(t.ports), Interfaces: once(t.ifaces), Controllers: once(t.controllers),
	}
	c.Network, c.Reported, c.Renumbered = set(t.networks), set(t.reported), t.renumbered
	return c
}

// set returns the names as a set, nil where there are none.
func set(names []string) map[string]struct{} {
	if len(names) == 0 {
		return nil
	}
	s := make(map[string]struct{}, 1)
	for _, n := range names {
		s[n] = struct{}{}
	}
	return s
}

func once(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
