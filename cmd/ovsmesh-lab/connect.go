package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newConnectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "connect [TARGET]",
		Short: "Make all hosts dial in at a controller",
		Long: `connect runs "ovs-vsctl set-manager TARGET" on every host. Without a target it is
tcp:ADDRESS:6640, where ADDRESS is this machine's on the lab's underlay.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := openLab()
			if err != nil {
				return err
			}
			target := "tcp:" + l.bed.Controller.String() + ":6640"
			if len(args) > 0 {
				target = args[0]
			}
			for _, h := range l.bed.Hosts() {
				if err := h.SetManager(cmd.Context(), target); err != nil {
					return fmt.Errorf("host %s: %w", h.Name, err)
				}
			}
			return nil
		},
	}
}

func newSpecCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "spec",
		Short: "Print a spec of the lab's networks, for ovsmesh apply",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := openLab()
			if err != nil {
				return err
			}
			l.printSpec(cmd.OutOrStdout())
			return nil
		},
	}
}

func (l *lab) printSpec(w io.Writer) {
	if len(l.Networks) == 0 {
		fmt.Fprintln(w, "networks: []")
		return
	}
	fmt.Fprintln(w, "networks:")
	for _, n := range l.Networks {
		fmt.Fprintf(w, "  - {name: %s, tenant: %s, encap: %s, key: %d, bridge: %s}\n", n.Name, n.Tenant, n.Encap, n.Key, n.Bridge)
	}
}
