package adopt

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"ovsmesh/ovsdb/plan"
	"ovsmesh/topology"
)

// Stores returns the stores that hosts carry rows of, sorted.
func Stores(hosts []Host) []string {
	var ids []string
	for _, h := range hosts {
		for _, b := range h.Bridges {
			ids = append(ids, b.Store)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Rebuild returns what the hosts' rows tell of what was picked.
func Rebuild(hosts []Host, pick Pick) Told {
	r := &rebuilding{told: Told{Store: pick.Store}, names: map[string]string{}, ids: map[string]int{}}
	if stores := Stores(hosts); r.told.Store == "" && len(stores) > 1 {
		r.problem("", "", "hosts carry rows of %d stores: choose one with --store: %s", len(stores), strings.Join(stores, ", "))
		return r.told
	} else if r.told.Store == "" && len(stores) == 1 {
		r.told.Store = stores[0]
	}
	for _, h := range hosts {
		h.Bridges = slices.DeleteFunc(slices.Clone(h.Bridges), func(b Bridge) bool { return b.Store != r.told.Store })
		if len(h.Bridges) > 0 {
			r.hosts = append(r.hosts, h)
		}
	}
	slices.SortFunc(r.hosts, func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	for _, h := range r.hosts {
		r.host(h)
	}
	r.twice()
	names := r.pick(pick)
	for _, name := range names {
		r.network(name)
	}
	r.away()
	return r.told
}

// rebuilding is one Rebuild under way.
type rebuilding struct {
	hosts []Host // with rows of the store, sorted by name
	told  Told
	names map[string]string // what hosts are called in rows, and by us
	ids   map[string]int    // of hosts, by our name
}

func (r *rebuilding) problem(kind, name, format string, args ...any) {
	r.told.Problems = append(r.told.Problems, Problem{kind, name, fmt.Sprintf(format, args...)})
}

// host finds out what a host is called and which number it has.
func (r *rebuilding) host(h Host) {
	n := Named{Host: h.Name}
	from := ""
	for _, b := range h.Bridges {
		if b.HostNote == "" {
			continue
		}
		note, err := topology.ParseHostNote(b.HostNote)
		switch {
		case err != nil:
			r.problem(topology.KindHosts, h.Name, "external_ids:ovsmesh-host of bridge %s makes no sense: %v", b.Name, err)
		case !n.Noted:
			n.Note, n.Noted, from = note, true, b.Name
		case note != n.Note:
			r.problem(topology.KindHosts, h.Name, "bridge %s tells that it is %s with ID %d, and bridge %s that it is %s with ID %d", from, n.Note.Host.Name, n.Note.Host.ID, b.Name, note.Host.Name, note.Host.ID)
		}
	}
	for _, b := range h.Bridges {
		for _, t := range b.Tunnels {
			id, _, ok := topology.PortIDs(t.Name)
			switch {
			case !ok || id == n.Note.Host.ID:
			case n.Note.Host.ID == 0:
				n.Note.Host.ID, n.Note.AutoID = id, true
			case !n.Noted:
				r.problem(topology.KindHosts, h.Name, "its tunnel ports tell two IDs, %d and %d (%s)", n.Note.Host.ID, id, t.Name)
			}
		}
	}
	r.told.Hosts = append(r.told.Hosts, n)
	if n.Noted {
		r.names[n.Note.Host.Name] = h.Name
	}
	r.ids[h.Name] = cmp.Or(n.Note.Host.ID, h.ID)
}

// twice reports hosts that tell the same name or number.
func (r *rebuilding) twice() {
	names, ids := map[string]string{}, map[int]string{}
	for _, n := range r.told.Hosts {
		if other := names[n.Note.Host.Name]; n.Noted && other != "" {
			r.problem(topology.KindHosts, n.Host, "it tells that it is %s, and so does %s", n.Note.Host.Name, other)
		} else if other := ids[n.Note.Host.ID]; n.Note.Host.ID != 0 && other != "" {
			r.problem(topology.KindHosts, n.Host, "it tells that its ID is %d, and so does %s", n.Note.Host.ID, other)
		}
		if n.Noted {
			names[n.Note.Host.Name] = n.Host
		}
		ids[n.Note.Host.ID] = n.Host
	}
}

// pick notes which bridges change hands, and returns the networks on them.
func (r *rebuilding) pick(p Pick) []string {
	networks := map[string]bool{}
	for _, h := range r.hosts {
		m := Mark{Host: h.Name}
		for _, b := range h.Bridges {
			on := b.Networks()
			if p.All || p.Host != "" && p.Host == h.Name || p.Network != "" && slices.Contains(on, p.Network) {
				m.Bridges = append(m.Bridges, b.Name)
				for _, n := range on {
					networks[n] = true
				}
			}
		}
		if len(m.Bridges) > 0 {
			r.told.Marks = append(r.told.Marks, m)
		}
	}
	return slices.Sorted(maps.Keys(networks))
}

// Networks returns the networks that a bridge tells of.
func (b Bridge) Networks() []string {
	names := slices.Collect(maps.Keys(b.Notes))
	for _, t := range b.Tunnels {
		if t.Network != "" && !topology.IsCarrier(t.Network) {
			names = append(names, t.Network)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// network puts together what all hosts tell of a network, also those that are
// not adopted now: they must not contradict.
func (r *rebuilding) network(name string) {
	n := Network{Name: name}
	var said, seen topology.NetworkNote // by notes, and by tunnel ports
	var sayer, first string
	var listed []string // hosts that the network lists
	for _, h := range r.hosts {
		for _, b := range h.Bridges {
			if !slices.Contains(b.Networks(), name) {
				continue
			}
			place := Place{Host: h.Name, Bridge: b.Name}
			if text := b.Notes[name]; text != "" {
				note, err := topology.ParseNetworkNote(name, text)
				if note.Listed {
					note.Listed = false
					listed = append(listed, h.Name)
				}
				switch {
				case err != nil:
					r.problem(topology.KindNetworks, name, "its note on bridge %s of host %s makes no sense: %v", b.Name, h.Name, err)
				case sayer == "":
					said, sayer, n.Noted = note, h.Name, true
				default:
					if d := said.Differ(note); len(d) > 0 {
						r.problem(topology.KindNetworks, name, "%s and %s tell different things: %s", sayer, h.Name, strings.Join(d, "; "))
					}
				}
			}
			for _, t := range b.Tunnels {
				if t.Network != name {
					continue
				}
				place.Tunnels++
				is := ofPort(name, b, t)
				if first == "" {
					seen, first = is, fmt.Sprintf("port %s of %s", t.Name, h.Name)
				} else if d := seen.Differ(is); len(d) > 0 {
					r.problem(topology.KindNetworks, name, "%s and port %s of %s tell different things: %s", first, t.Name, h.Name, strings.Join(d, "; "))
				}
			}
			n.On = append(n.On, place)
		}
	}
	n.Note = seen
	if n.Noted {
		n.Note = said
		n.Note.Network.Hosts = listed
		if first != "" && (seen.Network.Encap != said.Network.Encap || seen.Network.Key != said.Network.Key) {
			r.problem(topology.KindNetworks, name, "%s has %s key %d, and the note of %s says %s key %d", first, seen.Network.Encap, seen.Network.Key, sayer, said.Network.Encap, said.Network.Key)
		}
		r.external(&n.Note)
	} else {
		r.problem(topology.KindNetworks, name, "the rows tell its key and its tunnels only, for an older version wrote them: name the network and what it had in a spec")
	}
	r.told.Networks = append(r.told.Networks, n)
}

// ofPort is what a network's own tunnel port tells of it.
func ofPort(network string, b Bridge, t plan.TunnelPort) topology.NetworkNote {
	n := topology.NetworkNote{Network: topology.Network{Name: network, Encap: topology.Encap(t.Type), DstPort: t.DstPort}}
	fmt.Sscan(t.Key, &n.Network.Key) // what is no number is no key
	if len(b.XSNetworkUUIDs) == 0 {
		n.Network.Bridge = b.Name
	}
	return n
}

// external takes in the external hosts that a network's note tells of.
func (r *rebuilding) external(note *topology.NetworkNote) {
	for _, e := range note.External {
		e.Kind = topology.KindExternal
		note.Network.Hosts = append(note.Network.Hosts, e.Name)
		at, known := slices.BinarySearchFunc(r.told.External, e, func(a, b topology.Host) int { return strings.Compare(a.Name, b.Name) })
		switch {
		case !known:
			r.told.External = slices.Insert(r.told.External, at, e)
		case r.told.External[at] != e:
			r.problem(topology.KindHosts, e.Name, "networks tell different things of this external host")
		}
	}
	slices.Sort(note.Network.Hosts)
	note.Network.Hosts = slices.Compact(note.Network.Hosts)
}

// away finds the hosts that tunnels of what was picked lead to, and that tell
// nothing of themselves.
func (r *rebuilding) away() {
	gone := map[string]*Away{}
	for _, h := range r.hosts {
		for _, b := range h.Bridges {
			for _, t := range b.Tunnels {
				networks := r.through(b, t)
				_, known := r.names[t.Peer]
				if len(networks) == 0 || t.Peer == "" || known {
					continue
				}
				remote, err := netip.ParseAddr(t.RemoteIP)
				if err != nil {
					continue // each packet has its own
				}
				if name := r.at(remote); name != "" {
					r.names[t.Peer] = name
					continue
				}
				if slices.ContainsFunc(r.told.External, func(e topology.Host) bool { return e.Name == t.Peer }) {
					continue
				}
				a := gone[t.Peer]
				if a == nil {
					a = &Away{Name: t.Peer, Endpoint: remote}
					gone[t.Peer] = a
				}
				if a.Endpoint != remote {
					r.problem(topology.KindHosts, t.Peer, "it is not connected, and its peers tell different addresses of it: %s, and %s of %s tells %s", a.Endpoint, t.Name, h.Name, remote)
				}
				id := r.peerID(h, t)
				if a.ID != 0 && id != 0 && a.ID != id {
					r.problem(topology.KindHosts, t.Peer, "it is not connected, and its peers tell different IDs of it: %d, and %s of %s tells %d", a.ID, t.Name, h.Name, id)
				}
				a.ID = cmp.Or(a.ID, id)
				a.Networks = append(a.Networks, networks...)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		a := gone[name]
		slices.Sort(a.Networks)
		a.Networks = slices.Compact(a.Networks)
		r.told.Away = append(r.told.Away, *a)
	}
}

// at returns the host whose endpoint an address is, of those that tell no name;
// "" if it is none's.
func (r *rebuilding) at(addr netip.Addr) string {
	for i, h := range r.hosts {
		if h.Endpoint == addr && !r.told.Hosts[i].Noted {
			return h.Name
		}
	}
	return ""
}

// through returns the networks of what was picked that may use a tunnel port.
func (r *rebuilding) through(b Bridge, t plan.TunnelPort) []string {
	var names []string
	for _, n := range r.told.Networks {
		switch {
		case t.Network == n.Name:
			names = append(names, n.Name)
		case topology.IsCarrier(t.Network) && b.Notes[n.Name] != "" && n.Note.Network.Carrier() == t.Network:
			names = append(names, n.Name)
		}
	}
	return names
}

// peerID returns the number of the host that a port leads to, 0 if its name
// does not tell.
func (r *rebuilding) peerID(h Host, t plan.TunnelPort) int {
	if _, peer, ok := topology.PortIDs(t.Name); ok {
		return peer
	}
	var key uint32
	if _, err := fmt.Sscan(t.Key, &key); err != nil || r.ids[h.Name] == 0 {
		return 0
	}
	return topology.HashedPeerID(t.Name, topology.Encap(t.Type), key, r.ids[h.Name])
}
