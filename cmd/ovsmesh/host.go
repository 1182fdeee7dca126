package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ovsmesh/cmd/internal/configfile"
)

func newHostCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "host join|leave",
		Short: "Run on a hypervisor: have it join the mesh, or leave it",
		Long: `These commands run on the hypervisor itself, as root; they speak to its own
Open vSwitch, not to the server.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("want host join or host leave")
			}
			hint := ""
			if near := configfile.Nearest(args[0], []string{"join", "leave"}); near != "" {
				hint = fmt.Sprintf(" (did you mean %s?)", near)
			}
			return fmt.Errorf("unknown command host %s%s: want join or leave", args[0], hint)
		},
	}
	cmd.AddCommand(newJoinCommand(), newLeaveCommand())
	return cmd
}
