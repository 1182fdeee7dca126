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
	for _, t := range p.sending {
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
func (c *compiler) outputs(vifs []uint32, tunnels []Tunnel) []flow.Action {
	n := len(vifs) + len(tunnels)
	for _, t := range tunnels {
		if t.Remote.IsValid() {
			n++
		}
	}
	out := make([]flow.Action, 0, n+1)
	for _, port := range vifs {
		out = append(out, c.output(port))
	}
	var key uint64
	for _, t := range tunnels {
		if t.Key != key {
			key = t.Key
			out = append(out, c.tunnelKey(key).set)
		}
		if t.Remote.IsValid() {
			out = append(out, c.setRemote(t.Remote))
		}
		out = append(out, c.output(t.OFPort))
	}
	return out
}

// through returns the tunnels that is says.
func through(tunnels []Tunnel, is func(Tunnel) bool) []Tunnel {
	var list []Tunnel
	for _, t := range tunnels {
		if is(t) {
			list = append(list, t)
		}
	}
	return list
}

func be16(v uint16) string { return string(binary.BigEndian.AppendUint16(nil, v)) }
