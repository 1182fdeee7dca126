package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

// tunnelRow is one tunnel end with the network that it serves.
type tunnelRow struct {
	Network string `json:"network"`
	Tenant  string `json:"tenant"`
	api.Tunnel
}

// tunnelList answers topology tunnels.
type tunnelList struct {
	Tunnels []tunnelRow `json:"tunnels"`
}

func newTunnelsCommand(g *globals, req *api.TopologyFilter) *cobra.Command {
	var down bool
	cmd := &cobra.Command{
		Use:   "tunnels [--network N] [--host H] [--tenant T] [--down]",
		Short: "Show one row a tunnel end",
		Example: `  ovsmesh topology tunnels --network blue
  ovsmesh topology tunnels --host xen1 -o wide
  ovsmesh topology tunnels --down`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			top, err := g.client().Topology(cmd.Context(), *req)
			if err != nil {
				return err
			}
			sortTopology(&top)
			if err := g.knownTenant(cmd.Context(), req.Tenant, top); err != nil {
				return err
			}
			list := tunnelList{Tunnels: []tunnelRow{}}
			all := 0
			for _, n := range top.Networks {
				for _, e := range n.Tunnels {
					all++
					if !down || e.State != api.TunnelUp {
						list.Tunnels = append(list.Tunnels, tunnelRow{n.Name, n.Tenant, e})
					}
				}
			}
			return g.print(cmd, list, func(w io.Writer, wide bool) error {
				t := tunnelTable(list.Tunnels, wide)
				if t.empty() {
					fmt.Fprintln(cmd.ErrOrStderr(), noTunnels(all))
				}
				return t.write(w)
			})
		},
	}
	cmd.Flags().BoolVar(&down, "down", false, "only those that are not up")
	return cmd
}

// noTunnels says why there is no row, of how many tunnel ends.
func noTunnels(all int) string {
	if all > 0 {
		return "every tunnel is up: " + plural(all, "end")
	}
	return "no tunnels: a network has some once two hosts are in it"
}

func tunnelTable(rows []tunnelRow, wide bool) *table {
	t := newTable("NETWORK", "FROM", "TO", "PORT", "REMOTE", "STATE", "ERROR")
	if wide {
		t = newTable("NETWORK", "FROM", "TO", "PORT", "REMOTE", "STATE", "TENANT", "BRIDGE", "ENCAP", "KEY", "LOCAL", "OFPORT", "MTU", "BFD", "ERROR")
	}
	for _, r := range rows {
		row := []string{r.Network, r.From, r.To, r.Port, r.RemoteIP, r.State}
		if wide {
			ofport := ""
			if r.OFPort != 0 {
				ofport = strconv.FormatInt(r.OFPort, 10)
			}
			row = append(row, r.Tenant, r.Bridge, string(r.Encap), key(r.Key), r.LocalIP, ofport, mtuText(r.MTU, false), r.BFD)
		}
		t.add(append(row, r.Error)...)
	}
	return t
}
