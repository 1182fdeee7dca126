package openflow

import (
	"maps"
	"slices"
	"sync"

	"ovsmesh/openflow/wire"
)

// maxPortChanges bounds the ports whose changes are kept until someone takes
// them; a switch has at most 65,279.
const maxPortChanges = 65536

// portChanges keeps the last change of each port until it is taken.
type portChanges struct {
	mu      sync.Mutex
	last    map[uint32]wire.PortStatus
	lost    bool
	changed chan struct{} // capacity 1
}

func (c *portChanges) add(p wire.PortStatus) {
	c.mu.Lock()
	if c.last == nil {
		c.last = make(map[uint32]wire.PortStatus)
	}
	if _, known := c.last[p.Port.No]; !known && len(c.last) >= maxPortChanges {
		c.lost = true
		clear(c.last)
	} else {
		c.last[p.Port.No] = p
	}
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Changed receives a value when ports have changed since the last Take. Changes
// that come together may give one value only.
func (s *Session) Changed() <-chan struct{} { return s.ports.changed }

// Take returns the last change of every port that changed since the last Take,
// by port number, and forgets them. lost says that there were too many to keep:
// then read the ports anew.
func (s *Session) Take() (changes []wire.PortStatus, lost bool) {
	c := &s.ports
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, no := range slices.Sorted(maps.Keys(c.last)) {
		changes = append(changes, c.last[no])
	}
	lost = c.lost
	c.last, c.lost = nil, false
	return changes, lost
}
