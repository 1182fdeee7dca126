package pipeline_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
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
	all := optional()
	maps.Copy(all, map[string][]pipeline.Network{
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
	})
	return all
}

// bases are what some of the golden bridges have beside their networks.
func bases() map[string]pipeline.Bridge {
	return map[string]pipeline.Bridge{
		"shared":             {Carriers: []uint32{20002, 20001, 20001}},
		"flow":               {Carriers: []uint32{20001}},
		"flow-ipv6":          {Carriers: []uint32{20001}},
		"mixed":              {Carriers: []uint32{20001, 20002}},
		"host-ports":         {Host: []uint32{9, flow.PortLocal}},
		"taken":              {Host: []uint32{9, flow.PortLocal}, Taken: true},
		"learning-protected": {Learning: true},
		"learning":           {Learning: true},
	}
}

// optional are bridges with the options of networks, each in one of them at
// least.
func optional() map[string][]pipeline.Network {
	v4, v6 := ip4, ip6
	at := netip.MustParseAddr
	ips := func(list ...netip.Addr) []netip.Addr { return list }
	known := pipeline.VIF{OFPort: 1, MACs: [][6]byte{mac(1)}, IPs: ips(v4(1), v6(1))}
	stations := func(list ...byte) (all []pipeline.Station) {
		for _, n := range list {
			all = append(all, pipeline.Station{IP: v4(n), MAC: mac(n)}, pipeline.Station{IP: v6(n), MAC: mac(n)})
		}
		return all
	}
	own := func() []pipeline.Tunnel { return []pipeline.Tunnel{{OFPort: 20001}, {OFPort: 20002}} }
	network := func(id uint32, change func(*pipeline.Network)) pipeline.Network {
		n := pipeline.Network{ID: id, VIFs: []pipeline.VIF{{OFPort: id, MACs: [][6]byte{mac(1)}}},
			Remotes: []pipeline.Remote{{MAC: mac(2), Via: []int{0}}, {MAC: mac(3), Via: []int{0, 1}}}}
		change(&n)
		return n
	}
	return map[string][]pipeline.Network{
		"shared": {
			network(1, func(n *pipeline.Network) {
				n.Tunnels = []pipeline.Tunnel{{OFPort: 20001, Key: 103}, {OFPort: 20002, Key: 103}}
			}),
			network(2, func(n *pipeline.Network) {
				n.Tunnels = []pipeline.Tunnel{{OFPort: 20001, Key: 104}, {OFPort: 20002, Key: 104}}
			}),
		},
		"flow": {
			network(1, func(n *pipeline.Network) {
				n.Tunnels = []pipeline.Tunnel{{OFPort: 20001, Key: 103, Remote: at("172.16.0.1")}, {OFPort: 20001, Key: 103, Remote: at("172.16.0.2")}}
			}),
			network(2, func(n *pipeline.Network) {
				n.Tunnels = []pipeline.Tunnel{{OFPort: 20001, Key: 0xffffffff, Remote: at("172.16.0.1")}, {OFPort: 20001, Key: 0xffffffff, Remote: at("::ffff:172.16.0.2")}}
			}),
		},
		"flow-ipv6": {network(1, func(n *pipeline.Network) {
			n.Tunnels = []pipeline.Tunnel{{OFPort: 20001, Key: 103, Remote: at("fd00::1")}, {OFPort: 20001, Key: 103, Remote: at("fd00::2")}}
		})},
		"mixed": {network(1, func(n *pipeline.Network) {
			n.Tunnels = []pipeline.Tunnel{
				{OFPort: 20001, Key: 103, Remote: at("172.16.0.1")}, {OFPort: 20002, Key: 103}, {OFPort: 20003},
				{OFPort: 20004, ReceiveOnly: true}, {OFPort: 20001, Key: 103, Remote: at("fd00::1")},
			}
			n.Remotes = append(n.Remotes, pipeline.Remote{MAC: mac(4), Via: []int{3}}, pipeline.Remote{MAC: mac(5), Via: []int{4, 2, 0, 1}})
		})},
		"addresses": {{
			ID: 7, PortSecurity: true, Tunnels: own(), Remotes: []pipeline.Remote{{MAC: mac(3), Via: []int{0}}}, Stations: stations(1, 2, 3),
			VIFs: []pipeline.VIF{known, {OFPort: 2, MACs: [][6]byte{mac(2)}, IPs: ips(v4(2), v6(2))}},
		}},
		"allowed": {{
			ID: 7, PortSecurity: true, Tunnels: own(), Stations: stations(1),
			VIFs: []pipeline.VIF{
				{OFPort: 1, MACs: [][6]byte{mac(1)}, IPs: ips(v4(1)), Allowed: []pipeline.Pair{{MAC: virtual, IP: virtualIP}}},
				{OFPort: 2, MACs: [][6]byte{mac(2)}, IPs: ips(v4(2)), Allowed: []pipeline.Pair{{MAC: virtual, IP: virtualIP}, {IP: v4(1)}}},
				{OFPort: 3, Allowed: []pipeline.Pair{{MAC: mac(1), IP: v4(1)}}},
			},
		}},
		"guarded": {{
			ID: 7, PortSecurity: true, Tunnels: own(), Remotes: []pipeline.Remote{{MAC: mac(3), Via: []int{0}}}, Stations: stations(1, 3, 4),
			VIFs: []pipeline.VIF{
				known, {OFPort: 2, MACs: [][6]byte{mac(2)}}, {OFPort: 3},
				{OFPort: 4, MACs: [][6]byte{mac(4)}, IPs: ips(v4(4), v6(4)), Router: true},
			},
		}},
		"answers-only": {{ID: 7, VIFs: []pipeline.VIF{known}, Tunnels: own(), Stations: stations(1, 2),
			Remotes: []pipeline.Remote{{MAC: mac(2), Via: []int{1}}}}},
		"drop-unknown": {{
			ID: 7, DropUnknown: true, Tunnels: own(), Remotes: []pipeline.Remote{{MAC: mac(3), Via: []int{0}}},
			VIFs: []pipeline.VIF{known, {OFPort: 2, MACs: [][6]byte{mac(2)}, Allowed: []pipeline.Pair{{MAC: virtual, IP: virtualIP}, {MAC: mac(3), IP: v4(3)}}}},
		}},
		"drop-broadcast": {{
			ID: 7, DropBroadcast: true, Tunnels: []pipeline.Tunnel{{OFPort: 20001, DHCPServer: true}, {OFPort: 20002, Router: true}, {OFPort: 20003}},
			VIFs: []pipeline.VIF{known, {OFPort: 2, MACs: [][6]byte{mac(2)}, DHCPServer: true}, {OFPort: 3, MACs: [][6]byte{mac(3)}, Router: true}},
		}},
		"taken":      {network(1, func(n *pipeline.Network) { n.Tunnels = own() })},
		"host-ports": {network(1, func(n *pipeline.Network) { n.Tunnels = own() })},
		"learning-protected": {network(1, func(n *pipeline.Network) {
			n.Tunnels, n.Learning, n.Protected = own(), true, true
			n.VIFs = append(n.VIFs, pipeline.VIF{OFPort: 2})
		})},
		"learning": {network(1, func(n *pipeline.Network) {
			n.Tunnels, n.Learning = own(), true
			n.VIFs = append(n.VIFs, pipeline.VIF{OFPort: 2})
		})},
	}
}

// compiled returns all flows of a bridge, sorted.
func compiled(t testing.TB, networks []pipeline.Network, base ...pipeline.Bridge) []flow.Flow {
	t.Helper()
	var bridge pipeline.Bridge
	for _, b := range base {
		bridge = b
	}
	flows := pipeline.Base(bridge)
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
			got := text(compiled(t, networks, bases()[name]))
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
				if again := text(compiled(t, networks, bases()[name])); again != got {
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
		mix(n.Stations)
		for _, v := range n.VIFs {
			mix(v.MACs)
			mix(v.IPs)
			mix(v.Allowed)
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
		for _, f := range compiled(t, networks, bases()[name]) {
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
	for r := pipeline.Miss; r <= pipeline.LearnEcho; r++ {
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
		for _, f := range compiled(t, networks, bases()[name]) {
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
