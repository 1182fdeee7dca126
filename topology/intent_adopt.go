package topology

import (
	"fmt"
	"maps"
	"slices"
)

// Adoption is a spec that was put together from what another store has left
// behind, and what a spec can't say of its objects.
type Adoption struct {
	Spec     *Spec
	Source   *Source // of what an operator has written of it; may be nil
	Networks map[string]AdoptedNetwork
	Hosts    map[string]AdoptedHost
}

// AdoptedNetwork is what a store knew of a network beside its spec.
type AdoptedNetwork struct {
	ID      uint32 // in the cookies of its flows; 0: not known
	AutoKey bool
	Plugin  bool  // the plugin's calls made it, where no spec names it
	Pins    []Pin // that stand for what the calls have made; hosts that the change or the intent has
}

// AdoptedHost is what a store knew of a host beside its spec.
type AdoptedHost struct {
	AutoID     bool
	Registered bool
	Assumed    bool // an external host of which the plugin's calls or rows alone tell
	PluginID   bool // its ID is CloudStack's
}

// maxAdoptedID bounds the network IDs that are taken over, so that however
// great one is, there are others left.
const maxAdoptedID = 1 << 30

// PlanAdopt returns what it takes to make an adoption true, as Plan does for its
// spec. A network that is new gets the ID that it had, where no other has it.
func (in *Intent) PlanAdopt(a Adoption) (*Change, error) {
	c, err := in.Plan(a.Spec, a.Source, false)
	if err != nil {
		return nil, err
	}
	in.adoptIDs(c, a.Networks)
	for i := range c.PutNetworks {
		if n := &c.PutNetworks[i]; a.Networks[n.Name].AutoKey {
			n.AutoKey = true
		}
	}
	for i := range c.PutHosts {
		r := &c.PutHosts[i]
		had, ok := a.Hosts[r.Name]
		if !ok {
			continue
		}
		old, known := in.hosts[r.Name]
		r.AutoID = had.AutoID
		r.Registered = had.Registered && (!known || old.Registered)
		r.Assumed = had.Assumed && r.Kind == KindExternal && (!known || old.Assumed)
		r.PluginID = (had.PluginID || r.Assumed) && !r.AutoID
	}
	if err := in.adoptPins(c, a.Networks); err != nil {
		return nil, err
	}
	in.settleHosts(c)
	return c, nil
}

// adoptPins adds the pins of an adoption.
func (in *Intent) adoptPins(c *Change, had map[string]AdoptedNetwork) error {
	for _, name := range slices.Sorted(maps.Keys(had)) {
		a := had[name]
		old, known := in.networks[name]
		at := slices.IndexFunc(c.PutNetworks, func(r NetworkRecord) bool { return r.Name == name })
		if len(a.Pins) == 0 && !a.Plugin || at < 0 && !known {
			continue
		}
		r := old
		if at >= 0 {
			r = c.PutNetworks[at]
		}
		r.Plugin = a.Plugin && (!known || old.Plugin)
		r.Pins = slices.Clone(r.Pins)
		for _, pin := range a.Pins {
			for _, h := range []string{pin.From, pin.To} {
				_, have := in.hosts[h]
				if h != "" && !have && !slices.ContainsFunc(c.PutHosts, func(r HostRecord) bool { return r.Name == h }) {
					return fmt.Errorf("%w: network %s: there is no host %s, which a tunnel or bridge was made for", ErrConflict, name, h)
				}
			}
			r.put(pin)
		}
		fields := diffNetworks(&old, &r)
		if known && len(fields) == 0 {
			continue
		}
		if at >= 0 {
			c.PutNetworks[at] = r
		} else {
			c.PutNetworks = append(c.PutNetworks, r)
		}
		if !known {
			fields = append([]string{fmt.Sprintf("key: %d", r.Key)}, diffPins(nil, r.Pins)...)
		}
		c.say(KindNetworks, name, VerbUpdated, fields)
	}
	return nil
}

// adoptIDs gives new networks the IDs that they had. Those of which none is known
// get others, above all.
func (in *Intent) adoptIDs(c *Change, had map[string]AdoptedNetwork) {
	taken := map[uint32]bool{}
	next := in.nextNetworkID
	var rest []*NetworkRecord
	for i := range c.PutNetworks {
		r := &c.PutNetworks[i]
		if _, old := in.networks[r.Name]; old {
			continue
		}
		id := had[r.Name].ID
		if id == 0 || id > maxAdoptedID || in.networkIDs[id] != "" || taken[id] {
			rest = append(rest, r)
			continue
		}
		r.ID, taken[id] = id, true
		next = max(next, id+1)
	}
	for _, r := range rest {
		r.ID = next
		next++
	}
	c.NextNetworkID = next
}

// settleHosts takes hosts out of a change that are as they were.
func (in *Intent) settleHosts(c *Change) {
	c.PutHosts = slices.DeleteFunc(c.PutHosts, func(r HostRecord) bool {
		old, known := in.hosts[r.Name]
		at := slices.IndexFunc(c.Items, func(i Item) bool { return i.Kind == KindHosts && i.Name == r.Name })
		if !known || at < 0 {
			return false
		}
		c.Items[at].Fields = diffHosts(&old, &r)
		if old != r {
			return false
		}
		c.Items[at].Verb, c.Items[at].Fields = VerbUnchanged, nil
		return true
	})
}
