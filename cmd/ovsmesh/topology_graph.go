package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ovsmesh/cmd/internal/configfile"
	"ovsmesh/controller/api"
	"ovsmesh/topology"
	"ovsmesh/topology/graph"
)

// The formats of topology graph.
const (
	formatDOT     = "dot"
	formatSVG     = "svg"
	formatMermaid = "mermaid"
)

func newGraphCommand(g *globals, req *api.TopologyFilter) *cobra.Command {
	var format, file string
	cmd := &cobra.Command{
		Use:   "graph [--network N] [--host H] [--tenant T] [--down] --format dot|svg|mermaid [--output FILE]",
		Short: "Draw the meshes as a picture",
		Long: `Draws hosts and the tunnels between them: as SVG, which needs no other program and
opens in any browser, or for graphviz (dot) or mermaid. Tunnels that are up are
faint lines in the colour of their network; an end that is not up is red, orange
(pending) or grey (unreachable), from the host that it is on.

--host leaves only the tunnels to and from that host, --down only those with an end
that is not up. Without --format the name of the file decides; without a file the
picture goes to standard output.`,
		Example: `  ovsmesh topology graph --network blue --output blue.svg
  ovsmesh topology graph --tenant acme --format dot | circo -Tpdf > acme.pdf
  ovsmesh topology graph --network blue --format mermaid
  ovsmesh topology graph --down --format svg > down.svg`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			draw, err := drawer(format, file)
			if err != nil {
				return err
			}
			top, err := g.whole(cmd.Context(), *req)
			if err != nil {
				return err
			}
			if len(top.Networks) == 0 && len(top.Hosts) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), nothingShown(*req))
			}
			text := draw(pictured(top, *req))
			if file == "" || file == "-" {
				_, err = fmt.Fprint(cmd.OutOrStdout(), text)
				return err
			}
			return os.WriteFile(file, []byte(text), 0o644)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "dot, svg or mermaid (default: what the file's name says, else dot)")
	cmd.Flags().StringVarP(&file, "output", "o", "", "file to write (default: standard output)")
	cmd.RegisterFlagCompletionFunc("format", fixedCompletions(formatDOT, formatSVG, formatMermaid))
	return cmd
}

// drawer returns what draws a format, which the name of the file decides where it
// is not given.
func drawer(format, file string) (func(graph.Graph) string, error) {
	if slices.Contains([]output{outputTable, outputWide, outputJSON, outputYAML}, output(file)) {
		return nil, fmt.Errorf("--output names the file of a graph: for %s as data use ovsmesh topology -o %s", file, file)
	}
	if format == "" {
		switch filepath.Ext(file) {
		case ".svg":
			format = formatSVG
		case ".mmd", ".mermaid", ".md":
			format = formatMermaid
		default:
			format = formatDOT
		}
	}
	switch format {
	case formatDOT:
		return graph.DOT, nil
	case formatSVG:
		return graph.SVG, nil
	case formatMermaid:
		return graph.Mermaid, nil
	}
	hint := ""
	if f := configfile.Nearest(format, []string{formatDOT, formatSVG, formatMermaid}); f != "" {
		hint = " (did you mean " + f + "?)"
	}
	return nil, fmt.Errorf("--format %q%s: want dot, svg or mermaid", format, hint)
}

// pictured returns what is drawn of a topology.
func pictured(top api.Topology, req api.TopologyFilter) graph.Graph {
	g := graph.Graph{Title: pictureTitle(top, req)}
	ports, drawn := map[string]int{}, map[string]bool{}
	for _, n := range top.Networks {
		net := graph.Network{
			Name: n.Name, Tenant: n.Tenant, Encap: string(n.Encap) + " " + strconv.FormatUint(uint64(n.Key), 10),
			Hosts: len(n.Hosts), Ports: n.Ports, Up: n.TunnelsUp, Wanted: n.TunnelsWanted,
		}
		g.Networks = append(g.Networks, net)
		for _, m := range n.Members {
			ports[m.Host] += m.Ports
		}
		for _, e := range n.Tunnels {
			drawn[e.From], drawn[e.To] = true, true
			g.Ends = append(g.Ends, graph.End{Network: n.Name, From: e.From, To: e.To, State: e.State, Error: e.Error})
		}
	}
	narrow := req.Host != "" || req.Down
	for _, h := range top.Hosts {
		if narrow && !drawn[h.Name] && h.Name != req.Host {
			continue
		}
		host := graph.Host{Name: h.Name, Ports: ports[h.Name], State: graph.HostOK, External: h.Kind == topology.KindExternal}
		if h.Health != "" {
			host.State = h.Health // the words are the same
		}
		g.Hosts = append(g.Hosts, host)
	}
	return g
}

func pictureTitle(top api.Topology, req api.TopologyFilter) string {
	var parts []string
	switch {
	case req.Network != "" && len(top.Networks) == 1 && top.Networks[0].Tenant != "":
		parts = append(parts, "Network "+req.Network+" of "+top.Networks[0].Tenant)
	case req.Network != "":
		parts = append(parts, "Network "+req.Network)
	case req.Tenant != "":
		parts = append(parts, "Networks of "+req.Tenant)
	case len(top.Networks) == 1:
		parts = append(parts, "Network "+top.Networks[0].Name)
	default:
		parts = append(parts, "All networks")
	}
	if req.Host != "" {
		parts = append(parts, "at "+req.Host)
	}
	if req.Down {
		parts = append(parts, "what is not up")
	}
	return strings.Join(parts, ", ")
}

// whole asks for a topology with the tunnel ends on both sides of a host, and
// with the hosts at their far ends.
func (g *globals) whole(ctx context.Context, req api.TopologyFilter) (api.Topology, error) {
	ask := req
	ask.Host, ask.Down = "", false
	top, err := g.topology(ctx, ask)
	if err != nil {
		return top, err
	}
	if req.Host != "" && !slices.ContainsFunc(top.Hosts, func(h api.TopologyHost) bool { return h.Name == req.Host }) {
		// Not in these networks, or not at all: the server knows.
		if _, err := g.topology(ctx, api.TopologyFilter{Host: req.Host, Limit: api.NoTunnels}); err != nil {
			return top, err
		}
	}
	wrong := map[[3]string]bool{} // tunnels with an end that is not up, by network and ends in order
	for _, n := range top.Networks {
		for _, e := range n.Tunnels {
			if e.State != api.TunnelUp {
				wrong[tunnelOf(n.Name, e)] = true
			}
		}
	}
	for i := range top.Networks {
		n := &top.Networks[i]
		n.Tunnels = slices.DeleteFunc(n.Tunnels, func(e api.Tunnel) bool {
			return req.Host != "" && e.From != req.Host && e.To != req.Host || req.Down && !wrong[tunnelOf(n.Name, e)]
		})
	}
	if req.Host != "" || req.Down {
		top.Networks = slices.DeleteFunc(top.Networks, func(n api.TopologyNetwork) bool { return len(n.Tunnels) == 0 })
	}
	return top, nil
}

// tunnelOf names a tunnel, whichever of its ends is looked at.
func tunnelOf(network string, e api.Tunnel) [3]string {
	return [3]string{network, min(e.From, e.To), max(e.From, e.To)}
}
