package topology

import (
	"fmt"
	"slices"
)

// Kinds of objects, as Item.Kind and PlanDelete name them.
const (
	KindNetworks = "networks"
	KindHosts    = "hosts"
	KindPorts    = "ports"
	KindKeyPools = "keypools"
)

// What a Change does with an object.
const (
	VerbCreated   = "created"
	VerbUpdated   = "updated"
	VerbUnchanged = "unchanged"
	VerbDeleted   = "deleted"
)

// Item is what a Change does with one object.
type Item struct {
	Kind   string   `json:"kind"`
	Name   string   `json:"name"`
	Verb   string   `json:"verb"`
	Fields []string `json:"fields,omitempty"` // of an update: "key: 103 → 104"
}

// Change is a step of the intent, planned and not yet made: what to tell the
// operator, and the records to put into the store. The order is: deletes, then
// puts. It is immutable.
type Change struct {
	Items []Item // key pools, networks, hosts, ports, each in the spec's order, deleted ones last

	PutNetworks    []NetworkRecord
	PutHosts       []HostRecord
	PutPorts       []Port
	DeleteNetworks []string
	DeleteHosts    []string
	DeletePorts    []string
	SetKeyPools    *[]KeyPool // all pools there are from now on; nil leaves them
	NextNetworkID  uint32     // always set

	generation uint64 // of the intent that it was planned on
}

// Empty reports whether the change changes nothing.
func (c *Change) Empty() bool {
	return len(c.PutNetworks)+len(c.PutHosts)+len(c.PutPorts) == 0 &&
		len(c.DeleteNetworks)+len(c.DeleteHosts)+len(c.DeletePorts) == 0 && c.SetKeyPools == nil
}

func (c *Change) item(kind, name, verb string, fields ...string) {
	c.Items = append(c.Items, Item{Kind: kind, Name: name, Verb: verb, Fields: fields})
}

// Current returns an error where Commit would refuse a change as planned too long
// ago.
func (in *Intent) Current(c *Change) error {
	if c.generation != in.generation {
		return fmt.Errorf("%w: planned on generation %d of the intent, which is at %d by now", ErrConflict, c.generation, in.generation)
	}
	return nil
}

// Commit makes a planned change. One that was planned before another was
// committed is refused with ErrConflict, as is one of another intent's
// generation; the intent is then as before.
func (in *Intent) Commit(c *Change) error {
	if err := in.Current(c); err != nil {
		return err
	}
	if c.Empty() {
		return nil
	}
	in.generation++
	for _, name := range c.DeletePorts {
		in.removePort(name)
	}
	for _, name := range c.DeleteNetworks {
		in.removeNetwork(name)
	}
	for _, name := range c.DeleteHosts {
		in.removeHost(name)
	}
	// What is replaced goes first, all of it: objects may have swapped keys.
	for i := range c.PutNetworks {
		in.removeNetwork(c.PutNetworks[i].Name)
	}
	for i := range c.PutHosts {
		in.removeHost(c.PutHosts[i].Name)
	}
	for i := range c.PutPorts {
		in.removePort(c.PutPorts[i].Name)
	}
	for _, r := range c.PutNetworks {
		in.addNetwork(r)
	}
	for _, r := range c.PutHosts {
		in.addHost(r)
	}
	for _, p := range c.PutPorts {
		in.addPort(p)
	}
	if c.SetKeyPools != nil {
		in.pools = slices.Clone(*c.SetKeyPools)
		in.resetBounds()
	}
	in.nextNetworkID = c.NextNetworkID
	in.raiseBounds()
	return nil
}
