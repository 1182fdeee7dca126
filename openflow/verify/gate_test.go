package verify_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/verify"
)

func mac(n byte) [6]byte { return [6]byte{2, 0, 0, 0, 0, n} }

// ported returns a network as a Gate sees it, by the ports that the compiler was
// told of.
func ported(t testing.TB, n pipeline.Network, base pipeline.Bridge) *verify.Network {
	t.Helper()
	flows, err := pipeline.Compile(n)
	if err != nil {
		t.Fatal(err)
	}
	v := &verify.Network{
		ID: n.ID, Flows: flows, Base: verify.Passages(pipeline.Base(base)), Alone: n.Learning, Protected: n.Protected,
		Ports: verify.Ports{Own: map[uint32]verify.Role{}, Shared: map[uint32]struct{}{}},
	}
	for _, vif := range n.VIFs {
		v.Ports.Own[vif.OFPort] = verify.VIF
	}
	for _, t := range n.Tunnels {
		switch {
		case t.Key != 0:
			v.Ports.Shared[t.OFPort] = struct{}{}
			v.Key = t.Key
		case t.ReceiveOnly:
			v.Ports.Own[t.OFPort] = verify.Leaving
		default:
			v.Ports.Own[t.OFPort] = verify.Tunnel
		}
	}
	return v
}

// cases are networks of every kind, each beside a network 8 of which the ports
// are 3 and 20003, and the key on carriers 104.
func cases() map[string]pipeline.Network {
	own := []pipeline.Tunnel{{OFPort: 20001}, {OFPort: 20002}}
	shared := []pipeline.Tunnel{{OFPort: 20001, Key: 103}, {OFPort: 20002, Key: 103}, {OFPort: 20004, ReceiveOnly: true}}
	flowPort := []pipeline.Tunnel{{OFPort: 20001, Key: 103, Remote: netip.MustParseAddr("192.0.2.2")},
		{OFPort: 20001, Key: 103, Remote: netip.MustParseAddr("192.0.2.3")}}
	vifs := []pipeline.VIF{
		{OFPort: 1, MACs: [][6]byte{mac(1)}, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}, DHCPServer: true},
		{OFPort: 2, Router: true},
	}
	remotes := []pipeline.Remote{{MAC: mac(3), Via: []int{0}}, {MAC: mac(4), Via: []int{0, 1}}, {MAC: mac(1), Via: []int{1}}}
	stations := []pipeline.Station{{IP: netip.MustParseAddr("10.0.0.3"), MAC: mac(3)}, {IP: netip.MustParseAddr("fd00::3"), MAC: mac(3)}}
	network := func(tunnels []pipeline.Tunnel, change func(*pipeline.Network)) pipeline.Network {
		n := pipeline.Network{ID: 7, VIFs: vifs, Tunnels: slices.Clone(tunnels), Remotes: remotes, Stations: stations}
		change(&n)
		return n
	}
	quiet := func(n *pipeline.Network) { n.DropBroadcast, n.DropUnknown, n.PortSecurity = true, true, true }
	return map[string]pipeline.Network{
		"plain":       network(own, func(*pipeline.Network) {}),
		"secure":      network(own, func(n *pipeline.Network) { n.PortSecurity = true }),
		"quiet":       network(own, func(n *pipeline.Network) { quiet(n); n.Tunnels[0].DHCPServer, n.Tunnels[1].Router = true, true }),
		"shared":      network(shared, quiet),
		"flow":        network(flowPort, func(*pipeline.Network) {}),
		"no VM":       network(own, func(n *pipeline.Network) { n.VIFs = nil }),
		"one host":    network(nil, func(n *pipeline.Network) { n.Remotes = nil }),
		"learning":    network(own, func(n *pipeline.Network) { n.Stations, n.Learning = nil, true }),
		"protected":   network(own, func(n *pipeline.Network) { n.Stations, n.Learning, n.Protected = nil, true, true }),
		"no tunnels?": {ID: 7, VIFs: vifs[:1], Learning: true},
	}
}

func baseOf(n pipeline.Network) pipeline.Bridge {
	return pipeline.Bridge{Learning: n.Learning, Carriers: []uint32{20001, 20002}, Host: []uint32{9, flow.PortLocal}, Taken: n.ID%2 == 0}
}

// Nothing that the compiler makes is refused.
func TestGatePasses(t *testing.T) {
	var g verify.Gate
	for name, n := range cases() {
		if got := g.Check(ported(t, n, baseOf(n))); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
		host := func(port uint32) bool { return port == 9 || port == flow.PortLocal }
		if got := verify.CheckBase(pipeline.Base(baseOf(n)), host, n.Learning); len(got) > 0 {
			t.Errorf("%s: base: %v", name, got)
		}
	}
}

// Wrong flows, each added to those of a network that are right.
func TestGateRefuses(t *testing.T) {
	for _, c := range []struct{ name, network, flow, want string }{
		{"another network's VM", "plain", "table=60, priority=1,metadata=0x7/0x1ffffffff actions=output:3", "isolation"},
		{"nobody's port", "plain", "table=60, priority=1,metadata=0x7/0x1ffffffff actions=output:77", "isolation"},
		{"the host", "plain", "table=60, priority=1,metadata=0x7/0x1ffffffff actions=LOCAL", "isolation"},
		{"all ports", "plain", "table=60, priority=1,metadata=0x7/0x1ffffffff actions=FLOOD", "isolation"},
		{"NORMAL", "plain", "table=60, priority=1,metadata=0x7/0x1ffffffff actions=NORMAL", "isolation"},
		{"a group", "plain", "table=60, priority=1,metadata=0x7/0x1ffffffff actions=group:7", "isolation"},
		{"another's frames", "plain", "table=60, priority=1,dl_dst=02:00:00:00:00:01 actions=output:1", "isolation"},
		{"another's frames by half a mask", "plain", "table=60, priority=1,metadata=0x7/0xf actions=output:1", "isolation"},
		{"another's port", "plain", "table=0, priority=1,in_port=3 actions=output:1", "isolation"},
		{"another's port for ours", "plain", "table=0, priority=1,in_port=3 actions=write_metadata:0x7/0x1ffffffff,goto_table:10", "isolation"},
		{"ours for another's", "plain", "table=0, priority=1,in_port=1 actions=write_metadata:0x8/0x1ffffffff,goto_table:10", "isolation"},
		{"ours for nobody's", "plain", "table=0, priority=1,in_port=1 actions=goto_table:10", "isolation"},
		{"ours for another's later", "plain", "table=10, priority=1,in_port=1 actions=write_metadata:0x8/0x1ffffffff,goto_table:20", "isolation"},
		{"any port", "plain", "table=0, priority=1 actions=write_metadata:0x7/0x1ffffffff,goto_table:10", "isolation"},
		{"any port of them", "plain", "table=20, priority=1 actions=write_metadata:0x7/0x1ffffffff,goto_table:60", "isolation"},
		{"metadata set otherwise", "plain", "table=10, priority=1,in_port=1 actions=set_field:8->metadata,goto_table:20", "isolation"},
		{"from tunnel to tunnel", "plain", "table=60, priority=1,metadata=0x100000007/0x1ffffffff actions=output:20001", "loop"},
		{"tunnel bit ignored", "plain", "table=60, priority=1,metadata=0x7/0xffffffff actions=output:20001", "loop"},
		{"tunnel bit lost", "plain", "table=0, priority=1,in_port=20001 actions=write_metadata:0x7/0x1ffffffff,goto_table:60", "loop"},
		{"tunnel bit never written", "plain", "table=0, priority=1,in_port=20001 actions=write_metadata:0x7/0xffffffff,goto_table:60", "loop"},
		{"tunnel bit cleared later", "plain", "table=60, priority=1,metadata=0x100000007/0x1ffffffff actions=write_metadata:0/0x100000000,goto_table:70", "loop"},
		{"back to the tunnel", "plain", "table=60, priority=1,metadata=0x100000007/0x1ffffffff actions=IN_PORT", "loop"},
		{"answered although from a tunnel", "secure", "table=0, priority=1,in_port=20001 actions=write_metadata:0x100000007/0x1ffffffff,goto_table:20", "loop"},
		{"straight from tunnel to tunnel", "plain", "table=0, priority=1,in_port=20001 actions=output:20002", "loop"},
		{"back a table", "plain", "table=60, priority=1,metadata=0x7/0x1ffffffff actions=goto_table:60", "loop"},
		{"carrier with no key", "shared", "table=0, priority=1,in_port=20001 actions=write_metadata:0x100000007/0x1ffffffff,goto_table:60", "isolation"},
		{"carrier with another key", "shared", "table=0, priority=1,in_port=20001,tun_id=0x68 actions=write_metadata:0x100000007/0x1ffffffff,goto_table:60", "isolation"},
		{"to a carrier with no key", "shared", "table=70, priority=1,metadata=0x7/0x1ffffffff actions=output:20001", "isolation"},
		{"to a carrier with another key", "flow", "table=70, priority=1,metadata=0x7/0x1ffffffff actions=set_field:0x68->tun_id,output:20001", "isolation"},
		{"carrier to carrier", "shared", "table=70, priority=1,metadata=0x100000007/0x1ffffffff actions=set_field:0x67->tun_id,output:20001", "loop"},
		{"to what is about to go", "shared", "table=70, priority=1,metadata=0x100000007/0x1ffffffff actions=output:20004", "loop"},
		{"learning, tunnel to NORMAL", "learning", "table=0, priority=1150,in_port=20001 actions=NORMAL", "loop"},
		{"learning, tunnel to tunnel", "learning", "table=60, priority=1 actions=output:20001", "loop"},
		{"learning, above the tunnels' own", "learning", "table=0, priority=1400,dl_dst=ff:ff:ff:ff:ff:ff actions=NORMAL", "loop"},
		{"learning, a copy without a label", "learning", "table=60, priority=1 actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],NORMAL", "loop"},
		{"learning, a copy to all", "learning", "table=60, priority=1 actions=push_mpls:0x8847,set_field:8->mpls_label,NORMAL", "loop"},
		{"protected, tunnel to tunnel", "protected", "table=0, priority=1,in_port=20001 actions=output:20002", "loop"},
		{"under what takes it all", "plain", "table=10, priority=1,in_port=20001 actions=output:20002", ""},
		{"nothing meets it", "plain", "table=30, priority=1,metadata=0x7/0x1ffffffff actions=output:3", ""},
	} {
		f, err := flow.Parse(c.flow)
		if err != nil {
			t.Fatal(err)
		}
		f.Cookie = pipeline.Cookie(7, pipeline.UnicastLocal)
		n := cases()[c.network]
		v := ported(t, n, baseOf(n))
		v.Flows = append(slices.Clone(v.Flows), f)
		flow.Sort(v.Flows)
		var g verify.Gate
		got := g.Check(v)
		if c.want == "" {
			if len(got) > 0 {
				t.Errorf("%s: %v", c.name, got)
			}
			continue
		}
		if len(got) == 0 {
			t.Errorf("%s is not noticed", c.name)
			continue
		}
		if !slices.ContainsFunc(got, func(b verify.Breach) bool { return strings.HasPrefix(b.String(), c.want) }) {
			t.Errorf("%s: want %s, got %v", c.name, c.want, got)
		}
	}
}

// Flows that a learning network can't be without, left out.
func TestGateMissesGuards(t *testing.T) {
	n := cases()["learning"]
	for _, r := range []pipeline.Reason{pipeline.LearnTunnel, pipeline.LearnEcho} {
		v := ported(t, n, baseOf(n))
		v.Flows = slices.DeleteFunc(slices.Clone(v.Flows), func(f flow.Flow) bool {
			return pipeline.ReasonOf(f.Cookie) == r && strings.Contains(f.Text(), "in_port=20001")
		})
		var g verify.Gate
		if got := g.Check(v); len(got) == 0 || got[0].Invariant != verify.NoLoop {
			t.Errorf("without %s: %v", r, got)
		}
	}
}

// What a bridge's base must not do.
func TestCheckBaseRefuses(t *testing.T) {
	for _, text := range []string{
		"table=0, priority=15,in_port=1 actions=NORMAL",
		"table=0, priority=0 actions=NORMAL",
		"table=20, priority=0 actions=NORMAL",
		"table=20, priority=0 actions=output:1",
		"table=0, priority=0 actions=goto_table:60",
		"table=20, priority=0 actions=goto_table:10",
		"table=20, priority=0 actions=write_metadata:0x7/0xffffffff,goto_table:60",
	} {
		f, err := flow.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		host := func(port uint32) bool { return port == 9 }
		if got := verify.CheckBase([]flow.Flow{f}, host, false); len(got) == 0 {
			t.Errorf("%s is not noticed", text)
		}
	}
}

// Flows that frames of network 7 may meet, and that they can't.
func TestConcerns(t *testing.T) {
	ports := verify.Ports{Own: map[uint32]verify.Role{1: verify.VIF}, Shared: map[uint32]struct{}{20001: {}}}
	for text, want := range map[string]bool{
		"table=0, in_port=1 actions=drop":                         true,
		"table=0, in_port=3 actions=drop":                         false,
		"table=0, in_port=20001 actions=drop":                     true,
		"table=0, actions=drop":                                   true,
		"table=10, in_port=3 actions=drop":                        false,
		"table=60, metadata=0x7/0xffffffff actions=drop":          true,
		"table=60, metadata=0x100000007 actions=drop":             true,
		"table=60, metadata=0x8/0xffffffff actions=drop":          false,
		"table=60, metadata=0x6/0xfffffffe actions=drop":          true,
		"table=60, dl_dst=02:00:00:00:00:01 actions=drop":         true,
		"table=60, metadata=0x100000000/0x100000000 actions=drop": true,
	} {
		f, err := flow.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := verify.Concerns(&f, 7, ports); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
