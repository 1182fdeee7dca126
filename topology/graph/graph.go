// Package graph draws meshes as text in the languages of graphviz and mermaid,
// and as SVG without the help of any program.
//
// It knows neither where the mesh comes from nor where the picture goes: a Graph
// in, text out, the same for the same Graph.
package graph

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Graph is what is drawn. Hosts that ends name and Hosts does not are drawn,
// too.
type Graph struct {
	Title    string
	Hosts    []Host
	Networks []Network
	Ends     []End
}

// Host is a node.
type Host struct {
	Name     string
	Ports    int    // VIFs on it, of the networks drawn
	State    string // one of the Host… words
	External bool   // a tunnel endpoint that something else programs
}

// How a host can be.
const (
	HostOK          = "ok"
	HostSlow        = "slow"
	HostStuck       = "stuck"
	HostUnreachable = "unreachable"
)

// Network is a mesh between hosts.
type Network struct {
	Name   string
	Tenant string // "": none
	Encap  string // gre or vxlan, with the key
	Hosts  int
	Ports  int
	Up     int // tunnel ends
	Wanted int
}

// End is one end of a tunnel: the port on From that leads to To.
type End struct {
	Network  string
	From, To string
	State    string // one of the words below
	Error    string
}

// How a tunnel end can be.
const (
	Up          = "up"
	Pending     = "pending"
	Down        = "down"
	Unreachable = "unreachable"
)

// severity orders states: the worst is drawn last, on top.
func severity(state string) int {
	return slices.Index([]string{"", Up, Pending, Unreachable, Down}, state)
}

// link is a tunnel with its two ends, "" where there is none on that side; or
// several between the same hosts, with the worst state of each side.
type link struct {
	network int // index in Graph.Networks; -1: of several
	a, b    int // indexes in hosts; a < b
	ab, ba  string
	why     []string // of ends that are not up
}

func (l *link) up() bool { return severity(l.ab) <= severity(Up) && severity(l.ba) <= severity(Up) }

// mesh is a Graph whose names have been looked up.
type mesh struct {
	hosts    []Host
	networks []Network
	links    []link // sorted: those that are up first, the worst last
}

// newMesh sorts hosts by name, and joins the two ends of each tunnel.
func newMesh(g Graph) *mesh {
	m := &mesh{hosts: slices.Clone(g.Hosts), networks: g.Networks}
	known := map[string]bool{}
	for _, h := range m.hosts {
		known[h.Name] = true
	}
	for _, e := range g.Ends {
		for _, name := range []string{e.From, e.To} {
			if !known[name] {
				known[name] = true
				m.hosts = append(m.hosts, Host{Name: name, State: HostOK})
			}
		}
	}
	slices.SortFunc(m.hosts, func(a, b Host) int { return naturally(a.Name, b.Name) })
	at := make(map[string]int, len(m.hosts))
	for i, h := range m.hosts {
		at[h.Name] = i
	}
	nets := make(map[string]int, len(g.Networks))
	for i, n := range g.Networks {
		nets[n.Name] = i
	}
	type pair struct{ network, a, b int }
	links := map[pair]*link{}
	for _, e := range g.Ends {
		p := pair{-1, at[e.From], at[e.To]}
		if n, ok := nets[e.Network]; ok {
			p.network = n
		}
		if p.a == p.b {
			continue
		}
		back := p.a > p.b
		if back {
			p.a, p.b = p.b, p.a
		}
		l := links[p]
		if l == nil {
			l = &link{network: p.network, a: p.a, b: p.b}
			links[p] = l
		}
		l.add(e, back)
	}
	for _, l := range links {
		m.links = append(m.links, *l)
	}
	m.sort()
	return m
}

// add counts an end in; back says that it is the one on b.
func (l *link) add(e End, back bool) {
	side := &l.ab
	if back {
		side = &l.ba
	}
	if severity(e.State) > severity(*side) {
		*side = e.State
	}
	if e.State != Up {
		l.why = append(l.why, reason(e))
	}
}

// reason says in a line what is wrong with an end.
func reason(e End) string {
	text := e.Network + ": " + e.From + " → " + e.To + " " + e.State
	if e.Error != "" {
		text += ": " + e.Error
	}
	return strings.Join(strings.Fields(text), " ")
}

func (m *mesh) sort() {
	slices.SortFunc(m.links, func(x, y link) int {
		return cmp.Or(cmp.Compare(max(severity(x.ab), severity(x.ba)), max(severity(y.ab), severity(y.ba))),
			cmp.Compare(x.network, y.network), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
	for i := range m.links {
		slices.Sort(m.links[i].why)
	}
}

// merged returns the mesh with one link between any two hosts, for all networks.
func (m *mesh) merged() *mesh {
	type pair struct{ a, b int }
	links := map[pair]*link{}
	for i := range m.links {
		x := &m.links[i]
		l := links[pair{x.a, x.b}]
		if l == nil {
			l = &link{network: x.network, a: x.a, b: x.b}
			links[pair{x.a, x.b}] = l
		}
		if l.network != x.network {
			l.network = -1
		}
		if severity(x.ab) > severity(l.ab) {
			l.ab = x.ab
		}
		if severity(x.ba) > severity(l.ba) {
			l.ba = x.ba
		}
		l.why = append(l.why, x.why...)
	}
	one := &mesh{hosts: m.hosts, networks: m.networks}
	for _, l := range links {
		one.links = append(one.links, *l)
	}
	one.sort()
	return one
}

// ends counts tunnel ends by state.
func ends(g Graph) map[string]int {
	n := map[string]int{}
	for _, e := range g.Ends {
		n[e.State]++
	}
	return n
}

// naturally compares names as people order them: h2 before h10.
func naturally(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		i, j := digits(x), digits(y)
		if i > 0 && j > 0 {
			p, q := strings.TrimLeft(x[:i], "0"), strings.TrimLeft(y[:j], "0")
			if c := cmp.Or(cmp.Compare(len(p), len(q)), strings.Compare(p, q)); c != 0 {
				return c
			}
			x, y = x[i:], y[j:]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

// digits returns how many digits a text begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func vifs(n int) string {
	if n == 1 {
		return "1 VIF"
	}
	return strconv.Itoa(n) + " VIFs"
}

// Colours. Networks have those that people with any colour vision tell apart,
// without red, which is for what is wrong.
const (
	red   = "#d7263d"
	amber = "#e08a00"
	grey  = "#7b8494"
	ink   = "#1f2937"
	faint = "#5b6472" // text that matters less
)

// networkColour returns the colour of a network; those beyond the palette, and
// lines for several, are grey.
func networkColour(i int) string {
	palette := [...]string{"#0072b2", "#009e73", "#8e5bb5", "#b8860b", "#2aa6c9", "#6b8e23", "#c45a9a", "#4b5fc7", "#8b5e3c", "#2f6f6f"}
	if i < 0 || i >= len(palette) {
		return grey
	}
	return palette[i]
}

// stateColour returns the colour of what is not up.
func stateColour(state string) string {
	switch state {
	case Down:
		return red
	case Pending:
		return amber
	}
	return grey
}

// hostColours returns the line and the fill of a host.
func hostColours(state string) (line, fill string) {
	switch state {
	case HostStuck:
		return red, "#fde2e4"
	case HostSlow:
		return amber, "#fff1d6"
	case HostUnreachable:
		return grey, "#e3e6eb"
	}
	return ink, "#ffffff"
}
