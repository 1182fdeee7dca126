package pipeline

import (
	"encoding/binary"
	"fmt"

	"ovsmesh/openflow/flow"
)

// maxSending is how many bytes of actions one flow can have: the rest of the
// 65,535 of a message is for the bundle, the flow-mod and its match.
const maxSending = 65535 - 255

// fit reports, as an error, ports that are more than one flow can send to.
func (p *ports) fit() error {
	size := (len(p.vifs) + len(p.sending)) * lenOutput
	var key uint64
	for i := range p.sending {
		t := &p.sending[i]
		if t.Key != key {
			key = t.Key
			size += lenSetKey
		}
		switch {
		case t.Remote.Is4():
			size += lenSetIPv4
		case t.Remote.IsValid():
			size += lenSetIPv6
		}
	}
	if size > maxSending {
		return fmt.Errorf("%d ports on one bridge: to send to all takes a flow of %d bytes, %d are possible",
			len(p.vifs)+len(p.sending), size, maxSending)
	}
	return nil
}

// What actions take on the wire, in bytes, OpenFlow 1.3.5 §7.2.5.
const (
	lenOutput  = 16
	lenSetKey  = 16
	lenSetIPv4 = 16
	lenSetIPv6 = 24
)

// outputs sends to all ports, VIFs first: what is set for the others' sake is
// no part of the frame. The switch leaves out the port that the frame came
// from. Tunnels are in the order of compareTunnels.
func (c *compiler) outputs(vifs []uint32, tunnels []way) []flow.Action {
	c.room(len(vifs) + 3*len(tunnels))
	from := len(c.actions)
	for _, port := range vifs {
		c.actions = append(c.actions, flow.Output{Port: port})
	}
	var key uint64
	for i := range tunnels {
		key = c.through(&tunnels[i], key)
	}
	return c.actions[from:len(c.actions):len(c.actions)]
}

// send sends to where an address is: like outputs to the ports of here and the
// tunnels of there.
func (c *compiler) send(p *ports, here, there []spot) []flow.Action {
	c.room(len(here) + 3*len(there))
	from := len(c.actions)
	for _, s := range here {
		c.actions = append(c.actions, flow.Output{Port: s.at})
	}
	var key uint64
	for _, s := range there {
		key = c.through(&p.tunnels[s.at], key)
	}
	return c.actions[from:len(c.actions):len(c.actions)]
}

// room makes room for so many actions in one list.
func (c *compiler) room(n int) {
	if cap(c.actions)-len(c.actions) < n {
		c.actions = make([]flow.Action, 0, max(slab, n))
	}
}

// through appends what sends through a tunnel after a key has been set, 0 if
// none has, and returns the key that is set then.
func (c *compiler) through(w *way, key uint64) uint64 {
	if w.Key != key {
		key = w.Key
		c.actions = append(c.actions, c.tunnelKey(key).set)
	}
	if w.to != nil {
		c.actions = append(c.actions, w.to)
	}
	c.actions = append(c.actions, w.out)
	return key
}

// through returns the tunnels that is says.
func through(tunnels []way, is func(*Tunnel) bool) []way {
	var list []way
	for i := range tunnels {
		if is(&tunnels[i].Tunnel) {
			list = append(list, tunnels[i])
		}
	}
	return list
}

func be16(v uint16) string { return string(binary.BigEndian.AppendUint16(nil, v)) }
