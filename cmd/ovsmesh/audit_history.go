package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovsmesh/controller/api"
)

// historyShown is how many entries a table shows; wide shows all.
const historyShown = 50

// auditHistory is "audit --history".
type auditHistory struct {
	on    bool
	since string
}

func (a *auditHistory) flags(flags *pflag.FlagSet) {
	flags.BoolVar(&a.on, "history", false, "list what others have changed of ours, and what became of it")
	flags.StringVar(&a.since, "since", "", "with --history: only since then; 10m, 15:04:05 or 2026-01-31T15:04:05Z")
}

// run asks for the history of what an audit would look at, and prints it.
func (a *auditHistory) run(cmd *cobra.Command, g *globals, req api.AuditRequest) error {
	switch {
	case !a.on:
		return errors.New("--since is for --history: an audit looks at what is there now")
	case req.Repair || req.DryRun || req.Foreign:
		return errors.New("--history looks at no switch: leave out --repair, --dry-run and --foreign")
	}
	since, err := parseSince(a.since, time.Now())
	if err != nil {
		return err
	}
	h, err := g.client().AuditHistory(cmd.Context(), api.HistoryRequest{Network: req.Network, Host: req.Host, Since: since})
	if err != nil {
		return err
	}
	return g.print(cmd, h, func(w io.Writer, wide bool) error { return printHistory(w, h, wide) })
}

// parseSince reads a time, or how long ago that is; "" is the zero time.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	if t, err := time.ParseInLocation(time.TimeOnly, text, now.Location()); err == nil {
		y, m, d := now.Date()
		if at := time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location()); !at.After(now) {
			return at, nil
		}
		return time.Date(y, m, d-1, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil // soon after midnight
	}
	return time.Time{}, fmt.Errorf("--since %q: want how long ago, like 10m, or a time, like 15:04:05, 2026-01-31 or 2026-01-31T15:04:05Z", text)
}

// printHistory prints entries, the newest last.
func printHistory(w io.Writer, h api.History, wide bool) error {
	if len(h.Entries) == 0 {
		_, err := fmt.Fprintln(w, "Nothing is recorded: nobody has changed anything of ours since then, or since ovsmesh serve was started.")
		return err
	}
	left, mended := 0, 0
	for _, e := range h.Entries {
		if e.Repaired {
			mended += 1 + e.More
		} else {
			left += 1 + e.More
		}
	}
	list := h.Entries
	if !wide && len(list) > historyShown {
		fmt.Fprintf(w, "%d older ones are left out here: see -o wide, or narrow it with --since, --host or --network.\n\n", len(list)-historyShown)
		list = list[len(list)-historyShown:]
	}
	t := newTable("TIME", "HOST", "BRIDGE", "NETWORK", "KIND", "MENDED", "EFFECT")
	if wide {
		t = newTable("TIME", "HOST", "BRIDGE", "NETWORK", "KIND", "MENDED", "BY", "EFFECT", "WANTED", "GOT")
	}
	var notes []string
	for _, e := range list {
		effect := e.Effect
		if e.More > 0 {
			effect += fmt.Sprintf(" (and %d more of this network)", e.More)
		}
		row := []string{localTime(e.Time), e.Host, e.Bridge, e.Network, e.Kind, mendedText(e)}
		if wide {
			row = append(row, e.By, effect, e.Want, e.Got)
		} else {
			row = append(row, effect)
		}
		t.add(row...)
		if note := e.Host + ": " + e.Note; e.Note != "" && !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	if err := t.write(w); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d mended, %d not.", mended, left)
	if h.Dropped > 0 {
		fmt.Fprintf(&b, " %d older entries are no longer kept.", h.Dropped)
	}
	b.WriteByte('\n')
	for _, note := range notes {
		fmt.Fprintln(&b, note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// mendedText says how long it took until a difference was mended.
func mendedText(e api.HistoryEntry) string {
	if !e.Repaired {
		return "no"
	}
	from, err1 := time.Parse(time.RFC3339Nano, e.Time)
	to, err2 := time.Parse(time.RFC3339Nano, e.RepairedAt)
	if err1 != nil || err2 != nil {
		return "yes"
	}
	ms := to.Sub(from).Milliseconds()
	switch {
	case ms < 1:
		return "< 1 ms"
	case ms < 10_000:
		return strconv.FormatInt(ms, 10) + " ms"
	}
	return to.Sub(from).Round(time.Second).String()
}

func localTime(text string) string {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return t.Local().Format("2006-01-02 15:04:05.000")
}
