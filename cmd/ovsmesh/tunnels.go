package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

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

// endsShown is how many tunnel ends are listed for people.
const endsShown = 50

func newTunnelsCommand(g *globals, req *api.TopologyFilter) *cobra.Command {
	limit := endsShown
	cmd := &cobra.Command{
		Use:   "tunnels [--network N] [--host H] [--tenant T] [--down] [--counters] [--limit N]",
		Short: "Show one row a tunnel end",
		Long: `Shows one row a tunnel end: the port on one host that leads to another. The first
fifty are listed, and how many there are more; -o json and -o yaml always have
all of them, unless --limit is given.

--counters asks the hosts for the counters of the ports that are listed. Open
vSwitch brings them up to date every five seconds; a host that does not answer
leaves them blank, and is named. Counters marked * are those of a port that
several tunnels share (tunnelPorts: shared and flow).`,
		Example: `  ovsmesh topology tunnels --network blue
  ovsmesh topology tunnels --host xen1 -o wide
  ovsmesh topology tunnels --down
  ovsmesh topology tunnels --network blue --counters
  ovsmesh topology tunnels --limit 0 | sort -k4`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := wantLimit(limit); err != nil {
				return err
			}
			ask := *req
			if people := g.output != outputJSON && g.output != outputYAML; people || cmd.Flags().Changed("limit") {
				ask.Limit = limit
			}
			top, err := g.topology(cmd.Context(), ask)
			if err != nil {
				return err
			}
			for _, h := range top.Hosts {
				if h.CountersError != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "ovsmesh: no counters of %s: %s\n", h.Name, h.CountersError)
				}
			}
			list := tunnelList{Tunnels: []tunnelRow{}}
			for _, n := range top.Networks {
				for _, e := range n.Tunnels {
					list.Tunnels = append(list.Tunnels, tunnelRow{n.Name, n.Tenant, e})
				}
			}
			return g.print(cmd, list, func(w io.Writer, wide bool) error {
				if len(list.Tunnels) == 0 {
					all, err := g.endsOf(cmd, *req)
					if err != nil {
						return err
					}
					fmt.Fprintln(cmd.ErrOrStderr(), noTunnels(all))
					return nil
				}
				if err := tunnelTable(list.Tunnels, wide, req.Counters).write(w); err != nil {
					return err
				}
				return writeRest(w, top, *req)
			})
		},
	}
	cmd.Flags().BoolVar(&req.Counters, "counters", false, "ask the hosts for packets, bytes, errors and drops")
	cmd.Flags().IntVar(&limit, "limit", limit, "rows at most; 0: no limit")
	return cmd
}

// endsOf returns how many tunnel ends there are, also those that are up.
func (g *globals) endsOf(cmd *cobra.Command, req api.TopologyFilter) (int, error) {
	req.Down, req.Counters, req.Limit = false, false, api.NoTunnels
	top, err := g.topology(cmd.Context(), req)
	all := 0
	for _, n := range top.Networks {
		for _, m := range n.Members {
			if req.Host == "" || req.Host == m.Host {
				all += m.TunnelsWanted
			}
		}
	}
	return all, err
}

// noTunnels says why there is no row, of how many tunnel ends.
func noTunnels(all int) string {
	if all > 0 {
		return "every tunnel is up: " + count(all, "end")
	}
	return "no tunnels: a network has some once two hosts are in it"
}

// writeRest says how many tunnel ends are not listed, and how to see them.
func writeRest(w io.Writer, top api.Topology, req api.TopologyFilter) error {
	omitted := 0
	for _, n := range top.Networks {
		omitted += n.TunnelsOmitted
	}
	if omitted == 0 {
		return nil
	}
	var use []string
	for _, f := range []struct{ flag, value string }{{"--tenant", req.Tenant}, {"--network", req.Network}, {"--host", req.Host}} {
		if f.value == "" {
			use = append(use, f.flag)
		}
	}
	if !req.Down {
		use = append(use, "--down")
	}
	_, err := fmt.Fprintf(w, "… and %s more (use %s)\n", thousands(omitted), strings.Join(append(use, "or --limit 0"), ", "))
	return err
}

func tunnelTable(rows []tunnelRow, wide, counters bool) *table {
	bfd := false
	for _, r := range rows {
		bfd = bfd || r.BFD != ""
	}
	header := []string{"NETWORK", "FROM", "TO", "PORT", "REMOTE", "STATE"}
	if wide {
		header = append(header, "TENANT", "BRIDGE", "ENCAP", "KEY", "LOCAL", "OFPORT", "MTU")
	}
	if bfd || wide {
		header = append(header, "BFD")
	}
	if bfd {
		header = append(header, "SINCE")
	}
	if bfd && wide {
		header = append(header, "FORWARDING", "FLAPS", "DIAGNOSTIC")
	}
	if counters {
		header = append(header, "RX-PACKETS", "RX-BYTES", "TX-PACKETS", "TX-BYTES", "ERRORS", "DROPPED")
	}
	t := newTable(append(header, "ERROR")...)
	for _, r := range rows {
		row := []string{r.Network, r.From, r.To, r.Port, r.RemoteIP, r.State}
		if wide {
			ofport := ""
			if r.OFPort != 0 {
				ofport = strconv.FormatInt(r.OFPort, 10)
			}
			row = append(row, r.Tenant, r.Bridge, string(r.Encap), key(r.Key), r.LocalIP, ofport, mtuText(r.MTU, false))
		}
		if bfd || wide {
			row = append(row, r.BFD)
		}
		if bfd {
			row = append(row, bfdCells(r.BFDStatus, wide)...)
		}
		if counters {
			row = append(row, counterCells(r.Counters)...)
		}
		t.add(append(row, r.Error)...)
	}
	return t
}

func bfdCells(s *api.BFDStatus, wide bool) []string {
	cells := make([]string, 4)
	if s != nil {
		cells = []string{s.Since, yesNo(s.Forwarding), strconv.FormatInt(s.Flaps, 10), s.Diagnostic}
	}
	if !wide {
		return cells[:1]
	}
	return cells
}

// counterCells are blank where nothing is known.
func counterCells(c *api.TunnelCounters) []string {
	if c == nil {
		return []string{"", "", "", "", "", ""}
	}
	var cells []string
	for _, n := range []int64{c.RxPackets, c.RxBytes, c.TxPackets, c.TxBytes, c.RxErrors + c.TxErrors, c.RxDropped + c.TxDropped} {
		cell := strconv.FormatInt(n, 10)
		if c.Shared {
			cell += "*"
		}
		cells = append(cells, cell)
	}
	return cells
}
