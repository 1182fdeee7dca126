package cloudstacktest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"ovsmesh/ovsdb/ovstest"
)

// State is what hosts have in the end, in lines that are equal where two beds
// agree: hosts are named instead of their addresses, and ports instead of their
// numbers.
type State struct {
	Rows  []string // of ovs-vsctl show: bridges, ports, types, options
	Flows []string
}

// Look reads the tunnel networks' bridges of hosts, which are all that there is
// on a bed but the underlay's.
func Look(ctx context.Context, hosts ...*ovstest.Host) (State, error) {
	var all State
	var names []string
	for _, h := range hosts {
		names = append(names, h.Addr.String(), h.Name)
	}
	peers := strings.NewReplacer(names...)
	for _, h := range hosts {
		out, err := h.VSCtl(ctx, "show")
		if err != nil {
			return State{}, err
		}
		for _, line := range showRows(out) {
			all.Rows = append(all.Rows, h.Name+" "+peers.Replace(line))
		}
		bridges, err := h.VSCtl(ctx, "list-br")
		if err != nil {
			return State{}, err
		}
		for _, bridge := range strings.Fields(bridges) {
			if bridge == "br-phy" {
				continue
			}
			out, err := h.OFCtl(ctx, "--names", "--no-stats", "dump-flows", bridge)
			if err != nil {
				return State{}, err
			}
			for _, line := range dumpedFlows(out) {
				all.Flows = append(all.Flows, h.Name+" "+bridge+" "+line)
			}
		}
	}
	return all, nil
}

// showRows are the ports that ovs-vsctl show names, one a line and sorted, each
// with its bridge. Who controls a bridge, and how, is left out.
func showRows(out string) []string {
	var rows []string
	bridge := ""
	var port []string
	flush := func() {
		if port != nil && bridge != "br-phy" {
			rows = append(rows, bridge+" "+strings.Join(port, " "))
		}
		port = nil
	}
	for line := range strings.Lines(out) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.Trim(rest, `"`)
		switch word {
		case "Bridge":
			flush()
			bridge = rest
		case "Port":
			flush()
			port = []string{"port " + rest}
		case "type:", "options:", "error:":
			if port != nil {
				port = append(port, word+" "+rest)
			}
		}
	}
	flush()
	slices.Sort(rows)
	return rows
}

// dumpedFlows are the flows of a dump without their cookies, by table and
// priority.
func dumpedFlows(out string) []string {
	type dumped struct {
		table, priority int
		text            string
	}
	var flows []dumped
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if !strings.Contains(line, "actions=") {
			continue
		}
		if c, rest, ok := strings.Cut(line, ", "); ok && strings.HasPrefix(c, "cookie=") {
			line = rest
		}
		// dump-flows leaves both out where they are what they mostly are.
		f := dumped{priority: 32768}
		match, actions, _ := strings.Cut(line, " actions=")
		var rest []string
		for _, part := range strings.FieldsFunc(match, func(r rune) bool { return r == ',' || r == ' ' }) {
			if n, _ := fmt.Sscanf(part, "table=%d", &f.table); n == 1 {
				continue
			}
			if n, _ := fmt.Sscanf(part, "priority=%d", &f.priority); n == 1 {
				continue
			}
			if part != "reset_counts" { // of OpenFlow 1.0
				rest = append(rest, strings.ReplaceAll(part, `"`, ""))
			}
		}
		f.text = fmt.Sprintf("table=%d priority=%d %s actions=%s", f.table, f.priority, strings.Join(rest, ","), strings.ReplaceAll(actions, `"`, ""))
		flows = append(flows, f)
	}
	slices.SortFunc(flows, func(a, b dumped) int {
		return cmp.Or(a.table-b.table, b.priority-a.priority, strings.Compare(a.text, b.text))
	})
	var lines []string
	for _, f := range flows {
		lines = append(lines, f.text)
	}
	return lines
}

// Compare tells how many lines two lists share, and what only one of them has.
func Compare(a, b []string) (equal int, onlyA, onlyB []string) {
	for _, line := range a {
		if slices.Contains(b, line) {
			equal++
		} else {
			onlyA = append(onlyA, line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			onlyB = append(onlyB, line)
		}
	}
	return equal, onlyA, onlyB
}
