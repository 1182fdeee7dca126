package topology

import (
	"fmt"
	"slices"
)

// keepLearnersAlone leaves out the VIFs that would put a network of profile
// learning on one bridge with another network: NORMAL forwards between all
// ports of a bridge and would make one network of the two. On a bridge that the
// learning network alone names, those of others are left out; elsewhere its
// own are. The intent can't see to this: VIFs choose their networks too.
func (c *class) keepLearnersAlone(f *HostFacts) {
	learns := false
	for n := range c.joins {
		learns = learns || n.learning()
	}
	if !learns && !c.learners() {
		return
	}
	on := map[string][]*netState{} // by bridge, those with VIFs there
	for n, j := range c.joins {
		for _, v := range j.vifs {
			if !slices.Contains(on[v.bridge], n) {
				on[v.bridge] = append(on[v.bridge], n)
			}
		}
	}
	for i := range f.Bridges {
		b, named := f.Bridges[i].Name, c.named[i]
		owner := named.net
		switch {
		case owner != nil && owner.learning():
			for _, n := range on[b] {
				if n != owner {
					c.joins[n].leaveOut(b, "is that of network "+owner.name+" of profile learning, and NORMAL would join the two")
				}
			}
		case learns && (owner != nil || named.several || len(on[b]) > 1):
			for _, n := range on[b] {
				if n.learning() {
					c.joins[n].leaveOut(b, "is not this network's alone, and with profile learning NORMAL would join it with the others there")
				}
			}
		}
	}
}

// leaveOut takes the VIFs on a bridge away and says why.
func (j *joins) leaveOut(bridge, why string) {
	j.vifs = slices.DeleteFunc(j.vifs, func(v joined) bool {
		if v.bridge == bridge {
			j.problems = append(j.problems, fmt.Sprintf("interface %s is left out: its bridge %s %s", v.Interface, bridge, why))
		}
		return v.bridge == bridge
	})
}

// crowded reports whether several networks name a bridge, one of which learns.
func (h *hostState) crowded(bridge string) bool {
	for i := range h.class.named {
		if h.facts.Bridges[i].Name == bridge {
			return h.class.named[i].several && h.class.named[i].learning
		}
	}
	return false
}

// learners reports whether a network of profile learning names one of the
// host's bridges.
func (c *class) learners() bool {
	return slices.ContainsFunc(c.named, func(n naming) bool { return n.learning })
}
