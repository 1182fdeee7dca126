package adopt

import (
	"fmt"
	"net/netip"

	"ovsmesh/topology"
)

// Pick says what is to be adopted: one of the three, and of which store.
type Pick struct {
	Store   string // "": the only one
	Host    string // all that is on this host
	Network string // all that is on the bridges of this network
	All     bool
}

// Told is what the rows of one store tell of what was picked.
type Told struct {
	Store    string
	Networks []Network // sorted by name
	Hosts    []Named   // connected ones with rows of the store, sorted by name
	External []topology.Host
	Away     []Away // hosts that tunnels lead to and that are not connected, sorted by name
	Marks    []Mark // sorted by host
	Problems []Problem
}

// Network is a network as its rows tell it.
type Network struct {
	Name  string
	Note  topology.NetworkNote // without a note only what tunnel ports tell
	Noted bool                 // there is a note of it
	On    []Place              // sorted by host: where it is, as far as that is told
}

// Place is a network on a host.
type Place struct {
	Host    string
	Bridge  string
	Tunnels int // ports, those that it shares with other networks not counted
}

// Named is a connected host as its rows tell it.
type Named struct {
	Host  string // as the store that adopts has it
	Note  topology.HostNote
	Noted bool // the rows tell it by name; without, Note has the ID at most
}

// Away is a host of which only its peers tell.
type Away struct {
	Name     string
	ID       int // 0: not told
	Endpoint netip.Addr
	Networks []string // sorted
}

// Mark is the bridges of a host that are to change hands.
type Mark struct {
	Host    string
	Bridges []string // sorted
}

// Problem is why something can't be adopted as it is told. One of a network or
// a host is settled by a spec that names it.
type Problem struct {
	Kind string // topology.KindNetworks or KindHosts; "" for what no spec settles
	Name string
	Text string
}

// String returns the problem for people.
func (p Problem) String() string {
	switch p.Kind {
	case topology.KindNetworks:
		return fmt.Sprintf("network %s: %s", p.Name, p.Text)
	case topology.KindHosts:
		return fmt.Sprintf("host %s: %s", p.Name, p.Text)
	}
	return p.Text
}
