package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

func newAuditCommand(g *globals) *cobra.Command {
	var req api.AuditRequest
	var offline offlineFlags
	var past auditHistory
	cmd := &cobra.Command{
		Use:   "audit [--network N] [--host H] [--repair] [--dry-run] [--foreign] [--history [--since T]] [--dump HOST/BRIDGE=FILE ...]",
		Short: "Compare what is wanted with what the switches hold now, and mend it",
		Long: `Reads the rows and flows of the switches back and compares them with what is
wanted. Each finding says first what follows from it. Lines that begin with "-"
are wanted and not there; with "+", there and not wanted.

With --repair everything of ours on the hosts concerned is brought in line, the
rows of a host in one transaction and the flows of a bridge in one bundle, and
looked at again; with --dry-run the transaction and the bundles are shown, and
nothing is changed. Other programs' flows are never touched. Where one takes
frames from ours, the command that would remove it is shown.

What others change of ours while ovsmesh serve looks on is mended at once. With
--history nothing is looked at: what was changed and what became of it is listed.

With --dump, files with the output of "ovs-ofctl -O OpenFlow13 dump-flows" are
compared with what a spec and an inventory demand, as "ovsmesh export" and
"ovsmesh export --inventory" have written them; no controller is asked.

Exit code: 0 where all is as wanted, or is now; 2 where a complete look found
differences that are left; 1 where the look was not complete or failed.`,
		Example: `  ovsmesh audit
  ovsmesh audit --network blue --host xen1
  ovsmesh audit --repair --dry-run         # what would be done?
  ovsmesh audit --repair
  ovsmesh audit --foreign                  # other programs' flows too
  ovsmesh audit -o wide                    # all findings, however many
  ovsmesh audit --history --since 1h       # what others have changed
  ovsmesh audit --dump xen1/xapi1=xen1.flows --spec spec.yaml --inventory inventory.yaml
  ovsmesh audit >/dev/null || echo "exit code $?"`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if req.DryRun && !req.Repair {
				return errors.New("--dry-run is for --repair: without it an audit changes nothing")
			}
			if files, err := offline.given(); files || err != nil {
				if err == nil && (past.on || past.since != "") {
					err = errors.New("--history with --dump: files have no history; ask the controller, without --dump")
				}
				if err != nil {
					return err
				}
				return g.auditDumps(cmd, &offline, req)
			}
			if past.on || past.since != "" {
				return past.run(cmd, g, req)
			}
			report, err := g.client().Audit(cmd.Context(), req)
			if err != nil {
				return err
			}
			return g.printAudit(cmd, report)
		},
	}
	flags := cmd.Flags()
	offline.add(cmd)
	flags.StringVar(&req.Network, "network", "", "only this network")
	flags.StringVar(&req.Host, "host", "", "only this host")
	flags.BoolVar(&req.Repair, "repair", false, "put right what is off of ours, on all hosts that are looked at")
	flags.BoolVar(&req.DryRun, "dry-run", false, "with --repair: only show what would be done")
	flags.BoolVar(&req.Foreign, "foreign", false, "list other programs' flows too; they are never touched")
	past.flags(flags)
	cmd.RegisterFlagCompletionFunc("network", g.completeNames(api.KindNetworks))
	cmd.RegisterFlagCompletionFunc("host", g.completeNames(api.KindHosts))
	return cmd
}

// printAudit prints a report, and returns the exit code that goes with it.
func (g *globals) printAudit(cmd *cobra.Command, report api.AuditReport) error {
	report.Findings = nonNil(report.Findings)
	if err := g.print(cmd, report, func(w io.Writer, wide bool) error { return writeAudit(w, report, wide) }); err != nil {
		return err
	}
	switch {
	case !report.Complete:
		return &codeError{exitError, errors.New("the look was not complete")}
	case !report.Clean:
		return &codeError{exitDifferences, nil}
	}
	return nil
}
