package graph

import (
	"fmt"
	"strings"
	"unicode"
)

// What mermaid draws without being told that it may: it refuses a chart of more
// than 500 edges. A mesh of many hosts is drawn as a node for its network with
// an edge to each of them.
const (
	mermaidPairs = 60  // tunnels that are drawn one by one
	mermaidEdges = 480 // in all
	mermaidWrong = 200 // for tunnel ends that are not up
)

// Mermaid writes a graph as a flowchart of mermaid. Of a large one not all that
// is not up is drawn; a comment says how much is left out.
func Mermaid(g Graph) string {
	m := newMesh(g)
	c := &chart{}
	c.line("---")
	c.line("title: %s", yamlText(g.Title))
	c.line("---")
	c.line("flowchart LR")
	for i, h := range m.hosts {
		label := plain(h.Name) + "<br/>" + vifs(h.Ports)
		shape := `["%s"]`
		if h.External {
			label, shape = plain(h.Name)+"<br/>external", `[["%s"]]`
		}
		if h.State != HostOK {
			label += "<br/>" + h.State
		}
		c.line(`  h%d`+shape, i, label)
		if h.State != HostOK {
			c.line("  class h%d %s", i, h.State)
		}
	}
	wrong := 0
	for i := len(m.links) - 1; i >= 0 && !m.links[i].up(); i-- { // the worst first
		l := &m.links[i]
		wrong += c.end(l.a, l.b, l.ab, m.networkName(l.network))
		wrong += c.end(l.b, l.a, l.ba, m.networkName(l.network))
	}
	if more := wrong - c.edges; more > 0 {
		c.line("  %%%% and %d tunnel ends more that are not up", more)
	}
	if len(m.links) <= mermaidPairs {
		m.mermaidPairs(c)
	} else {
		m.mermaidHubs(c, g)
	}
	for _, state := range []string{HostSlow, HostStuck, HostUnreachable} {
		line, fill := hostColours(state)
		c.line("  classDef %s stroke:%s,fill:%s", state, line, fill)
	}
	c.text.WriteString(c.styles.String())
	return c.text.String()
}

// chart is a flowchart that is being written. Edges are styled by number, so
// their styles come last.
type chart struct {
	text, styles strings.Builder
	edges        int
}

func (c *chart) line(format string, args ...any) { fmt.Fprintf(&c.text, format+"\n", args...) }

// edge adds an edge in a colour.
func (c *chart) edge(colour string, width float64, format string, args ...any) {
	c.line("  "+format, args...)
	fmt.Fprintf(&c.styles, "  linkStyle %d stroke:%s,stroke-width:%gpx\n", c.edges, colour, width)
	c.edges++
}

// end adds an end that is not up, if there is room; it returns 1 for one that is
// not up.
func (c *chart) end(from, to int, state, network string) int {
	if severity(state) <= severity(Up) {
		return 0
	}
	if c.edges < mermaidWrong {
		c.edge(stateColour(state), 3, `h%d -. "%s" .-> h%d`, from, plain(strings.TrimSpace(network+" "+state)), to)
	}
	return 1
}

// mermaidPairs draws each tunnel that is up, or one end of which is.
func (m *mesh) mermaidPairs(c *chart) {
	for _, l := range m.links {
		colour := networkColour(l.network)
		switch {
		case l.up():
			c.edge(colour, 1.5, "h%d --- h%d", l.a, l.b)
		case l.ab == Up:
			c.edge(colour, 1.5, "h%d --> h%d", l.a, l.b)
		case l.ba == Up:
			c.edge(colour, 1.5, "h%d --> h%d", l.b, l.a)
		}
	}
}

// mermaidHubs draws each network as a node between its hosts.
func (m *mesh) mermaidHubs(c *chart, g Graph) {
	at := map[string]int{}
	for i, h := range m.hosts {
		at[h.Name] = i
	}
	members := make([]map[int]bool, len(m.networks))
	for _, l := range m.links {
		if l.network < 0 {
			continue
		}
		if members[l.network] == nil {
			members[l.network] = map[int]bool{}
		}
		members[l.network][l.a], members[l.network][l.b] = true, true
	}
	left := 0
	for i, n := range m.networks {
		if c.edges < mermaidEdges && members[i] != nil {
			c.line(`  n%d(("%s<br/>%s<br/>%d/%d up"))`, i, plain(n.Name), plain(n.Encap), n.Up, n.Wanted)
		}
		for h := range m.hosts {
			switch {
			case !members[i][h]:
			case c.edges < mermaidEdges:
				c.edge(networkColour(i), 1.5, "h%d --- n%d", h, i)
			default:
				left++
			}
		}
	}
	if left > 0 {
		c.line("  %%%% and %d memberships more: narrow it down by network, tenant or host", left)
	}
}

// plain is a text within the quotes of a label: whatever means something there
// is written as a character's number.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" ._-/:,+=→", r):
			b.WriteRune(r)
		case unicode.IsControl(r):
			b.WriteByte(' ')
		default:
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

// yamlText is a scalar in double quotes.
func yamlText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case unicode.IsControl(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}
