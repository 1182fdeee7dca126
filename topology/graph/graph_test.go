package graph

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// mesh of some hosts: each network spans all of them, and what wrong says is
// not up.
func full(hosts, networks int, wrong func(from, to int) string) Graph {
	g := Graph{Title: fmt.Sprintf("%d hosts, %d networks", hosts, networks)}
	for i := range hosts {
		g.Hosts = append(g.Hosts, Host{Name: fmt.Sprintf("xen%d", i+1), Ports: i % 5, State: HostOK})
	}
	for k := range networks {
		n := Network{Name: fmt.Sprintf("net%d", k+1), Tenant: "acme", Encap: fmt.Sprintf("gre %d", 100+k), Hosts: hosts, Ports: hosts}
		for i := range hosts {
			for j := range hosts {
				if i == j {
					continue
				}
				e := End{Network: n.Name, From: g.Hosts[i].Name, To: g.Hosts[j].Name, State: Up}
				if wrong != nil {
					if s := wrong(i, j); s != "" {
						e.State, e.Error = s, "because of <this> & that"
					}
				}
				if n.Wanted++; e.State == Up {
					n.Up++
				}
				g.Ends = append(g.Ends, e)
			}
		}
		g.Networks = append(g.Networks, n)
	}
	return g
}

// someWrong has one of every state.
func someWrong(from, to int) string {
	switch {
	case from == 2:
		return Unreachable
	case from == 0 && to == 1:
		return Down
	case from == 1 && to == 3:
		return Pending
	}
	return ""
}

// hostile has names that mean something in one of the languages.
func hostile() Graph {
	names := []string{`a"b`, `c\`, "<script>&'", "line\nfeed\ttab", "end;}", "#35;", "é→ü", "\x00\x1b[31m", "]]>--", "%% x", `"`, strings.Repeat("long-", 12)}
	g := Graph{Title: `T "<&>" \ ` + "\n%%", Networks: []Network{{Name: names[0], Tenant: names[2], Encap: "gre 1"}, {Name: names[5]}}}
	for i, n := range names {
		g.Hosts = append(g.Hosts, Host{Name: n, Ports: i, State: HostStuck})
	}
	for i := range names {
		for j := range names {
			state := []string{Up, Down, Pending, Unreachable}[(i+j)%4]
			g.Ends = append(g.Ends, End{Network: names[i%6], From: names[i], To: names[j], State: state, Error: names[j]})
		}
	}
	return g
}

// graphs are those that all formats are tested with.
func graphs() map[string]Graph {
	oneSided := Graph{Title: "one end alone", Hosts: []Host{{Name: "xen1", State: HostOK}, {Name: "sw9", External: true, State: HostOK}},
		Networks: []Network{{Name: "blue", Encap: "gre 103"}}, Ends: []End{{"blue", "xen1", "sw9", Down, "no route"}, {"blue", "xen1", "unheard-of", Up, ""}}}
	return map[string]Graph{
		"nothing":      {},
		"one host":     {Title: "one", Hosts: []Host{{Name: "xen1", State: HostOK, Ports: 3}}},
		"one end":      oneSided,
		"two":          full(2, 1, nil),
		"three":        full(3, 2, someWrong),
		"fourteen":     full(14, 3, someWrong),
		"fifteen":      full(15, 1, someWrong),
		"fifty":        full(50, 1, someWrong),
		"fifty, four":  full(50, 4, someWrong),
		"many":         full(12, 30, someWrong),
		"two hundred":  full(200, 1, someWrong),
		"nothing up":   full(58, 1, func(int, int) string { return Down }),
		"hostile":      hostile(),
		"strange word": {Hosts: []Host{{Name: "a", State: "later"}}, Ends: []End{{"n", "a", "b", "later", ""}, {"n", "a", "a", Up, ""}}},
	}
}

func TestGolden(t *testing.T) {
	g := full(4, 2, someWrong)
	g.Hosts[2].State, g.Hosts[1].State, g.Hosts[3].External = HostUnreachable, HostSlow, true
	for file, got := range map[string]string{"four.dot": DOT(g), "four.mmd": Mermaid(g), "four.svg": SVG(g), "large.mmd": Mermaid(full(13, 1, someWrong))} {
		path := filepath.Join("testdata", file)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs (-update writes it anew):\n%s", path, got)
		}
	}
}

// The order in which a graph comes makes no difference.
func TestOrder(t *testing.T) {
	g := full(9, 3, someWrong)
	back := g
	back.Hosts, back.Ends = slices.Clone(g.Hosts), slices.Clone(g.Ends)
	slices.Reverse(back.Hosts)
	slices.Reverse(back.Ends)
	for name, draw := range map[string]func(Graph) string{"dot": DOT, "mermaid": Mermaid} {
		if draw(g) != draw(back) {
			t.Errorf("%s depends on the order", name)
		}
	}
	a, b := SVG(g), SVG(back)
	if cut := strings.Index(a, "Not up"); a[:cut] != b[:strings.Index(b, "Not up")] {
		t.Error("svg depends on the order")
	}
}

func TestNaturally(t *testing.T) {
	want := []string{"h1", "h2", "h02x", "h10", "h10a", "h100", "xen", "xen1"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, naturally)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
