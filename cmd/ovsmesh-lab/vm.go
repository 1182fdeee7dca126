package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

func newVMCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "vm", Short: "Start, stop and move VMs"}
	cmd.AddCommand(newVMAddCommand(), newVMRmCommand(), newVMMoveCommand())
	return cmd
}

func newVMAddCommand() *cobra.Command {
	var host, mac string
	var ips []string
	var spec ovstest.VMSpec
	cmd := &cobra.Command{
		Use:     "add NAME --host HOST --bridge BRIDGE --mac MAC [--ip ADDRESS/LENGTH]…",
		Short:   "Start a VM on a host",
		Example: "  ovsmesh-lab vm add web-1 --host h1 --bridge xapi1 --mac 02:00:00:00:01:01 --ip 10.1.1.63/24",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			spec.Name = args[0]
			if spec.MAC, err = topology.ParseMAC(mac); err != nil {
				return fmt.Errorf("--mac: %w", err)
			}
			for _, ip := range ips {
				p, err := netip.ParsePrefix(ip)
				if err != nil {
					return fmt.Errorf("--ip: %w", err)
				}
				spec.IPs = append(spec.IPs, p)
			}
			l, err := openLab()
			if err != nil {
				return err
			}
			h, err := l.host(host)
			if err != nil {
				return err
			}
			vm, err := h.AddVM(cmd.Context(), spec)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "VM %s runs on %s at %s/%s\n", vm.Name, vm.Host, vm.Bridge, vm.Interface)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&host, "host", "", "host that it runs on")
	flags.StringVar(&spec.Bridge, "bridge", "", "bridge that it is plugged into")
	flags.StringVar(&mac, "mac", "", "its MAC address")
	flags.StringArrayVar(&ips, "ip", nil, "an address with the length of its network")
	flags.StringVar(&spec.IfaceID, "iface-id", "", "external_ids:iface-id (default a random UUID)")
	flags.StringVar(&spec.Network, "network", "", "external_ids:ovsmesh-network")
	for _, name := range []string{"host", "bridge", "mac"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}

func newVMRmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME",
		Short: "Stop a VM",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := openLab()
			if err != nil {
				return err
			}
			vm, err := l.vm(args[0])
			if err != nil {
				return err
			}
			return vm.Remove(cmd.Context())
		},
	}
}

func newVMMoveCommand() *cobra.Command {
	var overlap time.Duration
	cmd := &cobra.Command{
		Use:   "move NAME HOST",
		Short: "Migrate a VM to another host",
		Long: `move migrates a VM with its processes and connections. As libvirt does, it makes
the VM's interface on the target first; --overlap keeps both for that long.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := openLab()
			if err != nil {
				return err
			}
			vm, err := l.vm(args[0])
			if err != nil {
				return err
			}
			h, err := l.host(args[1])
			if err != nil {
				return err
			}
			if vm.Host == h.Name {
				return fmt.Errorf("VM %s runs on %s already", vm.Name, h.Name)
			}
			// A move that was interrupted has prepared its target already.
			if vm.Next == nil || vm.Next.Host != h.Name {
				if err := vm.Prepare(cmd.Context(), h); err != nil {
					return err
				}
			}
			select {
			case <-time.After(overlap):
			case <-cmd.Context().Done():
			}
			if err := vm.Switch(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "VM %s runs on %s at %s/%s\n", vm.Name, vm.Host, vm.Bridge, vm.Interface)
			return nil
		},
	}
	cmd.Flags().DurationVar(&overlap, "overlap", 0, "how long the VM has an interface on both hosts")
	return cmd
}
