package plan_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/plan"
)

// mesh is a managed bridge with tunnels of one network to many peers, as the
// database has them, and as they were wanted.
func mesh(t testing.TB, peers int) (rows, plan.Want) {
	t.Helper()
	w := readWorld(t, "testdata/as-wanted")
	w.want.Complete = true
	w.want.Networks = []plan.Network{{Name: "red", Bridge: "xapi1"}}
	for i := range peers {
		w.want.Networks[0].Tunnels = append(w.want.Networks[0].Tunnels, plan.Tunnel{
			Name: fmt.Sprintf("t9-1-%d", i), Type: "gre", Peer: fmt.Sprintf("xen%d", i), Key: 9,
			RemoteIP: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}),
		})
	}
	db := database(t, w.have)
	return w.have.apply(t, plan.Diff(db, w.want).Ops(db)), w.want
}

// deletions counts the ports that operations take off bridges.
func deletions(ops []ovsdb.Operation) int {
	n := 0
	for _, op := range ops {
		for _, m := range op.Mutations {
			if set, ok := m.Value.(ovsdb.OvsSet); ok && m.Column == "ports" && m.Mutator == ovsdb.MutateOperationDelete {
				n += len(set.GoSet)
			}
		}
	}
	return n
}

// Many deletions go in batches that together do what one transaction does; a
// name that passes from one port to another does so in one of them.
func TestBatches(t *testing.T) {
	have, want := mesh(t, 700)
	want.Networks = append(want.Networks, plan.Network{Name: "shared/gre", Bridge: "xapi1", Tunnels: []plan.Tunnel{
		{Name: "sg-1-2", Type: "gre", Peer: "xen2", RemoteIP: netip.MustParseAddr("10.0.0.2")},
	}})
	again := want.Networks[0].Tunnels[690:]
	want.Networks[0].Tunnels = nil
	for _, tunnel := range again { // these become VXLAN, so they are made anew
		tunnel.Type = "vxlan"
		want.Networks[0].Tunnels = append(want.Networks[0].Tunnels, tunnel)
	}
	db := database(t, have)
	p := plan.Diff(db, want)
	whole := have.apply(t, p.Ops(db))
	batches := p.Batches(db)
	if len(batches) != 3 {
		t.Fatalf("%d batches", len(batches))
	}
	state := have
	for i, ops := range batches {
		if n := deletions(ops); n == 0 || n > 260 {
			t.Errorf("batch %d: %d deletions", i, n)
		}
		if last := ops[len(ops)-1]; last.Table != "Open_vSwitch" || last.Mutations[0].Column != "next_cfg" {
			t.Errorf("batch %d ends with %+v", i, last)
		}
		state = state.apply(t, ops)
		if i == 0 {
			rest := plan.Diff(database(t, state), want)
			if n := deletions(rest.Ops(db)); n != deletions(batches[1])+deletions(batches[2]) || len(rest.Problems) > 0 {
				t.Errorf("after the first batch %d deletions are left: %+v", n, rest.Problems)
			}
		}
	}
	for _, table := range []string{"Bridge", "Port", "Interface", "Controller"} {
		if !reflect.DeepEqual(state[table], whole[table]) {
			t.Errorf("table %s: the batches come to something else", table)
		}
	}
}

// What is few goes in one, and what is nothing in none.
func TestOneBatch(t *testing.T) {
	have, want := mesh(t, 250)
	db := database(t, have)
	if got := plan.Diff(db, want).Batches(db); got != nil {
		t.Errorf("%d batches of nothing", len(got))
	}
	want.Networks = nil
	p := plan.Diff(db, want)
	if got := p.Batches(db); len(got) != 1 || !reflect.DeepEqual(got[0], p.Ops(db)) {
		t.Errorf("%d batches", len(got))
	}
}

// A release takes tunnels and settings back at once: a bridge that is no longer
// ours must have none.
func TestReleaseIsOneBatch(t *testing.T) {
	have, want := mesh(t, 600)
	want.Bridges, want.Networks, want.Release = nil, nil, []plan.Release{{Bridge: "xapi1"}}
	db := database(t, have)
	if got := plan.Diff(db, want).Batches(db); len(got) != 1 || deletions(got[0]) != 600 {
		t.Errorf("%d batches", len(got))
	}
}
