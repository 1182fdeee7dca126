package verify

import "ovsmesh/openflow/flow"

// doing is what the actions of a flow have done to a frame so far.
type doing struct {
	key      uint64 // tun_id, where it was set
	keyed    bool
	toSender bool // it is addressed to its own sender
	pushed   bool // it has an MPLS label
	labelled bool // and that is the one of echoes
}

// act follows the actions of f for the frames that may meet it; entered are
// those that have only just come in.
func (g *Gate) act(f *flow.Flow, r *reading, from origin, entered bool) {
	var (
		d     doing
		write flow.WriteMetadata
		next  = -1
	)
	for _, a := range f.Actions {
		followed := true
		switch a := a.(type) {
		case flow.Output:
			g.output(f, r, from, a.Port, &d)
		case flow.GotoTable:
			next = int(a.Table)
		case flow.WriteMetadata:
			write = a
		case flow.SetField:
			followed = d.set(a.Field, a.Value, a.Mask)
		case flow.Move:
			followed = d.move(a)
		case flow.PushMPLS:
			d.pushed = true
		case flow.ClearActions, flow.Meter:
		default:
			followed = false
		}
		if !followed {
			g.breach(Isolation, f, "where frames go after %s can't be told", a)
		}
	}
	if next >= 0 {
		g.pass(f, r, from, entered, write, uint8(next))
	}
}

// outside reports whether a field says how a packet of a tunnel is to look,
// whatever is in it.
func outside(f flow.Field) bool {
	if f.Exp != 0 {
		return false
	}
	switch flow.Name(f.Class)<<8 | flow.Name(f.ID) {
	case flow.TunSrc, flow.TunDst, flow.TunIPv6Src, flow.TunIPv6Dst:
		return true
	}
	return false
}

// set notes a field that is set. It reports false where that can't be followed:
// fields of other classes may be others of the basic class by another number.
func (d *doing) set(f flow.Field, value, mask string) bool {
	if f.Class != basicClass {
		return outside(f)
	}
	switch flow.Name(basicClass)<<8 | flow.Name(f.ID) {
	case flow.TunnelID:
		d.key, d.keyed = number(value), mask == ""
	case flow.MPLSLabel:
		d.labelled = d.pushed && mask == "" && number(value) == echoLabel
	case flow.EthSrc, flow.EthDst:
		d.toSender = false
	case flow.Metadata, flow.InPort:
		return false
	}
	return true
}

func (d *doing) move(a flow.Move) bool {
	if f := a.Dst.Field.Field(); f.Class != basicClass {
		return outside(f)
	}
	switch a.Dst.Field {
	case flow.TunnelID:
		d.keyed = false
	case flow.EthDst:
		d.toSender = a == flow.Move{Src: flow.Subfield{Field: flow.EthSrc, Bits: 48}, Dst: flow.Subfield{Field: flow.EthDst, Bits: 48}}
	case flow.EthSrc:
		d.toSender = false
	case flow.MPLSLabel:
		d.labelled = false
	case flow.Metadata, flow.InPort:
		return false
	}
	return true
}

// output looks at frames that leave on a port.
func (g *Gate) output(f *flow.Flow, r *reading, from origin, port uint32, d *doing) {
	switch port {
	case flow.PortNormal:
		g.normal(f, from, d)
		return
	case flow.PortInPort:
		if from&(fromTunnel|elsewhere) != 0 {
			g.breach(NoLoop, f, "%s may go back to where it came from, through a tunnel", from)
		}
		return
	case r.port:
		return // a switch sends nothing back unless IN_PORT says so
	}
	role := g.role(port)
	switch {
	case role == Other || role == Host:
		g.breach(Isolation, f, "%s may leave on port %d, which is not the network's", from, port)
	case from&elsewhere != 0 && !g.n.Alone:
		g.breach(Isolation, f, "%s may leave on port %d", from, port)
	case role == VIF:
	case from&fromTunnel != 0:
		g.breach(NoLoop, f, "%s may leave on tunnel port %d", from&fromTunnel, port)
	case role == Carrier && (!d.keyed || d.key != g.n.Key):
		g.breach(Isolation, f, "%s may leave on port %d with another network's key", from, port)
	}
}
