package topology

import "slices"

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
}

// AdoptedHost is what a store knew of a host beside its spec.
type AdoptedHost struct {
	AutoID     bool
	Registered bool
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
	}
	in.settleHosts(c)
	return c, nil
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
