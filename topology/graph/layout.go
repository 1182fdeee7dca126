package graph

import (
	"math"
	"unicode/utf8"
)

// Sizes of a drawing, in its own units: pixels where nobody scales it.
const (
	margin     = 24.0
	titleSize  = 20.0
	textSize   = 12.0
	panelWidth = 400.0
	charWidth  = 0.62 // of a character, in sizes of the font: what the widest of the usual fonts need
	leastRing  = 170.0
	roomyRing  = 290.0 // that lines are not too close, as long as labels need no larger one
	radialFrom = 15    // hosts, from which on labels are turned
	longName   = 24    // characters of a host's name that are shown
)

type point struct{ x, y float64 }

func (p point) add(q point) point         { return point{p.x + q.x, p.y + q.y} }
func (p point) times(f float64) point     { return point{p.x * f, p.y * f} }
func between(p, q point, t float64) point { return p.times(1 - t).add(q.times(t)) }
func polar(r, angle float64) point        { return point{r * math.Cos(angle), r * math.Sin(angle)} }
func textWidth(s string, size float64) float64 {
	return float64(utf8.RuneCountInString(s)) * size * charWidth
}

// node is where a host is drawn.
type node struct {
	at    point
	r     float64 // of its circle
	label label
}

// label is a line of text that begins, ends or has its middle at a point, turned
// about it.
type label struct {
	name, more string // more is what is written in a lighter colour after it
	at         point
	angle      float64 // degrees, clockwise
	anchor     string  // start, middle or end
	size       float64
}

// corners returns the box that a label takes up.
func (l label) corners() [4]point {
	w := textWidth(l.name+l.more, l.size)
	left := 0.0
	switch l.anchor {
	case "middle":
		left = -w / 2
	case "end":
		left = -w
	}
	top, bottom := -0.5*l.size, 0.5*l.size // text is centred on its line
	sin, cos := math.Sincos(l.angle * math.Pi / 180)
	turn := func(x, y float64) point { return l.at.add(point{x*cos - y*sin, x*sin + y*cos}) }
	return [4]point{turn(left, top), turn(left+w, top), turn(left+w, bottom), turn(left, bottom)}
}

// layout is where everything is drawn.
type layout struct {
	centre point
	ring   float64 // radius
	nodes  []node
	width  float64 // of the part with the hosts
	height float64
}

// arrange puts hosts on a ring, the first at the top, clockwise.
func arrange(hosts []Host, top float64) *layout {
	n := len(hosts)
	size := textSize
	switch {
	case n > 120:
		size = 9
	case n > 60:
		size = 10.5
	}
	l := &layout{ring: max(leastRing, min(roomyRing, 120+4*float64(n)), float64(n)*(size+5)/(2*math.Pi))}
	if n == 1 {
		l.ring = 0
	}
	gap := 2 * math.Pi * l.ring / float64(max(n, 1))
	for i, h := range hosts {
		angle := -math.Pi/2 + 2*math.Pi*float64(i)/float64(n)
		if n == 2 {
			angle += math.Pi / 2 // beside each other
		}
		r := 5 + min(2*math.Sqrt(float64(h.Ports)), 9)
		if n > 1 {
			r = min(r, 0.42*gap)
		}
		l.nodes = append(l.nodes, node{at: polar(l.ring, angle), r: r, label: labelOf(h, n, l.ring+r+6, angle, size)})
	}
	l.settle(top)
	return l
}

// labelOf puts a host's label outside of the ring.
func labelOf(h Host, n int, distance, angle, size float64) label {
	l := label{name: h.Name, more: "  " + vifs(h.Ports), size: size, anchor: "start"}
	if h.External {
		l.more = "  external"
	}
	if r := []rune(h.Name); len(r) > longName {
		l.name = string(r[:longName-1]) + "…"
	}
	cos := math.Cos(angle)
	switch {
	case n == 1:
		l.anchor, l.at = "middle", point{0, distance + size}
		return l
	case n >= radialFrom:
		l.at, l.angle = polar(distance, angle), angle*180/math.Pi
		if cos < -1e-9 {
			l.anchor, l.angle = "end", l.angle+180
		}
		return l
	}
	l.at = polar(distance+5, angle)
	switch {
	case math.Abs(cos) < 1e-9:
		l.anchor, l.at = "middle", l.at.add(point{0, math.Copysign(size/2, math.Sin(angle))})
	case cos < 0:
		l.anchor = "end"
	}
	return l
}

// settle moves everything to where the drawing begins.
func (l *layout) settle(top float64) {
	low, high := point{-l.ring - 20, -l.ring - 20}, point{l.ring + 20, l.ring + 20}
	for _, n := range l.nodes {
		for _, p := range n.label.corners() {
			low = point{min(low.x, p.x), min(low.y, p.y)}
			high = point{max(high.x, p.x), max(high.y, p.y)}
		}
	}
	move := point{margin - low.x, top - low.y}
	l.centre = move
	for i := range l.nodes {
		l.nodes[i].at = l.nodes[i].at.add(move)
		l.nodes[i].label.at = l.nodes[i].label.at.add(move)
	}
	l.width, l.height = high.x-low.x+2*margin, high.y+move.y+margin
}

// curve is a quadratic Bézier curve.
type curve [3]point

// chord is the curve of a link: bent towards the centre, more so where several
// networks link the same hosts, so that their lines lie beside each other.
func (l *layout) chord(a, b int, lane float64) curve {
	p, q := l.nodes[a].at, l.nodes[b].at
	c := between(between(p, q, 0.5), l.centre, 0.25)
	d := point{q.y - p.y, p.x - q.x}
	if length := math.Hypot(d.x, d.y); length > 0 {
		c = c.add(d.times(lane / length))
	}
	return curve{p, c, q}
}

// half returns the part of a curve from its begin to its middle.
func (c curve) half() curve {
	x, y := between(c[0], c[1], 0.5), between(c[1], c[2], 0.5)
	return curve{c[0], x, between(x, y, 0.5)}
}

func (c curve) reversed() curve { return curve{c[2], c[1], c[0]} }
