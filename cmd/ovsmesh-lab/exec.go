package main

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"ovsmesh/ovsdb/ovstest"
)

func newExecCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "exec HOST|VM -- COMMAND [ARGUMENT]…",
		Short: "Run a program on a host or in a VM",
		Long: `exec runs a program in the network namespace of a host or VM; on a host ovs-vsctl
and its sisters find that host's Open vSwitch. It ends with the program's exit
code.`,
		Example: `  ovsmesh-lab exec net1-h1-1 -- ping -c 3 10.1.2.1
  ovsmesh-lab exec h1 -- ovs-ofctl -O OpenFlow13 dump-flows xapi1
  ovsmesh-lab exec h2 -- bash`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := openLab()
			if err != nil {
				return err
			}
			on, err := l.find(args[0])
			if err != nil {
				return err
			}
			return execute(cmd, on, args[1:])
		},
	}
}

// execute runs a program with our own input and output. Ctrl-C is for it alone.
func execute(cmd *cobra.Command, on runner, argv []string) error {
	child := exec.Command(argv[0], argv[1:]...)
	child.Stdin, child.Stdout, child.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGQUIT)
	defer signal.Stop(interrupts)
	if err := on.Start(child); err != nil {
		return err
	}
	return child.Wait()
}

// newToolCommand makes the short form of "exec HOST -- ovs-TOOL …".
func newToolCommand(tool string) *cobra.Command {
	return &cobra.Command{
		Use:                tool + " HOST [ARGUMENT]…",
		Short:              "Run ovs-" + tool + " on a host",
		DisableFlagParsing: true, // they are ovs-vsctl's
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "-h" || args[0] == "--help" {
				return cmd.Help()
			}
			l, err := openLab()
			if err != nil {
				return err
			}
			h, err := l.host(args[0])
			if err != nil {
				return err
			}
			return execute(cmd, h, toolLine(h, tool, args[1:]))
		},
	}
}

func toolLine(h *ovstest.Host, tool string, args []string) []string {
	switch tool {
	case "ofctl":
		return append([]string{"ovs-ofctl", "-O", "OpenFlow13"}, args...)
	case "appctl":
		return append([]string{"ovs-appctl", "-t", h.Dir() + "/vswitchd.ctl"}, args...)
	default:
		return append([]string{"ovs-vsctl"}, args...)
	}
}
