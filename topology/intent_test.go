package topology

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newIntent(t interface {
	Helper()
	Fatal(...any)
}) *Intent {
	t.Helper()
	in, err := NewIntent(Saved{})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// plan parses a spec and plans it.
func plan(t testing.TB, in *Intent, text string, prune bool) (*Change, error) {
	t.Helper()
	spec, src, err := parseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return in.Plan(spec, src, prune)
}

func apply(t testing.TB, in *Intent, text string, prune bool) *Change {
	t.Helper()
	c, err := plan(t, in, text, prune)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Commit(c); err != nil {
		t.Fatal(err)
	}
	return c
}

// said returns a change's items as text.
func said(c *Change) []string {
	var out []string
	for _, i := range c.Items {
		line := i.Kind + " " + i.Name + " " + i.Verb
		if len(i.Fields) > 0 {
			line += " " + strings.Join(i.Fields, "; ")
		}
		out = append(out, line)
	}
	return out
}

// TestPlan applies specs one after the other and compares what each is said to
// do, or how it is refused.
func TestPlan(t *testing.T) {
	type step struct {
		spec  string
		prune bool
		want  string
	}
	const two = "keyPools: [{encap: gre, range: 100-101}]\nnetworks: [{name: a, encap: gre}, {name: b, encap: gre}]"
	for _, tc := range []struct {
		name  string
		steps []step
	}{
		{"keys come from the pool and stay", []step{
			{two, false, "keypools gre-100-101 created|networks a created key: 100|networks b created key: 101"},
			{two, false, "keypools gre-100-101 unchanged|networks a unchanged|networks b unchanged"},
			{"networks: [{name: c, encap: gre}]", false, "!spec.yaml:1:13: networks[0].key: key pool for gre (100-101) is exhausted: 2 of 2 keys are in use"},
			{"networks: [{name: b, encap: gre, tenant: x}]", false, "networks b updated tenant: none → x"},
			{"networks: [{name: c, encap: gre}]\nkeyPools: [{encap: gre, range: 100-101}]", true, "keypools gre-100-101 unchanged|networks c created key: 100|networks a deleted|networks b deleted"},
		}},
		{"no pool", []step{
			{"networks: [{name: c, encap: vxlan}]", false, "!networks[0].key: there is no key pool for vxlan: name a key here, or add one to keyPools"},
		}},
		{"an explicit key stays when the spec no longer names it", []step{
			{"networks: [{name: a, encap: gre, key: 7}]", false, "networks a created key: 7"},
			{"networks: [{name: a, encap: gre}]", false, "networks a unchanged"},
			{"networks: [{name: a, encap: gre, key: 8}]", false, "networks a updated key: 7 → 8"},
			{"networks: [{name: b, encap: gre, key: 8}]", false, "!networks[0].key: gre key 8 is that of network a"},
			{"networks: [{name: b, encap: vxlan, key: 8}, {name: c, encap: gre, key: 7}]", false, "networks b created key: 8|networks c created key: 7"},
		}},
		{"networks swap keys", []step{
			{"networks: [{name: a, encap: gre, key: 1}, {name: b, encap: gre, key: 2}]", false, "networks a created key: 1|networks b created key: 2"},
			{"networks: [{name: a, encap: gre, key: 2}, {name: b, encap: gre, key: 1}]", false, "networks a updated key: 1 → 2|networks b updated key: 2 → 1"},
		}},
		{"another encapsulation, another key", []step{
			{"keyPools: [{encap: vxlan, range: 50-51}]\nnetworks: [{name: a, encap: gre, key: 1}]", false, "keypools vxlan-50-51 created|networks a created key: 1"},
			{"networks: [{name: a, encap: vxlan}]", false, "networks a updated encap: gre → vxlan; key: 1 → 50; dstPort: none → 4789"},
		}},
		{"pools grow and shrink in place", []step{
			{two, false, "keypools gre-100-101 created|networks a created key: 100|networks b created key: 101"},
			{"keyPools: [{encap: gre, range: 101-105}]", false, "keypools gre-101-105 updated range: 100-101 → 101-105"},
			{"networks: [{name: c, encap: gre}]", false, "networks c created key: 102"},
			{"keyPools: [{encap: gre, range: 10-10}]", false, "keypools gre-10-10 created"},
			{"networks: [{name: d, encap: gre}]", false, "networks d created key: 103"},
		}},
		{"host IDs: lowest free, kept, yielding", []step{
			{"hosts: [{name: a}, {name: b, id: 3}, {name: c}, {name: d}]", false, "hosts a created|hosts b created|hosts c created|hosts d created"},
			{"hosts: [{name: e, id: 1}]", false, "hosts e created|hosts a updated id: 1 (automatic) → 5 (automatic)"},
			{"hosts: [{name: f, id: 3}]", false, "!hosts[0].id: 3 is the ID of host b"},
			{"hosts: [{name: a, id: 2}, {name: c}]", false, "hosts a updated id: 5 (automatic) → 2|hosts c updated id: 2 (automatic) → 5 (automatic)"},
			{"hosts: [{name: a}]", false, "hosts a updated id: 2, which the spec fixes no longer"},
			{"hosts: [{name: a, id: 2}]", false, "hosts a updated id: 2, which is fixed by the spec from now on"},
		}},
		{"hosts clash", []step{
			{"hosts: [{name: a, systemID: s, endpoint: 10.0.0.1}]", false, "hosts a created"},
			{"hosts: [{name: b, systemID: s}]", false, "!spec.yaml:1:19: hosts[0].systemID: s is the system-id of host a"},
			{"hosts: [{name: b, endpoint: 10.0.0.1}]", false, "!hosts[0].endpoint: 10.0.0.1 is the endpoint of host a"},
			{"hosts: [{name: b, endpoint: 10.0.0.1}, {name: a, endpoint: 10.0.0.2}]", false, "hosts b created|hosts a updated endpoint: 10.0.0.1 → 10.0.0.2"},
		}},
		{"hosts by system-id", []step{
			{"hosts: [{name: a, systemID: s}]", false, "hosts a created"},
			{"hosts: [{systemID: s, id: 4}, {systemID: NEW}]", false, "hosts a updated id: 1 (automatic) → 4|hosts new created"},
		}},
		{"references", []step{
			{"networks: [{name: a, encap: gre, key: 1, bridge: b, hosts: [x]}]", false, "!spec.yaml:1:61: networks[0].hosts[0]: there is no host x"},
			{"ports: [{name: p, network: a, match: {host: x, interface: i}}]", false, "!ports[0].network: there is no network a"},
			{"ports: [{name: p, network: a, match: {host: x, interface: i}}]", false, "!ports[0].match.host: there is no host x"},
			{"networks: [{name: a, encap: gre, key: 1, bridge: b, hosts: [x]}]\nhosts: [{name: x}]", false, "networks a created key: 1|hosts x created"},
			{"networks: [{name: a, encap: gre, key: 1, bridge: b, hosts: [x]}]", true, "!networks[0].hosts[0]: there is no host x"},
			{"hosts: [{name: x}]\nports: [{name: p, network: a, match: {ifaceID: i}}]", true, "!ports[0].network: there is no network a"},
		}},
		{"ports", []step{
			{"networks: [{name: a, encap: gre, key: 1}, {name: b, encap: gre, key: 2}]\nports: [{name: p, network: a, match: {ifaceID: i}, mac: '02:00:00:00:00:01'}]", false, "networks a created key: 1|networks b created key: 2|ports p created"},
			{"ports: [{name: q, network: a, match: {ifaceID: i}}]", false, "!ports[0].match: ifaceID i is what port p matches"},
			{"ports: [{name: q, network: a, match: {ifaceID: j}, mac: '02:00:00:00:00:01'}]", false, "!ports[0].mac: 02:00:00:00:00:01 is the address of port p of the same network"},
			{"ports: [{name: q, network: b, match: {ifaceID: j}, mac: '02:00:00:00:00:01'}]", false, "ports q created"},
			{"ports: [{name: p, network: a, match: {ifaceID: j}}, {name: q, network: b, match: {ifaceID: i}, ips: [10.0.0.1]}]", false, "ports p updated match: ifaceID i → ifaceID j; mac: 02:00:00:00:00:01 → none|ports q updated match: ifaceID j → ifaceID i; mac: 02:00:00:00:00:01 → none; ips: none → [10.0.0.1]"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := newIntent(t)
			for i, s := range tc.steps {
				c, err := plan(t, in, s.spec, s.prune)
				if want, refused := strings.CutPrefix(s.want, "!"); refused {
					var errs SpecErrors
					if !errors.As(err, &errs) || !strings.Contains(err.Error(), want) {
						t.Errorf("step %d: got error %v, want %s", i, err, want)
					}
					continue
				}
				if err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				if diff := cmp.Diff(strings.Split(s.want, "|"), said(c)); diff != "" {
					t.Errorf("step %d: %s", i, diff)
				}
				if err := in.Commit(c); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestPlanNamesPlacesWithoutSource(t *testing.T) {
	spec := &Spec{Networks: []Network{{Name: "a", Encap: GRE, Hosts: []string{"x"}, Bridge: "b", Key: 1}}}
	_, err := newIntent(t).Plan(spec, nil, false)
	if want := "networks[a].hosts[0]: there is no host x"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestNetworkIDsAreNotReused(t *testing.T) {
	in := newIntent(t)
	apply(t, in, "networks: [{name: a, encap: gre, key: 1}]", false)
	apply(t, in, "hosts: []", true)
	apply(t, in, "networks: [{name: a, encap: gre, key: 1}]", false)
	if r, _ := in.Network("a"); r.ID != 2 {
		t.Errorf("ID is %d, want 2", r.ID)
	}
}

func TestCommitRefusesStaleChanges(t *testing.T) {
	in := newIntent(t)
	stale, err := plan(t, in, "networks: [{name: a, encap: gre, key: 1}]", false)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, in, "networks: [{name: b, encap: gre, key: 1}]", false)
	if err := in.Commit(stale); !errors.Is(err, ErrConflict) {
		t.Errorf("got %v", err)
	}
	if _, ok := in.Network("a"); ok || in.Count() != 1 {
		t.Error("the change was made all the same")
	}
}

func TestPlanDelete(t *testing.T) {
	in := newIntent(t)
	apply(t, in, `
keyPools: [{encap: gre, range: 1-5}]
networks: [{name: a, encap: gre, bridge: b, hosts: [x]}]
hosts: [{name: x}]
ports: [{name: p, network: a, match: {host: x, interface: i}}]`, false)
	for _, tc := range []struct {
		kind, name string
		is         error
		want       string
	}{
		{"flows", "x", ErrNotFound, `kind "flows": not found (there are networks, hosts, ports, keypools)`},
		{KindNetworks, "z", ErrNotFound, `network "z": not found`},
		{KindHosts, "z", ErrNotFound, `host "z": not found`},
		{KindPorts, "z", ErrNotFound, `port "z": not found`},
		{KindKeyPools, "gre", ErrNotFound, `key pool "gre": not found`},
		{KindNetworks, "a", ErrConflict, "conflict: network a is named by ports p"},
		{KindHosts, "x", ErrConflict, "conflict: host x is named by networks a and ports p"},
	} {
		if _, err := in.PlanDelete(tc.kind, tc.name); !errors.Is(err, tc.is) || err.Error() != tc.want {
			t.Errorf("%s %s: got %v, want %s", tc.kind, tc.name, err, tc.want)
		}
	}
	for _, o := range [][2]string{{KindPorts, "p"}, {KindNetworks, "a"}, {KindHosts, "x"}, {KindKeyPools, "gre-1-5"}} {
		c, err := in.PlanDelete(o[0], o[1])
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Commit(c); err != nil {
			t.Fatal(err)
		}
	}
	if s := in.Spec(); len(s.Hosts)+len(s.KeyPools)+len(s.Networks)+len(s.Ports) != 0 {
		t.Errorf("left are %+v", s)
	}
}

func TestPlanRegister(t *testing.T) {
	in := newIntent(t)
	apply(t, in, "hosts: [{name: xen1}, {name: xen2, systemID: taken}, {name: switch7, kind: external, endpoint: 10.0.0.7}]", false)
	for _, tc := range []struct {
		facts      HostFacts
		name       string // "" is refused
		registered bool
		empty      bool
		want       string // error
	}{
		{facts: HostFacts{}, want: `external_ids:system-id "" is missing`},
		{facts: HostFacts{SystemID: "a\nb"}, want: "holds a control or invalid character"},
		{facts: HostFacts{SystemID: strings.Repeat("x", 300)}, want: "is longer than 255 bytes"},
		{facts: HostFacts{SystemID: "a_b", Hostname: "!"}, want: "name it in a spec"},
		{facts: HostFacts{SystemID: "s7", Hostname: "switch7"}, want: "conflict: a host that dials in can't be host switch7, which is external in the spec: make that one kind: managed, or add a host of another name with this one's system-id"},
		{facts: HostFacts{SystemID: "s7", Hostname: "Switch7.example.org"}, want: "can't be host switch7, which is external"},
		{facts: HostFacts{SystemID: "SWITCH7", Hostname: "!"}, want: "can't be host switch7, which is external"},
		{facts: HostFacts{SystemID: "s1", Hostname: "XEN1.example.org"}, name: "xen1"},
		{facts: HostFacts{SystemID: "s1", Hostname: "other"}, name: "xen1", empty: true},
		{facts: HostFacts{SystemID: "taken", Hostname: "xen1"}, name: "xen2", empty: true},
		{facts: HostFacts{SystemID: "s3", Hostname: "xen3.example.org"}, name: "xen3", registered: true},
		{facts: HostFacts{SystemID: "S4", Hostname: "xen3"}, name: "s4", registered: true},
		{facts: HostFacts{SystemID: "s5", Hostname: "../../etc"}, name: "s5", registered: true},
		{facts: HostFacts{SystemID: "xen3", Hostname: "xen3"}, want: "conflict: host xen3 has system-id s3, not xen3"},
	} {
		c, r, err := in.PlanRegister(tc.facts)
		if tc.name == "" {
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%+v: got %v and error %v, want %s", tc.facts, r, err, tc.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.Name != tc.name || r.Registered != tc.registered || c.Empty() != tc.empty || r.SystemID != tc.facts.SystemID {
			t.Errorf("%+v: got %+v, empty %v", tc.facts, r, c.Empty())
		}
		if err := in.Commit(c); err != nil {
			t.Fatal(err)
		}
		if got, ok := in.HostBySystemID(tc.facts.SystemID); !ok || got.Name != tc.name {
			t.Errorf("%+v: is %+v afterwards", tc.facts, got)
		}
		if got, ok := in.HostByID(r.ID); !ok || got.Name != tc.name {
			t.Errorf("%+v: its ID is that of %+v", tc.facts, got)
		}
	}

	// One that had dialled in becomes external: it is not let in any longer, and
	// is, by its former system-id, once it is managed again.
	apply(t, in, "hosts: [{name: xen1, kind: external, endpoint: 10.0.0.1}]", false)
	if r, _ := in.Host("xen1"); r.SystemID != "" {
		t.Errorf("an external host has system-id %q", r.SystemID)
	}
	if _, r, err := in.PlanRegister(HostFacts{SystemID: "s1", Hostname: "xen1"}); !errors.Is(err, ErrConflict) {
		t.Errorf("got %+v and error %v, want a conflict", r, err)
	}
	apply(t, in, "hosts: [{name: xen1}]", false)
	if _, r, err := in.PlanRegister(HostFacts{SystemID: "s1", Hostname: "xen1"}); err != nil || r.Name != "xen1" || r.SystemID != "s1" {
		t.Errorf("got %+v and error %v", r, err)
	}

	// What dialled in outlives a prune; the spec that names it takes it over
	// with ID and system-id.
	apply(t, in, "hosts: [{name: xen1}]", true)
	if _, ok := in.Host("xen3"); !ok {
		t.Error("a host that only dialled in was pruned")
	}
	if _, err := plan(t, in, "hosts: [{name: other, systemID: s3}]", false); err == nil || !strings.Contains(err.Error(), "which dialled in by that name") {
		t.Errorf("got %v", err)
	}
	before, _ := in.Host("xen3")
	apply(t, in, "hosts: [{name: xen3}]", false)
	if r, _ := in.Host("xen3"); r.Registered || r.ID != before.ID || r.SystemID != "s3" {
		t.Errorf("got %+v", r)
	}
	apply(t, in, "hosts: [{name: xen1}]", true)
	if _, ok := in.Host("xen3"); ok {
		t.Error("a host that the spec had named was not pruned")
	}
}

func TestNewIntentRefusesContradictions(t *testing.T) {
	a := NetworkRecord{Network: Network{Name: "a", Encap: GRE, Key: 1}, ID: 1}
	b := NetworkRecord{Network: Network{Name: "b", Encap: GRE, Key: 2, Hosts: []string{"z"}}, ID: 2}
	same := a
	same.Name = "same"
	h := HostRecord{Host: Host{Name: "h", ID: 1, SystemID: "s"}}
	for _, tc := range []struct {
		saved Saved
		want  string
	}{
		{Saved{Networks: []NetworkRecord{a, same}, NextNetworkID: 2}, "network same: key gre 1 is that of network a"},
		{Saved{Networks: []NetworkRecord{a}, NextNetworkID: 1}, "network a: ID 1 was not given out yet (the next is 1)"},
		{Saved{Networks: []NetworkRecord{b}, NextNetworkID: 9}, "network b: lists host z, which there is not"},
		{Saved{Hosts: []HostRecord{h, {Host: Host{Name: "i", ID: 1}}}}, "host i: ID 1 is that of host h"},
		{Saved{Hosts: []HostRecord{h, {Host: Host{Name: "i", ID: 2, SystemID: "s"}}}}, "host i: system-id s is that of host h"},
		{Saved{Ports: []Port{{Name: "p", Network: "a"}}}, `port p: is in network "a", which there is not`},
		{Saved{KeyPools: []KeyPool{{GRE, KeyRange{1, 5}}, {GRE, KeyRange{5, 6}}}}, "key pool gre-5-6 overlaps gre-1-5"},
	} {
		if _, err := NewIntent(tc.saved); err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

// oneOfMany is a network on the bridge and the carrier that all have.
func oneOfMany(name string) Network {
	return Network{Name: name, Encap: VXLAN, Bridge: "br-int", TunnelPorts: TunnelPortsFlow}
}

// manyNetworks returns an intent with n networks that drew their keys.
func manyNetworks(tb testing.TB, n int) *Intent {
	in := newIntent(tb)
	spec := &Spec{KeyPools: []KeyPool{{VXLAN, KeyRange{1, 1 << 20}}}}
	for i := range n {
		spec.Networks = append(spec.Networks, oneOfMany(fmt.Sprintf("n%d", i)))
	}
	c, err := in.Plan(spec, nil, false)
	if err != nil {
		tb.Fatal(err)
	}
	if err := in.Commit(c); err != nil {
		tb.Fatal(err)
	}
	return in
}

// BenchmarkPlanOne creates one network, and deletes it, beside many others.
func BenchmarkPlanOne(b *testing.B) {
	for _, n := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := manyNetworks(b, n)
			spec := &Spec{Networks: []Network{oneOfMany("new")}}
			for b.Loop() {
				c, err := in.Plan(spec, nil, false)
				if err == nil {
					err = in.Commit(c)
				}
				if err != nil {
					b.Fatal(err)
				}
				if c, err = in.PlanDelete(KindNetworks, "new"); err == nil {
					err = in.Commit(c)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPlanAll applies 10,000 networks that are there already and move to
// another bridge, all of them.
func BenchmarkPlanAll(b *testing.B) {
	in := manyNetworks(b, 10_000)
	spec := in.Spec()
	for i := range spec.Networks {
		spec.Networks[i].Bridge = "br-ext"
	}
	for b.Loop() {
		if _, err := in.Plan(&spec, nil, false); err != nil {
			b.Fatal(err)
		}
	}
}

// TestPlanOneAllocatesTheSameBesideMany holds that a change costs what it
// names: what it allocates does not depend on how much else there is.
func TestPlanOneAllocatesTheSameBesideMany(t *testing.T) {
	spec := &Spec{Networks: []Network{oneOfMany("new")}}
	var allocs []float64
	for _, n := range []int{1_000, 10_000} {
		in := manyNetworks(t, n)
		least := math.Inf(1) // of many: where keys come to lie in a new map is not the same every time
		for range 100 {
			least = min(least, testing.AllocsPerRun(1, func() {
				if _, err := in.Plan(spec, nil, false); err != nil {
					t.Fatal(err)
				}
			}))
		}
		allocs = append(allocs, least)
	}
	if allocs[0] != allocs[1] {
		t.Errorf("allocations beside 1,000 and 10,000 networks: %v", allocs)
	}
}
