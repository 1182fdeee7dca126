package graph

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// How much is drawn one by one.
const (
	linesDrawn = 6000 // tunnels that are up
	wrongDrawn = 1500 // tunnels with an end that is not
	wrongApart = 40   // of them, until they are drawn thinner
)

// SVG draws a graph: hosts on a ring, the tunnels that are up as faint lines in
// the colour of their network, and on top of them those that are not. Of a
// tunnel each half has the colour of the end that it begins at. Beside it is
// said what is what, and the first few of what is not up.
func SVG(g Graph) string {
	m := newMesh(g)
	if len(m.links) > linesDrawn {
		m = m.merged() // as many as there are pairs of hosts, whatever the networks
	}
	top := margin + titleSize + 2*textSize + 20
	l := arrange(m.hosts, top)
	p := newPanel(l.width, top, g, m)
	d := &drawing{width: l.width + panelWidth, height: max(l.height, p.y+margin)}
	d.begin(g)
	if len(m.hosts) == 0 {
		d.text(label{name: "no hosts", at: point{margin, top + textSize}, size: textSize}, faint)
	}
	d.links(m, l)
	for i, h := range m.hosts {
		d.host(h, l.nodes[i])
	}
	d.b.WriteString(p.b.String())
	d.b.WriteString("</svg>\n")
	return d.b.String()
}

// drawing is an SVG document that is being written.
type drawing struct {
	b             strings.Builder
	width, height float64
	many          bool // tunnels that are not up are so many that they are drawn thinner
}

func (d *drawing) begin(g Graph) {
	fmt.Fprintf(&d.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" font-family="system-ui, 'DejaVu Sans', 'Segoe UI', Helvetica, Arial, sans-serif">`+"\n",
		num(d.width), num(d.height), num(d.width), num(d.height))
	fmt.Fprintf(&d.b, "<title>%s</title>\n", escape(g.Title))
	fmt.Fprintf(&d.b, `<rect width="%s" height="%s" fill="#fbfcfe"/>`+"\n", num(d.width), num(d.height))
	room := d.width - 2*margin
	fmt.Fprintf(&d.b, `<text x="%s" y="%s" font-size="%s" font-weight="600" fill="%s">%s</text>`+"\n",
		num(margin), num(margin+titleSize*0.8), num(titleSize), ink, escape(shorten(g.Title, room, titleSize*1.1)))
	d.text(label{name: shorten(subtitle(g), room, textSize), at: point{margin, margin + titleSize + textSize + 4}, size: textSize}, faint)
}

// subtitle counts what is drawn.
func subtitle(g Graph) string {
	n := ends(g)
	parts := []string{counted(len(g.Hosts), "host"), counted(len(g.Networks), "network")}
	all := 0
	for _, c := range n {
		all += c
	}
	parts = append(parts, grouped(n[Up])+" of "+counted(all, "tunnel end")+" up")
	for _, s := range []string{Down, Unreachable, Pending} {
		if n[s] > 0 {
			parts = append(parts, grouped(n[s])+" "+s)
		}
	}
	return strings.Join(parts, " · ")
}

// links draws what is up below what is not.
func (d *drawing) links(m *mesh, l *layout) {
	lanes := newLanes(m)
	draw := func(k *link) curve { return l.chord(k.a, k.b, lanes.of(k.network)) }
	up := map[int]*strings.Builder{} // path data by network
	path := func(network int) *strings.Builder {
		if up[network] == nil {
			up[network] = &strings.Builder{}
		}
		return up[network]
	}
	first, from := m.drawn()
	whole := first <= linesDrawn
	for i := range m.links {
		k := &m.links[i]
		c := draw(k)
		switch {
		case k.up() && whole:
			path(k.network).WriteString(c.data())
		case k.up() || i < from:
		default:
			if k.ab == Up {
				path(k.network).WriteString(c.half().data())
			}
			if k.ba == Up {
				path(k.network).WriteString(c.reversed().half().data())
			}
		}
	}
	if !whole {
		d.tint(l, networkColour(0), grouped(first)+" tunnels that are up")
	}
	if from > first {
		d.tint(l, grey, grouped(from-first)+" tunnels that are not up")
	}
	width, opacity := thickness(len(m.links))
	for network := -1; network < len(m.networks); network++ {
		if up[network] != nil {
			fmt.Fprintf(&d.b, `<path d="%s" fill="none" stroke="%s" stroke-width="%s" stroke-opacity="%s"/>`+"\n",
				up[network], networkColour(network), num(width), num(opacity))
		}
	}
	d.many = len(m.links)-from > wrongApart
	for i := from; i < len(m.links); i++ {
		k := &m.links[i]
		c := draw(k)
		fmt.Fprintf(&d.b, "<g><title>%s</title>", escape(strings.Join(fewer(k.why, 10), "\n")))
		d.wrong(c, k.ab)
		d.wrong(c.reversed(), k.ba)
		d.b.WriteString("</g>\n")
	}
}

// drawn returns where the links begin that are not up, and of these the ones that
// are drawn one by one: if there are too many, those that are down alone.
func (m *mesh) drawn() (first, from int) {
	for first < len(m.links) && m.links[first].up() {
		first++
	}
	from = first
	if len(m.links)-first <= wrongDrawn {
		return first, first
	}
	for from < len(m.links) && severity(m.links[from].ab) < severity(Down) && severity(m.links[from].ba) < severity(Down) {
		from++
	}
	return first, max(from, len(m.links)-wrongDrawn)
}

// tint colours the inside of the ring, in place of lines that are too many.
func (d *drawing) tint(l *layout, colour, about string) {
	fmt.Fprintf(&d.b, `<circle cx="%s" cy="%s" r="%s" fill="%s" fill-opacity="0.10"><title>%s</title></circle>`+"\n",
		num(l.centre.x), num(l.centre.y), num(l.ring), colour, escape(about))
}

// wrong draws the half of a curve that belongs to an end that is not up.
func (d *drawing) wrong(c curve, state string) {
	if severity(state) <= severity(Up) {
		return
	}
	h, width := c.half(), 2.2
	if d.many && state != Down {
		width = 1.2
	}
	fmt.Fprintf(&d.b, `<path d="%s" fill="none" stroke="%s" stroke-width="%s" stroke-linecap="round"%s/>`, h.data(), stateColour(state), num(width), dashes(state))
	if d.many && state != Down {
		return
	}
	fmt.Fprintf(&d.b, `<circle cx="%s" cy="%s" r="2.6" fill="%s"/>`, num(h[2].x), num(h[2].y), stateColour(state))
}

func dashes(state string) string {
	switch state {
	case Pending:
		return ` stroke-dasharray="7 5"`
	case Unreachable:
		return ` stroke-dasharray="1 5"`
	}
	return ""
}

// thickness returns the width and the opacity of lines, of which there are so
// many: a full mesh of fifty hosts is a tint, not a black disc.
func thickness(lines int) (width, opacity float64) {
	switch {
	case lines <= 60:
		return 1.8, 0.75
	case lines <= 300:
		return 1.2, 0.5
	case lines <= 1500:
		return 0.6, 0.34
	}
	return 0.5, 0.22
}

// lanes keeps the lines of several networks between the same hosts apart.
type lanes struct {
	networks int
	apart    float64
}

func newLanes(m *mesh) lanes {
	n := max(len(m.networks), 1)
	return lanes{n, min(11, 70/float64(n))}
}

func (l lanes) of(network int) float64 {
	if network < 0 {
		return 0
	}
	return (float64(network) - float64(l.networks-1)/2) * l.apart
}

// data is a curve as path data.
func (c curve) data() string {
	return fmt.Sprintf("M%s %sQ%s %s %s %s", num(c[0].x), num(c[0].y), num(c[1].x), num(c[1].y), num(c[2].x), num(c[2].y))
}

func (d *drawing) host(h Host, n node) {
	line, fill := hostColours(h.State)
	about := h.Name + ": " + vifs(h.Ports)
	if h.State != HostOK {
		about += ", " + h.State
	}
	fmt.Fprintf(&d.b, "<g><title>%s</title>", escape(about))
	mark(&d.b, n.at, n.r, line, fill, h)
	colour := ink
	if h.State != HostOK {
		colour = line
	}
	d.text(n.label, colour)
	d.b.WriteString("</g>\n")
}

// mark draws a host's shape: a circle, a square for one that is external.
func mark(b *strings.Builder, at point, r float64, line, fill string, h Host) {
	style := fmt.Sprintf(`fill="%s" stroke="%s" stroke-width="1.6"`, fill, line)
	if h.State == HostUnreachable {
		style += ` stroke-dasharray="3 2"`
	}
	if h.External {
		fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="%s" %s/>`, num(at.x-r), num(at.y-r), num(2*r), num(2*r), style)
		return
	}
	fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="%s" %s/>`, num(at.x), num(at.y), num(r), style)
}

func (d *drawing) text(l label, colour string) { writeText(&d.b, l, colour) }

// writeText writes a label whose middle line is at its point.
func writeText(b *strings.Builder, l label, colour string) {
	turn := ""
	if l.angle != 0 {
		turn = fmt.Sprintf(` transform="rotate(%s %s %s)"`, num(l.angle), num(l.at.x), num(l.at.y))
	}
	anchor := ""
	if l.anchor != "" && l.anchor != "start" {
		anchor = ` text-anchor="` + l.anchor + `"`
	}
	more := ""
	if l.more != "" {
		more = fmt.Sprintf(`<tspan fill="%s">%s</tspan>`, faint, escape(l.more))
	}
	// A third of its size below the middle is where letters stand; not all
	// programs know dominant-baseline.
	fmt.Fprintf(b, `<text x="%s" y="%s" dy="0.35em" font-size="%s" fill="%s" xml:space="preserve"%s%s>%s%s</text>`,
		num(l.at.x), num(l.at.y), num(l.size), colour, anchor, turn, escape(l.name), more)
}

// num writes a number as short as the eye allows.
func num(f float64) string {
	f = math.Round(f*100) / 100
	if math.Abs(f) >= 10 {
		f = math.Round(f*10) / 10
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// escape makes text safe within XML, whatever is in it.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// shorten cuts a text to what fits.
func shorten(s string, room, size float64) string {
	most := int(room / (size * charWidth))
	if r := []rune(s); len(r) > most {
		return string(r[:max(most-1, 0)]) + "…"
	}
	return s
}

// fewer returns the first lines of a list, and how many there are more.
func fewer(list []string, most int) []string {
	if len(list) <= most {
		return list
	}
	return append(list[:most:most], "and "+grouped(len(list)-most)+" more")
}

// counted is a number of things; grouped one with its thousands apart.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(n) + " " + noun
}

func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
