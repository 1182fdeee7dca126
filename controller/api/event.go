package api

import "ovsmesh/topology"

// What an Event is about. State is what became true, Was what was so before: ""
// where there was nothing, or nothing is known since the host has connected.
const (
	// EventHost: a host's OVSDB connection came (connected) or ended
	// (disconnected; Error says why). While a host is disconnected all tunnel
	// ends on it are unreachable, and what was told of the sync and the problems
	// of networks there no longer counts, without an event for each. Once it is
	// back all that is told anew.
	EventHost = "host"
	// EventBridge: the OpenFlow connection of a managed bridge came (connected)
	// or ended (disconnected), or the bridge is no longer ours (released).
	EventBridge = "bridge"
	// EventMember: a host is in a network's mesh from now on (joined), or no
	// longer (left: all that was told of the two, tunnel ends too, is no more).
	EventMember = "member"
	// EventTunnel: a tunnel end on Host, to Peer, has another State or Error, or
	// is no longer wanted (removed).
	EventTunnel = "tunnel"
	// EventSync: what is wanted on a host is on its switches (in-sync), or has
	// changed and is on its way (syncing; Error says what it waits for); with
	// Network, of that network alone.
	EventSync = "sync"
	// EventChange: an apply or a delete has changed the intent, or a host that
	// no spec names has registered. Generation and Items say what changed.
	EventChange = "change"
	// EventProblem: something can't be done (appeared), or no longer so (gone);
	// Error is the text that the topology shows.
	EventProblem = "problem"
	// EventDrift: somebody else has changed Count rows or flows of ours; Error says
	// what. They are as wanted again (repaired), or are left as they are for a
	// while, because that has happened again and again (left-alone). A setting of
	// a bridge with which that happens is put right all the same, but less often
	// (contested), until nobody does it any longer (settled; Count is how often it
	// was put right).
	EventDrift = "drift"
	// EventHealth: a host that is connected has become stuck, or unreachable, or
	// answers again (ok). Error says why.
	EventHealth = "health"
	// EventReset: events were lost to this reader, or it has come from before
	// the oldest that is kept: it must read anew what it wants to know. It is
	// never stored, and has the number of the newest event.
	EventReset = "reset"
)

// The states of an Event, beside those of a tunnel end.
const (
	EventConnected    = "connected"
	EventDisconnected = "disconnected"
	EventReleased     = "released"
	EventJoined       = "joined"
	EventLeft         = "left"
	EventRemoved      = "removed"
	EventInSync       = "in-sync"
	EventSyncing      = "syncing"
	EventAppeared     = "appeared"
	EventGone         = "gone"
	EventRepaired     = "repaired"
	EventLeftAlone    = "left-alone"
	EventContested    = "contested"
	EventSettled      = "settled"
)

// Event is one thing that became true. Fields that say nothing are left out.
type Event struct {
	ID         uint64          `json:"id"`   // grows, also over restarts of the server; not by one in a filtered stream
	Time       string          `json:"time"` // RFC 3339 with nanoseconds, UTC
	Kind       string          `json:"kind"`
	Tenant     string          `json:"tenant,omitempty"`
	Network    string          `json:"network,omitempty"`
	Host       string          `json:"host,omitempty"`
	Peer       string          `json:"peer,omitempty"`
	Bridge     string          `json:"bridge,omitempty"`
	State      string          `json:"state,omitempty"`
	Was        string          `json:"was,omitempty"`
	Error      string          `json:"error,omitempty"`
	Count      int             `json:"count,omitempty"`
	Generation uint64          `json:"generation,omitempty"`
	Items      []topology.Item `json:"items,omitempty"`   // what changed, the first EventItems
	Omitted    int             `json:"omitted,omitempty"` // how many items more
}

// EventItems is how many items an Event lists: an apply of ten thousand
// networks must not fill the memory that events have.
const EventItems = 100

// EventFilter narrows a stream as it does a topology; zero fields don't.
type EventFilter struct {
	Network, Host, Tenant string
}

// passes reports whether an event is for a reader with this filter. An event of
// no network concerns all, as far as its host does; one of no host likewise.
func passes(f EventFilter, e *Event) bool {
	switch {
	case e.Kind == EventReset:
		return true
	case e.Kind == EventChange:
		return f.Network == "" && f.Host == "" || e.Omitted > 0 || names(f, e.Items)
	case f.Host != "" && e.Host != f.Host && e.Peer != f.Host:
		return false
	case f.Network == "" && f.Tenant == "":
		return true
	case e.Network == "":
		// What befalls a whole host befalls its networks; the rest is told of
		// each network by itself.
		return e.Kind == EventHost || e.Kind == EventHealth
	}
	return (f.Network == "" || e.Network == f.Network) && (f.Tenant == "" || e.Tenant == f.Tenant)
}

// names reports whether one of the items is what a filter asks for.
func names(f EventFilter, items []topology.Item) bool {
	for _, it := range items {
		if it.Kind == topology.KindNetworks && it.Name == f.Network || it.Kind == topology.KindHosts && it.Name == f.Host {
			return true
		}
	}
	return false
}

// EventPage is what a reader gets at once.
type EventPage struct {
	Events []Event         // in order, at most EventPageSize
	Last   uint64          // number from which to ask on
	Lost   bool            // events after the number asked for are not kept; Events is empty, Last the newest
	More   <-chan struct{} // closed once there is an event after Last
}

// EventPageSize bounds an EventPage.
const EventPageSize = 256
