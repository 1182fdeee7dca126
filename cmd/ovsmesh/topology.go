package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

func newTopologyCommand(g *globals) *cobra.Command {
	var req api.TopologyFilter
	cmd := &cobra.Command{
		Use:   "topology [--network N] [--host H] [--tenant T]",
		Short: "Show every network's mesh and every host, and what is wrong",
		Long: `Shows per tenant and network which hosts are in the mesh, how many of its tunnel
ends are up of those wanted and how many VM ports it has; then the hosts with
their bridges and flows; then what is wrong and what to do about it, and what
works but not as VMs expect. With -o wide also the MTU that VMs can use, what the
networks' options are, and every bridge.`,
		Example: `  ovsmesh topology
  ovsmesh topology --tenant acme -o wide
  ovsmesh topology tunnels --down
  ovsmesh topology watch --network blue
  ovsmesh topology -o json | jq '.networks[] | select(.inSync | not)'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			top, err := g.client().Topology(cmd.Context(), req)
			if err != nil {
				return err
			}
			if err := g.knownTenant(cmd.Context(), req.Tenant, top); err != nil {
				return err
			}
			sortTopology(&top)
			return g.print(cmd, top, func(w io.Writer, wide bool) error {
				if len(top.Networks) == 0 && len(top.Hosts) == 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), "no networks and no hosts: declare networks with ovsmesh apply, and let hosts dial in with ovsmesh host join")
					return nil
				}
				return writeTopology(w, top, wide)
			})
		},
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&req.Network, "network", "", "only this network")
	flags.StringVar(&req.Host, "host", "", "only what concerns this host")
	flags.StringVar(&req.Tenant, "tenant", "", "only this tenant's networks")
	cmd.RegisterFlagCompletionFunc("network", g.completeNames(api.KindNetworks))
	cmd.RegisterFlagCompletionFunc("host", g.completeNames(api.KindHosts))
	cmd.RegisterFlagCompletionFunc("tenant", g.completeTenants)
	cmd.AddCommand(newTunnelsCommand(g, &req), newWatchCommand(g, &req))
	return cmd
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
		n.Hosts, n.Tunnels = nonNil(n.Hosts), nonNil(n.Tunnels)
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

func writeTopology(w io.Writer, top api.Topology, wide bool) error {
	if err := writeTables(w, top, wide); err != nil {
		return err
	}
	return writeNotes(w, top)
}

func writeTables(w io.Writer, top api.Topology, wide bool) error {
	tables := []*table{topologyNetworks(top.Networks, wide), topologyHosts(top.Hosts, wide)}
	if wide {
		tables = append(tables, topologyBridges(top.Hosts))
	}
	first := true
	for _, t := range tables {
		if t.empty() {
			continue
		}
		if !first {
			fmt.Fprintln(w)
		}
		first = false
		if err := t.write(w); err != nil {
			return err
		}
	}
	return nil
}

// writeNotes writes what is wrong, and what works but not as VMs expect.
func writeNotes(w io.Writer, top api.Topology) error {
	if err := writeProblems(w, topologyProblems(top)); err != nil {
		return err
	}
	return writeList(w, "Warnings", topologyWarnings(top))
}

func topologyNetworks(networks []api.TopologyNetwork, wide bool) *table {
	t := newTable("TENANT", "NETWORK", "ENCAP", "KEY", "HOSTS", "TUNNELS", "PORTS", "STATE")
	if wide {
		t = newTable("TENANT", "NETWORK", "ENCAP", "KEY", "HOSTS", "TUNNELS", "PORTS", "STATE",
			"PROFILE", "BRIDGES", "MTU", "TUNNEL-PORTS", "BROADCAST", "UNKNOWN")
	}
	for _, n := range networks {
		row := []string{n.Tenant, n.Name, string(n.Encap), key(n.Key), some(n.Hosts, wide),
			upOf(n.TunnelsUp, n.TunnelsWanted) + " up", strconv.Itoa(n.Ports), networkWord(n)}
		if wide {
			row = append(row, n.Profile, strings.Join(tunnelBridges(n), ","),
				mtuText(n.MTU, n.MTUAssumed), n.TunnelPorts, n.Broadcast, n.UnknownUnicast)
		}
		t.add(row...)
	}
	return t
}

// mtuText marks an MTU that follows from what is only assumed.
func mtuText(mtu int, assumed bool) string {
	switch {
	case mtu == 0:
		return ""
	case assumed:
		return strconv.Itoa(mtu) + " (assumed)"
	}
	return strconv.Itoa(mtu)
}

// tunnelBridges returns the names of the bridges that carry a network.
func tunnelBridges(n api.TopologyNetwork) []string {
	var out []string
	for _, e := range n.Tunnels {
		if e.Bridge != "" {
			out = append(out, e.Bridge)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// networkWord says in a cell whether a mesh is as wanted.
func networkWord(n api.TopologyNetwork) string {
	count := map[string]int{}
	for _, e := range n.Tunnels {
		count[e.State]++
	}
	var words []string
	for _, state := range []string{api.TunnelDown, api.TunnelUnreachable, api.TunnelPending} {
		if count[state] > 0 {
			words = append(words, strconv.Itoa(count[state])+" "+state)
		}
	}
	switch {
	case len(words) > 0:
		return strings.Join(words, ", ")
	case len(n.Hosts) == 0:
		return "no members"
	}
	word := syncWord(n.InSync, n.Problems)
	if len(n.Warnings) > 0 {
		word += ", " + plural(len(n.Warnings), "warning")
	}
	return word
}

func topologyHosts(hosts []api.TopologyHost, wide bool) *table {
	t := newTable("HOST", "ID", "ENDPOINT", "CONNECTED", "OVS", "BRIDGES", "FLOWS", "STATE")
	if wide {
		t = newTable("HOST", "ID", "ENDPOINT", "CONNECTED", "OVS", "BRIDGES", "FLOWS", "STATE", "SYSTEM-ID", "UNDERLAY-MTU")
	}
	for _, h := range hosts {
		var names []string
		installed, wanted := 0, 0
		for _, b := range h.Bridges {
			names = append(names, b.Name)
			installed += b.FlowsInstalled
			wanted += b.FlowsWanted
		}
		flows := ""
		if len(h.Bridges) > 0 {
			flows = upOf(installed, wanted)
		}
		row := []string{h.Name, strconv.Itoa(h.ID), h.Endpoint, connectedWord(h.Kind, h.Connected), h.OVSVersion,
			some(names, wide), flows, topologyHostWord(h)}
		if wide {
			row = append(row, h.SystemID, mtuText(h.UnderlayMTU, h.UnderlayMTUAssumed))
		}
		t.add(row...)
	}
	return t
}

func topologyHostWord(h api.TopologyHost) string {
	switch {
	case h.Left:
		return "left"
	case h.Kind == topology.KindExternal:
		return "external"
	case !h.Connected:
		return "disconnected"
	}
	return syncWord(h.InSync, hostProblems(h))
}

// connectedWord says in a cell whether a host is connected; nothing of one that
// never will be.
func connectedWord(kind string, connected bool) string {
	if kind == topology.KindExternal {
		return ""
	}
	return yesNo(connected)
}

func topologyBridges(hosts []api.TopologyHost) *table {
	t := newTable("HOST", "BRIDGE", "DPID", "OPENFLOW", "FLOWS", "ERROR")
	for _, h := range hosts {
		for _, b := range h.Bridges {
			connected := "connected"
			if !b.Connected {
				connected = "disconnected"
			}
			t.add(h.Name, b.Name, b.DPID, connected, upOf(b.FlowsInstalled, b.FlowsWanted), b.Error)
		}
	}
	return t
}
