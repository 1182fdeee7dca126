package verify

import (
	"ovsmesh/openflow/flow"
)

// Network is what a Gate is to look at: the flows of one network on one bridge
// as they are to be, beside what stays there.
type Network struct {
	ID    uint32
	Key   uint64 // by which carriers tell its packets from others'
	Flows []flow.Flow
	Base  []flow.Flow // of the bridge, as Passages returns them
	Ports Ports

	// Alone says that the network has the bridge to itself, so that NORMAL can't
	// take its frames to another one. Protected says that the switch itself
	// sends nothing from tunnel to tunnel there (Port.protected of them all).
	Alone, Protected bool
}

// Gate looks at networks one after the other; it keeps the memory that this
// takes. The zero value is ready. It is for one goroutine at a time.
type Gate struct {
	n        *Network
	states   []state // of frames that may reach later tables
	breaches []Breach
	guard    guard

	port uint32 // that was asked for last: the same again, often
	is   Role   // of port
}

// Check returns what of n could break isolation or make a loop; nothing if
// that can't be. It looks at sets of frames: those from VMs, those that tunnels
// bring, and all that is not the network's. Every table passes on those that its
// flows may match, whatever higher flows might take from them; so it refuses
// too much rather than too little. Its cost grows with the flows and their
// actions, and does not depend on other networks: of these it takes for granted
// what it demands of n, that nothing goes to a further table under a mark that
// is not its own.
//
// n.Flows and n.Base are sorted by table. The result is valid until the next
// Check.
func (g *Gate) Check(n *Network) []Breach {
	g.n, g.states, g.breaches = n, g.states[:0], g.breaches[:0]
	g.port, g.is = 0, Other
	if n.Alone {
		g.guard.look(n)
	}
	rest := n.Base
	for i := range n.Flows {
		f := &n.Flows[i]
		for len(rest) > 0 && rest[0].Table <= f.Table {
			g.flow(&rest[0], true)
			rest = rest[1:]
		}
		g.flow(f, false)
	}
	if n.Alone && !n.Protected {
		g.echoes()
	}
	return g.breaches
}

func (g *Gate) role(port uint32) Role {
	if port != g.port {
		g.port, g.is = port, g.n.Ports.Role(port)
	}
	return g.is
}

// flow looks at the frames that may meet f, and at what becomes of them. Flows of
// the base may meet everybody's.
func (g *Gate) flow(f *flow.Flow, base bool) {
	r := read(f.Match)
	from := origin(0)
	if f.Table == 0 {
		if r.metadata&r.mask == 0 { // which nobody has written yet
			from = g.entering(f, &r)
		}
	} else {
		from = g.reaching(f, &r)
	}
	if from&elsewhere != 0 && !base && !g.n.Alone {
		g.breach(Isolation, f, "takes %s", from)
	}
	if from != 0 && len(f.Actions) > 0 {
		g.act(f, &r, from, f.Table == 0)
	}
}

// reaching returns the frames that may meet a flow of a later table.
func (g *Gate) reaching(f *flow.Flow, r *reading) origin {
	from, only := origin(0), g.within(r)
	for i := range g.states {
		if s := &g.states[i]; s.table == f.Table && s.meets(r) {
			from |= s.from & only
		}
	}
	if !r.pins(g.n.ID) && !g.n.Alone {
		from |= elsewhere & only
	}
	return from
}

// entering returns the frames that may meet a flow of table 0.
func (g *Gate) entering(f *flow.Flow, r *reading) origin {
	if r.port == 0 {
		if g.n.Alone && !g.guard.open(f) {
			return fromVIF | elsewhere
		}
		return fromVIF | fromTunnel | elsewhere
	}
	switch g.role(r.port) {
	case VIF:
		return fromVIF
	case Tunnel, Leaving:
		return fromTunnel
	case Carrier:
		if r.keyed && r.key == g.n.Key {
			return fromTunnel
		}
		return fromTunnel | elsewhere
	}
	return elsewhere
}

// within returns the frames that the port of a flow of a later table leaves.
func (g *Gate) within(r *reading) origin {
	if r.port == 0 {
		return fromVIF | fromTunnel | elsewhere
	}
	switch g.role(r.port) {
	case VIF:
		return fromVIF
	case Tunnel, Leaving:
		return fromTunnel
	case Carrier:
		return fromTunnel | elsewhere
	}
	return elsewhere
}

// pass sends the frames that met f to a further table, with what is written to
// their metadata.
func (g *Gate) pass(f *flow.Flow, r *reading, from origin, entered bool, w flow.WriteMetadata, next uint8) {
	if next <= f.Table {
		g.breach(NoLoop, f, "goes back to table %d", next)
		return
	}
	if from&elsewhere != 0 && w.Mask&networkBits != 0 && !g.n.Alone {
		g.breach(Isolation, f, "takes %s for network %d", from, uint32(w.Value&w.Mask))
	}
	if entered {
		g.passOne(f, state{next, from &^ elsewhere, w.Value & w.Mask, ^uint64(0)})
		return
	}
	only := g.within(r)
	for i := range len(g.states) {
		s := g.states[i]
		if s.table != f.Table || !s.meets(r) || s.from&only == 0 {
			continue
		}
		g.passOne(f, state{next, s.from & only, s.value&^w.Mask | w.Value&w.Mask, s.known | w.Mask})
	}
}

// passOne sends frames on. Those that are not the network's meet everything
// anyway.
func (g *Gate) passOne(f *flow.Flow, s state) {
	if s.from == 0 {
		return
	}
	if !g.n.Alone && (s.known&networkBits != networkBits || s.value&networkBits != uint64(g.n.ID)) {
		g.breach(Isolation, f, "%s goes on as network %d", s.from, uint32(s.value))
		return
	}
	g.reach(s)
}
