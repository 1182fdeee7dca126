// Command ovsmesh-lab runs real Open vSwitch hosts and VMs in network
// namespaces on this machine, to try ovsmesh with and to test it. It is no part
// of the product: it knows nothing of networks or tunnels, it only makes what a
// data centre would have.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// stamped is the version, set by the linker; see the Makefile.
var stamped = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	os.Exit(exitCode(err))
}

// exitCode prints an error and returns the code to end with: that of a program
// which ran in a host or VM, so that scripts can test it; else 1.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode()
	}
	fmt.Fprintf(os.Stderr, "ovsmesh-lab: %v\n", err)
	return 1
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "ovsmesh-lab",
		Short: "Real Open vSwitch hosts and VMs in network namespaces",
		Long: `ovsmesh-lab runs hosts on this machine: network namespaces with an ovsdb-server
and an ovs-vswitchd each, joined by an underlay, and VMs plugged into their
bridges. What it makes carries the prefix "om-" and is gone after "down".`,
		Example: `  ovsmesh-lab up --hosts 3 --networks 2 --vms 1
  ovsmesh serve &
  ovsmesh-lab connect
  ovsmesh-lab spec | ovsmesh apply --wait -f -
  ovsmesh-lab exec net1-h1-1 -- ping -c 3 10.1.2.1
  ovsmesh-lab down`,
		Version:       stamped,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		newUpCommand(), newDownCommand(), newStatusCommand(), newSpecCommand(), newConnectCommand(),
		newExecCommand(), newToolCommand("vsctl"), newToolCommand("ofctl"), newToolCommand("appctl"),
		newHostCommand(), newVMCommand(), newDemoCommand(), newBenchCommand(), newStormCommand(), newChaosCommand())
	return root
}
