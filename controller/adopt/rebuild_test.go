package adopt

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

const (
	lost  = "11111111-1111-4111-8111-111111111111"
	other = "22222222-2222-4222-8222-222222222222"
)

func hostNote(name string, id int) string {
	return fmt.Sprintf(`{"version":1,"autoID":true,"host":{"name":%q,"id":%d}}`, name, id)
}

func netNote(name string, key int, more string) string {
	return fmt.Sprintf(`{"version":1,"id":7,"network":{"name":%q,"encap":"gre","key":%d,"bridge":"xapi1"%s}}`, name, key, more)
}

func tunnel(name, network, peer, key, remote string) plan.TunnelPort {
	return plan.TunnelPort{Name: name, Bridge: "xapi1", Network: network, Peer: peer, Type: "gre", Key: key, RemoteIP: remote}
}

// host is one of a mesh of blue over h1 to h3, of which only h1 and h2 are
// connected.
func host(n int) Host {
	peer := 3 - n
	return Host{
		Name: fmt.Sprintf("h%d", n), ID: 40 + n, Endpoint: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}),
		Bridges: []Bridge{{
			Name: "xapi1", Store: lost, HostNote: hostNote(fmt.Sprintf("xen%d", n), n), Notes: map[string]string{"blue": netNote("blue", 103, "")},
			Tunnels: []plan.TunnelPort{
				tunnel(fmt.Sprintf("t103-%d-%d", n, peer), "blue", fmt.Sprintf("xen%d", peer), "103", fmt.Sprintf("192.0.2.%d", peer)),
				tunnel(fmt.Sprintf("t103-%d-3", n), "blue", "xen3", "103", "192.0.2.3"),
			},
		}},
	}
}

func TestRebuild(t *testing.T) {
	told := Rebuild([]Host{host(2), host(1)}, Pick{All: true})
	if len(told.Problems) > 0 {
		t.Fatalf("%v", told.Problems)
	}
	n := told.Networks[0]
	if told.Store != lost || len(told.Networks) != 1 || !n.Noted || n.Note.ID != 7 || n.Note.Network.Key != 103 || len(n.On) != 2 || n.On[1] != (Place{"h2", "xapi1", 2}) {
		t.Errorf("%+v", told)
	}
	if len(told.Hosts) != 2 || told.Hosts[0].Host != "h1" || told.Hosts[0].Note.Host.Name != "xen1" || told.Hosts[0].Note.Host.ID != 1 {
		t.Errorf("%+v", told.Hosts)
	}
	if len(told.Away) != 1 || fmt.Sprint(told.Away[0]) != "{xen3 3 192.0.2.3 [blue]}" {
		t.Errorf("%+v", told.Away)
	}
	if got := fmt.Sprint(told.Marks); got != "[{h1 [xapi1]} {h2 [xapi1]}]" {
		t.Errorf("%s", got)
	}
}

func TestRebuildPicks(t *testing.T) {
	second := host(2)
	second.Bridges = append(second.Bridges,
		Bridge{Name: "xapi2", Store: lost, Notes: map[string]string{"red": strings.Replace(netNote("red", 104, ""), "xapi1", "xapi2", 1)}},
		Bridge{Name: "xapi3", Store: other})
	hosts := []Host{host(1), second}
	for _, tc := range []struct {
		pick            Pick
		marks, networks string
	}{
		{Pick{Store: lost, All: true}, "[{h1 [xapi1]} {h2 [xapi1 xapi2]}]", "blue red"},
		{Pick{Store: lost, Network: "red"}, "[{h2 [xapi2]}]", "red"},
		{Pick{Store: lost, Host: "h1"}, "[{h1 [xapi1]}]", "blue"},
		{Pick{Store: lost, Host: "nobody"}, "[]", ""},
		{Pick{Store: other, All: true}, "[{h2 [xapi3]}]", ""},
	} {
		told := Rebuild(hosts, tc.pick)
		var names []string
		for _, n := range told.Networks {
			names = append(names, n.Name)
		}
		if got := fmt.Sprint(told.Marks); got != tc.marks || strings.Join(names, " ") != tc.networks {
			t.Errorf("%+v: marks %s, networks %q", tc.pick, got, names)
		}
	}
	if told := Rebuild(hosts, Pick{All: true}); len(told.Problems) != 1 || len(told.Marks) > 0 || !strings.Contains(told.Problems[0].String(), other) {
		t.Errorf("of two stores: %+v", told)
	}
	if told := Rebuild(nil, Pick{All: true}); len(told.Problems)+len(told.Marks) > 0 || told.Store != "" {
		t.Errorf("of nobody: %+v", told)
	}
}

// Whatever is told in two ways is said, by name.
func TestRebuildContradictions(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(h []Host)
		want   string
	}{
		{"two names", func(h []Host) {
			h[0].Bridges = append(h[0].Bridges, Bridge{Name: "xapi9", Store: lost, HostNote: hostNote("xen9", 9)})
		}, "host h1: bridge xapi1 tells that it is xen1 with ID 1, and bridge xapi9 that it is xen9 with ID 9"},
		{"a name twice", func(h []Host) { h[1].Bridges[0].HostNote = hostNote("xen1", 2) }, "host h2: it tells that it is xen1, and so does h1"},
		{"an ID twice", func(h []Host) { h[1].Bridges[0].HostNote = hostNote("xen2", 1) }, "host h2: it tells that its ID is 1, and so does h1"},
		{"no host note", func(h []Host) { h[0].Bridges[0].HostNote = "{" }, "host h1: external_ids:ovsmesh-host of bridge xapi1 makes no sense"},
		{"another tenant", func(h []Host) { h[1].Bridges[0].Notes["blue"] = netNote("blue", 103, `,"tenant":"acme"`) }, "network blue: h1 and h2 tell different things: tenant: none → acme"},
		{"another ID", func(h []Host) {
			h[1].Bridges[0].Notes["blue"] = strings.Replace(netNote("blue", 103, ""), `"id":7`, `"id":8`, 1)
		}, "ID: 7 → 8"},
		{"a broken note", func(h []Host) { h[0].Bridges[0].Notes["blue"] = "[]" }, "network blue: its note on bridge xapi1 of host h1 makes no sense"},
		{"another key", func(h []Host) { h[1].Bridges[0].Tunnels[0].Key = "104" }, "port t103-1-2 of h1 and port t103-2-1 of h2 tell different things: key: 103 → 104"},
		{"another key than noted", func(h []Host) {
			for i := range h {
				h[i].Bridges[0].Notes["blue"] = netNote("blue", 105, "")
			}
		}, "has gre key 103, and the note of h1 says gre key 105"},
		{"two addresses of one that is away", func(h []Host) { h[1].Bridges[0].Tunnels[1].RemoteIP = "192.0.2.33" }, "host xen3: it is not connected, and its peers tell different addresses"},
		{"two IDs of one that is away", func(h []Host) { h[1].Bridges[0].Tunnels[1].Name = "t103-2-4" }, "host xen3: it is not connected, and its peers tell different IDs"},
		{"an older version's", func(h []Host) {
			for i := range h {
				h[i].Bridges[0].Notes, h[i].Bridges[0].HostNote = nil, ""
			}
		}, "network blue: the rows tell its key and its tunnels only"},
		{"two IDs in port names", func(h []Host) {
			h[0].Bridges[0].HostNote, h[0].Bridges[0].Tunnels[1].Name = "", "t103-5-3"
		}, "host h1: its tunnel ports tell two IDs, 1 and 5"},
	} {
		h := []Host{host(1), host(2)}
		tc.change(h)
		told := Rebuild(h, Pick{All: true})
		if !slices.ContainsFunc(told.Problems, func(p Problem) bool { return strings.Contains(p.String(), tc.want) }) {
			t.Errorf("%s: %v", tc.name, told.Problems)
		}
		if told := Rebuild([]Host{h[1], h[0]}, Pick{All: true}); len(told.Problems) == 0 {
			t.Errorf("%s: not in the other order", tc.name)
		}
	}
}

// Rows of an older version tell hosts by their addresses and port names.
func TestRebuildWithoutNotes(t *testing.T) {
	h := []Host{host(1), host(2)}
	for i := range h {
		h[i].Bridges[0].Notes, h[i].Bridges[0].HostNote = nil, ""
	}
	told := Rebuild(h, Pick{All: true})
	if len(told.Away) != 1 || told.Away[0].Name != "xen3" || told.Hosts[0].Noted || told.Hosts[0].Note.Host.ID != 1 || told.Hosts[1].Note.Host.ID != 2 {
		t.Errorf("%+v", told)
	}
	if n := told.Networks[0]; n.Noted || n.Note.Network.Key != 103 || n.Note.Network.Encap != topology.GRE || n.Note.Network.Bridge != "xapi1" {
		t.Errorf("%+v", n)
	}
}

// Ports that networks share lead each of them to a host that is away, and the
// spec's external hosts are told by the networks' notes.
func TestRebuildSharedAndExternal(t *testing.T) {
	note := `{"version":1,"listed":true,"id":7,"network":{"name":"blue","encap":"gre","key":103,"bridge":"xapi1","tunnelPorts":"shared"},"external":[{"name":"sw9","id":9,"endpoint":"192.0.2.9"}]}`
	h := Host{Name: "h1", Bridges: []Bridge{{Name: "xapi1", Store: lost, HostNote: hostNote("h1", 1), Notes: map[string]string{"blue": note}, Tunnels: []plan.TunnelPort{
		tunnel("sg-1-4", "shared/gre", "xen4", "flow", "192.0.2.4"), tunnel("sg-1-9", "shared/gre", "sw9", "flow", "192.0.2.9"), tunnel("fg0", "flow/gre", "", "flow", "flow"),
	}}}}
	told := Rebuild([]Host{h}, Pick{All: true})
	if len(told.Problems) > 0 || len(told.Away) != 1 || fmt.Sprint(told.Away[0]) != "{xen4 4 192.0.2.4 [blue]}" {
		t.Errorf("%+v", told)
	}
	if len(told.External) != 1 || told.External[0].Kind != topology.KindExternal || fmt.Sprint(told.Networks[0].Note.Network.Hosts) != "[h1 sw9]" {
		t.Errorf("%+v", told)
	}
}

func TestRead(t *testing.T) {
	db := schema.NewDB(schema.Full())
	ids := func(store string, more ...string) map[string]string {
		m := map[string]string{schema.KeyOwner: store}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	rows := []schema.RowUpdate{
		schema.Put(&schema.Bridge{UUID: "b1", Name: "xapi1", Ports: []string{"p1", "p2"}, Controllers: []string{"c1"},
			ExternalIDs: ids(lost, schema.KeyHost, hostNote("xen1", 1), schema.NoteKey("blue"), "{}", "xs-network-uuids", "a; b;")}),
		schema.Put(&schema.Bridge{UUID: "b2", Name: "xapi2", ExternalIDs: ids(other)}),
		schema.Put(&schema.Bridge{UUID: "b3", Name: "xapi3"}),
		schema.Put(&schema.Controller{UUID: "c1", ExternalIDs: ids(lost)}),
		schema.Put(&schema.Port{UUID: "p1", Name: "t103-1-2", Interfaces: []string{"i1"}, ExternalIDs: ids(lost, schema.KeyNetwork, "blue", schema.KeyPeer, "xen2")}),
		schema.Put(&schema.Interface{UUID: "i1", Name: "t103-1-2", Type: "gre", ExternalIDs: ids(lost)}),
		schema.Put(&schema.Port{UUID: "p2", Name: "vif1.0"}),
	}
	if _, err := db.Apply(rows); err != nil {
		t.Fatal(err)
	}
	got := Read(db, "mine")
	if len(got) != 2 || got[0].Name != "xapi1" || got[0].Rows != 4 || len(got[0].Tunnels) != 1 || got[0].Notes["blue"] != "{}" || len(got[0].XSNetworkUUIDs) != 2 || got[1].Rows != 1 {
		t.Errorf("%+v", got)
	}
	if got := Read(db, other); len(got) != 1 || got[0].Store != lost {
		t.Errorf("%+v", got)
	}
	for own, want := range map[string]string{"mine": "xen1", lost: "itself"} {
		if got := Called(db, own, "itself"); got != want {
			t.Errorf("called %q, want %q", got, want)
		}
	}
	for _, text := range []string{"{", hostNote("xen9", 1)} {
		if _, err := db.Apply([]schema.RowUpdate{schema.Put(&schema.Bridge{UUID: "b2", Name: "xapi2", ExternalIDs: ids(other, schema.KeyHost, text)})}); err != nil {
			t.Fatal(err)
		}
		if got := Called(db, "mine", "itself"); got != "itself" {
			t.Errorf("%s: called %q", text, got)
		}
	}
}
