package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"ovsmesh/controller/api"
)

// rowsShown is how many rows a table has before it is summed up.
const rowsShown = 20

// tables says how a topology is written for people.
type tables struct {
	wide   bool
	limit  int  // rows of a table, beyond which it is summed up; 0: none
	detail bool // of one network: what each host has of it
}

func writeTopology(w io.Writer, top api.Topology, o tables) error {
	if err := writeTables(w, top, o); err != nil {
		return err
	}
	return writeNotes(w, top, o.limit)
}

// writeTables writes the tables, with an empty line between any two.
func writeTables(w io.Writer, top api.Topology, o tables) error {
	var parts []part
	if o.cuts(len(top.Networks)) || o.cuts(len(top.Hosts)) {
		parts = append(parts, part{note: headline(top)})
	}
	if o.cuts(len(top.Networks)) {
		parts = append(parts, o.cut(topologyTenants(top.Networks), "tenant", "s", "use --limit 0"))
	}
	parts = append(parts, o.networks(top.Networks))
	if o.detail {
		for _, n := range top.Networks {
			parts = append(parts, o.members(n))
		}
	}
	parts = append(parts, o.hosts(top.Hosts))
	if o.wide {
		parts = append(parts, o.bridges(top.Hosts))
	}
	first := true
	for _, p := range parts {
		if p.empty() {
			continue
		}
		if !first {
			fmt.Fprintln(w)
		}
		first = false
		if err := p.write(w); err != nil {
			return err
		}
	}
	return nil
}

// part is a table with a line below it, each of which may be missing.
type part struct {
	table *table
	note  string
}

func (p part) empty() bool { return (p.table == nil || p.table.empty()) && p.note == "" }

func (p part) write(w io.Writer) error {
	if p.table != nil {
		if err := p.table.write(w); err != nil {
			return err
		}
	}
	if p.note == "" {
		return nil
	}
	_, err := fmt.Fprintln(w, p.note)
	return err
}

// cuts reports whether so many rows are too many.
func (o tables) cuts(rows int) bool { return o.limit > 0 && rows > o.limit }

// cut shortens a table, and says by how much and what to do.
func (o tables) cut(t *table, noun, ending, hint string) part {
	more := len(t.rows) - 1 - o.limit
	if o.limit == 0 || more <= 0 {
		return part{table: t}
	}
	t.rows = t.rows[:o.limit+1]
	if more > 1 {
		noun += ending
	}
	return part{t, fmt.Sprintf("… and %s more %s (%s)", thousands(more), noun, hint)}
}

// headline sums everything up.
func headline(top api.Topology) string {
	tenants := map[string]bool{}
	up, wanted, ports := 0, 0, 0
	for _, n := range top.Networks {
		tenants[n.Tenant] = true
		up += n.TunnelsUp
		wanted += n.TunnelsWanted
		ports += n.Ports
	}
	return fmt.Sprintf("%s of %s, %s: %s of %s tunnel ends up, %s", count(len(top.Networks), "network"), count(len(tenants), "tenant"),
		count(len(top.Hosts), "host"), thousands(up), thousands(wanted), count(ports, "port"))
}

// topologyTenants sums networks up by tenant; they are sorted by it.
func topologyTenants(networks []api.TopologyNetwork) *table {
	t := newTable("TENANT", "NETWORKS", "HOSTS", "TUNNELS", "PORTS", "STATE")
	for len(networks) > 0 {
		tenant := networks[0].Tenant
		hosts := map[string]bool{}
		up, wanted, ports, bad, n := 0, 0, 0, 0, 0
		for ; n < len(networks) && networks[n].Tenant == tenant; n++ {
			for _, h := range networks[n].Hosts {
				hosts[h] = true
			}
			up += networks[n].TunnelsUp
			wanted += networks[n].TunnelsWanted
			ports += networks[n].Ports
			if networkTrouble(networks[n]) {
				bad++
			}
		}
		state := "in sync"
		if bad > 0 {
			state = plural(bad, "network") + " not as wanted"
		}
		t.add(tenant, strconv.Itoa(n), strconv.Itoa(len(hosts)), upOf(up, wanted)+" up", strconv.Itoa(ports), state)
		networks = networks[n:]
	}
	return t
}

// networks is the table of networks; of too many, of those not as wanted.
func (o tables) networks(networks []api.TopologyNetwork) part {
	if !o.cuts(len(networks)) {
		return part{table: topologyNetworks(networks, o.wide)}
	}
	var bad []api.TopologyNetwork
	for _, n := range networks {
		if networkTrouble(n) {
			bad = append(bad, n)
		}
	}
	const hint = "list them with --limit 0, or some with --tenant, --network or --host"
	p := o.cut(topologyNetworks(bad, o.wide), "network", "s not as wanted", "use --down --limit 0, --tenant or --network")
	if rest := len(networks) - len(bad); rest > 0 {
		p.note = joined(p.note, restOf(rest, len(bad), "network", "in sync", hint))
	}
	return p
}

// restOf says of how many things nothing is wrong.
func restOf(rest, bad int, noun, state, hint string) string {
	if bad == 0 {
		return fmt.Sprintf("%s, all %s (%s)", count(rest, noun), state, hint)
	}
	return fmt.Sprintf("… and %s %s (%s)", count(rest, "more "+noun), state, hint)
}

func joined(lines ...string) string {
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return l == "" }), "\n")
}

// networkTrouble reports whether something with a network is not as wanted.
func networkTrouble(n api.TopologyNetwork) bool {
	return !n.InSync || len(n.Problems)+len(n.Warnings) > 0 || n.TunnelsUp < n.TunnelsWanted
}

func topologyNetworks(networks []api.TopologyNetwork, wide bool) *table {
	t := newTable("TENANT", "NETWORK", "ENCAP", "KEY", "HOSTS", "TUNNELS", "PORTS", "STATE")
	if wide {
		t = newTable("TENANT", "NETWORK", "ENCAP", "KEY", "HOSTS", "TUNNELS", "PORTS", "STATE",
			"PROFILE", "BRIDGES", "MTU", "UNDERLAY", "TUNNEL-PORTS", "BROADCAST", "UNKNOWN")
	}
	for _, n := range networks {
		row := []string{n.Tenant, n.Name, string(n.Encap), key(n.Key), some(n.Hosts, false),
			upOf(n.TunnelsUp, n.TunnelsWanted) + " up", strconv.Itoa(n.Ports), networkWord(n)}
		if wide {
			row[4] = strings.Join(n.Hosts[:min(len(n.Hosts), rowsShown)], ",")
			if more := len(n.Hosts) - rowsShown; more > 0 {
				row[4] += fmt.Sprintf(",+%d", more)
			}
			row = append(row, n.Profile, some(n.Bridges, false),
				mtuText(n.MTU, false), mtuText(n.UnderlayMTU, n.MTUAssumed), n.TunnelPorts, n.Broadcast, n.UnknownUnicast)
		}
		t.add(row...)
	}
	return t
}

// mtuText marks an MTU that is only assumed.
func mtuText(mtu int, assumed bool) string {
	switch {
	case mtu == 0:
		return ""
	case assumed:
		return strconv.Itoa(mtu) + " (assumed)"
	}
	return strconv.Itoa(mtu)
}

// networkWord says in a cell whether a mesh is as wanted.
func networkWord(n api.TopologyNetwork) string {
	var words []string
	for _, s := range []struct {
		state string
		ends  int
	}{{api.TunnelDown, n.TunnelsDown}, {api.TunnelUnreachable, n.TunnelsUnreachable}, {api.TunnelPending, n.TunnelsPending}} {
		if s.ends > 0 {
			words = append(words, strconv.Itoa(s.ends)+" "+s.state)
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

// members is the table of what each host has of a network.
func (o tables) members(n api.TopologyNetwork) part {
	t := newTable("MEMBER", "BRIDGE", "PORTS", "TUNNELS", "UNDERLAY-MTU", "MTU", "VM-MTU", "STATE")
	members := n.Members
	if o.cuts(len(members)) {
		members = slices.Clone(members)
		slices.SortStableFunc(members, func(a, b api.TopologyMember) int { return trouble(n, b) - trouble(n, a) })
	}
	for _, m := range members {
		state := syncWord(m.InSync, nil)
		if m.TunnelsUp < m.TunnelsWanted {
			state = strconv.Itoa(m.TunnelsWanted-m.TunnelsUp) + " not up"
		}
		if tooLarge(n, m) {
			state += ", VM-MTU too large"
		}
		t.add(m.Host, m.Bridge, strconv.Itoa(m.Ports), upOf(m.TunnelsUp, m.TunnelsWanted)+" up", mtuText(m.UnderlayMTU, false),
			mtuText(m.MTU, false), mtuText(m.VMMTU, false), state)
	}
	return o.cut(t, "member", "s", "use --limit 0")
}

// trouble is 1 for a member that is not as wanted, which is listed first.
func trouble(n api.TopologyNetwork, m api.TopologyMember) int {
	if !m.InSync || m.TunnelsUp < m.TunnelsWanted || tooLarge(n, m) {
		return 1
	}
	return 0
}

// tooLarge reports whether VMs of a member may send what does not get through to
// every other one.
func tooLarge(n api.TopologyNetwork, m api.TopologyMember) bool {
	return len(n.Members) > 1 && n.MTU > 0 && m.VMMTU > n.MTU
}

// thousands groups the digits of a number: 20,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count is plural with the digits grouped.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}
