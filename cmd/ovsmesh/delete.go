package main

import (
	"time"

	"github.com/spf13/cobra"
)

func newDeleteCommand(g *globals) *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "delete KIND NAME [--wait[=30s]]",
		Short: "Delete a network, host, port or keypool",
		Long: `Deletes one object. The tunnels and flows of a deleted network or host go, and
bridges that no network needs any longer get their former settings back.`,
		Example: `  ovsmesh delete network blue --wait
  ovsmesh delete keypool gre-100-110`,
		Args:              kindName(2),
		ValidArgsFunction: g.completeKindName,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := parseKind(args[0])
			if err != nil {
				return err
			}
			c := g.client()
			w, err := newWaiter(cmd.Context(), c, wait, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			result, err := c.Delete(cmd.Context(), kind, args[1])
			if err != nil {
				return err
			}
			if err := g.printResult(cmd, result); err != nil {
				return err
			}
			return w.wait(cmd.Context(), result.Generation)
		},
	}
	addWaitFlag(cmd.Flags(), &wait)
	return cmd
}
