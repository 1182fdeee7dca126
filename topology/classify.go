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
		named[b] = m.resolve(host, b)
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
	// Beside a physical NIC an internal port is the host's own: what would cut
	// the host off is never guessed.
	return c.own.Type == "internal" && len(c.bridge.Physical) == 0
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
