package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
)

const (
	findingsShown = 12 // of more, in a table that is not wide
	changesShown  = 12 // flow-mods of a bundle, or rows of a transaction, likewise
	valueShown    = 160
)

// writeAudit prints a report for people: the findings by host and bridge, each
// with what follows from it, what is wanted and what is there; of many, a count
// by network and kind and the first few. What was or would be done comes after
// them, and a line that sums up last.
func writeAudit(w io.Writer, r api.AuditReport, wide bool) error {
	findings := slices.Clone(r.Findings)
	slices.SortStableFunc(findings, func(a, b audit.Finding) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Bridge, b.Bridge),
			strings.Compare(a.Network, b.Network), strings.Compare(a.Kind, b.Kind))
	})
	shown := findings
	if !wide && len(findings) > findingsShown {
		if err := writeCounts(w, findings); err != nil {
			return err
		}
		shown = sample(findings)
		fmt.Fprintf(w, "\nsome of these:\n\n")
	}
	writeFindings(w, shown, wide)
	if more := len(findings) - len(shown); more > 0 {
		fmt.Fprintf(w, "… and %d more: ovsmesh audit -o wide, or --network and --host\n", more)
	}
	if len(findings) > 0 {
		fmt.Fprintln(w)
	}
	if r.DryRun && len(r.Repairs) == 0 && len(findings) > 0 {
		fmt.Fprintf(w, "a repair would do nothing\n\n")
	}
	for _, rep := range r.Repairs {
		writeRepair(w, rep, r.DryRun, wide)
	}
	c := r.Checked
	_, err := fmt.Fprintf(w, "%s: checked %s, %s, %s, %s\n", auditWord(r), plural(c.Hosts, "host"),
		plural(c.Bridges, "bridge"), plural(c.Tunnels, "tunnel"), plural(c.Flows, "flow"))
	return err
}

// writeCounts prints how many findings there are of each network and kind.
func writeCounts(w io.Writer, findings []audit.Finding) error {
	type group struct{ network, kind string }
	counts, hosts := map[group]int{}, map[group]map[string]bool{}
	for _, f := range findings {
		g := group{f.Network, f.Kind}
		if hosts[g] == nil {
			hosts[g] = map[string]bool{}
		}
		counts[g]++
		hosts[g][f.Host] = true
	}
	groups := make([]group, 0, len(counts))
	for g := range counts {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(strings.Compare(a.network, b.network), strings.Compare(a.kind, b.kind))
	})
	more := 0
	if len(groups) > 2*findingsShown {
		slices.SortStableFunc(groups, func(a, b group) int { return counts[b] - counts[a] })
		more = len(groups) - 2*findingsShown
		groups = groups[:2*findingsShown]
	}
	t := newTable("NETWORK", "KIND", "FINDINGS", "HOSTS")
	for _, g := range groups {
		t.add(g.network, g.kind, fmt.Sprint(counts[g]), fmt.Sprint(len(hosts[g])))
	}
	if err := t.write(w); err != nil {
		return err
	}
	if more > 0 {
		fmt.Fprintf(w, "… and %d more networks and kinds\n", more)
	}
	return nil
}

// sample returns a few of many findings, in their order: first of each network
// and kind one, as far as the limit goes, but of each kind at least one.
func sample(findings []audit.Finding) []audit.Finding {
	take := map[int]bool{}
	seen := map[[2]string]bool{}
	pick := func(limit int, key func(audit.Finding) [2]string) {
		for i, f := range findings {
			if k := key(f); len(take) < limit && !seen[k] {
				seen[k], take[i] = true, true
			}
		}
	}
	pick(len(findings), func(f audit.Finding) [2]string { return [2]string{"", f.Kind} })
	pick(findingsShown, func(f audit.Finding) [2]string { return [2]string{f.Network, f.Kind} })
	for i := range findings {
		if len(take) < findingsShown {
			take[i] = true
		}
	}
	var out []audit.Finding
	for i, f := range findings {
		if take[i] {
			out = append(out, f)
		}
	}
	return out
}

// writeFindings prints findings under their host and bridge.
func writeFindings(w io.Writer, findings []audit.Finding, wide bool) {
	place := ""
	at := func(f audit.Finding) string {
		if f.Bridge == "" {
			return f.Host
		}
		return f.Host + "/" + f.Bridge
	}
	alike := 0 // findings in a row with the same note
	for i, f := range findings {
		if at := at(f); at != place {
			fmt.Fprintln(w, at)
			place = at
		}
		about := f.Kind
		if f.Network != "" {
			about = f.Network + ", " + about
		}
		if f.Repaired {
			about += ", repaired"
		}
		effect := f.Effect
		if f.Kind == audit.UnreachableHost && f.Got != "" {
			effect += ": " + f.Got
		}
		fmt.Fprintf(w, "  %s (%s)\n", effect, about)
		writeMarked(w, "-", f.Want, wide)
		if f.Kind != audit.UnreachableHost {
			writeMarked(w, "+", f.Got, wide)
		}
		alike++
		if next := i + 1; f.Note != "" && next < len(findings) && findings[next].Note == f.Note && at(findings[next]) == place {
			continue
		}
		switch {
		case f.Note == "":
		case alike == 1:
			fmt.Fprintf(w, "    %s\n", f.Note)
		default:
			fmt.Fprintf(w, "  for the last %d: %s\n", alike, f.Note)
		}
		alike = 0
	}
}

// writeMarked writes each line of text behind a mark, as a diff does.
func writeMarked(w io.Writer, mark, text string, wide bool) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if !wide && len(line) > valueShown {
			line = strings.ToValidUTF8(line[:valueShown], "") + " …"
		}
		fmt.Fprintf(w, "    %s %s\n", mark, line)
	}
}

// writeRepair prints one transaction or one bundle.
func writeRepair(w io.Writer, r audit.Repair, dry, wide bool) {
	did := "done on"
	if dry {
		did = "would be done on"
	}
	lines, what := r.Rows, fmt.Sprintf("%s %s, rows in one transaction:", did, r.Host)
	if r.Bridge != "" {
		lines, what = r.Flows, fmt.Sprintf("%s %s/%s, flows in one bundle (+ put in, - taken out):", did, r.Host, r.Bridge)
	}
	fmt.Fprintln(w, what)
	shown := lines
	if !wide {
		shown = lines[:min(len(lines), changesShown)]
	}
	for _, line := range shown {
		if !wide && len(line) > valueShown {
			line = strings.ToValidUTF8(line[:valueShown], "") + " …"
		}
		fmt.Fprintf(w, "  %s\n", line)
	}
	if more := len(lines) - len(shown); more > 0 {
		fmt.Fprintf(w, "  … and %d more (-o wide)\n", more)
	}
	fmt.Fprintln(w)
}

// auditWord says in a few words how an audit ended.
func auditWord(r api.AuditReport) string {
	found, repaired, foreign, unseen := 0, 0, 0, map[string]bool{}
	for _, f := range r.Findings {
		switch {
		case f.Kind == audit.ForeignFlow:
			foreign++
		case f.Kind == audit.UnreachableHost:
			unseen[f.Host] = true
		case f.Repaired:
			repaired++
			found++
		default:
			found++
		}
	}
	word := "clean"
	switch {
	case found > 0 && repaired == found:
		word = plural(found, "finding") + ", all repaired"
	case repaired > 0:
		word = fmt.Sprintf("%s, %d repaired, %d left", plural(found, "finding"), repaired, found-repaired)
	case found > 0:
		word = plural(found, "finding")
	}
	if foreign > 0 {
		word += ", " + plural(foreign, "flow") + " of other programs"
	}
	if !r.Complete {
		word = fmt.Sprintf("incomplete, %s not seen whole, %s so far", plural(len(unseen), "host"), word)
	}
	return word
}
