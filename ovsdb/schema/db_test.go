package schema

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/ovsdb/notation"
)

func must(t *testing.T, db *DB, updates ...RowUpdate) Changes {
	t.Helper()
	c, err := db.Apply(updates)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ours(network string) map[string]string {
	return map[string]string{KeyOwner: "o", KeyNetwork: network}
}

// Each step's rows, and what changes by them; the copy goes from step to step.
func TestApplyTellsWhatChanged(t *testing.T) {
	db := NewDB(Full())
	networks := func(names ...string) map[string]struct{} {
		m := map[string]struct{}{}
		for _, n := range names {
			m[n] = struct{}{}
		}
		return m
	}
	for _, step := range []struct {
		name string
		rows []RowUpdate
		want Changes
	}{
		{"nothing", nil, Changes{}},
		{"delete of nothing", []RowUpdate{Drop(TableBridge, "x"), Drop(TablePort, "x"), Drop(TableInterface, "x"),
			Drop(TableController, "x"), Drop(TableOpen, "x")}, Changes{}},
		{"a bridge, its row last", []RowUpdate{
			Put(&Interface{UUID: "i0", Name: "br0", Type: "internal"}), Put(&Port{UUID: "p0", Name: "br0", Interfaces: []string{"i0"}}),
			Put(&Bridge{UUID: "b0", Name: "br0", Ports: []string{"p0"}}), Put(&OpenvSwitch{UUID: "o", Bridges: []string{"b0"}}),
		}, Changes{Open: true, Bridges: []string{"br0"}, Ports: []string{"br0"}, Interfaces: []string{"br0"}, Foreign: true}},
		{"the switch reports", []RowUpdate{Put(&Interface{UUID: "i0", Name: "br0", Type: "internal", OFPort: 65534, LinkState: "up"}),
			Put(&OpenvSwitch{UUID: "o", Bridges: []string{"b0"}, CurCfg: 1})}, Changes{Open: true, Interfaces: []string{"br0"}}},
		{"a tunnel of ours", []RowUpdate{
			Put(&Bridge{UUID: "b0", Name: "br0", Ports: []string{"p0", "p1"}}),
			Put(&Port{UUID: "p1", Name: "t1", Interfaces: []string{"i1"}, ExternalIDs: ours("blue")}),
			Put(&Interface{UUID: "i1", Name: "t1", Type: "gre", ExternalIDs: ours("blue")}),
		}, Changes{Bridges: []string{"br0"}, Ports: []string{"t1"}, Interfaces: []string{"t1"}, Network: networks("blue")}},
		{"its ofport", []RowUpdate{Put(&Interface{UUID: "i1", Name: "t1", Type: "gre", OFPort: 20000, ExternalIDs: ours("blue")})},
			Changes{Interfaces: []string{"t1"}, Reported: networks("blue")}},
		{"its session and MTU", []RowUpdate{Put(&Interface{UUID: "i1", Name: "t1", Type: "gre", OFPort: 20000, MTU: 65000,
			BFDStatus: map[string]string{"state": "up"}, ExternalIDs: ours("blue")})},
			Changes{Interfaces: []string{"t1"}, Reported: networks("blue")}},
		{"BFD by hand", []RowUpdate{Put(&Interface{UUID: "i1", Name: "t1", Type: "gre", OFPort: 20000, MTU: 65000,
			BFD: map[string]string{"enable": "true"}, ExternalIDs: ours("blue")})},
			Changes{Interfaces: []string{"t1"}, Network: networks("blue")}},
		{"another ofport, twice", []RowUpdate{
			Put(&Interface{UUID: "i1", Name: "t1", Type: "gre", OFPort: 7, MTU: 65000, BFD: map[string]string{"enable": "true"}, ExternalIDs: ours("blue")}),
			Put(&Interface{UUID: "i1", Name: "t1", Type: "gre", OFPort: 8, MTU: 65000, BFD: map[string]string{"enable": "true"}, ExternalIDs: ours("blue")}),
		}, Changes{Interfaces: []string{"t1"}, Reported: networks("blue"), Renumbered: map[string]int64{"t1": 20000}}},
		{"a port that can't be made", []RowUpdate{
			Put(&Interface{UUID: "i1", Name: "t1", Type: "gre", OFPort: -1, MTU: 65000, BFD: map[string]string{"enable": "true"}, ExternalIDs: ours("blue")}),
			Put(&Interface{UUID: "i1", Name: "t1", Type: "gre", OFPort: 20000, MTU: 65000, BFD: map[string]string{"enable": "true"}, ExternalIDs: ours("blue")}),
		}, Changes{Interfaces: []string{"t1"}, Reported: networks("blue")}},
		{"a VM's MTU", []RowUpdate{Put(&Interface{UUID: "i0", Name: "br0", Type: "internal", OFPort: 65534, LinkState: "up", MTU: 1400})},
			Changes{Interfaces: []string{"br0"}}},
		{"its interface loses our mark", []RowUpdate{Put(&Interface{UUID: "i1", Name: "t1", Type: "gre", OFPort: 20000})},
			Changes{Interfaces: []string{"t1"}, Network: networks("blue"), Foreign: true}},
		{"it changes networks", []RowUpdate{Put(&Port{UUID: "p1", Name: "t1", Interfaces: []string{"i1"}, ExternalIDs: ours("red")})},
			Changes{Ports: []string{"t1"}, Network: networks("blue", "red")}},
		{"it moves to another bridge", []RowUpdate{
			Put(&Bridge{UUID: "b1", Name: "br1", Ports: []string{"p1"}}), Put(&Bridge{UUID: "b0", Name: "br0", Ports: []string{"p0"}}),
		}, Changes{Bridges: []string{"br0", "br1"}, Network: networks("red"), Foreign: true}},
		{"bridges swap names", []RowUpdate{
			Put(&Bridge{UUID: "b1", Name: "br0", Ports: []string{"p1"}}), Put(&Bridge{UUID: "b0", Name: "br1", Ports: []string{"p0"}}),
		}, Changes{Bridges: []string{"br0", "br1"}, Foreign: true}},
		{"a controller", []RowUpdate{Put(&Controller{UUID: "c", Target: "tcp:x"})}, Changes{Controllers: []string{"c"}}},
		{"all goes", []RowUpdate{
			Drop(TableBridge, "b0"), Drop(TableBridge, "b1"), Drop(TablePort, "p0"), Drop(TablePort, "p1"), Drop(TableInterface, "i0"),
			Drop(TableInterface, "i1"), Drop(TableController, "c"), Drop(TableOpen, "o"),
		}, Changes{Open: true, Bridges: []string{"br0", "br1"}, Ports: []string{"br0", "t1"}, Interfaces: []string{"br0", "t1"},
			Controllers: []string{"c"}, Network: networks("red"), Foreign: true}},
	} {
		got := must(t, db, step.rows...)
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if got.Empty() != (step.want.Empty()) || got.Empty() != (len(got.Bridges)+len(got.Ports)+len(got.Interfaces)+len(got.Controllers) == 0 && !got.Open) {
			t.Errorf("%s: Empty() is %v", step.name, got.Empty())
		}
		checkIndexes(t, db)
	}
	if _, err := db.Apply([]RowUpdate{{Table: "Nonsense"}}); err == nil {
		t.Error("an unknown table passes")
	}
}

// checkIndexes compares what the indexes say with a walk over all rows.
func checkIndexes(t *testing.T, db *DB) {
	t.Helper()
	bridgeOf, portOf, owned, networks := map[string]string{}, map[string]string{}, map[string]bool{}, map[string][]string{}
	owners := map[string]int{}
	for _, b := range db.Bridges {
		if o := b.ExternalIDs[KeyOwner]; o != "" {
			owners[o]++
		}
		for _, p := range b.Ports {
			bridgeOf[p] = b.UUID
		}
		if db.BridgeByName(b.Name) == nil {
			t.Fatalf("bridge %s not found", b.Name)
		}
	}
	for _, p := range db.Ports {
		for _, i := range p.Interfaces {
			portOf[i] = p.UUID
		}
		if p.ExternalIDs[KeyOwner] != "" {
			owned[p.UUID] = true
			owners[p.ExternalIDs[KeyOwner]]++
			if n := p.ExternalIDs[KeyNetwork]; n != "" {
				networks[n] = append(networks[n], p.UUID)
			}
		}
	}
	if !maps.Equal(bridgeOf, db.bridgeOfPort) || !maps.Equal(portOf, db.portOfInterface) {
		t.Fatalf("parents:\n%v\n%v\nwant:\n%v\n%v", db.bridgeOfPort, db.portOfInterface, bridgeOf, portOf)
	}
	if !maps.Equal(owners, db.Owners()) {
		t.Fatalf("owners %v, want %v", db.Owners(), owners)
	}
	if len(owned) != len(db.OwnedPorts()) || len(networks) != len(db.ofNetwork) {
		t.Fatalf("owned %v, networks %v; want %v, %v", db.owned, db.ofNetwork, owned, networks)
	}
	for n, ids := range networks {
		got := db.PortsOfNetwork(n)
		if len(got) != len(ids) || !slices.IsSortedFunc(got, func(a, b *Port) int { return strings.Compare(a.Name, b.Name) }) {
			t.Fatalf("ports of %s: %v, want %v", n, got, ids)
		}
	}
	if len(db.bridgeByName) > len(db.Bridges) || len(db.portByName) > len(db.Ports) || len(db.interfaceByName) > len(db.Interfaces) {
		t.Fatal("names of rows that are gone")
	}
}

// The indexes stay right over a random walk in which every port has one bridge
// and every interface one port, as in a database.
func TestIndexesOverARandomWalk(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	db := NewDB(Full())
	for range 2000 {
		bridges := map[string]*Bridge{}
		for b := range 3 {
			id := fmt.Sprint("b", b)
			bridges[id] = &Bridge{UUID: id, Name: fmt.Sprint("br", b)}
		}
		var updates []RowUpdate
		for p := range 6 {
			id, iface := fmt.Sprint("p", p), fmt.Sprint("i", p)
			if rng.IntN(3) == 0 {
				updates = append(updates, Drop(TablePort, id), Drop(TableInterface, iface))
				continue
			}
			var ids map[string]string
			if rng.IntN(2) == 0 {
				ids = ours(fmt.Sprint("n", rng.IntN(3)))
			}
			updates = append(updates, Put(&Port{UUID: id, Name: id, Interfaces: []string{iface}, ExternalIDs: ids}),
				Put(&Interface{UUID: iface, Name: iface}))
			b := bridges[fmt.Sprint("b", rng.IntN(3))]
			b.Ports = append(b.Ports, id)
		}
		for _, b := range bridges {
			updates = append(updates, Put(b))
		}
		rng.Shuffle(len(updates), func(i, j int) { updates[i], updates[j] = updates[j], updates[i] })
		must(t, db, updates...)
		checkIndexes(t, db)
	}
}

func TestUnderlay(t *testing.T) {
	for _, c := range []struct {
		port  Port
		iface Interface
		want  bool
	}{
		{Port{Name: "br0"}, Interface{Name: "br0", Type: "internal"}, false},
		{Port{Name: "eth0"}, Interface{Name: "eth0"}, true},
		{Port{Name: "enp3s0"}, Interface{Name: "enp3s0", Type: "system"}, true},
		{Port{Name: "p1p1"}, Interface{Name: "p1p1", Status: map[string]string{"driver_name": "ixgbe"}}, true},
		{Port{Name: "dpdk0"}, Interface{Name: "dpdk0", Type: "dpdk"}, true},
		{Port{Name: "bond0", Interfaces: []string{"i", "j"}}, Interface{Name: "a"}, true},
		{Port{Name: "fake", FakeBridge: true}, Interface{Name: "fake", Type: "internal"}, true},
		{Port{Name: "vif1.0"}, Interface{Name: "vif1.0"}, false},
		{Port{Name: "vnet3"}, Interface{Name: "vnet3", Status: map[string]string{"driver_name": "tun"}}, false},
		{Port{Name: "eth7"}, Interface{Name: "eth7", ExternalIDs: map[string]string{"iface-id": "x"}}, false},
		{Port{Name: "om1"}, Interface{Name: "om1", Status: map[string]string{"driver_name": "veth"}}, false},
		{Port{Name: "t1"}, Interface{Name: "t1", Type: "gre"}, false},
	} {
		db := NewDB(Full())
		c.iface.UUID, c.port.UUID = "i", "p"
		if c.port.Interfaces == nil {
			c.port.Interfaces = []string{"i"}
		}
		br := &Bridge{UUID: "b", Name: "br0", Ports: []string{"p"}}
		must(t, db, Put(&c.iface), Put(&c.port), Put(br))
		if got := Underlay(db, br, &c.port); got != c.want {
			t.Errorf("%s: %v", c.port.Name, got)
		}
	}
}

func TestSchemaOfOldHosts(t *testing.T) {
	old := Full().Without(TablePort, "protected").Without(TableInterface, "error")
	if old.Has(TablePort, "protected") || !old.Has(TablePort, "name") || !Full().Has(TablePort, "protected") {
		t.Error("Without takes away the wrong column")
	}
	if c := old.Columns()[TablePort]; slices.Contains(c, "protected") || !slices.Contains(c, "fake_bridge") {
		t.Errorf("columns of Port: %v", c)
	}
	for table, columns := range used() {
		for _, c := range columns {
			if s := Full().Without(table, c); s.Has(table, c) || slices.Contains(s.Columns()[table], c) {
				t.Errorf("%s.%s is asked for where it is not there", table, c)
			}
		}
	}
}

// Every column that a DB holds has a place in its row.
func TestColumnsHaveFields(t *testing.T) {
	field := map[string]func(string) any{
		TableOpen: new(OpenvSwitch).column, TableBridge: new(Bridge).column, TablePort: new(Port).column,
		TableInterface: new(Interface).column, TableController: new(Controller).column,
	}
	for table, columns := range used() {
		for _, c := range columns {
			if field[table](c) == nil {
				t.Errorf("%s.%s is read and thrown away", table, c)
			}
		}
	}
}

// VLANs come as a number, a set, or an empty one.
func TestDecodePort(t *testing.T) {
	var d Decoder
	var rows []*Port
	text := `[{"_uuid":["uuid","00000000-0000-4000-8000-000000000001"],"name":"a","trunks":["set",[]],"tag":["set",[]],"vlan_mode":["set",[]]},
	 {"_uuid":["uuid","00000000-0000-4000-8000-000000000002"],"name":"b","trunks":4095,"tag":7,"vlan_mode":"trunk"},
	 {"_uuid":["uuid","00000000-0000-4000-8000-000000000003"],"name":"c","trunks":["set",[1,2]],"cvlans":5}]`
	err := d.Rows(notation.NewReader([]byte(text)), TablePort, func(u RowUpdate) error {
		rows = append(rows, u.row.(*Port))
		return nil
	})
	want := []*Port{
		{UUID: "00000000-0000-4000-8000-000000000001", Name: "a", Tag: -1},
		{UUID: "00000000-0000-4000-8000-000000000002", Name: "b", Tag: 7, VLANMode: "trunk", Trunks: []int64{4095}},
		{UUID: "00000000-0000-4000-8000-000000000003", Name: "c", Tag: -1, Trunks: []int64{1, 2}, CVLANs: []int64{5}},
	}
	if diff := cmp.Diff(want, rows); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	bad := `[{"_uuid":["uuid","00000000-0000-4000-8000-000000000001"],"trunks":["set",["x"]]}]`
	err = d.Rows(notation.NewReader([]byte(bad)), TablePort, func(RowUpdate) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "column trunks") {
		t.Errorf("got %v", err)
	}
}

// Errors name table and column.
func TestDecodeErrors(t *testing.T) {
	var d Decoder
	err := d.TableUpdates(notation.NewReader([]byte(
		`{"Bridge":{"00000000-0000-4000-8000-000000000001":{"new":{"external_ids":["map",[["a"]]]}}}}`)), func(RowUpdate) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "table Bridge") || !strings.Contains(err.Error(), "column external_ids") {
		t.Errorf("got %v", err)
	}
}

// Equal maps and strings share memory only among rows; what one row holds is
// never another's.
func TestDecodeShares(t *testing.T) {
	var d Decoder
	var rows []*Interface
	text := `[{"_uuid":["uuid","00000000-0000-4000-8000-000000000001"],"name":"a","ofport":5,"options":["map",[["key","1"]]]},
	 {"_uuid":["uuid","00000000-0000-4000-8000-000000000002"],"name":"b","ofport":["set",[]],"options":["map",[["key","1"]]]},
	 {"_uuid":["uuid","00000000-0000-4000-8000-000000000003"],"name":"c","ofport":["set",[7]],"options":["map",[["key","2"]]]}]`
	err := d.Rows(notation.NewReader([]byte(text)), TableInterface, func(u RowUpdate) error {
		rows = append(rows, u.row.(*Interface))
		return nil
	})
	want := []*Interface{
		{UUID: "00000000-0000-4000-8000-000000000001", Name: "a", OFPort: 5, Options: map[string]string{"key": "1"}},
		{UUID: "00000000-0000-4000-8000-000000000002", Name: "b", Options: map[string]string{"key": "1"}},
		{UUID: "00000000-0000-4000-8000-000000000003", Name: "c", OFPort: 7, Options: map[string]string{"key": "2"}},
	}
	if diff := cmp.Diff(want, rows); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}
