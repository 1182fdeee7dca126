package controller

import (
	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// told is what the hub has told of the intent and of who is in which network.
type told struct {
	events  *events
	changes []api.Event       // waiting for the mesh to follow
	members map[member]string // tenant of the network; nil before the first look
}

type member struct{ network, host string }

// change notes a change of the intent. It is told once the mesh has followed,
// since whoever hears of it comes and looks.
func (t *told) change(c *topology.Change, gen uint64) {
	e := api.Event{Kind: api.EventChange, Generation: gen}
	for _, it := range c.Items {
		switch {
		case it.Verb == topology.VerbUnchanged:
		case len(e.Items) == api.EventItems:
			e.Omitted++
		default:
			e.Items = append(e.Items, it)
		}
	}
	t.changes = append(t.changes, e)
}

// publish tells of the changes and of the members that came and went. The
// members that a store knows at the start are no news.
func (t *told) publish(updates []topology.Update) {
	first := t.members == nil
	if first {
		t.members = map[member]string{}
	}
	news := t.changes
	t.changes = nil
	for _, u := range updates {
		m := member{u.Network, u.Host}
		tenant, was := t.members[m]
		e := api.Event{Kind: api.EventMember, Tenant: tenant, Network: u.Network, Host: u.Host}
		switch {
		case u.On == nil && was:
			delete(t.members, m)
			e.State, e.Was = api.EventLeft, api.EventJoined
		case u.On != nil && !was:
			e.Tenant, e.State = u.On.Net.Tenant, api.EventJoined
			t.members[m] = e.Tenant
		case u.On != nil:
			t.members[m] = u.On.Net.Tenant
			continue
		default:
			continue
		}
		news = append(news, e)
	}
	if !first {
		t.events.publish(news...)
	}
}
