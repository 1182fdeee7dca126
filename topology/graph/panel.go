package graph

import (
	"fmt"
	"strings"
)

// What the panel lists at most.
const (
	networksListed = 10 // as many as there are colours
	wrongListed    = 16
)

// panel is the part of a drawing that says what is what.
type panel struct {
	b    strings.Builder
	x, y float64 // where the next line begins
}

const (
	lineHeight = textSize + 6
	swatch     = 26.0 // width of a sample of a line, with the gap after it
)

func newPanel(x, y float64, g Graph, m *mesh) *panel {
	p := &panel{x: x, y: y}
	p.networks(g.Networks)
	p.states(g, m)
	p.hosts(m.hosts)
	p.wrong(g, m)
	return p
}

// heading begins a part, with some space before it unless it is the first.
func (p *panel) heading(text string) {
	if p.b.Len() > 0 {
		p.y += lineHeight * 0.7
	}
	fmt.Fprintf(&p.b, `<text x="%s" y="%s" dy="0.35em" font-size="%s" font-weight="600" fill="%s">%s</text>`+"\n",
		num(p.x), num(p.y), num(textSize), ink, escape(text))
	p.y += lineHeight
}

// line writes a line of text behind a sample, or with none at the left edge.
func (p *panel) line(indent float64, text, colour string) {
	room := panelWidth - margin - indent
	short := shorten(text, room, textSize)
	if short != text {
		fmt.Fprintf(&p.b, "<g><title>%s</title>", escape(text))
	}
	writeText(&p.b, label{name: short, at: point{p.x + indent, p.y}, size: textSize}, colour)
	if short != text {
		p.b.WriteString("</g>")
	}
	p.b.WriteString("\n")
	p.y += lineHeight
}

// sample draws a piece of a line.
func (p *panel) sample(colour string, width float64, dash string) {
	fmt.Fprintf(&p.b, `<path d="M%s %sh18" fill="none" stroke="%s" stroke-width="%s" stroke-linecap="round"%s/>`,
		num(p.x), num(p.y), colour, num(width), dash)
}

func (p *panel) networks(list []Network) {
	if len(list) == 0 {
		return
	}
	p.heading("Networks")
	for i, n := range list[:min(len(list), networksListed)] {
		p.sample(networkColour(i), 3, "")
		name := n.Name
		if n.Tenant != "" {
			name += " (" + n.Tenant + ")"
		}
		p.line(swatch, name, ink)
		p.line(swatch, fmt.Sprintf("%s · %s · %s", n.Encap, counted(n.Hosts, "host"), vifs(n.Ports)), faint)
		p.line(swatch, fmt.Sprintf("%s of %s up", grouped(n.Up), counted(n.Wanted, "tunnel end")), faint)
	}
	if more := len(list) - networksListed; more > 0 {
		p.line(swatch, "and "+counted(more, "more network"), faint)
	}
}

func (p *panel) states(g Graph, m *mesh) {
	n := ends(g)
	if len(g.Ends) == 0 {
		return
	}
	p.heading("Tunnel ends")
	colour := grey
	if len(g.Networks) == 1 {
		colour = networkColour(0)
	}
	p.sample(colour, 1.5, "")
	p.line(swatch, grouped(n[Up])+" up", ink)
	for _, state := range []string{Down, Unreachable, Pending} {
		if n[state] > 0 {
			p.sample(stateColour(state), 2.2, dashes(state))
			p.line(swatch, grouped(n[state])+" "+state, ink)
		}
	}
	first, from := m.drawn()
	if first > linesDrawn {
		p.line(swatch, "up ones are a tint, not lines", faint)
	}
	if from > first {
		p.line(swatch, "of "+grouped(from-first)+" tunnels not up only a tint is drawn", faint)
	}
}

func (p *panel) hosts(hosts []Host) {
	if len(hosts) == 0 {
		return
	}
	count := map[string]int{}
	external := 0
	for _, h := range hosts {
		if h.External {
			external++
			continue
		}
		count[h.State]++
	}
	p.heading("Hosts")
	show := func(h Host, text string) {
		line, fill := hostColours(h.State)
		mark(&p.b, point{p.x + 9, p.y}, 5.5, line, fill, h)
		p.line(swatch, text, ink)
	}
	for _, state := range []string{HostOK, HostSlow, HostStuck, HostUnreachable} {
		if count[state] > 0 {
			show(Host{State: state}, grouped(count[state])+" "+state)
		}
	}
	if external > 0 {
		show(Host{State: HostOK, External: true}, grouped(external)+" external")
	}
}

// wrong lists what is not up, the worst first. What can't be reached on a host
// is one matter.
func (p *panel) wrong(g Graph, m *mesh) {
	var list []string
	away := map[string]int{} // ends by host
	for _, e := range g.Ends {
		switch e.State {
		case Down:
			list = append(list, reason(e))
		case Unreachable:
			away[e.From]++
		}
	}
	for _, h := range m.hosts {
		if away[h.Name] > 0 {
			list = append(list, h.Name+": "+counted(away[h.Name], "tunnel end")+" unreachable")
		}
	}
	for _, e := range g.Ends {
		if e.State == Pending {
			list = append(list, reason(e))
		}
	}
	if len(list) == 0 {
		return
	}
	p.heading("Not up")
	for i, text := range fewer(list, wrongListed) {
		colour := ink
		if i == wrongListed {
			colour = faint
		}
		p.line(0, text, colour)
	}
}
