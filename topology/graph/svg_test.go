package graph

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
)

// element is one of a drawing.
type element struct {
	name string
	attr map[string]string
	text string
}

// parseSVG reads a drawing, and demands that it is XML.
func parseSVG(t *testing.T, text string) []element {
	t.Helper()
	var all []element
	var open []int
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%.2000s", err, text)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			e := element{name: tok.Name.Local, attr: map[string]string{}}
			for _, a := range tok.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			open = append(open, len(all))
			all = append(all, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			for _, i := range open {
				all[i].text += string(tok)
			}
		}
	}
	return all
}

// Everything is within the drawing, which is well-formed and has a title.
func TestSVGWithinView(t *testing.T) {
	for name, g := range graphs() {
		t.Run(name, func(t *testing.T) {
			all := parseSVG(t, SVG(g))
			var x, y, w, h float64
			if _, err := fmt.Sscan(all[0].attr["viewBox"], &x, &y, &w, &h); err != nil || all[0].name != "svg" || x != 0 || y != 0 {
				t.Fatalf("viewBox %q of %s: %v", all[0].attr["viewBox"], all[0].name, err)
			}
			if all[1].name != "title" {
				t.Errorf("%s comes first, not a title", all[1].name)
			}
			for _, e := range all {
				for _, p := range places(t, e) {
					if p.x < 0 || p.y < 0 || p.x > w || p.y > h || math.IsNaN(p.x+p.y) {
						t.Fatalf("%s %v is outside of %gx%g: %v", e.name, e.attr, w, h, p)
					}
				}
			}
		})
	}
}

// places returns points between which an element is drawn.
func places(t *testing.T, e element) []point {
	t.Helper()
	n := func(name string) float64 {
		f, err := strconv.ParseFloat(e.attr[name], 64)
		if err != nil {
			t.Fatalf("%s: %s=%q", e.name, name, e.attr[name])
		}
		return f
	}
	switch e.name {
	case "circle":
		c, r := point{n("cx"), n("cy")}, n("r")
		return []point{c.add(point{-r, -r}), c.add(point{r, r})}
	case "text":
		l := label{name: e.text, at: point{n("x"), n("y")}, size: n("font-size"), anchor: e.attr["text-anchor"]}
		if turn := e.attr["transform"]; turn != "" {
			if _, err := fmt.Sscanf(turn, "rotate(%g", &l.angle); err != nil {
				t.Fatal(turn)
			}
		}
		c := l.corners()
		return c[:]
	case "path":
		return pathPoints(t, e.attr["d"])
	}
	return nil
}

// pathPoints reads the commands that we write: M, Q and h.
func pathPoints(t *testing.T, d string) []point {
	t.Helper()
	var points []point
	for _, part := range strings.FieldsFunc(strings.NewReplacer("M", "|M ", "Q", "|Q ", "h", "|h ").Replace(d), func(r rune) bool { return r == '|' }) {
		words := strings.Fields(part)
		want := map[string]int{"M": 2, "Q": 4, "h": 1}[words[0]]
		if len(words) != want+1 {
			t.Fatalf("path %q: %q", d, part)
		}
		var f []float64
		for _, w := range words[1:] {
			n, err := strconv.ParseFloat(w, 64)
			if err != nil {
				t.Fatal(err)
			}
			f = append(f, n)
		}
		if words[0] == "h" {
			last := points[len(points)-1]
			points = append(points, point{last.x + f[0], last.y})
			continue
		}
		for i := 0; i < len(f); i += 2 {
			points = append(points, point{f[i], f[i+1]})
		}
	}
	if len(points) < 2 {
		t.Fatalf("path %q", d)
	}
	return points
}

// No label covers another one, or a host.
func TestSVGLabelsApart(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 7, 10, 13, 14, 15, 16, 30, 50, 60, 61, 121, 200} {
		g := full(n, 0, nil)
		for i := range g.Hosts {
			g.Hosts[i].Name = fmt.Sprintf("hypervisor-rack-%d-%d", i%7, i)
			g.Hosts[i].Ports = i % 40
		}
		l := arrange(newMesh(g).hosts, 60)
		for i, a := range l.nodes {
			for j, b := range l.nodes {
				if i < j && overlap(a.label.corners(), b.label.corners()) {
					t.Fatalf("%d hosts: labels %q and %q overlap", n, a.label.name, b.label.name)
				}
				box := [4]point{b.at.add(point{-b.r, -b.r}), b.at.add(point{b.r, -b.r}), b.at.add(point{b.r, b.r}), b.at.add(point{-b.r, b.r})}
				if n < radialFrom && overlap(a.label.corners(), box) {
					t.Fatalf("%d hosts: label %q covers host %q", n, a.label.name, b.label.name)
				}
				if i < j && n > 1 && math.Hypot(a.at.x-b.at.x, a.at.y-b.at.y) < a.r+b.r {
					t.Fatalf("%d hosts: %q and %q touch", n, a.label.name, b.label.name)
				}
			}
		}
	}
}

// overlap reports whether two convex quadrangles have a point in common: whether
// no side of either separates them.
func overlap(a, b [4]point) bool {
	for _, q := range [][4]point{a, b} {
		for i := range q {
			d := point{q[(i+1)%4].y - q[i].y, q[i].x - q[(i+1)%4].x}
			lowA, highA := span(a, d)
			lowB, highB := span(b, d)
			if highA <= lowB || highB <= lowA {
				return false
			}
		}
	}
	return true
}

func span(q [4]point, d point) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range q {
		f := p.x*d.x + p.y*d.y
		low, high = min(low, f), max(high, f)
	}
	return low, high
}

// Names show as they are, whatever is in them; what is not up is red and on top.
func TestSVGSays(t *testing.T) {
	g := full(4, 1, someWrong)
	g.Hosts[0].Name, g.Ends = `<b>&"x`, nil
	g.Ends = []End{{"net1", `<b>&"x`, "xen2", Down, "no <route>"}, {"net1", "xen2", `<b>&"x`, Up, ""}}
	text := SVG(g)
	all := parseSVG(t, text)
	var said strings.Builder
	var lastHost, firstRed, lastUp int
	for i, e := range all {
		said.WriteString(e.text + "\n")
		switch {
		case e.name == "circle" && e.attr["stroke"] == ink:
			lastHost = i
		case e.name == "path" && e.attr["stroke"] == red && firstRed == 0:
			firstRed = i
		case e.name == "path" && e.attr["stroke"] == networkColour(0) && firstRed == 0:
			lastUp = i
		}
	}
	for _, want := range []string{`<b>&"x`, `net1: <b>&"x → xen2 down: no <route>`, "2 VIFs", "net1 (acme)", "gre 100 · 4 hosts", "1 of 2 tunnel ends up · 1 down"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q is not in\n%s", want, &said)
		}
	}
	if lastUp == 0 || firstRed < lastUp || lastHost < firstRed {
		t.Errorf("order: up %d, red %d, hosts %d", lastUp, firstRed, lastHost)
	}
}

// A large mesh does not make a large file.
func TestSVGSize(t *testing.T) {
	for name, g := range graphs() {
		if n := len(SVG(g)); n > 1<<20 {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}
