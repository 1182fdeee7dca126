package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

func newGetCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "get KIND [NAME]",
		Short: "Show networks, hosts, ports or keypools, with their status",
		Example: `  ovsmesh get networks
  ovsmesh get host xen1 -o yaml
  ovsmesh get hosts -o json | jq -r '.hosts[] | select(.status.connected | not).name'`,
		Args:              kindName(1),
		ValidArgsFunction: g.completeKindName,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := parseKind(args[0])
			if err != nil {
				return err
			}
			name := ""
			if len(args) == 2 {
				name = args[1]
			}
			all, err := g.client().Objects(cmd.Context(), kind, name)
			if err != nil {
				return err
			}
			return g.printObjects(cmd, kind, all)
		},
	}
}

// printObjects prints the list of one kind, which JSON names even where it is
// empty.
func (g *globals) printObjects(cmd *cobra.Command, kind string, all api.Objects) error {
	w := cmd.OutOrStdout()
	var list any
	var text *table
	var problems []string
	wide := g.output == outputWide
	switch kind {
	case api.KindNetworks:
		list = nonNil(all.Networks)
		text = networkTable(all.Networks, wide)
		for _, n := range all.Networks {
			problems = append(problems, prefixed(n.Name, n.Status.Problems)...)
		}
	case api.KindHosts:
		list = nonNil(all.Hosts)
		text = hostTable(all.Hosts, wide)
		for _, h := range all.Hosts {
			problems = append(problems, prefixed(h.Name, h.Status.Problems)...)
			if h.Status.Health != "" && h.Status.Health != api.HealthOK {
				problems = append(problems, h.Name+": "+h.Status.Health+": "+h.Status.HealthReason)
			}
		}
	case api.KindPorts:
		list = nonNil(all.Ports)
		text = portTable(all.Ports, wide)
	default:
		list = nonNil(all.KeyPools)
		text = poolTable(all.KeyPools)
	}
	if g.output == outputJSON || g.output == outputYAML {
		return printData(w, g.output, map[string]any{kind: list})
	}
	w = forPeople(w)
	if text.empty() {
		hint := ""
		if kind == api.KindPorts {
			hint = " are declared; VMs' interfaces that hosts report are in ovsmesh export --inventory"
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "no %s%s\n", kind, hint)
		return nil
	}
	if err := text.write(w); err != nil {
		return err
	}
	if slices.ContainsFunc(all.Hosts, func(h api.HostObject) bool { return h.Status.Observed }) {
		fmt.Fprintln(w, "\nThis controller observes and writes nothing to hosts, until ovsmesh serve is started without\n--observe. What it does then: ovsmesh plan")
	}
	return writeProblems(w, problems)
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func prefixed(name string, problems []string) []string {
	var out []string
	for _, p := range problems {
		out = append(out, name+": "+p)
	}
	return out
}

// writeProblems prints what is wrong below a table; nothing where all is well.
func writeProblems(w io.Writer, problems []string) error { return writeList(w, "Problems", problems) }

// writeList prints lines under a title; nothing where there are none.
func writeList(w io.Writer, title string, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\n%s:\n  %s\n", title, strings.Join(lines, "\n  "))
	return err
}

func networkTable(networks []api.NetworkObject, wide bool) *table {
	t := newTable("NAME", "TENANT", "ENCAP", "KEY", "HOSTS", "PORTS", "TUNNELS", "STATE")
	if wide {
		t = newTable("NAME", "TENANT", "ENCAP", "KEY", "HOSTS", "PORTS", "TUNNELS", "STATE", "BRIDGE", "PROFILE", "BROADCAST",
			"KEY-FROM", "ID", "UNKNOWN", "TUNNEL-PORTS", "BFD")
	}
	slices.SortFunc(networks, func(a, b api.NetworkObject) int { return strings.Compare(a.Name, b.Name) })
	for _, n := range networks {
		row := []string{n.Name, n.Tenant, string(n.Encap), key(n.Key),
			some(n.Status.Hosts, wide), strconv.Itoa(n.Status.Ports),
			upOf(n.Status.TunnelsUp, n.Status.TunnelsWanted), syncWord(n.Status.InSync, n.Status.Problems)}
		if wide {
			from := "spec"
			switch {
			case n.Status.Plugin:
				from = "CloudStack"
			case n.Status.AutoKey:
				from = "pool"
			}
			row = append(row, networkBridge(n), n.Profile, n.Broadcast, from, strconv.FormatUint(uint64(n.Status.ID), 10),
				n.UnknownUnicast, n.TunnelPorts, yesNo(n.BFD))
		}
		t.add(row...)
	}
	return t
}

// networkBridge says how a network finds its bridges.
func networkBridge(n api.NetworkObject) string {
	if n.Bridge != "" {
		return n.Bridge
	}
	if len(n.XSNetworkUUIDs) > 0 {
		return strings.Join(n.XSNetworkUUIDs, ",")
	}
	var pinned []string
	for _, p := range n.Status.Pins {
		if p.Bridge != "" {
			pinned = append(pinned, p.Bridge)
		}
	}
	slices.Sort(pinned)
	return strings.Join(slices.Compact(pinned), ",")
}

func hostTable(hosts []api.HostObject, wide bool) *table {
	t := newTable("NAME", "ID", "ENDPOINT", "CONNECTED", "NETWORKS", "OVS", "STATE")
	if wide {
		t = newTable("NAME", "ID", "ENDPOINT", "CONNECTED", "NETWORKS", "OVS", "STATE", "ADDRESS", "KIND", "NAMED-BY", "SYSTEM-ID")
	}
	slices.SortFunc(hosts, func(a, b api.HostObject) int { return strings.Compare(a.Name, b.Name) })
	for _, h := range hosts {
		row := []string{h.Name, strconv.Itoa(h.ID), h.Status.Endpoint, connectedWord(h.Kind, h.Status.Connected),
			some(h.Status.Networks, wide), h.Status.OVSVersion, hostWord(h)}
		if wide {
			by := "spec"
			switch {
			case h.Status.Registered:
				by = "itself"
			case h.Status.Assumed:
				by = "CloudStack"
			}
			row = append(row, h.Status.Address, h.Kind, by, h.SystemID)
		}
		t.add(row...)
	}
	return t
}

func hostWord(h api.HostObject) string {
	if h.Status.Observed && h.Status.Connected && !h.Status.Left {
		return observedWord(h.Status.Problems)
	}
	switch {
	case h.Status.Left:
		return "left"
	case h.Kind == topology.KindExternal:
		return "external"
	case !h.Status.Connected:
		return "disconnected"
	case h.Status.Foreign && h.Status.LockHolder == "":
		return "holds another store's rows"
	case !h.Status.Writer:
		return "another controller writes"
	case h.Status.Health != "" && h.Status.Health != api.HealthOK:
		return h.Status.Health
	}
	return syncWord(h.Status.InSync, h.Status.Problems)
}

func portTable(ports []api.PortObject, wide bool) *table {
	t := newTable("NAME", "NETWORK", "MAC", "WHERE")
	if wide {
		t = newTable("NAME", "NETWORK", "MAC", "WHERE", "IPS", "MATCH", "ALLOWED", "SERVES")
	}
	slices.SortFunc(ports, func(a, b api.PortObject) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range ports {
		var places, ips []string
		for _, at := range p.Status.Places {
			places = append(places, at.Host+"/"+at.Interface)
		}
		for _, ip := range p.IPs {
			ips = append(ips, ip.String())
		}
		row := []string{p.Name, p.Network, p.MAC.String(), strings.Join(places, ",")}
		if len(places) == 0 {
			row[3] = "not found on any host"
		}
		if wide {
			row = append(row, strings.Join(ips, ","), matchText(p), allowedText(p), servesText(p))
		}
		t.add(row...)
	}
	return t
}

// allowedText returns the further addresses that a port may use: MAC=IP, or the
// IP alone where it goes with the port's own MAC.
func allowedText(p api.PortObject) string {
	var out []string
	for _, a := range p.AllowedAddresses {
		if a.MAC.IsZero() {
			out = append(out, a.IP.String())
		} else {
			out = append(out, a.MAC.String()+"="+a.IP.String())
		}
	}
	return strings.Join(out, ",")
}

// servesText says what of others' broadcast a port gets.
func servesText(p api.PortObject) string {
	var out []string
	if p.DHCPServer {
		out = append(out, "dhcp")
	}
	if p.Router {
		out = append(out, "router")
	}
	return strings.Join(out, ",")
}

func matchText(p api.PortObject) string {
	m := p.Match
	switch {
	case m.IfaceID != "":
		return "iface-id=" + m.IfaceID
	case m.XSVifUUID != "":
		return "xs-vif-uuid=" + m.XSVifUUID
	case !m.MAC.IsZero():
		return "attached-mac=" + m.MAC.String()
	}
	return m.Host + "/" + m.Interface
}

func poolTable(pools []api.KeyPoolObject) *table {
	t := newTable("NAME", "ENCAP", "FIRST", "LAST", "USED", "FREE")
	slices.SortFunc(pools, func(a, b api.KeyPoolObject) int { return strings.Compare(a.Name(), b.Name()) })
	for _, p := range pools {
		t.add(p.Name(), string(p.Encap), key(p.Range.First), key(p.Range.Last),
			strconv.Itoa(p.Status.Used), strconv.Itoa(p.Status.Free))
	}
	return t
}

func key(k uint32) string {
	if k == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(k), 10)
}

// upOf returns "2/3".
func upOf(up, wanted int) string { return strconv.Itoa(up) + "/" + strconv.Itoa(wanted) }

// observedWord says how a host is to which nothing is written.
func observedWord(problems []string) string {
	if len(problems) > 0 {
		return plural(len(problems), "problem")
	}
	return "observed"
}

func syncWord(inSync bool, problems []string) string {
	switch {
	case len(problems) > 0:
		return plural(len(problems), "problem")
	case inSync:
		return "in sync"
	}
	return "syncing"
}
