package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
)

func newAuditCommand(g *globals) *cobra.Command {
	var req api.AuditRequest
	cmd := &cobra.Command{
		Use:   "audit [--network N] [--host H] [--foreign]",
		Short: "Compare what is wanted with what the switches hold now",
		Long: `Reads the rows and flows of the switches back and compares them with what is
wanted. Lines that begin with "-" are wanted and not there; with "+", there and
not wanted.

Exit code: 0 where all is as wanted, 2 where a complete look found differences,
1 where the look was not complete or failed.`,
		Example: `  ovsmesh audit
  ovsmesh audit --network blue --host xen1
  ovsmesh audit --foreign                  # other programs' flows too
  ovsmesh audit >/dev/null || echo "exit code $?"`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := g.client().Audit(cmd.Context(), req)
			if err != nil {
				return err
			}
			report.Findings = nonNil(report.Findings)
			err = g.print(cmd, report, func(w io.Writer, _ bool) error { return writeAudit(w, report) })
			if err != nil {
				return err
			}
			return auditCode(report)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Network, "network", "", "only this network")
	flags.StringVar(&req.Host, "host", "", "only this host")
	flags.BoolVar(&req.Foreign, "foreign", false, "list other programs' flows too; they are never touched")
	cmd.RegisterFlagCompletionFunc("network", g.completeNames(api.KindNetworks))
	cmd.RegisterFlagCompletionFunc("host", g.completeNames(api.KindHosts))
	return cmd
}

func auditCode(r api.AuditReport) error {
	switch {
	case !r.Complete:
		return &codeError{exitError, errors.New("the look was not complete")}
	case !r.Clean:
		return &codeError{exitDifferences, nil}
	}
	return nil
}

// writeAudit prints findings host by host, each with its effect and then what
// is wanted and what is there.
func writeAudit(w io.Writer, r api.AuditReport) error {
	slices.SortStableFunc(r.Findings, func(a, b audit.Finding) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Bridge, b.Bridge),
			strings.Compare(a.Network, b.Network), strings.Compare(a.Kind, b.Kind))
	})
	for _, f := range r.Findings {
		place := f.Host
		if f.Bridge != "" {
			place += "/" + f.Bridge
		}
		line := place + ": " + f.Kind
		if f.Network != "" {
			line += " in " + f.Network
		}
		if f.Effect != "" {
			line += ": " + f.Effect
		}
		if f.Repaired {
			line += " (repaired)"
		}
		fmt.Fprintln(w, line)
		writeMarked(w, "-", f.Want)
		writeMarked(w, "+", f.Got)
	}
	if len(r.Findings) > 0 {
		fmt.Fprintln(w)
	}
	c := r.Checked
	_, err := fmt.Fprintf(w, "%s: checked %s, %s, %s, %s\n", auditWord(r), plural(c.Hosts, "host"),
		plural(c.Bridges, "bridge"), plural(c.Tunnels, "tunnel"), plural(c.Flows, "flow"))
	return err
}

func auditWord(r api.AuditReport) string {
	word := "clean"
	if !r.Clean {
		word = plural(len(r.Findings), "finding")
	}
	if !r.Complete {
		word = "incomplete, " + word + " so far"
	}
	return word
}

// writeMarked writes each line of text behind a mark, as a diff does.
func writeMarked(w io.Writer, mark, text string) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintf(w, "  %s %s\n", mark, line)
	}
}
