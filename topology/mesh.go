package topology

import (
	"net/netip"
	"reflect"
	"slices"
)

// Mesh joins the intent with what hosts report and tells what each host should
// do for each network. It is told of objects one by one, in any order, and
// answers with Flush; the end is the same whatever the order was. The cost of
// a Flush grows with what changed since the last one: hosts and networks that
// it does not concern are not looked at.
//
// A Mesh belongs to one goroutine. Records and facts that are handed in become
// its own and must not be changed afterwards; what it hands out is immutable.
type Mesh struct {
	networks map[string]*netState
	hosts    map[string]*hostState
	ports    map[string]*Port

	rows      index[factKey, *hostState]    // hosts with a bridge or Interface of that key
	naming    index[factKey, *netState]     // networks that name bridges of that key
	learners  index[factKey, *netState]     // those of profile learning among them
	entries   index[factKey, *Port]         // ports entries that match Interfaces of that key
	entriesOf index[string, *Port]          // ports entries by their network
	entriesOn index[string, *Port]          // ports entries that name a host
	listed    index[string, *netState]      // networks that list or pin a host, by its name
	claimants index[netip.Addr, *hostState] // hosts that claim an endpoint

	dirtyKeys  map[factKey]struct{}    // something that matches by it came or went
	dirtyHosts map[*hostState]struct{} // record or facts changed
	dirtyNets  map[*netState]struct{}  // record changed
}

// netState is a network as the Mesh keeps it.
type netState struct {
	name string
	rec  *NetworkRecord // nil: deleted, or not yet told of
	view *NetworkView   // as of the last Flush
	on   map[*hostState]*OnHost

	noteText      string // see note
	noted         *NetworkRecord
	notedExternal []Host
}

// hostState is a host as the Mesh keeps it.
type hostState struct {
	name  string
	rec   *HostRecord // nil: deleted, or not yet told of
	facts *HostFacts  // nil: not known
	class class
	claim claim
	end   endpoint
	nets  map[*netState]struct{} // whose member it is as of the last Flush

	recChanged     bool // since the last Flush
	bridgesChanged bool // since the last Flush, names or UUIDs of bridges

	noteText string // see note
	noted    *HostRecord
}

// external reports whether the host is a tunnel endpoint that nobody of us
// programs: what it once reported, when it was managed, says nothing of it.
func (h *hostState) external() bool { return h.rec != nil && h.rec.Kind == KindExternal }

// reported returns what counts of what the host reported, nil if nothing does.
func (h *hostState) reported() *HostFacts {
	if h.external() {
		return nil
	}
	return h.facts
}

// NewMesh returns a Mesh without networks, hosts and ports.
func NewMesh() *Mesh {
	return &Mesh{
		networks:   map[string]*netState{},
		hosts:      map[string]*hostState{},
		ports:      map[string]*Port{},
		rows:       index[factKey, *hostState]{},
		naming:     index[factKey, *netState]{},
		learners:   index[factKey, *netState]{},
		entries:    index[factKey, *Port]{},
		entriesOf:  index[string, *Port]{},
		entriesOn:  index[string, *Port]{},
		listed:     index[string, *netState]{},
		claimants:  index[netip.Addr, *hostState]{},
		dirtyKeys:  map[factKey]struct{}{},
		dirtyHosts: map[*hostState]struct{}{},
		dirtyNets:  map[*netState]struct{}{},
	}
}

// SetNetwork adds a network or replaces the one of that name.
func (m *Mesh) SetNetwork(r NetworkRecord) {
	n := m.networks[r.Name]
	if n == nil {
		n = &netState{name: r.Name, on: map[*hostState]*OnHost{}}
		m.networks[r.Name] = n
	}
	if n.rec == nil || !sameRecord(*n.rec, r) {
		m.setNetwork(n, &r)
	}
}

func sameRecord(a, b NetworkRecord) bool {
	if !slices.Equal(a.Pins, b.Pins) { // they may be many, too many for reflection
		return false
	}
	a.Pins, b.Pins = nil, nil
	return reflect.DeepEqual(a, b)
}

// DeleteNetwork takes a network away; one that is not there is no error.
func (m *Mesh) DeleteNetwork(name string) {
	if n := m.networks[name]; n != nil && n.rec != nil {
		m.setNetwork(n, nil)
	}
}

func (m *Mesh) setNetwork(n *netState, r *NetworkRecord) {
	was, is := bridgeKeys(n.rec), bridgeKeys(r)
	for k := range was {
		if _, ok := is[k]; !ok {
			m.naming.remove(k, n)
			m.dirtyKeys[k] = struct{}{}
		}
	}
	for k := range is {
		if _, ok := was[k]; !ok {
			m.naming.add(k, n)
			m.dirtyKeys[k] = struct{}{}
		}
	}
	for _, h := range n.rec.named() {
		m.listed.remove(h, n)
	}
	for _, h := range r.named() {
		m.listed.add(h, n)
	}
	if n.learning() {
		for k := range was {
			m.learners.remove(k, n)
		}
	}
	relearns := n.learning() != r.learning()
	if r.learning() {
		for k := range is {
			m.learners.add(k, n)
		}
	}
	if relearns {
		for k := range is {
			m.dirtyKeys[k] = struct{}{}
		}
	}
	if relearns || (n.rec == nil) != (r == nil) { // who names it now joins, or no longer does
		m.dirtyKeys[factKey{by: byNetwork, text: n.name}] = struct{}{}
		for _, p := range m.entriesOf[n.name] {
			m.touchEntry(p)
		}
	}
	n.rec = r
	m.dirtyNets[n] = struct{}{}
}

func (n *netState) learning() bool { return n.rec.learning() }

func (r *NetworkRecord) learning() bool { return r != nil && r.Profile == ProfileLearning }

// listedHosts returns the hosts that a network lists, each once.
func listedHosts(r *NetworkRecord) []string {
	if r == nil || len(r.Hosts) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(r.Hosts)))
}

// named returns the hosts that a network lists or pins, each once.
func (r *NetworkRecord) named() []string {
	listed, pinned := listedHosts(r), r.pinnedHosts()
	if len(pinned) == 0 {
		return listed
	}
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(listed, pinned))))
}

// SetHost adds a host or replaces the one of that name.
func (m *Mesh) SetHost(r HostRecord) {
	if h := m.host(r.Name); h.rec == nil || *h.rec != r {
		h.rec, h.recChanged = &r, true
		m.dirtyHosts[h] = struct{}{}
	}
}

// DeleteHost takes a host and what it reported away; one that is not there is
// no error.
func (m *Mesh) DeleteHost(name string) {
	h := m.hosts[name]
	if h == nil {
		return
	}
	m.DropFacts(name)
	if h.rec != nil {
		h.rec, h.recChanged = nil, true
		m.dirtyHosts[h] = struct{}{}
	}
}

// SetFacts replaces what a host reports. Facts of a host that was not told of
// yet wait for SetHost.
func (m *Mesh) SetFacts(host string, f HostFacts) {
	if h := m.host(host); h.facts == nil || !h.facts.equal(&f) {
		m.setFacts(h, &f)
	}
}

// DropFacts forgets what a host reported: it runs no VIF any longer.
func (m *Mesh) DropFacts(host string) {
	if h := m.hosts[host]; h != nil && h.facts != nil {
		m.setFacts(h, nil)
	}
}

func (m *Mesh) setFacts(h *hostState, f *HostFacts) {
	was, is := factKeys(h.facts), factKeys(f)
	for k := range was {
		if _, ok := is[k]; !ok {
			m.rows.remove(k, h)
		}
	}
	for k := range is {
		if _, ok := was[k]; !ok {
			m.rows.add(k, h)
		}
	}
	if !sameBridges(h.facts, f) {
		h.bridgesChanged = true
	}
	h.facts = f
	m.dirtyHosts[h] = struct{}{}
}

// SetPort adds a ports entry or replaces the one of that name.
func (m *Mesh) SetPort(p Port) {
	if was := m.ports[p.Name]; was != nil {
		if reflect.DeepEqual(*was, p) {
			return
		}
		m.DeletePort(p.Name)
	}
	m.ports[p.Name] = &p
	m.entriesOf.add(p.Network, &p)
	if p.Match.Host != "" {
		m.entriesOn.add(p.Match.Host, &p)
	}
	if k, ok := matchKey(p.Match); ok {
		m.entries.add(k, &p)
	}
	m.touchEntry(&p)
}

// DeletePort takes a ports entry away; one that is not there is no error.
func (m *Mesh) DeletePort(name string) {
	p := m.ports[name]
	if p == nil {
		return
	}
	delete(m.ports, name)
	m.entriesOf.remove(p.Network, p)
	if p.Match.Host != "" {
		m.entriesOn.remove(p.Match.Host, p)
	}
	if k, ok := matchKey(p.Match); ok {
		m.entries.remove(k, p)
	}
	m.touchEntry(p)
}

// touchEntry has the hosts looked at anew on which a ports entry matches.
func (m *Mesh) touchEntry(p *Port) {
	if k, ok := matchKey(p.Match); ok {
		m.dirtyKeys[k] = struct{}{}
	}
}

// host returns the state of a host, made if need be.
func (m *Mesh) host(name string) *hostState {
	h := m.hosts[name]
	if h == nil {
		h = &hostState{name: name, nets: map[*netState]struct{}{}}
		m.hosts[name] = h
	}
	return h
}
