package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

// matrix answers topology matrix.
type matrix struct {
	Network string         `json:"network"`
	Tenant  string         `json:"tenant"`
	Hosts   []matrixHost   `json:"hosts"` // of rows and columns, in this order
	Rows    []matrixRow    `json:"rows"`
	Counts  map[string]int `json:"counts"` // tunnel ends by state, those that are not shown too
}

type matrixHost struct {
	Name string `json:"name"`
	ID   int    `json:"id"`
}

// matrixRow holds the tunnel ends on one host, one for each host in the order of
// matrix.Hosts: a state, "none" where there is no tunnel, "" at the host itself.
type matrixRow struct {
	From  string   `json:"from"`
	Cells []string `json:"cells"`
}

// noTunnel is the cell of two hosts without a tunnel between them.
const noTunnel = "none"

// matrixShown is how many hosts are shown one and all.
const matrixShown = 50

func newMatrixCommand(g *globals, req *api.TopologyFilter) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "matrix --network N [--host H] [--down] [--all]",
		Short: "Show hosts by hosts, one cell a tunnel",
		Long: `Shows a network as a square: the cell in the row of one host and the column of
another is the tunnel end on the first that leads to the second. Columns are headed
by the hosts' numbers (ID), which rows name.

Of a network of more than fifty hosts only the rows and columns are shown that have
a tunnel end which is not up, as with --down; --all shows them all. --network may be
left out where there is only one.`,
		Example: `  ovsmesh topology matrix --network blue
  ovsmesh topology matrix --network blue --down
  ovsmesh topology matrix --network blue --host xen1
  ovsmesh topology matrix --network blue -o json | jq '.counts'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := g.matrix(cmd.Context(), *req)
			if err != nil {
				return err
			}
			return g.print(cmd, m, func(w io.Writer, _ bool) error {
				if len(m.Hosts) == 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "network %s has no members\n", m.Network)
					return nil
				}
				return writeMatrix(w, m, req.Host, req.Down || !all && len(m.Hosts) > matrixShown)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every row and column, however many there are")
	return cmd
}

// matrix asks for one network.
func (g *globals) matrix(ctx context.Context, req api.TopologyFilter) (matrix, error) {
	if req.Network == "" {
		name, err := g.onlyNetwork(ctx, req.Tenant)
		if err != nil {
			return matrix{}, err
		}
		req.Network = name
	}
	top, err := g.topology(ctx, api.TopologyFilter{Network: req.Network, Tenant: req.Tenant})
	if err != nil {
		return matrix{}, err
	}
	if len(top.Networks) != 1 {
		return matrix{}, fmt.Errorf("network %q is not of tenant %q", req.Network, req.Tenant)
	}
	if req.Host != "" && !slices.Contains(top.Networks[0].Hosts, req.Host) {
		return matrix{}, fmt.Errorf("host %q is not in network %q", req.Host, req.Network)
	}
	return newMatrix(top), nil
}

// onlyNetwork returns the name of the only network, or says which there are.
func (g *globals) onlyNetwork(ctx context.Context, tenant string) (string, error) {
	all, err := g.client().Objects(ctx, api.KindNetworks, "")
	if err != nil {
		return "", err
	}
	var names []string
	for _, n := range all.Networks {
		if tenant == "" || n.Tenant == tenant {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	switch len(names) {
	case 0:
		return "", fmt.Errorf("there is no network: declare one with ovsmesh apply")
	case 1:
		return names[0], nil
	}
	return "", fmt.Errorf("which network? name one with --network: %s", strings.Join(few(names, 10), ", "))
}

// newMatrix lays out a topology of one network.
func newMatrix(top api.Topology) matrix {
	n := top.Networks[0]
	m := matrix{Network: n.Name, Tenant: n.Tenant, Hosts: []matrixHost{}, Rows: []matrixRow{}, Counts: map[string]int{
		api.TunnelUp: 0, api.TunnelPending: 0, api.TunnelDown: 0, api.TunnelUnreachable: 0,
	}}
	ids := map[string]int{}
	for _, h := range top.Hosts {
		ids[h.Name] = h.ID
	}
	for _, name := range n.Hosts {
		m.Hosts = append(m.Hosts, matrixHost{name, ids[name]})
	}
	slices.SortFunc(m.Hosts, func(a, b matrixHost) int { return a.ID - b.ID })
	at := map[string]int{}
	for i, h := range m.Hosts {
		at[h.Name] = i
		row := matrixRow{From: h.Name, Cells: make([]string, len(m.Hosts))}
		for k := range row.Cells {
			if k != i {
				row.Cells[k] = noTunnel
			}
		}
		m.Rows = append(m.Rows, row)
	}
	for _, e := range n.Tunnels {
		from, known := at[e.From]
		to, there := at[e.To]
		if known && there {
			m.Rows[from].Cells[to] = e.State
		}
		m.Counts[e.State]++
	}
	return m
}

// matrixSymbols are the cells for people, in the order of the legend.
func matrixSymbols() [][2]string {
	return [][2]string{{api.TunnelUp, "+"}, {api.TunnelDown, "X"}, {api.TunnelUnreachable, "?"}, {api.TunnelPending, "~"}, {noTunnel, "."}, {"", `\`}}
}

// writeMatrix draws a square; of those rows and columns only that have an end
// which is not up, or that are a host's. Rows and columns of which nothing is up
// are said in a line each: a host that is down would else show all others.
func writeMatrix(w io.Writer, m matrix, host string, wrongOnly bool) error {
	rows, columns := make([]bool, len(m.Hosts)), make([]bool, len(m.Hosts))
	var lost []string
	done := func(i, k int) bool { return false }
	if wrongOnly && host == "" {
		lost, done = m.lost()
	}
	for i, r := range m.Rows {
		for k, c := range r.Cells {
			mine := host == "" || i != k && (r.From == host || m.Hosts[k].Name == host)
			if mine && (wrong(c) && !done(i, k) || !wrongOnly) {
				rows[i], columns[k] = true, true
			}
		}
	}
	var b strings.Builder
	switch {
	case slices.Contains(rows, true):
		m.draw(&b, rows, columns, host)
		b.WriteString("\n")
	case len(lost) == 0:
		fmt.Fprintf(&b, "every tunnel is up, of %s (use --all to see them)\n\n", count(len(m.Hosts), "host"))
	}
	if len(lost) > 0 {
		b.WriteString(joined(few(lost, rowsShown)...) + "\n\n")
	}
	b.WriteString(m.legend() + "\n")
	if n := trues(rows); wrongOnly && n > 0 && n < len(rows) {
		fmt.Fprintf(&b, "%d of %d rows and %d of %d columns shown (use --all for all)\n", n, len(rows), trues(columns), len(columns))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrong reports whether a cell is a tunnel end that is not up.
func wrong(cell string) bool { return cell != api.TunnelUp && cell != noTunnel && cell != "" }

// lost says of which hosts no end is up, or none that leads to them, where there
// are three or more, and which cells that covers.
func (m matrix) lost() (lines []string, done func(i, k int) bool) {
	rows, columns := make([]bool, len(m.Hosts)), make([]bool, len(m.Hosts))
	for i, h := range m.Hosts {
		if n, state := m.all(func(k int) string { return m.Rows[i].Cells[k] }); n >= 3 {
			rows[i] = true
			lines = append(lines, fmt.Sprintf("%s (%d): all its %d tunnel ends are %s", h.Name, h.ID, n, state))
		}
	}
	for k, h := range m.Hosts {
		if n, state := m.all(func(i int) string { return m.Rows[i].Cells[k] }); n >= 3 {
			columns[k] = true
			lines = append(lines, fmt.Sprintf("%s (%d): all %d tunnel ends that lead to it are %s", h.Name, h.ID, n, state))
		}
	}
	return lines, func(i, k int) bool { return rows[i] || columns[k] }
}

// all returns how many tunnel ends a row or column has if none of them is up, and
// their state, the worst of them; 0 if one is up.
func (m matrix) all(cell func(int) string) (n int, state string) {
	for i := range m.Hosts {
		switch c := cell(i); {
		case c == api.TunnelUp:
			return 0, ""
		case wrong(c):
			n++
			if state == "" || c == api.TunnelDown {
				state = c
			}
		}
	}
	return n, state
}

func trues(list []bool) int {
	n := 0
	for _, v := range list {
		if v {
			n++
		}
	}
	return n
}

// closeFrom is how many columns are drawn without a space between them.
const closeFrom = 70

// draw writes the heads of the columns, digit below digit, and the rows.
func (m matrix) draw(b *strings.Builder, rows, columns []bool, host string) {
	digits, wide := 1, len("FROM")
	for i, h := range m.Hosts {
		if columns[i] {
			digits = max(digits, len(strconv.Itoa(h.ID)))
		}
		if rows[i] {
			wide = max(wide, len(h.Name))
		}
	}
	space := " "
	if trues(columns) >= closeFrom {
		space = ""
	}
	symbols := map[string]string{}
	for _, s := range matrixSymbols() {
		symbols[s[0]] = s[1]
	}
	number := 2 // width of a row's
	for i, h := range m.Hosts {
		if rows[i] {
			number = max(number, len(strconv.Itoa(h.ID)))
		}
	}
	for d := range digits {
		left, right := "", ""
		if d == digits-1 {
			left, right = "ID", "FROM"
		}
		line := fmt.Sprintf("%*s  %-*s ", number, left, wide, right)
		for k, h := range m.Hosts {
			if columns[k] {
				line += space + fmt.Sprintf("%*d", digits, h.ID)[d:d+1]
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	for i, r := range m.Rows {
		if !rows[i] {
			continue
		}
		fmt.Fprintf(b, "%*d  %-*s ", number, m.Hosts[i].ID, wide, r.From)
		for k, c := range r.Cells {
			if columns[k] {
				s := symbols[c]
				if host != "" && r.From != host && m.Hosts[k].Name != host {
					s = " " // not asked for
				}
				b.WriteString(space + s)
			}
		}
		b.WriteString("\n")
	}
}

// legend says what the symbols mean, and how many there are of each.
func (m matrix) legend() string {
	var parts []string
	for _, s := range matrixSymbols() {
		switch n := m.Counts[s[0]]; {
		case s[0] == "" || s[0] == noTunnel:
		default:
			parts = append(parts, s[1]+" "+s[0]+" "+thousands(n))
		}
	}
	return strings.Join(parts, "   ") + "   . none   (from the row's host to the column's)"
}
