package main

import (
	"errors"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

// auditDumps compares dumps with what a spec and an inventory demand, without
// a controller.
func (g *globals) auditDumps(cmd *cobra.Command, f *offlineFlags, req api.AuditRequest) error {
	if req.Repair {
		return errors.New("--repair with --dump: a file can't be repaired; ask the controller, without --dump")
	}
	o, dumps, err := f.load(cmd.InOrStdin())
	if err != nil {
		return err
	}
	report, err := o.Audit(req, dumps)
	if err != nil {
		return err
	}
	return g.printAudit(cmd, report)
}
