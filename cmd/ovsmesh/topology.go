package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

func newTopologyCommand(g *globals) *cobra.Command {
	var req api.TopologyFilter
	limit := rowsShown
	cmd := &cobra.Command{
		Use:   "topology [--network N] [--host H] [--tenant T] [--down] [--limit N]",
		Short: "Show every network's mesh and every host, and what is wrong",
		Long: `Shows per tenant and network which hosts are in the mesh, how many of its tunnel
ends are up of those wanted and how many VM ports it has; then the hosts with
their bridges and flows, and how they answer; then what is wrong and what to do
about it, and what works but not as VMs expect.

A cloud that would fill more than a screen is summed up: by tenant, and of
networks and hosts only those with which something is wrong. --network shows what
each host has of that network, --limit 0 lists everything, and -o wide adds the
MTU of the underlay and of VMs, the networks' options, and every bridge.`,
		Example: `  ovsmesh topology
  ovsmesh topology --down
  ovsmesh topology --tenant acme -o wide
  ovsmesh topology --network blue
  ovsmesh topology tunnels --down
  ovsmesh topology matrix --network blue
  ovsmesh topology graph --network blue --format svg --output blue.svg
  ovsmesh topology watch --network blue
  ovsmesh topology -o json | jq '.networks[] | select(.inSync | not)'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := wantLimit(limit); err != nil {
				return err
			}
			top, err := g.summary(cmd.Context(), req)
			if err != nil {
				return err
			}
			return g.print(cmd, top, func(w io.Writer, wide bool) error {
				if len(top.Networks) == 0 && len(top.Hosts) == 0 && len(top.Problems) == 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), nothingShown(req))
					return nil
				}
				return writeTopology(w, top, tables{wide: wide, limit: limit, detail: req.Network != ""})
			})
		},
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&req.Network, "network", "", "only this network")
	flags.StringVar(&req.Host, "host", "", "only what concerns this host")
	flags.StringVar(&req.Tenant, "tenant", "", "only this tenant's networks")
	flags.BoolVar(&req.Down, "down", false, "only what is not up, or not as wanted")
	cmd.Flags().IntVar(&limit, "limit", limit, "rows of a table at most, beyond which it is summed up; 0: no limit")
	cmd.RegisterFlagCompletionFunc("network", g.completeNames(api.KindNetworks))
	cmd.RegisterFlagCompletionFunc("host", g.completeNames(api.KindHosts))
	cmd.RegisterFlagCompletionFunc("tenant", g.completeTenants)
	cmd.AddCommand(newTunnelsCommand(g, &req), newMatrixCommand(g, &req), newGraphCommand(g, &req), newWatchCommand(g, &req))
	for _, c := range cmd.Commands() {
		c.DisableFlagsInUseLine = strings.Contains(c.Use, "--") // the line names them
	}
	return cmd
}

// summary asks for what the output needs: programs get all, people what fits a
// screen.
func (g *globals) summary(ctx context.Context, req api.TopologyFilter) (api.Topology, error) {
	if g.output == outputJSON || g.output == outputYAML {
		return g.topology(ctx, req)
	}
	top, err := summary(ctx, g.client(), req)
	if err == nil {
		err = g.knownTenant(ctx, req.Tenant, top)
	}
	return top, err
}

// summary asks for a topology with no more tunnel ends than what it takes to say
// why some are down.
func summary(ctx context.Context, c *api.Client, req api.TopologyFilter) (api.Topology, error) {
	req.Limit = api.NoTunnels
	top, err := c.Topology(ctx, req)
	if err != nil {
		return top, err
	}
	sortTopology(&top)
	if !slices.ContainsFunc(top.Networks, func(n api.TopologyNetwork) bool { return n.TunnelsDown > 0 }) {
		return top, nil
	}
	req.Down, req.Limit = true, endsRead
	down, err := c.Topology(ctx, req)
	if err != nil {
		return top, err
	}
	listed := map[string][]api.Tunnel{}
	for _, n := range down.Networks {
		listed[n.Name] = n.Tunnels
	}
	for i := range top.Networks {
		top.Networks[i].Tunnels = nonNil(listed[top.Networks[i].Name])
	}
	return top, nil
}

// endsRead is how many tunnel ends that are not up are read to say why.
const endsRead = 2000

// topology asks the server, and puts its answer in order.
func (g *globals) topology(ctx context.Context, req api.TopologyFilter) (api.Topology, error) {
	top, err := g.client().Topology(ctx, req)
	if err != nil {
		return top, err
	}
	if err := g.knownTenant(ctx, req.Tenant, top); err != nil {
		return top, err
	}
	sortTopology(&top)
	return top, nil
}

// nothingShown says why there is nothing to show.
func nothingShown(req api.TopologyFilter) string {
	if req.Down {
		return "everything is up and as wanted"
	}
	return "no networks and no hosts: declare networks with ovsmesh apply, and let hosts dial in with ovsmesh host join"
}

// wantLimit refuses a limit of rows that is none.
func wantLimit(n int) error {
	if n < 0 {
		return fmt.Errorf("--limit %d: want a number of rows, or 0 for all", n)
	}
	return nil
}

// knownTenant returns an error where nothing is shown because no network has
// that tenant, as against because of another filter.
func (g *globals) knownTenant(ctx context.Context, tenant string, top api.Topology) error {
	if tenant == "" || len(top.Networks) > 0 {
		return nil
	}
	all, err := g.client().Objects(ctx, api.KindNetworks, "")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all.Networks, func(n api.NetworkObject) bool { return n.Tenant == tenant }) {
		return fmt.Errorf("tenant %q: no network has it", tenant)
	}
	return nil
}

// completeTenants completes the name of a tenant.
func (g *globals) completeTenants(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	all, err := g.client().Objects(ctx, api.KindNetworks, "")
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, n := range all.Networks {
		if n.Tenant != "" {
			names = append(names, n.Tenant)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

// sortTopology puts networks in the order of tenants and names, hosts in that
// of names, and makes absent lists empty ones.
func sortTopology(t *api.Topology) {
	t.Networks, t.Hosts = nonNil(t.Networks), nonNil(t.Hosts)
	slices.SortFunc(t.Networks, func(a, b api.TopologyNetwork) int {
		return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Name, b.Name))
	})
	slices.SortFunc(t.Hosts, func(a, b api.TopologyHost) int { return strings.Compare(a.Name, b.Name) })
	for i := range t.Networks {
		n := &t.Networks[i]
		n.Hosts, n.Tunnels, n.Members, n.Bridges = nonNil(n.Hosts), nonNil(n.Tunnels), nonNil(n.Members), nonNil(n.Bridges)
		slices.SortFunc(n.Tunnels, func(a, b api.Tunnel) int {
			return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.To, b.To))
		})
	}
	for i := range t.Hosts {
		h := &t.Hosts[i]
		h.Bridges = nonNil(h.Bridges)
		slices.SortFunc(h.Bridges, func(a, b api.TopologyBridge) int { return strings.Compare(a.Name, b.Name) })
	}
}
