package adopt

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ovsmesh/ovsdb/schema"
)

// pluginHost is one of h1 to h3, of which CloudStack's IDs are 11 to 13, with a
// tunnel to each other.
func pluginHost(n int) Host {
	b := PluginBridge{Name: "xapi3", Label: "OVSTunnel103", XSNetworkUUID: "4b5c7fd2-6e7a-4f3c-9d55-0a4f1f5a0103"}
	for peer := 1; peer <= 3; peer++ {
		if peer != n {
			b.Tunnels = append(b.Tunnels, PluginTunnel{
				Name: fmt.Sprintf("t103-%d-%d", 10+n, 10+peer), From: 10 + n, To: 10 + peer, NameKey: 103,
				Key: "103", RemoteIP: fmt.Sprintf("192.0.2.%d", peer),
			})
		}
	}
	return Host{Name: fmt.Sprintf("h%d", n), Endpoint: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), Plugin: []PluginBridge{b}}
}

func TestRebuildPlugin(t *testing.T) {
	told := RebuildPlugin([]Host{pluginHost(2), pluginHost(1)}, Pick{All: true})
	if len(told.Problems)+len(told.Left) > 0 {
		t.Fatalf("%v %v", told.Problems, told.Left)
	}
	if len(told.Networks) != 1 || told.Networks[0].Name != "ovstunnel103" || len(told.Networks[0].On) != 2 {
		t.Errorf("%+v", told.Networks)
	}
	if len(told.Away) != 1 || fmt.Sprint(told.Away[0]) != "{cs-13 13 192.0.2.3 [ovstunnel103]}" {
		t.Errorf("%+v", told.Away)
	}
	if got := fmt.Sprint(told.Marks); got != "[{h1 [xapi3]} {h2 [xapi3]}]" {
		t.Errorf("%s", got)
	}
	if told.Hosts[0].Note.Host.ID != 11 || told.Hosts[1].Note.Host.ID != 12 {
		t.Errorf("%+v", told.Hosts)
	}
	var calls []string
	for _, c := range told.Calls {
		calls = append(calls, fmt.Sprintf("%s/%s %s>%s", c.Host, c.Bridge, c.Port, c.Remote))
	}
	if got := strings.Join(calls, ", "); got != "h1/xapi3 >, h1/xapi3 t103-11-12>h2, h1/xapi3 t103-11-13>, h2/xapi3 >, h2/xapi3 t103-12-11>h1, h2/xapi3 t103-12-13>" {
		t.Errorf("%s", got)
	}
}

// A network comes with all hosts that are connected, and nothing else.
func TestRebuildPluginPicks(t *testing.T) {
	second := pluginHost(2)
	second.Plugin = append(second.Plugin, PluginBridge{Name: "xapi4", Label: "OVSTunnel104"})
	hosts := []Host{pluginHost(1), second}
	for _, tc := range []struct {
		pick  Pick
		marks string
	}{
		{Pick{All: true}, "[{h1 [xapi3]} {h2 [xapi3 xapi4]}]"},
		{Pick{Network: "ovstunnel104"}, "[{h2 [xapi4]}]"},
		{Pick{Host: "h1"}, "[{h1 [xapi3]} {h2 [xapi3]}]"},
		{Pick{Host: "nobody"}, "[]"},
	} {
		if told := RebuildPlugin(hosts, tc.pick); fmt.Sprint(told.Marks) != tc.marks || len(told.Problems) > 0 {
			t.Errorf("%+v: %v %v", tc.pick, told.Marks, told.Problems)
		}
	}
}

// Whatever is told in two ways is said, by name, and what is not the mesh's is
// left alone.
func TestRebuildPluginContradictions(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(h []Host)
		want   string
	}{
		{"no label", func(h []Host) { h[0].Plugin[0].Label = "blue" }, `other_config:gre_key of bridge xapi3 is "blue", which is not OVSTunnel<key>`},
		{"another label", func(h []Host) { h[0].Plugin[0].Label = "OVSTunnel104" }, "bridge xapi3 is of two networks: other_config:gre_key says key 104, and port t103-11-12 says key 103"},
		{"no key", func(h []Host) { h[0].Plugin[0].Tunnels[0].Key = "" }, `port t103-11-12 has options:key="", which is no GRE key`},
		{"another key", func(h []Host) { h[0].Plugin[0].Tunnels[0].Key = "105" }, "port t103-11-12 has options:key=105, and its name says 103"},
		{"no address", func(h []Host) { h[0].Plugin[0].Tunnels[0].RemoteIP = "flow" }, `port t103-11-12 has options:remote_ip="flow", which is no address`},
		{"to itself", func(h []Host) { h[0].Plugin[0].Tunnels[0].To = 11 }, "leads from host 11 to itself"},
		{"two bridges of a key", func(h []Host) {
			h[0].Plugin = append(h[0].Plugin, PluginBridge{Name: "xapi9", Label: "OVSTunnel103"})
		}, "bridges xapi3 and xapi9 are both of key 103"},
		{"two IDs of a host", func(h []Host) { h[0].Plugin[0].Tunnels[1].From = 19 }, "port t103-11-12 of h1 says that its ID is 11, and port t103-11-13 of h1 says 19"},
		{"two IDs of a peer", func(h []Host) { h[1].Plugin[0].Tunnels[0].To = 19 }, "host h1: port t103-11-13 of h1 says that its ID is 11, and port t103-12-11 of h2 says 19"},
		{"an ID twice", func(h []Host) { h[0].Plugin[0].Tunnels[1].RemoteIP = "192.0.2.33" }, "ID 13 is that of host 192.0.2.33 (port t103-11-13 of h1) and of host 192.0.2.3 (port t103-12-13 of h2)"},
	} {
		h := []Host{pluginHost(1), pluginHost(2)}
		tc.change(h)
		told := RebuildPlugin(h, Pick{All: true})
		if !slices.ContainsFunc(told.Problems, func(p Problem) bool { return strings.Contains(p.String(), tc.want) }) {
			t.Errorf("%s: %v", tc.name, told.Problems)
		}
	}
	h := pluginHost(1)
	h.Plugin = append(h.Plugin, PluginBridge{Name: "OVS-DR-VPC-Bridge7", VPC: true}, PluginBridge{Name: "xapi8", Label: "OVSTunnel108", Store: other})
	told := RebuildPlugin([]Host{h}, Pick{All: true})
	if len(told.Problems) > 0 || len(told.Left) != 2 || !strings.Contains(told.Left[0], "OVS-DR-VPC-Bridge7 of h1") || !strings.Contains(told.Left[1], other) {
		t.Errorf("left %q, %v", told.Left, told.Problems)
	}
	if got := fmt.Sprint(told.Marks); got != "[{h1 [xapi3]}]" {
		t.Errorf("%s", got)
	}
}

func TestReadPlugin(t *testing.T) {
	db := schema.NewDB(schema.Full())
	rows := []schema.RowUpdate{
		schema.Put(&schema.Bridge{UUID: "b1", Name: "xapi3", Ports: []string{"p1", "p2", "p3"}, OtherConfig: map[string]string{"gre_key": "OVSTunnel103"}, ExternalIDs: map[string]string{"xs-network-uuid": "u"}}),
		schema.Put(&schema.Bridge{UUID: "b2", Name: "xenbr0"}),
		schema.Put(&schema.Bridge{UUID: "b3", Name: "OVS-DR-VPC-Bridge7"}),
		schema.Put(&schema.Bridge{UUID: "b4", Name: "xapi4", ExternalIDs: map[string]string{schema.KeyOwner: "mine"}, OtherConfig: map[string]string{"gre_key": "OVSTunnel104"}}),
		schema.Put(&schema.Port{UUID: "p1", Name: "t103-11-12", Interfaces: []string{"i1"}}),
		schema.Put(&schema.Interface{UUID: "i1", Name: "t103-11-12", Type: "gre", Options: map[string]string{"key": "103", "remote_ip": "192.0.2.2"}}),
		schema.Put(&schema.Port{UUID: "p2", Name: "t103-11-13", Interfaces: []string{"i2"}, ExternalIDs: map[string]string{schema.KeyOwner: other}}),
		schema.Put(&schema.Interface{UUID: "i2", Name: "t103-11-13", Type: "gre"}),
		schema.Put(&schema.Port{UUID: "p3", Name: "t103-11-14", Interfaces: []string{"i3"}}),
		schema.Put(&schema.Interface{UUID: "i3", Name: "t103-11-14", Type: "vxlan"}),
	}
	if _, err := db.Apply(rows); err != nil {
		t.Fatal(err)
	}
	got := ReadPlugin(db, "mine")
	if len(got) != 2 || !got[0].VPC || got[1].Name != "xapi3" || got[1].XSNetworkUUID != "u" ||
		fmt.Sprint(got[1].Tunnels) != "[{t103-11-12 11 12 103 103 192.0.2.2}]" {
		t.Errorf("%+v", got)
	}
}
