package graph

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// dotToken is one of the language of graphviz, as far as we write it.
var dotToken = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|--|[A-Za-z_][A-Za-z0-9_]*|[0-9]+(?:\.[0-9]+)?|[][{};,=])`)

// dotTokens cuts a text into tokens, and demands that nothing is left.
func dotTokens(t *testing.T, text string) []string {
	t.Helper()
	var tokens []string
	for rest := strings.TrimLeft(text, " \n"); rest != ""; rest = strings.TrimLeft(rest, " \n") {
		tok := dotToken.FindString(rest)
		if tok == "" {
			t.Fatalf("no token: %.80s", rest)
		}
		tokens = append(tokens, tok)
		rest = rest[len(tok):]
	}
	return tokens
}

// dotGrammar parses: graph ID { (stmt ;)* } with a stmt of ID [-- ID] attr_list,
// of https://graphviz.org/doc/info/lang.html. It returns the nodes and edges.
func dotGrammar(t *testing.T, text string) (nodes, edges int) {
	t.Helper()
	tokens := dotTokens(t, text)
	next := func() string {
		if len(tokens) == 0 {
			t.Fatal("it ends too soon")
		}
		tok := tokens[0]
		tokens = tokens[1:]
		return tok
	}
	want := func(w string) {
		if tok := next(); tok != w {
			t.Fatalf("%s, want %s, before %q", tok, w, tokens[:min(5, len(tokens))])
		}
	}
	id := func() string {
		tok := next()
		if strings.Contains("[]{};,=--", tok) {
			t.Fatalf("%s is no ID", tok)
		}
		return tok
	}
	want("graph")
	id()
	want("{")
	for tokens[0] != "}" {
		name := id()
		if tokens[0] == "--" {
			next()
			id()
			edges++
		} else if name != "graph" && name != "node" && name != "edge" {
			nodes++
		}
		want("[")
		for first := true; tokens[0] != "]"; first = false {
			if !first {
				want(",")
			}
			id()
			want("=")
			id()
		}
		want("]")
		want(";")
	}
	want("}")
	if len(tokens) > 0 {
		t.Fatalf("after the end: %q", tokens)
	}
	return nodes, edges
}

func TestDOTGrammar(t *testing.T) {
	for name, g := range graphs() {
		t.Run(name, func(t *testing.T) {
			g.Ends = g.Ends[:min(len(g.Ends), 1200)] // it is the names that matter
			nodes, edges := dotGrammar(t, DOT(g))
			m := newMesh(g)
			least, most := len(m.links), 0
			for _, l := range m.links {
				if most++; !l.up() && l.ab != "" && l.ba != "" {
					most++
				}
			}
			if nodes != len(m.hosts) || edges < least || edges > most {
				t.Errorf("%d nodes of %d, %d edges of %d to %d", nodes, len(m.hosts), edges, least, most)
			}
		})
	}
}

// mermaidLine is a line of a flowchart, as far as we write it.
var mermaidLine = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`---`,
	`title: "(?:[^"\\]|\\["\\])*"`,
	`flowchart LR`,
	`  %% and [0-9]+ .*`,
	`  h[0-9]+(?:\["[^"\[\]]*"\]|\[\["[^"\[\]]*"\]\])`,
	`  n[0-9]+\(\("[^"()]*"\)\)`,
	`  class h[0-9]+ [a-z]+`,
	`  [hn][0-9]+ (?:---|-->) [hn][0-9]+`,
	`  h[0-9]+ -\. "[^"]*" \.-> h[0-9]+`,
	`  classDef [a-z]+ stroke:#[0-9a-f]{6},fill:#[0-9a-f]{6}`,
	`  linkStyle [0-9]+ stroke:#[0-9a-f]{6},stroke-width:[0-9.]+px`,
}, "|") + `)$`)

func TestMermaidGrammar(t *testing.T) {
	for name, g := range graphs() {
		t.Run(name, func(t *testing.T) {
			edges, styles, defined := 0, 0, map[string]bool{}
			for line := range strings.Lines(Mermaid(g)) {
				line = strings.TrimSuffix(line, "\n")
				if !mermaidLine.MatchString(line) {
					t.Fatalf("no line of a flowchart: %q", line)
				}
				words := strings.Fields(line)
				switch {
				case strings.HasPrefix(line, "  linkStyle"):
					if words[1] != fmt.Sprint(styles) {
						t.Fatalf("style %s comes as number %d", words[1], styles)
					}
					styles++
				case len(words) > 2 && (words[1] == "---" || words[1] == "-->" || words[1] == "-."):
					edges++
					for _, end := range []string{words[0], words[len(words)-1]} {
						if !defined[end] {
							t.Fatalf("%s of %q is no node", end, line)
						}
					}
				case strings.HasPrefix(line, "  h") || strings.HasPrefix(line, "  n"):
					defined[strings.TrimSpace(line[:strings.IndexAny(line, "[(")])] = true
				}
			}
			if edges != styles || edges > 500 {
				t.Errorf("%d edges, %d styles", edges, styles)
			}
			if len(g.Ends) > 0 && edges == 0 {
				t.Error("no edge")
			}
		})
	}
}

// What is not up is drawn, however large the mesh.
func TestMermaidShowsWrong(t *testing.T) {
	text := Mermaid(full(50, 1, func(from, to int) string {
		if from == 7 && to == 9 {
			return Down
		}
		return ""
	}))
	if !strings.Contains(text, `h7 -. "net1 down" .-> h9`) || !strings.Contains(text, "h49 --- n0") {
		t.Errorf("%.3000s", text)
	}
	all := Mermaid(full(50, 1, func(int, int) string { return Down }))
	if !strings.Contains(all, "%% and 2250 tunnel ends more that are not up") {
		t.Errorf("it does not say what is missing: %.300s", all)
	}
}
