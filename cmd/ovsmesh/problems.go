package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// problemsShown is how many tunnels' errors a topology lists one by one: one cause
// often takes many down.
const problemsShown = 10

// topologyProblems says what is wrong, hosts first since a tunnel's trouble is
// mostly its host's, and what the operator can do.
func topologyProblems(top api.Topology) []string {
	var out []string
	for _, p := range top.Problems {
		out = append(out, "controller: "+p)
	}
	out = append(out, alike(top.Hosts)...)
	told := map[string]bool{} // "host: what is wrong with a bridge there"
	for _, h := range top.Hosts {
		for _, p := range h.Problems {
			told[h.Name+": "+p] = true
		}
		for _, b := range h.Bridges {
			told[h.Name+": "+b.Error] = b.Error != ""
		}
	}
	var down []downEnd
	all := 0
	for _, n := range top.Networks {
		for _, p := range n.Problems {
			if !told[p] {
				out = append(out, n.Name+": "+p)
				told[p] = true
			}
		}
		all += n.TunnelsDown
		for _, e := range n.Tunnels {
			if e.State != api.TunnelDown {
				continue
			}
			if told[e.From+": "+e.Error] {
				all--
				continue
			}
			down = append(down, downEnd{n.Name, e})
		}
	}
	out = append(out, downProblems(down)...)
	if more := all - len(down); more > 0 {
		noun := "tunnel end" // all of them on other hosts than the one that was asked for
		if len(down) > 0 {
			noun = "more tunnel end"
		}
		out = append(out, count(more, noun)+" down: see ovsmesh topology tunnels --down")
	}
	return out
}

// alikeFrom is how many hosts with the same trouble are named together.
const alikeFrom = 4

// alike returns what is wrong with hosts, of many with the same words only once.
func alike(hosts []api.TopologyHost) []string {
	names := map[string][]string{} // by the words
	for _, h := range hosts {
		for _, p := range hostProblems(h) {
			text := strings.TrimPrefix(p, h.Name+": ")
			names[text] = append(names[text], h.Name)
		}
	}
	var out []string
	for _, h := range hosts {
		for _, p := range hostProblems(h) {
			text := strings.TrimPrefix(p, h.Name+": ")
			switch list := names[text]; {
			case len(list) < alikeFrom:
				out = append(out, p)
			case list[0] == h.Name:
				out = append(out, fmt.Sprintf("%s and %d more hosts: %s", strings.Join(list[:alikeFrom-1], ", "), len(list)-alikeFrom+1, text))
			}
		}
	}
	return out
}

// downEnd is a tunnel end that is down.
type downEnd struct {
	network string
	api.Tunnel
}

// downProblems says which tunnel ends are down; of many, those of one network
// together that have the same error or are on the same host.
func downProblems(down []downEnd) []string {
	type group struct{ network, from, err string }
	size := map[group]int{}
	for _, e := range down {
		size[group{e.network, "", e.Error}]++
		size[group{e.network, e.From, ""}]++
	}
	var out []string
	said := map[group]bool{}
	for _, e := range down {
		alike, beside := group{e.network, "", e.Error}, group{e.network, e.From, ""}
		switch {
		case said[alike] || said[beside]:
		case len(down) > problemsShown && size[alike] > 1 && size[alike] >= size[beside]:
			said[alike] = true
			out = append(out, fmt.Sprintf("%s: %s down: %s", e.network, count(size[alike], "tunnel end"), orDash(e.Error)))
		case len(down) > problemsShown && size[beside] > 1:
			said[beside] = true
			out = append(out, fmt.Sprintf("%s: %s of %s down, the first, to %s: %s", e.network, count(size[beside], "tunnel end"), e.From, e.To, orDash(e.Error)))
		default:
			out = append(out, fmt.Sprintf("%s: tunnel %s from %s to %s is down: %s", e.network, e.Port, e.From, e.To, orDash(e.Error)))
		}
	}
	return out
}

func hostProblems(h api.TopologyHost) []string {
	waits := func(p string) bool { // for a bridge whose own trouble says more
		return slices.ContainsFunc(h.Bridges, func(b api.TopologyBridge) bool {
			rest, is := strings.CutPrefix(p, "waiting for bridge "+b.Name)
			return is && b.Error != "" && strings.IndexAny(rest, ":, ") == 0
		})
	}
	out := prefixed(h.Name, slices.DeleteFunc(slices.Clone(h.Problems), waits))
	if h.Left || h.Kind == topology.KindExternal {
		return out // as its operator wanted
	}
	if !h.Connected {
		why := "its tunnels and flows stay as they are; look at \"ovs-vsctl show\" there, and at the way to the address of its manager"
		if command := managerCommand(h.HealthReason); command != "" {
			why = "its tunnels and flows stay as they are; it has hung up itself: unless ovsdb-server has ended there, its manager was removed: run " + command + " on it"
		}
		if h.SystemID == "" {
			why = "it never has been: run \"ovsmesh host join\" on it; it is known by its external_ids:hostname, or by the systemID that the spec may name"
		}
		return append(out, h.Name+": not connected: "+why)
	}
	if h.Health != "" && h.Health != api.HealthOK {
		out = append(out, fmt.Sprintf("%s: %s: %s", h.Name, h.Health, h.HealthReason))
	}
	for _, b := range h.Bridges {
		switch {
		case h.Observed && b.Error == "": // it is not to dial in
		case strings.HasPrefix(b.Error, "bridge "+b.Name):
			out = append(out, h.Name+": "+b.Error)
		case b.Error != "":
			out = append(out, fmt.Sprintf("%s: bridge %s: %s", h.Name, b.Name, b.Error))
		case !b.Connected && !h.OtherWriter && !strings.Contains(h.HealthReason, "no OpenFlow connection"): // told already
			out = append(out, fmt.Sprintf("%s: bridge %s has no OpenFlow connection: look at the way from there to what \"ovs-vsctl get-controller %s\" says", h.Name, b.Name, b.Name))
		}
	}
	return out
}

// managerCommand returns the command, in quotes, that a reason tells to run on a
// host whose manager somebody has removed; "" for any other reason.
func managerCommand(reason string) string {
	at := strings.Index(reason, `"ovs-vsctl set-manager `)
	if at < 0 {
		return ""
	}
	end := strings.IndexByte(reason[at+1:], '"')
	if end < 0 {
		return ""
	}
	return reason[at : at+1+end+1]
}

// topologyWarnings returns what works, but not as VMs expect, and what to do.
func topologyWarnings(top api.Topology) []string {
	var out []string
	for _, n := range top.Networks {
		out = append(out, prefixed(n.Name, n.Warnings)...)
	}
	return out
}

// writeNotes writes what is wrong, and what works but not as VMs expect; so many
// lines of each, or all where it is 0.
func writeNotes(w io.Writer, top api.Topology, limit int) error {
	if err := writeProblems(w, few(topologyProblems(top), limit)); err != nil {
		return err
	}
	return writeList(w, "Warnings", few(topologyWarnings(top), limit))
}

// few returns the first lines of a list, and how many there are more.
func few(list []string, limit int) []string {
	more := len(list) - limit
	if limit == 0 || more <= 0 {
		return list
	}
	return append(slices.Clip(list[:limit]), fmt.Sprintf("… and %s more (use --network, --host or --limit 0)", thousands(more)))
}
