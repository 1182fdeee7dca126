package graph

import (
	"fmt"
	"strings"
)

// DOT writes a graph in the language of graphviz, for example for circo or
// neato: one edge a tunnel, and for each end that is not up another one that
// points where it should lead.
func DOT(g Graph) string {
	m := newMesh(g)
	var b strings.Builder
	b.WriteString("graph ovsmesh {\n")
	fmt.Fprintf(&b, "  graph [label=%s, labelloc=t, layout=circo, bgcolor=white, fontname=%s];\n", dotText(g.Title), dotText("sans-serif"))
	fmt.Fprintf(&b, "  node [shape=box, style=%s, fontname=%s];\n", dotText("rounded,filled"), dotText("sans-serif"))
	fmt.Fprintf(&b, "  edge [fontname=%s, fontsize=10];\n", dotText("sans-serif"))
	for _, h := range m.hosts {
		line, fill := hostColours(h.State)
		label := h.Name + "\n" + vifs(h.Ports)
		shape := ""
		if h.External {
			label, shape = h.Name+"\nexternal", ", shape=box3d, style=filled"
		}
		if h.State != HostOK {
			label += "\n" + h.State
		}
		fmt.Fprintf(&b, "  %s [label=%s, color=%s, fillcolor=%s%s];\n", dotText(h.Name), dotText(label), dotText(line), dotText(fill), shape)
	}
	for _, l := range m.links {
		x, y := m.hosts[l.a].Name, m.hosts[l.b].Name
		name := m.networkName(l.network)
		if l.up() {
			fmt.Fprintf(&b, "  %s -- %s [color=%s, tooltip=%s];\n", dotText(x), dotText(y), dotText(networkColour(l.network)), dotText(name))
			continue
		}
		m.dotEnd(&b, x, y, l.ab, name, l.network)
		m.dotEnd(&b, y, x, l.ba, name, l.network)
	}
	b.WriteString("}\n")
	return b.String()
}

// dotEnd writes one end of a tunnel of which an end is not up.
func (m *mesh) dotEnd(b *strings.Builder, from, to, state, network string, colour int) {
	switch state {
	case "":
	case Up:
		fmt.Fprintf(b, "  %s -- %s [dir=forward, color=%s, tooltip=%s];\n", dotText(from), dotText(to), dotText(networkColour(colour)), dotText(network))
	default:
		c := dotText(stateColour(state))
		style := "solid"
		if state != Down {
			style = "dashed"
		}
		fmt.Fprintf(b, "  %s -- %s [dir=forward, color=%s, fontcolor=%s, penwidth=2.5, style=%s, label=%s];\n",
			dotText(from), dotText(to), c, c, style, dotText(network+" "+state))
	}
}

func (m *mesh) networkName(i int) string {
	if i < 0 {
		return ""
	}
	return m.networks[i].Name
}

// dotText is a quoted string. In labels a backslash begins an escape, so it is
// doubled; a line feed is one.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", " ", "\x00", "").Replace(s) + `"`
}
