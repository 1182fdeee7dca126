package pipeline

import (
	"encoding/binary"

	"ovsmesh/openflow/flow"
)

// Priorities of the old plugin, CloudStack's ovstunnel, and of the script that it
// has for VIFs. All its flows are in table 0, with cookie 0.
const (
	prioPluginVIF     = 1200 // a VIF's broadcast goes NORMAL
	prioPluginDeliver = 1100 // all other broadcast goes to VIFs
	prioPluginDrop    = 1000 // a tunnel's broadcast goes nowhere
)

// firstReserved is the first port number that is no port's, OpenFlow 1.3.5
// §7.2.1 OFPP_MAX.
const firstReserved = 0xffffff00

// resetCounts is OFPFF_RESET_COUNTS, which a switch gives all flows that come by
// OpenFlow 1.0, as the plugin's do.
const resetCounts = 1 << 2

// Plugin is what the old plugin has on a bridge, by OpenFlow port numbers. The
// zero value is what it has on a KVM host: nothing.
type Plugin struct {
	Tunnels []uint32 // whose broadcast is dropped
	VIFs    []uint32 // whose broadcast goes NORMAL
	Deliver []uint32 // to which broadcast is put out, in that order; none: there is no such flow
}

// Flows returns the plugin's flows, as it makes them: for broadcast and for the
// multicast of the local network, each as with its `ovs-ofctl add-flow`.
func (p Plugin) Flows() []flow.Flow {
	var flows []flow.Flow
	add := func(prio uint16, match []flow.OXM, actions ...flow.Action) {
		flows = append(flows, flow.Flow{Priority: prio, Flags: resetCounts, Match: flow.NewMatch(match...), Actions: actions})
	}
	for _, group := range pluginGroups() {
		for _, port := range p.VIFs {
			add(prioPluginVIF, append([]flow.OXM{flow.MatchInPort(port)}, group...), flow.Output{Port: flow.PortNormal})
		}
		if len(p.Deliver) > 0 {
			var out flow.Actions
			for _, port := range p.Deliver {
				out = append(out, flow.Output{Port: port})
			}
			add(prioPluginDeliver, group, out...)
		}
		for _, port := range p.Tunnels {
			add(prioPluginDrop, append([]flow.OXM{flow.MatchInPort(port)}, group...))
		}
	}
	flow.Sort(flows)
	return flows
}

// Add takes a flow into account, and reports whether it is one of the plugin's,
// to the last bit: its cookie, table, priority, match and actions. What differs in
// anything is somebody else's. A port may be named twice.
func (p *Plugin) Add(f *flow.Flow) bool {
	if f.Cookie != 0 || f.Table != 0 || f.IdleTimeout != 0 || f.HardTimeout != 0 {
		return false
	}
	port, rest, ok := pluginPort(f.Match)
	if !ok || !pluginGroup(rest) {
		return false
	}
	switch f.Priority {
	case prioPluginDrop:
		if port == 0 || len(f.Actions) > 0 {
			return false
		}
		p.Tunnels = append(p.Tunnels, port)
	case prioPluginVIF:
		if port == 0 || !f.Actions.Equal(flow.Actions{flow.Output{Port: flow.PortNormal}}) {
			return false
		}
		p.VIFs = append(p.VIFs, port)
	case prioPluginDeliver:
		if port != 0 || len(f.Actions) == 0 {
			return false
		}
		var to []uint32
		for _, a := range f.Actions {
			out, is := a.(flow.Output)
			if !is || out.Port == 0 || out.Port >= firstReserved {
				return false
			}
			to = append(to, out.Port)
		}
		p.Deliver = to
	default:
		return false
	}
	return true
}

// pluginPort takes the port out of a match; 0 where it has none.
func pluginPort(m flow.Match) (port uint32, rest flow.Match, ok bool) {
	in := flow.InPort.Field()
	for _, x := range m {
		switch {
		case x.Field != in:
			rest = append(rest, x)
		case x.Mask != "" || len(x.Value) != 4:
			return 0, nil, false
		default:
			port = binary.BigEndian.Uint32([]byte(x.Value))
		}
	}
	return port, rest, true
}

// pluginGroup reports whether a match is one of the plugin's two, but for a port.
func pluginGroup(m flow.Match) bool {
	key := (&flow.Flow{Match: m}).Key()
	for _, group := range pluginGroups() {
		if key == (&flow.Flow{Match: flow.NewMatch(group...)}).Key() {
			return true
		}
	}
	return false
}
