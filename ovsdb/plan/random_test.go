package plan_test

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ovsmesh/ovsdb/plan"
)

// randomWant draws a wanted state of up to three bridges, four networks and two
// carriers; the tunnels of one network have different peers.
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
			w.Bridges = append(w.Bridges, plan.Bridge{
				Name: name, Target: "tcp:192.0.2.2:6653", Take: rapid.Bool().Draw(t, "take"),
				Fence: rapid.SliceOfDistinct(rapid.SampledFrom([]string{"vif1.0", "vif2.0", "eth0"}), rapid.ID).Draw(t, "fence"),
			})
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
				BFD:      rapid.Bool().Draw(t, "bfd"),
				Fenced:   rapid.Bool().Draw(t, "fenced"),
			})
			if rapid.Bool().Draw(t, "keep") {
				n.Keep = append(n.Keep, fmt.Sprintf("t%d-%d-%d", i, rapid.IntRange(1, 2).Draw(t, "kept"), peer))
			}
		}
		w.Networks = append(w.Networks, n)
	}
	return withCarriers(t, w)
}

// withCarriers adds carriers, which have ports without a key, and without a remote
// address.
func withCarriers(t *rapid.T, w plan.Want) plan.Want {
	shared := plan.Network{Name: "shared/gre", Bridge: fmt.Sprintf("xapi%d", rapid.IntRange(0, 2).Draw(t, "bridge"))}
	for peer := range rapid.IntRange(0, 3).Draw(t, "peers") {
		shared.Tunnels = append(shared.Tunnels, plan.Tunnel{
			Name: fmt.Sprintf("sg-1-%d", peer), Type: "gre", Peer: fmt.Sprintf("xen%d", peer),
			RemoteIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(11 + peer)}), BFD: rapid.Bool().Draw(t, "bfd"),
		})
	}
	flow := plan.Network{Name: "flow/vxlan", Bridge: shared.Bridge}
	if rapid.Bool().Draw(t, "flow") {
		flow.Tunnels = []plan.Tunnel{{Name: "fv1", Type: "vxlan"}}
	} else {
		flow.Keep = []string{"fv1"}
	}
	w.Networks = append(w.Networks, shared, flow)
	return w
}

// kept checks that ports that are to be kept are as they were, unless a wanted
// tunnel of their network has their name, or is of their type, key and remote
// address, or their bridge is given back.
func kept(t *rapid.T, w plan.Want, before, after rows) {
	for _, n := range w.Networks {
		for _, name := range n.Keep {
			for id, p := range before["Port"] {
				if one(p["name"]) != name || p["external_ids"].pairs["ovsmesh-owner"] != "o" || p["external_ids"].pairs["ovsmesh-network"] != n.Name {
					continue
				}
				i := before["Interface"][p["interfaces"].atoms[0]]
				opts := i["options"].pairs
				free := !slices.ContainsFunc(n.Tunnels, func(t plan.Tunnel) bool {
					return t.Name == name || t.Type == one(i["type"]) && t.RemoteIP.String() == opts["remote_ip"] && fmt.Sprint(t.Key) == opts["key"] ||
						p["external_ids"].pairs["ovsmesh-adopted"] != ""
				}) && !slices.ContainsFunc(w.Release, func(r plan.Release) bool {
					return slices.ContainsFunc(slices.Collect(maps.Values(before["Bridge"])), func(b map[string]value) bool {
						return one(b["name"]) == r.Bridge && slices.Contains(b["ports"].atoms, id)
					})
				})
				if free && (!reflect.DeepEqual(after["Port"][id], p) || !reflect.DeepEqual(after["Interface"][p["interfaces"].atoms[0]], i)) {
					t.Fatalf("port %s of %s was to be kept: it was %v and is %v", name, n.Name, p, after["Port"][id])
				}
			}
		}
	}
}

// settled is what a release must bring back: of every bridge its settings, of
// ports that are not ours their VLANs.
func settled(r rows) map[string]string {
	out := map[string]string{}
	for id, b := range r["Bridge"] {
		for _, c := range []string{"fail_mode", "stp_enable", "rstp_enable", "protocols", "other_config", "external_ids"} {
			v := b[c]
			if atoms := v.atoms; len(atoms) == 1 && atoms[0] == "false" {
				v = value{}
			}
			out[id+" "+c] = fmt.Sprint(len(v.atoms), v.atoms, len(v.pairs), v.pairs)
		}
	}
	for id, p := range r["Port"] {
		for _, c := range []string{"vlan_mode", "tag", "trunks", "cvlans", "external_ids"} {
			out[id+" "+c] = fmt.Sprint(len(p[c].atoms), p[c].atoms, len(p[c].pairs), p[c].pairs)
		}
	}
	return out
}

// addPort plugs a port that is not ours into a bridge.
func addPort(r rows, bridge, name string, columns map[string]value) {
	b := r["Bridge"][uuidOf(bridge)]
	b["ports"] = value{atoms: append(slices.Clone(b["ports"].atoms), uuidOf("p "+name))}
	port := map[string]value{"name": {atoms: []string{name}}, "interfaces": {atoms: []string{uuidOf("i " + name)}}}
	maps.Copy(port, columns)
	r["Port"][uuidOf("p "+name)] = port
	r["Interface"][uuidOf("i "+name)] = map[string]value{"name": {atoms: []string{name}}}
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
	for c, v := range map[string]value{ // nobody's, and with settings of an operator
		"controller": {}, "fail_mode": {}, "stp_enable": {atoms: []string{"true"}}, "protocols": {atoms: []string{"OpenFlow10"}},
		"other_config": {pairs: map[string]string{"disable-in-band": "false"}}, "external_ids": {pairs: map[string]string{"xs-network-uuids": "a;b"}},
	} {
		bridge[c] = v
	}
	start["Controller"] = map[string]map[string]value{}
	bridge["ports"] = value{atoms: append(bridge["ports"].atoms, strangers["Port"])}
	start["Port"][strangers["Port"]] = map[string]value{
		"name": {atoms: []string{"gre7"}}, "interfaces": {atoms: []string{strangers["Interface"]}},
	}
	start["Interface"][strangers["Interface"]] = map[string]value{
		"name": {atoms: []string{"gre7"}}, "type": {atoms: []string{"gre"}},
		"options": {pairs: map[string]string{"key": "7", "remote_ip": "192.0.2.11"}},
	}
	addPort(start, "xapi1", "vif1.0", nil)
	nic := start.clone()
	addPort(nic, "xapi1", "eth0", nil)
	addPort(nic, "xapi1", "vif2.0", map[string]value{"tag": {atoms: []string{"7"}}})
	rapid.Check(t, func(rt *rapid.T) {
		start := rapid.SampledFrom([]rows{start, nic}).Draw(rt, "start")
		state := start
		for step := range 4 {
			w := randomWant(rt)
			db := database(t, state)
			p := plan.Diff(db, w)
			before := state
			state = state.apply(t, p.Ops(db))
			kept(rt, w, before, state)
			if eth0 := uuidOf("p eth0"); !reflect.DeepEqual(state["Port"][eth0], start["Port"][eth0]) {
				rt.Fatalf("step %d: eth0 is %v", step, state["Port"][eth0])
			}
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
		away := plan.Want{Owner: "o", Complete: true}
		for i := range 3 {
			away.Release = append(away.Release, plan.Release{Bridge: fmt.Sprintf("xapi%d", i)})
		}
		db := database(t, state)
		state = state.apply(t, plan.Diff(db, away).Ops(db))
		is := settled(state)
		for what, was := range settled(start) {
			if _, there := is[what]; there && is[what] != was {
				rt.Fatalf("after a release %s is %s and was %s", what, is[what], was)
			}
		}
	})
}
