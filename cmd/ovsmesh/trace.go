package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

func newTraceCommand(g *globals) *cobra.Command {
	var req api.TraceRequest
	var files offlineFlags
	cmd := &cobra.Command{
		Use:   "trace --from PLACE [--to PLACE] | trace --dump HOST/BRIDGE=FILE … --spec FILE --inventory FILE --from …",
		Short: "Follow a packet through every table and tunnel, host after host",
		Long: `Follows a packet from one VM's port to another through the flows that the
switches hold now, host after host, and says where it arrives, or where it ends
and why. Nothing is sent.

A PLACE is the name of a port, HOST/INTERFACE, a MAC address or an IP address.
The packet is a ping where both have IP addresses; --packet sets fields of it as
ovs-ofctl(8) writes them, --arp asks for the address of --to, --broadcast sends
to everybody. Without --to it is for everybody, too: then every port that gets a
copy is listed, and every member of the network that gets none, and why.

With --want it is followed through the flows that the switches should hold; with
--dump, --spec and --inventory through dumps of bridges, and no controller is
asked (see ovsmesh audit --help for where these files come from).

Exit code: 0 where it arrives, 2 where it does not, 1 where some bridge on its
way could not be looked at or does something that can't be followed.`,
		Example: `  ovsmesh trace --from web-1 --to db-2
  ovsmesh trace --from web-1 --to db-2 --packet tcp,tp_dst=5432
  ovsmesh trace --from 10.1.1.63 --to 10.1.1.64 --arp
  ovsmesh trace --from xen1/vif1.0                        # a broadcast
  ovsmesh trace --from web-1 --to 02:00:00:00:09:09       # an address that nobody is known to have
  ovsmesh trace --from web-1 --packet udp,tp_src=68,tp_dst=67 --broadcast
  ovsmesh trace --from web-1 --to db-2 --want -o json | jq .reason
  ovsmesh trace --from web-1 --to db-2 --spec spec.yaml --inventory inventory.yaml \
    --dump xen1/xapi1=xen1.flows --dump xen2/xapi1=xen2.flows`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if req.From == "" {
				return errors.New("say where the packet starts: --from PORT, HOST/INTERFACE, MAC or IP (see ovsmesh get ports)")
			}
			offline, err := files.given()
			if err != nil {
				return err
			}
			var report api.TraceReport
			if offline {
				report, err = traceDumps(cmd, &files, req)
			} else {
				report, err = g.client().Trace(cmd.Context(), req)
			}
			if err != nil {
				return err
			}
			return g.printTrace(cmd, report)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.From, "from", "", "where the packet starts")
	flags.StringVar(&req.To, "to", "", "where it is to arrive; without it everywhere")
	flags.StringVar(&req.Network, "network", "", "the network, where a place is in several")
	flags.StringVar(&req.Packet, "packet", "", "fields of the packet, like tcp,tp_dst=80 or arp,arp_tpa=10.1.1.9")
	flags.BoolVar(&req.ARP, "arp", false, "ask who has the IPv4 address of --to")
	flags.BoolVar(&req.Broadcast, "broadcast", false, "send it to everybody")
	flags.BoolVar(&req.Want, "want", false, "by the flows that the switches should hold")
	files.add(cmd)
	cmd.MarkFlagsMutuallyExclusive("arp", "broadcast")
	for _, name := range []string{"from", "to"} {
		cmd.RegisterFlagCompletionFunc(name, g.completePlaces)
	}
	cmd.RegisterFlagCompletionFunc("network", g.completeNames(api.KindNetworks))
	cmd.RegisterFlagCompletionFunc("packet", cobra.NoFileCompletions)
	return cmd
}

// traceDumps follows the packet through files.
func traceDumps(cmd *cobra.Command, f *offlineFlags, req api.TraceRequest) (api.TraceReport, error) {
	o, dumps, err := f.load(cmd.InOrStdin())
	if err != nil {
		return api.TraceReport{}, err
	}
	return o.Trace(req, dumps)
}

// printTrace prints a report and returns its exit code.
func (g *globals) printTrace(cmd *cobra.Command, r api.TraceReport) error {
	if err := g.print(cmd, r, traceText{r}.write); err != nil {
		return err
	}
	switch {
	case !r.Complete:
		return &codeError{exitError, errors.New("the trace is not complete: what could not be followed is listed above")}
	case !r.Delivered:
		return &codeError{exitDifferences, nil}
	}
	return nil
}

// completePlaces completes names of ports and HOST/INTERFACE of those that were
// found.
func (g *globals) completePlaces(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, err := g.client().Objects(cmd.Context(), api.KindPorts, "")
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, p := range all.Ports {
		names = append(names, p.Name)
		for _, place := range p.Status.Places {
			names = append(names, place.Host+"/"+place.Interface)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}
