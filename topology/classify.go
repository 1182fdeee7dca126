package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// joined is an Interface that is a VIF of a network.
type joined struct {
	bridge string // "" behind an external host
	LocalVIF
}

func (j joined) equal(o joined) bool { return j.bridge == o.bridge && j.LocalVIF.equal(o.LocalVIF) }

// joins is what one host has of one network.
type joins struct {
	vifs     []joined // sorted by interface name
	problems []string
}

func (j *joins) equal(o *joins) bool {
	if j == nil || o == nil {
		return j == o
	}
	return slices.EqualFunc(j.vifs, o.vifs, joined.equal) && slices.Equal(j.problems, o.problems)
}

// stray is a bridge with VIFs of which nobody can say whose they are.
type stray struct {
	bridge string
	text   string
}

// class is what the intent makes of one host's interfaces.
type class struct {
	named    []naming // per bridge of the facts
	joins    map[*netState]*joins
	strays   []stray
	problems []string // that concern no network that there is
}

// classify finds out which of a host's interfaces are VIFs and which network
// each joins: the one that its ports entry names, else the one that
// external_ids:ovsmesh-network names, else the one that names its bridge.
func (m *Mesh) classify(h *hostState) class {
	if h.external() {
		return m.classifyExternal(h.name)
	}
	c := class{joins: map[*netState]*joins{}}
	host, f := h.name, h.facts
	if f == nil {
		return c
	}
	named := make(map[*BridgeFacts]naming, len(f.Bridges))
	for i := range f.Bridges {
		b := &f.Bridges[i]
		named[b] = m.resolve(b)
		c.named = append(c.named, named[b])
	}
	lost := map[*BridgeFacts][]string{}
	for _, v := range candidates(f) {
		m.place(&c, host, v, named[v.bridge], lost)
	}
	for i := range f.Bridges {
		if b := &f.Bridges[i]; len(lost[b]) > 0 {
			c.strays = append(c.strays, stray{bridge: b.Name, text: strayText(b.Name, lost[b])})
		}
	}
	c.keepLearnersAlone(f)
	for _, j := range c.joins {
		j.sort()
	}
	slices.Sort(c.problems)
	return c
}

func (j *joins) sort() {
	slices.SortFunc(j.vifs, func(a, b joined) int {
		return cmp.Or(strings.Compare(a.Interface, b.Interface), strings.Compare(a.Port, b.Port))
	})
	slices.Sort(j.problems)
}

// classifyExternal takes what ports entries say of an external host for what
// is plugged in there: it reports nothing itself.
func (m *Mesh) classifyExternal(host string) class {
	c := class{joins: map[*netState]*joins{}}
	for _, p := range m.entriesOn[host] {
		net := m.networks[p.Network]
		if net == nil || net.rec == nil {
			c.problems = append(c.problems, fmt.Sprintf("ports entry %s names network %.64q, which does not exist: it joins none", p.Name, p.Network))
			continue
		}
		vif := joined{LocalVIF: LocalVIF{Interface: p.Match.Interface}}
		vif.declare(p)
		j := c.of(net)
		j.vifs = append(j.vifs, vif)
	}
	for _, j := range c.joins {
		j.sort()
	}
	slices.Sort(c.problems)
	return c
}

// place puts one candidate into the class of its host.
func (m *Mesh) place(c *class, host string, v *candidate, named naming, lost map[*BridgeFacts][]string) {
	entry, others := m.entryOf(host, v)
	name, by := "", ""
	switch {
	case entry != nil:
		name, by = entry.Network, fmt.Sprintf("ports entry %s", entry.Name)
	case v.network() != "":
		name, by = v.network(), "external_ids:ovsmesh-network"
	case named == naming{}, !v.looksLikeVIF():
		return
	case named.several:
		lost[v.bridge] = append(lost[v.bridge], v.own.Name)
		return
	default:
		name = named.net.rec.Name
	}
	net := m.networks[name]
	if net == nil || net.rec == nil {
		c.problems = append(c.problems, fmt.Sprintf("interface %s: %s names network %.64q, which does not exist: it joins none", v.own.Name, by, name))
		return
	}
	j := c.of(net)
	vif := joined{bridge: v.bridge.Name, LocalVIF: LocalVIF{Port: host + "/" + v.own.Name, Interface: v.own.Name}}
	if entry != nil {
		vif.declare(entry)
	}
	j.problems = append(j.problems, vif.report(v)...)
	if len(others) > 0 {
		j.problems = append(j.problems, fmt.Sprintf("interface %s is matched by several ports entries: %s counts, not %s", v.own.Name, entry.Name, strings.Join(others, ", ")))
	}
	j.vifs = append(j.vifs, vif)
}

// of returns what the host has of a network, made if need be.
func (c *class) of(net *netState) *joins {
	j := c.joins[net]
	if j == nil {
		j = &joins{}
		c.joins[net] = j
	}
	return j
}

// looksLikeVIF reports whether an interface on a bridge that a network names is
// a VM's. (On other bridges only those are that say which network they join.)
func (c *candidate) looksLikeVIF() bool {
	if c.attachedMAC() != "" || c.ifaceID() != "" || c.xsVifUUID() != "" {
		return true
	}
	for _, prefix := range []string{"vif", "tap", "vnet"} {
		if strings.HasPrefix(c.own.Name, prefix) {
			return true
		}
	}
	return c.own.Type == "internal"
}

// entryOf returns the ports entry of an interface, nil if it has none, and the
// names of others that match it too. An entry that says the interface's name
// comes before one by iface-id, that before xs-vif-uuid, that before the MAC;
// among equals the first name.
func (m *Mesh) entryOf(host string, v *candidate) (*Port, []string) {
	if len(m.entries) == 0 {
		return nil, nil
	}
	keys := []factKey{{by: byInterface, text: v.own.Name, host: host}}
	if device, ok := xenDevice(v.own.Name); ok {
		for _, name := range []string{"vif" + device, "tap" + device} {
			if name != v.own.Name {
				keys = append(keys, factKey{by: byInterface, text: name, host: host})
			}
		}
	}
	keys = append(keys, factKey{by: byIfaceID, text: v.ifaceID()}, factKey{by: byXSVif, text: v.xsVifUUID()})
	if mac, err := ParseMAC(v.attachedMAC()); err == nil {
		keys = append(keys, macKey(mac))
	}
	var found []*Port
	for _, k := range keys {
		start := len(found)
		found = append(found, m.entries[k]...)
		slices.SortFunc(found[start:], func(a, b *Port) int { return strings.Compare(a.Name, b.Name) })
	}
	if len(found) == 0 {
		return nil, nil
	}
	var others []string
	for _, p := range found[1:] {
		others = append(others, p.Name)
	}
	return found[0], others
}

// naming is what the networks say of a bridge.
type naming struct {
	net      *netState // that names it; nil if none does or several do
	several  bool
	learning bool // one that names it is of profile learning
}

// resolve returns which network plain VIFs on a bridge join.
func (m *Mesh) resolve(b *BridgeFacts) naming {
	var n naming
	keys := append(make([]factKey, 0, 1+len(b.XSNetworkUUIDs)), factKey{by: byBridge, text: b.Name})
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

// strayText is the same however many networks there are and whatever they are
// called, so that a further network on a shared bridge changes nothing for
// the others.
func strayText(bridge string, ifaces []string) string {
	slices.Sort(ifaces)
	shown := strings.Join(ifaces[:min(3, len(ifaces))], ", ")
	if more := len(ifaces) - 3; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("several networks name bridge %s, and nothing says which of them is meant for %s: "+
		"set external_ids:ovsmesh-network, or add a ports entry", bridge, shown)
}

// names reports whether a network names a bridge.
func (n *NetworkRecord) names(b *BridgeFacts) bool {
	if n.Bridge != "" && n.Bridge == b.Name {
		return true
	}
	return slices.ContainsFunc(n.XSNetworkUUIDs, func(id string) bool { return slices.Contains(b.XSNetworkUUIDs, id) })
}

// chooseBridge chooses the one bridge that carries a network on a host: of those
// with VIFs of it the one that the network names, by name before by UUID, then
// the one with most VIFs, then the lowest name; without VIFs, the one that the
// network names, by name even where it is not there yet. "" if there is none.
func chooseBridge(n *NetworkRecord, f *HostFacts, vifs []joined) string {
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
