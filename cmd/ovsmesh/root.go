package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

const defaultServer = "http://127.0.0.1:8640"

// globals are the flags that all commands share.
type globals struct {
	server string
	output output
}

// client returns a client of the server that the user named.
func (g *globals) client() *api.Client {
	server := g.server
	if server == "" {
		server = os.Getenv("OVSMESH_SERVER")
	}
	if server == "" {
		server = defaultServer
	}
	return &api.Client{BaseURL: server, Token: os.Getenv("OVSMESH_TOKEN")}
}

func newRootCommand() *cobra.Command {
	g := &globals{output: outputTable}
	root := &cobra.Command{
		Use:   "ovsmesh",
		Short: "Tenant networks as meshes of GRE and VXLAN tunnels on Open vSwitch",
		Long: `ovsmesh keeps tenant networks as meshes of GRE and VXLAN tunnels between the
Open vSwitch bridges of many hosts. Hosts dial in to "ovsmesh serve"; it makes
the tunnels and flows that the networks need, and keeps them right.`,
		Example: `  ovsmesh serve                                       # the controller
  ovsmesh host join --controller tcp:192.0.2.10:6640  # on each hypervisor
  ovsmesh apply -f networks.yaml --wait               # declare the networks
  ovsmesh topology                                    # what stands now
  ovsmesh audit                                       # is it so on the switches?`,
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&g.server, "server", "", "URL of ovsmesh serve (environment OVSMESH_SERVER, default "+defaultServer+"); a token comes from OVSMESH_TOKEN")
	flags.VarP(&g.output, "output", "o", "how to print: table, wide, json or yaml")
	root.RegisterFlagCompletionFunc("output", fixedCompletions(outputTable, outputWide, outputJSON, outputYAML))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(
		newServeCommand(),
		newApplyCommand(g),
		newGetCommand(g),
		newDeleteCommand(g),
		newExportCommand(g),
		newTopologyCommand(g),
		newPlanCommand(g),
		newAuditCommand(g),
		newFlowsCommand(g),
		newTraceCommand(g),
		newVerifyCommand(g),
		newBackupCommand(g),
		newRestoreCommand(g),
		newAdoptCommand(g),
		newSupportCommand(g),
		newHostCommand(),
		newVersionCommand(g),
	)
	for _, c := range root.Commands() {
		c.DisableFlagsInUseLine = strings.Contains(c.Use, "--") // the line names them
	}
	return root
}
