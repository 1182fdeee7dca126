package plan_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"ovsmesh/ovsdb/plan"
)

// randomWant draws a wanted state of up to three bridges and four networks;
// the tunnels of one network have different peers.
func randomWant(t *rapid.T) plan.Want {
	w := plan.Want{Owner: "o", Complete: rapid.Bool().Draw(t, "complete")}
	for i := range 3 {
		name := fmt.Sprintf("xapi%d", i)
		switch rapid.IntRange(0, 3).Draw(t, name) {
		case 0:
			w.Release = append(w.Release, plan.Release{Bridge: name, Keep: rapid.Bool().Draw(t, "keep")})
		case 1:
			w.Bridges = append(w.Bridges, plan.Bridge{Name: name, Target: "tcp:192.0.2.1:6653", Create: true})
		case 2:
			w.Bridges = append(w.Bridges, plan.Bridge{Name: name, Target: "tcp:192.0.2.2:6653"})
		}
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "networks") {
		n := plan.Network{Name: fmt.Sprintf("net%d", i), Bridge: fmt.Sprintf("xapi%d", rapid.IntRange(0, 2).Draw(t, "bridge"))}
		for peer := range 5 {
			if !rapid.Bool().Draw(t, "peer") {
				continue
			}
			n.Tunnels = append(n.Tunnels, plan.Tunnel{
				Name:     fmt.Sprintf("t%d-%d-%d", i, rapid.IntRange(1, 2).Draw(t, "id"), peer),
				Type:     rapid.SampledFrom([]string{"gre", "vxlan"}).Draw(t, "type"),
				Peer:     fmt.Sprintf("xen%d", peer),
				Key:      rapid.SampledFrom([]uint32{7, 103}).Draw(t, "key"),
				RemoteIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(11, 16).Draw(t, "remote"))}),
				DstPort:  rapid.SampledFrom([]uint16{0, 4789, 4790}).Draw(t, "port"),
			})
		}
		w.Networks = append(w.Networks, n)
	}
	return w
}

// From whatever state to whatever other: the operations are valid, strangers'
// rows are untouched, and a second look finds nothing to do,
// save for what had to wait.
func TestAnyWayIsOneStep(t *testing.T) {
	start := readWorld(t, "testdata/old-plugin").have
	strangers := map[string]string{ // UUID by table
		"Port": uuidOf("stranger"), "Interface": uuidOf("stranger's"),
	}
	bridge := start["Bridge"][uuidOf("xapi1")]
	bridge["ports"] = value{atoms: append(bridge["ports"].atoms, strangers["Port"])}
	start["Port"][strangers["Port"]] = map[string]value{
		"name": {atoms: []string{"gre7"}}, "interfaces": {atoms: []string{strangers["Interface"]}},
	}
	start["Interface"][strangers["Interface"]] = map[string]value{
		"name": {atoms: []string{"gre7"}}, "type": {atoms: []string{"gre"}},
		"options": {pairs: map[string]string{"key": "7", "remote_ip": "192.0.2.11"}},
	}
	rapid.Check(t, func(rt *rapid.T) {
		state := start
		for step := range 4 {
			w := randomWant(rt)
			db := database(t, state)
			p := plan.Diff(db, w)
			state = state.apply(t, p.Ops(db))
			for table, id := range strangers {
				if is, was := state[table][id], start[table][id]; !reflect.DeepEqual(is, was) {
					rt.Fatalf("step %d: %s of a stranger was %v and is %v", step, table, was, is)
				}
			}
			if len(p.Later) > 0 {
				db = database(t, state)
				state = state.apply(t, plan.Diff(db, w).Ops(db))
			}
			again := plan.Diff(database(t, state), w)
			if len(again.Groups) > 0 {
				rt.Fatalf("step %d: second plan\n%s", step, world{}.text(t, again))
			}
		}
	})
}
