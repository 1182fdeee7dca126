package trace_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/trace"
)

// cloud is a World of a few hosts. A bridge's flows are text.
type cloud struct {
	hosts map[string]*trace.Host
	flows map[string][]string // by HOST/BRIDGE
	blind map[string]bool     // hosts that can't be looked at
}

func (c *cloud) Host(name string) (*trace.Host, error) {
	if c.blind[name] {
		return nil, errors.New(name + " is away")
	}
	return c.hosts[name], nil
}

func (c *cloud) HostAt(a netip.Addr) string {
	for name, h := range c.hosts {
		if h.Endpoint == a {
			return name
		}
	}
	return ""
}

func (c *cloud) Tables(host, bridge string) (*forward.Bridge, error) {
	lines, ok := c.flows[host+"/"+bridge]
	if !ok {
		return nil, fmt.Errorf("no tables of %s", bridge)
	}
	var flows []flow.Flow
	for _, line := range lines {
		f, err := flow.Parse(line)
		if err != nil {
			return nil, err
		}
		flows = append(flows, f)
	}
	return forward.Load(forward.Switch{Flows: flows, Groups: []forward.Group{}}), nil
}

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

func gre(key uint64, remote string) trace.Tunnel {
	return trace.Tunnel{Type: "gre", Key: key, Remote: ip(remote)}
}

// pair is two hosts with a tunnel between their bridges br, a VM on each, and a
// second bridge on b behind patch ports.
func pair() *cloud {
	return &cloud{
		hosts: map[string]*trace.Host{
			"a": {Name: "a", Endpoint: ip("192.0.2.1"), Bridges: []trace.Bridge{{Name: "br", Ports: []trace.Port{
				{OFPort: 1, Name: "vif1", Kind: trace.KindVIF, VIF: "web"},
				{OFPort: 10, Name: "t10", Kind: trace.KindTunnel, Tunnel: gre(10, "192.0.2.2")},
				{OFPort: 11, Name: "flow", Kind: trace.KindTunnel, Tunnel: trace.Tunnel{Type: "gre", KeyFlow: true, RemoteFlow: true}},
				{OFPort: 12, Name: "strange", Kind: trace.KindTunnel, Tunnel: gre(10, "192.0.2.99")},
				{OFPort: 13, Name: "out", Kind: trace.KindTunnel, Tunnel: gre(10, "192.0.2.7")},
				{OFPort: 20, Name: "eth0", Kind: trace.KindPhysical},
				{OFPort: 21, Name: "tap9"},
				{OFPort: flow.PortLocal, Name: "br", Kind: trace.KindLocal},
			}}}},
			"b": {Name: "b", Endpoint: ip("192.0.2.2"), Bridges: []trace.Bridge{
				{Name: "br", Ports: []trace.Port{
					{OFPort: 1, Name: "vif1", Kind: trace.KindVIF, VIF: "db"},
					{OFPort: 10, Name: "t10", Kind: trace.KindTunnel, Tunnel: gre(10, "192.0.2.1")},
					{OFPort: 30, Name: "to-side", Kind: trace.KindPatch, Peer: "to-br"},
					{OFPort: 31, Name: "torn", Kind: trace.KindPatch, Peer: "nothing"},
				}},
				{Name: "side", Ports: []trace.Port{
					{OFPort: 2, Name: "vif2", Kind: trace.KindVIF, VIF: "aside"},
					{OFPort: 30, Name: "to-br", Kind: trace.KindPatch, Peer: "to-side"},
				}},
			}},
			"x": {Name: "x", Endpoint: ip("192.0.2.7"), External: true},
		},
		flows: map[string][]string{"a/br": {"priority=1 actions=output:10"}, "b/br": {"priority=1 actions=output:1"}, "b/side": {"priority=1 actions=output:2"}},
	}
}

var fromWeb = trace.Place{Host: "a", Bridge: "br", OFPort: 1}

func broadcastOf(t *testing.T) forward.Frame {
	t.Helper()
	f, err := trace.Packet(trace.Want{From: trace.Party{MAC: [6]byte{2, 0, 0, 0, 0, 1}}, ToAll: true})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// story tells where each copy has ended.
func story(tr *trace.Trace) string {
	var list []string
	for _, h := range tr.Hops {
		if h.Err != nil {
			list = append(list, fmt.Sprintf("%s/%s: %v", h.Host, h.Bridge, h.Err))
		}
		for i, e := range h.Ends {
			at := fmt.Sprintf("%s/%s:%d", h.Host, h.Bridge, h.Result.Outputs[i].Port)
			switch e.Kind {
			case trace.EndPassed:
			case trace.EndLost, trace.EndUnseen:
				list = append(list, at+" "+e.Why)
			default:
				list = append(list, fmt.Sprintf("%s kind %d", at, e.Kind))
			}
		}
		if h.Err == nil && len(h.Ends) == 0 {
			list = append(list, h.Host+"/"+h.Bridge+": "+h.DropText())
		}
	}
	return strings.Join(list, "; ")
}

// TestRun follows a broadcast through small worlds.
func TestRun(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*cloud)
		want   string // part of the story
		sure   bool
	}{
		{"to the other host", func(*cloud) {}, "b/br:1 kind 1", true},
		{"back", func(c *cloud) { c.flows["a/br"] = []string{"priority=1 actions=IN_PORT"} }, "a/br:1 kind 2", true},
		{"to the host itself", func(c *cloud) { c.flows["a/br"] = []string{"priority=1 actions=LOCAL"} }, "kind 4", true},
		{"to a network outside", func(c *cloud) { c.flows["a/br"] = []string{"priority=1 actions=output:20"} }, "a/br:20 kind 5", true},
		{"to a port of which nothing is known", func(c *cloud) { c.flows["a/br"] = []string{"priority=1 actions=output:21"} }, "a/br:21 kind 5", true},
		{"to a controller", func(c *cloud) { c.flows["a/br"] = []string{"priority=1 actions=CONTROLLER:0"} }, "kind 6", true},
		{"to an endpoint that is not ours", func(c *cloud) { c.flows["a/br"] = []string{"priority=1 actions=output:13"} }, "a/br:13 kind 7", true},
		{"to a port that there is not", func(c *cloud) { c.flows["a/br"] = []string{"priority=1 actions=output:77"} }, "bridge br has no port 77", true},
		{"to an endpoint that nobody has", func(c *cloud) { c.flows["a/br"] = []string{"priority=1 actions=output:12"} }, "no host is known to have the tunnel endpoint 192.0.2.99", true},
		{"through a tunnel for all, to nobody", func(c *cloud) { c.flows["a/br"] = []string{"priority=1 actions=output:11"} }, "without saying to whom", true},
		{"through a tunnel for all", func(c *cloud) {
			c.flows["a/br"] = []string{"priority=1 actions=set_field:10->tun_id,set_field:192.0.2.2->tun_dst,output:11"}
		}, "b/br:1 kind 1", true},
		{"with another key", func(c *cloud) {
			c.flows["a/br"] = []string{"priority=1 actions=set_field:9->tun_id,set_field:192.0.2.2->tun_dst,output:11"}
		}, "host b has no tunnel port that takes gre with key 9 from 192.0.2.1", true},
		{"dropped there", func(c *cloud) { c.flows["b/br"] = nil }, "b/br: table 0 (classify) has no flow for it", true},
		{"dropped there by another's flow", func(c *cloud) { c.flows["b/br"] = []string{"cookie=0x7,priority=1 actions=drop"} }, "a flow of another program drops it (cookie 0x7)", true},
		{"by a patch port", func(c *cloud) { c.flows["b/br"] = []string{"priority=1 actions=output:30"} }, "b/side:2 kind 1", true},
		{"by a patch port that leads nowhere", func(c *cloud) { c.flows["b/br"] = []string{"priority=1 actions=output:31"} }, "patch port torn has no other end", true},
		{"round and round", func(c *cloud) {
			c.flows["b/br"] = []string{"priority=1 actions=IN_PORT"}
			c.flows["a/br"] = append(c.flows["a/br"], "priority=2,in_port=10 actions=IN_PORT")
		},
			"loop: the same frame is back on port 10 of br on b", true},
		{"to a host that is away", func(c *cloud) { c.blind = map[string]bool{"b": true} }, "b is away", false},
		{"from a host that is away", func(c *cloud) { c.blind = map[string]bool{"a": true} }, "a is away", false},
		{"to a bridge that is not managed", func(c *cloud) { delete(c.flows, "b/br") }, "b/br: no tables of br", false},
		{"by what can't be followed", func(c *cloud) { c.flows["b/br"] = []string{"priority=1 actions=learn(table=1),output:1"} }, "b/br:1 kind 1", false},
	} {
		w := pair()
		c.change(w)
		tr := trace.Run(w, fromWeb, broadcastOf(t))
		if got := story(tr); !strings.Contains(got, c.want) || tr.Sure() != c.sure {
			t.Errorf("%s: %s (sure: %v), want %s (%v)", c.name, got, tr.Sure(), c.want, c.sure)
		}
	}
}

// TestRunEnds does not follow for ever what goes round with less to live each
// time.
func TestRunEnds(t *testing.T) {
	w := pair()
	w.flows["a/br"] = []string{"priority=1,in_port=1 actions=output:10", "priority=1,ipv6,in_port=10 actions=dec_ttl,IN_PORT"}
	w.flows["b/br"] = w.flows["a/br"][1:]
	f, err := trace.Packet(trace.Want{ToAll: true, Text: "icmp6"})
	if err != nil {
		t.Fatal(err)
	}
	if got := story(trace.Run(w, fromWeb, f)); !strings.Contains(got, "bridges already: not followed any further") {
		t.Error(got)
	}
}

// TestProtectedPorts says that a switch leaves an output out.
func TestProtectedPorts(t *testing.T) {
	h := trace.Hop{Result: forward.Result{Steps: []forward.Step{{}}, Skips: []forward.Skip{{Port: 7}}}}
	if got := h.DropText(); !strings.Contains(got, "port 7") || !strings.Contains(got, "protected") {
		t.Error(got)
	}
}

// TestReceiver prefers ports as Open vSwitch does.
func TestReceiver(t *testing.T) {
	port := func(n uint32, tunnel trace.Tunnel) trace.Port {
		tunnel.Type = "vxlan"
		tunnel.DstPort = 4789
		return trace.Port{OFPort: n, Kind: trace.KindTunnel, Tunnel: tunnel}
	}
	src, dst := ip("192.0.2.1"), ip("192.0.2.2")
	all := []trace.Port{
		port(1, trace.Tunnel{Key: 10, Remote: src, Local: dst}),
		port(2, trace.Tunnel{Key: 10, Remote: src}),
		port(3, trace.Tunnel{Key: 10, RemoteFlow: true}),
		port(4, trace.Tunnel{KeyFlow: true, Remote: src}),
		port(5, trace.Tunnel{KeyFlow: true, RemoteFlow: true}),
		port(6, trace.Tunnel{Key: 11, Remote: src}),
		port(7, trace.Tunnel{Key: 10, Remote: ip("192.0.2.9")}),
		port(8, trace.Tunnel{Key: 10, Remote: src, Local: ip("192.0.2.3")}),
		{OFPort: 9, Kind: trace.KindTunnel, Tunnel: trace.Tunnel{Type: "gre", Key: 10, Remote: src}},
		{OFPort: 10, Kind: trace.KindTunnel, Tunnel: trace.Tunnel{Type: "vxlan", DstPort: 8472, Key: 10, Remote: src}},
	}
	for first := range 5 {
		h := &trace.Host{Name: "h", Bridges: []trace.Bridge{{Name: "br", Ports: slices.Clone(all[first:])}}}
		slices.Reverse(h.Bridges[0].Ports)
		got, ok := trace.Receiver(h, "vxlan", 10, src, dst, 4789)
		if want := uint32(first + 1); !ok || got.OFPort != want || got.Bridge != "br" || got.Host != "h" {
			t.Errorf("of ports %d on: %+v, %v", want, got, ok)
		}
	}
	h := &trace.Host{Bridges: []trace.Bridge{{Ports: all[5:]}}}
	if got, ok := trace.Receiver(h, "vxlan", 10, src, dst, 4789); ok {
		t.Errorf("a packet for nobody goes to %+v", got)
	}
}

// TestElsewhere says why a port has got nothing.
func TestElsewhere(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*cloud)
		at     trace.Place
		host   string
		kind   trace.CauseKind
		text   string
	}{
		{"dropped on its host", func(c *cloud) { c.flows["b/br"] = nil }, trace.Place{Host: "b", Bridge: "br"}, "b", trace.CauseMissing, "table 0 (classify) has no flow"},
		{"dropped by another", func(c *cloud) { c.flows["b/br"] = []string{"cookie=0x7,priority=1 actions=drop"} }, trace.Place{Host: "b", Bridge: "br"}, "b", trace.CauseForeign, "0x7"},
		{"dropped where it starts", func(c *cloud) { c.flows["a/br"] = nil }, trace.Place{Host: "b", Bridge: "br"}, "a", trace.CauseMissing, "table 0 (classify) has no flow"},
		{"sent elsewhere", func(c *cloud) { c.flows["a/br"] = []string{"priority=1 actions=output:20"} }, trace.Place{Host: "b", Bridge: "br"}, "a", trace.CauseElsewhere, "not send it to host b but by eth0"},
		{"to another port there", func(*cloud) {}, trace.Place{Host: "b", Bridge: "br", OFPort: 5}, "b", trace.CauseElsewhere, "sends it by vif1"},
		{"lost on the way", func(c *cloud) { c.hosts["b"].Bridges[0].Ports[1].Tunnel.Key = 11 }, trace.Place{Host: "b", Bridge: "br"}, "a", trace.CauseTunnel, "sent through t10 and lost"},
		{"its host is away", func(c *cloud) { c.blind = map[string]bool{"b": true} }, trace.Place{Host: "b", Bridge: "br"}, "b", trace.CauseUnseen, "b is away"},
	} {
		w := pair()
		c.change(w)
		got := trace.Run(w, fromWeb, broadcastOf(t)).Elsewhere(c.at)
		if got.Host != c.host || got.Kind != c.kind || !strings.Contains(got.Text, c.text) {
			t.Errorf("%s: %+v, want %s", c.name, got, c.text)
		}
	}
}
