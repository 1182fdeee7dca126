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
	size := 0
	for _, a := range outputs(p.vifs, p.sending) {
		size += encodedLen(a)
	}
	if size > maxSending {
		return fmt.Errorf("%d ports on one bridge: to send to all takes a flow of %d bytes, %d are possible",
			len(p.vifs)+len(p.sending), size, maxSending)
	}
	return nil
}

// encodedLen is an action's length on the wire, OpenFlow 1.3.5 §7.2.5.
func encodedLen(a flow.Action) int {
	if s, ok := a.(flow.SetField); ok {
		return (8 + len(s.Value) + 7) / 8 * 8
	}
	return 16
}

// outputs sends to all ports, VIFs first: what is set for the others' sake is
// no part of the frame. The switch leaves out the port that the frame came
// from. Tunnels are in the order of compareTunnels.
func outputs(vifs []uint32, tunnels []Tunnel) []flow.Action {
	out := make([]flow.Action, 0, len(vifs)+len(tunnels))
	for _, port := range vifs {
		out = append(out, flow.Output{Port: port})
	}
	var key uint64
	for _, t := range tunnels {
		if t.Key != key {
			key = t.Key
			out = append(out, flow.SetField{OXM: flow.MatchTunnelID(key)})
		}
		if t.Remote.IsValid() {
			out = append(out, flow.SetField{OXM: matchHost(byFamily(t.Remote, flow.TunDst, flow.TunIPv6Dst), t.Remote)})
		}
		out = append(out, flow.Output{Port: t.OFPort})
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
