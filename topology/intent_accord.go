package topology

import (
	"cmp"
	"fmt"
	"strings"
)

// accord is something on which all networks that it concerns have to agree.
type accord struct {
	about accordKind
	of    string
}

type accordKind uint8

const (
	// The networks of a carrier need one bridge of a host: the value is the
	// bridge that they name.
	carrierBridge accordKind = iota
	// NORMAL knows no networks: of those that name a bridge, by its name or by
	// one of its UUIDs, either all are programmed, which is the value "", or it
	// is one alone, whose name is the value.
	bridgeForwarding
	uuidForwarding
	// Only one can make a bridge, all the same: the value is its datapathType.
	bridgeDatapath
)

// term is what one network says to an accord.
type term struct {
	accord
	value string
}

// terms returns what a network says to which accords; defaults are filled in.
func (n *Network) terms() []term {
	var list []term
	forwarding := ""
	if n.Profile == ProfileLearning {
		forwarding = n.Name
	}
	if n.Bridge != "" {
		list = append(list, term{accord{bridgeForwarding, n.Bridge}, forwarding})
		if carrier := carrierName(n.TunnelPorts, n.Encap, n.DstPort); carrier != "" {
			list = append(list, term{accord{carrierBridge, carrier}, n.Bridge})
		}
		if n.CreateBridge {
			list = append(list, term{accord{bridgeDatapath, n.Bridge}, n.DatapathType})
		}
	}
	for _, id := range n.XSNetworkUUIDs {
		list = append(list, term{accord{uuidForwarding, strings.ToLower(id)}, forwarding})
	}
	return list
}

// accords says who says what: the names of networks by accord and value. There
// is one value an accord, however many networks there are.
type accords map[accord]map[string]map[string]struct{}

func (a accords) add(n *Network) {
	for _, t := range n.terms() {
		values := a[t.accord]
		if values == nil {
			values = map[string]map[string]struct{}{}
			a[t.accord] = values
		}
		if values[t.value] == nil {
			values[t.value] = map[string]struct{}{}
		}
		values[t.value][n.Name] = struct{}{}
	}
}

func (a accords) remove(n *Network) {
	for _, t := range n.terms() {
		delete(a[t.accord][t.value], n.Name)
		if len(a[t.accord][t.value]) == 0 {
			delete(a[t.accord], t.value)
		}
		if len(a[t.accord]) == 0 {
			delete(a, t.accord)
		}
	}
}

// accordPlan is accords as a change leaves them. It looks at no network that
// the change does not name, unless two disagree.
type accordPlan struct {
	now  accords
	then accords             // of networks that the change puts
	gone map[string]struct{} // networks that the change deletes or replaces
	left map[term]int        // how many of those say what
}

func newAccordPlan(now accords) *accordPlan {
	return &accordPlan{now: now, then: accords{}, gone: map[string]struct{}{}, left: map[term]int{}}
}

// leave takes back what a network said.
func (p *accordPlan) leave(n *Network) {
	p.gone[n.Name] = struct{}{}
	for _, t := range n.terms() {
		p.left[t]++
	}
}

// join takes a network in, or says with whom it disagrees.
func (p *accordPlan) join(n *Network) *disagreement {
	for _, t := range n.terms() {
		if d := p.against(t); d != nil {
			return d
		}
	}
	p.then.add(n)
	return nil
}

// against returns the first, by name, of the networks that say something else
// than a term; nil if none does.
func (p *accordPlan) against(t term) *disagreement {
	var first *disagreement
	for value, names := range p.then[t.accord] {
		if value == t.value {
			continue
		}
		for name := range names {
			if first == nil || name < first.other {
				first = &disagreement{t, name, value}
			}
		}
	}
	for value, names := range p.now[t.accord] {
		if value == t.value || len(names) == p.left[term{t.accord, value}] {
			continue
		}
		for name := range names {
			if _, gone := p.gone[name]; !gone && (first == nil || name < first.other) {
				first = &disagreement{t, name, value}
			}
		}
	}
	return first
}

// disagreement is that another network says something else.
type disagreement struct {
	term
	other string // network name
	value string // what that says
}

// refusal returns the field of the network that disagrees, and why it is
// refused.
func (d *disagreement) refusal() (field, why string) {
	switch d.about {
	case carrierBridge:
		return "bridge", fmt.Sprintf("all networks with tunnelPorts: %s need one bridge of a host, and network %s names %s: "+
			"name that one here too, or use tunnelPorts: per-network", strings.ReplaceAll(d.of, "/", " and "), d.other, d.value)
	case bridgeDatapath:
		return "datapathType", fmt.Sprintf("network %s makes bridge %s too, as %s: write the same in both, or name another bridge",
			d.other, d.of, cmp.Or(d.value, "the kernel's (datapathType left out)"))
	}
	field, what := "bridge", d.of
	if d.about == uuidForwarding {
		field, what = "xsNetworkUUIDs", "the bridge of "+d.of
	}
	if d.term.value != "" {
		return field, fmt.Sprintf("profile: learning forwards by NORMAL, which would join this network with %s, as that names %s too: "+
			"name a bridge of its own, or use profile: programmed", d.other, what)
	}
	return field, fmt.Sprintf("network %s of profile: learning names %s too, and NORMAL would join the two: "+
		"name a bridge of its own, or use profile: programmed there", d.other, what)
}
