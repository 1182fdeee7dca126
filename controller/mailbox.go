package controller

import (
	"sync"

	"ovsmesh/topology"
)

// mailbox carries updates from the hub to one host's loop. It never blocks its
// sender, and holds at most one update a network: a later one replaces an
// earlier one that was not taken yet.
type mailbox struct {
	ready chan struct{} // one token while there is something to take

	mu      sync.Mutex
	updates map[string]*topology.OnHost // by network; nil: the host is out of it
	gen     uint64                      // of the last update put in
	away    bool                        // nobody is to be woken: the host is not connected
}

func newMailbox() *mailbox {
	return &mailbox{ready: make(chan struct{}, 1), updates: map[string]*topology.OnHost{}, away: true}
}

// put puts the updates of one moment in. They are one: a loop that had some of
// them without the others would take itself to be done, and write twice.
func (m *mailbox) put(updates []topology.Update, gen uint64) {
	m.mu.Lock()
	for _, u := range updates {
		m.updates[u.Network] = u.On
	}
	m.gen = gen
	away := m.away
	m.mu.Unlock()
	if away {
		return
	}
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take empties the mailbox. gen is the generation that the loop has seen once
// it has dealt with what it got.
func (m *mailbox) take() (updates map[string]*topology.OnHost, gen uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	updates, m.updates = m.updates, map[string]*topology.OnHost{}
	return updates, m.gen
}

// setAway says whether the host is away. A change in a mesh of a thousand hosts
// concerns all of them, and those that are not there need not stir for it.
func (m *mailbox) setAway(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

// last returns the generation of the last update that was put in.
func (m *mailbox) last() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gen
}
