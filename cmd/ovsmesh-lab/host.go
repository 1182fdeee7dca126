package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newHostCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "host", Short: "Start and stop hosts"}
	cmd.AddCommand(newHostAddCommand(), newHostRmCommand())
	return cmd
}

func newHostAddCommand() *cobra.Command {
	var vms int
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Start one more host",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := openLab()
			if err != nil {
				return err
			}
			h, err := l.bed.AddHost(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := l.furnish(cmd.Context(), h, vms); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "host %s runs at %s\n", h.Name, h.Addr)
			return nil
		},
	}
	cmd.Flags().IntVar(&vms, "vms", 0, "number of VMs of each of the lab's networks on it")
	return cmd
}

func newHostRmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME",
		Short: "Stop a host and the VMs on it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := openLab()
			if err != nil {
				return err
			}
			h, err := l.host(args[0])
			if err != nil {
				return err
			}
			for _, vm := range l.bed.VMs() {
				if vm.Host != h.Name {
					continue
				}
				if err := vm.Remove(cmd.Context()); err != nil {
					return err
				}
			}
			return h.Remove()
		},
	}
}
