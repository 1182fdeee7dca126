package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"ovsmesh/controller/faults"
)

// chaosTable is what a run has found.
type chaosTable struct {
	seed     uint64
	hosts    int
	once     []faults.Result
	duration time.Duration // of random faults; 0: there were none
	report   faults.Report
	wrong    error // what ended the random faults
}

// chaosHead are the columns.
var chaosHead = []string{"injected", "sent", "lost", "transactions", "flow-mods", "right after", "target", "met"}

// rows returns the table's lines: one a fault, and one for all random ones.
func (t *chaosTable) rows() [][]string {
	var rows [][]string
	for _, r := range t.once {
		rows = append(rows, chaosRow(r.Fault.What, r.Fault.Limits.String(), r.Met, r))
	}
	if t.duration > 0 {
		var sum faults.Result
		for _, r := range t.report.Results {
			sum.Sent, sum.Lost = sum.Sent+r.Sent, sum.Lost+r.Lost
			sum.RowsWritten, sum.FlowsWritten = sum.RowsWritten+r.RowsWritten, sum.FlowsWritten+r.FlowsWritten
			sum.Took = max(sum.Took, r.Took)
		}
		what := fmt.Sprintf("%d random faults in %v, seed %d", len(t.report.Results), t.duration, t.seed)
		rows = append(rows, chaosRow(what, "each its own, memory flat", t.randomMet(), sum))
	}
	return rows
}

func chaosRow(what, target string, met bool, r faults.Result) []string {
	yes := "yes"
	if !met {
		yes = "no"
	}
	sent := thousands(r.Sent)
	lost := thousands(r.Lost)
	if r.Fault.Quiet {
		sent, lost = "-", "-"
	}
	after := "-"
	if r.Took > 0 {
		after = short(r.Took)
	}
	return []string{what, sent, lost, strconv.Itoa(r.RowsWritten), thousands(r.FlowsWritten), after, target, yes}
}

// notes say what the table has no room for: what the controller held, and what
// was missed.
func (t *chaosTable) notes() []string {
	var notes []string
	for _, r := range t.once {
		if !r.Met {
			notes = append(notes, fmt.Sprintf("%s: %s", r.Fault.Name, firstLine(r.Why)))
		}
	}
	for i, r := range t.report.Results {
		if !r.Met {
			notes = append(notes, fmt.Sprintf("random fault %d, %s: %s", i+1, r.Fault.Name, firstLine(r.Why)))
		}
	}
	if t.wrong != nil {
		notes = append(notes, fmt.Sprintf("random faults ended: %s: repeat them with --seed %d", firstLine(t.wrong.Error()), t.seed))
	}
	if v := t.report.Vital; len(v) > 0 {
		notes = append(notes, fmt.Sprintf("controller before the random faults: %v", v[0]), fmt.Sprintf("after them: %v", v[len(v)-1]))
	}
	return notes
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (t *chaosTable) randomMet() bool {
	for _, r := range t.report.Results {
		if !r.Met {
			return false
		}
	}
	return t.wrong == nil
}

func (t *chaosTable) met() bool {
	for _, r := range t.once {
		if !r.Met {
			return false
		}
	}
	return t.randomMet()
}

// print writes the table for people.
func (t *chaosTable) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, strings.ToUpper(strings.Join(chaosHead, "\t")))
	for _, row := range t.rows() {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, note := range t.notes() {
		fmt.Fprintln(w, note)
	}
	return nil
}

// The lines between which the table lies in a document.
const (
	chaosBegin = "<!-- begin: ovsmesh-lab chaos --markdown -->"
	chaosEnd   = "<!-- end: ovsmesh-lab chaos --markdown -->"
)

// cutMarkdown returns a document's text up to the line chaosBegin, and from the
// line chaosEnd on.
func cutMarkdown(text []byte) (before, after []byte, err error) {
	before, rest, ok := bytes.Cut(text, []byte(chaosBegin+"\n"))
	_, after, ended := bytes.Cut(rest, []byte(chaosEnd+"\n"))
	if !ok || !ended {
		return nil, nil, fmt.Errorf("wants two lines in it between which the table goes: %s and %s", chaosBegin, chaosEnd)
	}
	return before, after, nil
}

// checkMarkdown tells early that a table will find no place.
func checkMarkdown(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if _, _, err := cutMarkdown(text); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// writeMarkdown puts the table into a document, in place of the one before.
func (t *chaosTable) writeMarkdown(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, after, err := cutMarkdown(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var b bytes.Buffer
	b.Write(before)
	fmt.Fprintf(&b, "%s\n", chaosBegin)
	t.markdown(&b)
	fmt.Fprintf(&b, "%s\n", chaosEnd)
	b.Write(after)
	if err := os.WriteFile(file+".new", b.Bytes(), 0o644); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return errors.Join(err, os.Remove(file+".new"))
	}
	return nil
}

// markdown writes the table as Markdown has it.
func (t *chaosTable) markdown(b *bytes.Buffer) {
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(chaosHead, " | "), strings.Repeat("---|", len(chaosHead)))
	for _, row := range t.rows() {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
	if notes := t.notes(); len(notes) > 0 {
		b.WriteString("\n")
		for _, note := range notes {
			fmt.Fprintf(b, "- %s\n", note)
		}
	}
}
