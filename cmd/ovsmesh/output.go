package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
	"github.com/spf13/cobra"
)

// output is the value of --output. It implements pflag.Value.
type output string

const (
	outputTable output = "table"
	outputWide  output = "wide"
	outputJSON  output = "json"
	outputYAML  output = "yaml"
)

// String implements pflag.Value.
func (o *output) String() string { return string(*o) }

// Type implements pflag.Value.
func (o *output) Type() string { return "format" }

// Set implements pflag.Value.
func (o *output) Set(s string) error {
	if !slices.Contains([]output{outputTable, outputWide, outputJSON, outputYAML}, output(s)) {
		return fmt.Errorf("%q is not one of table, wide, json and yaml", s)
	}
	*o = output(s)
	return nil
}

// print writes v as JSON or YAML, or has text write it for people; wide asks
// for more columns.
func (g *globals) print(cmd *cobra.Command, v any, text func(w io.Writer, wide bool) error) error {
	w := cmd.OutOrStdout()
	switch g.output {
	case outputJSON, outputYAML:
		return printData(w, g.output, v)
	default:
		return text(forPeople(w), g.output == outputWide)
	}
}

// printData writes v as JSON or as YAML with the same names in the same order.
func printData(w io.Writer, format output, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	b = append(b, '\n')
	if format == outputYAML {
		if b, err = yamlOf(b); err != nil {
			return fmt.Errorf("encode: %w", err)
		}
	}
	_, err = w.Write(b)
	return err
}

// yamlOf turns JSON into YAML in block style.
func yamlOf(text []byte) ([]byte, error) {
	var v any
	if err := yaml.UnmarshalWithOptions(text, &v, yaml.UseOrderedMap()); err != nil {
		return nil, err
	}
	node, err := yaml.ValueToNode(v)
	if err != nil {
		return nil, err
	}
	ast.Walk(quoter{}, node)
	return []byte(node.String() + "\n"), nil
}

// quoter quotes MAC addresses: to a reader of YAML 1.1, 52:54:00:12:34:56 is a
// number of base 60.
type quoter struct{}

// Visit implements ast.Visitor.
func (q quoter) Visit(n ast.Node) ast.Visitor {
	if s, ok := n.(*ast.StringNode); ok && strings.Count(s.Value, ":") == 5 {
		s.Token.Type = token.DoubleQuoteType
	}
	return q
}

// table is text in aligned columns under a header. Empty cells print as "-",
// so that the columns can be counted by a program too.
type table struct {
	rows [][]string
}

func newTable(header ...string) *table { return &table{rows: [][]string{header}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// empty reports whether there is no row below the header.
func (t *table) empty() bool { return len(t.rows) == 1 }

// write prints the table; nothing where it is empty.
func (t *table) write(w io.Writer) error {
	if t.empty() {
		return nil
	}
	return t.writeRows(w)
}

// writeRows prints all rows, of a table that has no header the first, too.
func (t *table) writeRows(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = orDash(c)
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	// A tab or newline in a name or an error would break the columns.
	return strings.Join(strings.Fields(s), " ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// plural returns "1 host", "2 hosts".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// cellWidth is how many characters of names a cell holds, so that a table with
// one cell of them fits a terminal of 80 columns.
const cellWidth = 17

// some joins names by commas, in a table that is not wide the first few only:
// "a,b,c,+17". The first is always whole.
func some(names []string, wide bool) string {
	all := strings.Join(names, ",")
	if wide || len(all) <= cellWidth {
		return all
	}
	for n := len(names) - 1; n > 1; n-- {
		if s := fmt.Sprintf("%s,+%d", strings.Join(names[:n], ","), len(names)-n); len(s) <= cellWidth {
			return s
		}
	}
	if len(names) == 1 {
		return all
	}
	return fmt.Sprintf("%s,+%d", names[0], len(names)-1)
}
