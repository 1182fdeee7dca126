package pipeline_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

var update = flag.Bool("update", false, "write the golden files")

// goldens are bridges, each with all its networks; the flows of bridge X are in
// testdata/X.flows, as ovs-ofctl add-flows reads them.
func goldens() map[string][]pipeline.Network {
	vif := func(port uint32, macs ...[6]byte) pipeline.VIF { return pipeline.VIF{OFPort: port, MACs: macs} }
	remote := func(m [6]byte, ports ...uint32) pipeline.Remote { // tunnels are 20001, 20002, … in this order
		r := pipeline.Remote{MAC: m}
		for _, port := range ports {
			r.Via = append(r.Via, int(port-20001))
		}
		return r
	}
	tunnels := func(ports ...uint32) []pipeline.Tunnel {
		var list []pipeline.Tunnel
		for _, port := range ports {
			list = append(list, pipeline.Tunnel{OFPort: port})
		}
		return list
	}
	return map[string][]pipeline.Network{
		"no-network": nil,
		"one-host":   {{ID: 1, PortSecurity: true, VIFs: []pipeline.VIF{vif(1, mac(1)), vif(2, mac(2))}}},
		"no-vm":      {{ID: 1, PortSecurity: true, Tunnels: tunnels(20001, 20002), Remotes: []pipeline.Remote{remote(mac(3), 20001)}}},
		"mesh-of-three": {{
			ID: 7, PortSecurity: true, VIFs: []pipeline.VIF{vif(1, mac(1)), vif(2, mac(2))}, Tunnels: tunnels(20001, 20002),
			Remotes: []pipeline.Remote{remote(mac(3), 20001), remote(mac(4), 20002)},
		}},
		"unknown-mac": {{
			ID: 7, PortSecurity: true, VIFs: []pipeline.VIF{vif(1, mac(1)), vif(2)}, Tunnels: tunnels(20001, 20002),
		}},
		"no-security": {{
			ID: 7, VIFs: []pipeline.VIF{vif(1, mac(1)), vif(2)}, Tunnels: tunnels(20001),
			Remotes: []pipeline.Remote{remote(mac(3), 20001)},
		}},
		"migration": {{
			ID: 7, PortSecurity: true, VIFs: []pipeline.VIF{vif(1, mac(1)), vif(2, mac(2))}, Tunnels: tunnels(20001, 20002),
			Remotes: []pipeline.Remote{remote(mac(2), 20002), remote(mac(3), 20001, 20002)},
		}},
		"duplicate-macs": {{
			ID: 7, PortSecurity: true, VIFs: []pipeline.VIF{vif(1, mac(1), mac(1)), vif(2, mac(1)), vif(3, mac(2), mac(3))},
			Tunnels: tunnels(20001),
		}},
		"two-networks": {
			{ID: 7, PortSecurity: true, VIFs: []pipeline.VIF{vif(1, mac(1))}, Tunnels: tunnels(20001),
				Remotes: []pipeline.Remote{remote(mac(2), 20001)}},
			{ID: 0xffffffff, PortSecurity: true, VIFs: []pipeline.VIF{vif(2, mac(1))}, Tunnels: tunnels(20002),
				Remotes: []pipeline.Remote{remote(mac(2), 20001)}},
		},
		// Nothing here is IPv4's own: IPv6 needs no other flows. What it does
		// with them is in TestSwitchForwards.
		"ipv6": {{
			ID: 6, PortSecurity: true, VIFs: []pipeline.VIF{vif(1, [6]byte{0x02, 0, 0, 0xff, 0xfe, 1})}, Tunnels: tunnels(20001),
			Remotes: []pipeline.Remote{remote([6]byte{0x02, 0, 0, 0xff, 0xfe, 2}, 20001)},
		}},
	}
}

// compiled returns all flows of a bridge, sorted.
func compiled(t testing.TB, networks []pipeline.Network) []flow.Flow {
	t.Helper()
	flows := pipeline.Base(pipeline.Bridge{})
	for _, n := range networks {
		own, err := pipeline.Compile(n)
		if err != nil {
			t.Fatal(err)
		}
		flows = append(flows, own...)
	}
	flow.Sort(flows)
	return flows
}

func text(flows []flow.Flow) string {
	var b strings.Builder
	for _, f := range flows {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// TestGolden compares every bridge with its file, in whatever order the parts
// of its networks come.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.flows")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(goldens()) && !*update {
		t.Errorf("%d files of %d bridges", len(files), len(goldens()))
	}
	for name, networks := range goldens() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".flows")
			got := text(compiled(t, networks))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			for range 5 {
				shuffle(networks)
				if again := text(compiled(t, networks)); again != got {
					t.Fatalf("in another order\n%sbut\n%s", again, got)
				}
			}
		})
	}
}

func shuffle(networks []pipeline.Network) {
	mix(networks)
	for _, n := range networks {
		mix(n.VIFs)
		mixTunnels(n)
		mix(n.Remotes)
		for _, v := range n.VIFs {
			mix(v.MACs)
		}
		for _, r := range n.Remotes {
			mix(r.Via)
		}
	}
}

// mixTunnels shuffles a network's tunnels, and what refers to them with them.
func mixTunnels(n pipeline.Network) {
	at := rand.Perm(len(n.Tunnels))
	old := slices.Clone(n.Tunnels)
	for from, to := range at {
		n.Tunnels[to] = old[from]
	}
	for _, r := range n.Remotes {
		for i, from := range r.Via {
			r.Via[i] = at[from]
		}
	}
}

func mix[T any](list []T) {
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// TestOwnFlows holds every flow of every bridge to be marked as ours, for a
// network that is on the bridge and for a reason that has a name, and no two to
// be in each other's way.
func TestOwnFlows(t *testing.T) {
	reasons := map[pipeline.Reason]bool{}
	for name, networks := range goldens() {
		seen := map[flow.Key]bool{}
		for _, f := range compiled(t, networks) {
			id, r := pipeline.NetworkOf(f.Cookie), pipeline.ReasonOf(f.Cookie)
			on := id == 0 || slices.ContainsFunc(networks, func(n pipeline.Network) bool { return n.ID == id })
			if !pipeline.Owned(f.Cookie) || !on || strings.HasPrefix(r.String(), "reason-") || pipeline.Cookie(id, r) != f.Cookie {
				t.Errorf("%s: %s is of network %d for %s", name, f, id, r)
			}
			if seen[f.Key()] {
				t.Errorf("%s: twice: %s", name, f)
			}
			seen[f.Key()], reasons[r] = true, true
		}
	}
	for r := pipeline.Miss; r <= pipeline.FloodFromTunnel; r++ {
		if !reasons[r] {
			t.Errorf("no bridge has a flow for %s", r)
		}
	}
	if got := pipeline.Reason(0).String() + " " + pipeline.Reason(999).String(); got != "reason-0 reason-999" {
		t.Errorf("reasons without a name are %s", got)
	}
	for _, cookie := range []uint64{0, 1, 0x6f6d, 0x6f6e << 48, 0x6f6d << 47} {
		if pipeline.Owned(cookie) {
			t.Errorf("cookie %#x counts as ours", cookie)
		}
	}
}

// TestTables holds flows to lie in the tables that are described, and to go
// from each to a later one only.
func TestTables(t *testing.T) {
	var numbers []uint8
	for _, table := range pipeline.Tables() {
		if table.Name == "" || table.Purpose == "" {
			t.Errorf("table %d is not described", table.Number)
		}
		numbers = append(numbers, table.Number)
	}
	if !slices.IsSorted(numbers) {
		t.Errorf("tables are in the order %v", numbers)
	}
	for name, networks := range goldens() {
		for _, f := range compiled(t, networks) {
			if !slices.Contains(numbers, f.Table) {
				t.Errorf("%s: in no table: %s", name, f)
			}
			for _, a := range f.Actions {
				if next, ok := a.(flow.GotoTable); ok && (next.Table <= f.Table || !slices.Contains(numbers, next.Table)) {
					t.Errorf("%s: goes nowhere: %s", name, f)
				}
			}
		}
	}
}
