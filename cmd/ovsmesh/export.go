package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

func newExportCommand(g *globals) *cobra.Command {
	var inventory bool
	cmd := &cobra.Command{
		Use:   "export [--inventory] [-o yaml|json]",
		Short: "Write everything that was applied as one spec",
		Long: `Writes all objects as a spec that "ovsmesh apply" takes, with the keys and host
ids that were allocated; with --inventory, what the hosts report of themselves,
their ports and tunnels included. Both together are what "ovsmesh audit --dump"
and "ovsmesh trace --dump" need instead of a controller.`,
		Example: `  ovsmesh export > backup.yaml
  ovsmesh export -o json | jq .networks
  ovsmesh export --inventory > inventory.yaml`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format := g.output
			if format == outputTable && !cmd.Flags().Changed("output") {
				format = outputYAML
			}
			if format != outputYAML && format != outputJSON {
				return fmt.Errorf("export writes yaml or json, not %s", format)
			}
			if inventory {
				v, err := g.client().Inventory(cmd.Context(), api.InventoryRequest{Rows: true})
				if err != nil {
					return err
				}
				v.Hosts = nonNil(v.Hosts)
				return printData(cmd.OutOrStdout(), format, v)
			}
			v, err := g.client().Export(cmd.Context())
			if err != nil {
				return err
			}
			return printData(cmd.OutOrStdout(), format, v)
		},
	}
	cmd.Flags().BoolVar(&inventory, "inventory", false, "write what the hosts report instead")
	return cmd
}
