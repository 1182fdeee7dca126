package topology

import (
	"errors"
	"testing"
)

func TestPlanAdopt(t *testing.T) {
	in, err := NewIntent(Saved{NextNetworkID: 3,
		Networks: []NetworkRecord{{ID: 2, Network: Network{Name: "mine", Encap: GRE, Key: 1}.Defaults()}},
		Hosts: []HostRecord{
			{Host: Host{Name: "h1", ID: 1, SystemID: "s1"}.Defaults(), AutoID: true, Registered: true},
			{Host: Host{Name: "h2", ID: 2, SystemID: "s2"}.Defaults(), AutoID: true, Registered: true},
			{Host: Host{Name: "h3", ID: 3, SystemID: "s3"}.Defaults(), AutoID: true, Registered: true},
		}})
	if err != nil {
		t.Fatal(err)
	}
	a := Adoption{
		Spec: &Spec{
			Networks: []Network{{Name: "blue", Encap: GRE, Key: 103}, {Name: "red", Encap: GRE, Key: 104}, {Name: "green", Encap: GRE, Key: 105}, {Name: "huge", Encap: GRE, Key: 106}},
			Hosts:    []Host{{Name: "h1", ID: 2, SystemID: "s1"}, {Name: "h2", ID: 9, SystemID: "s2"}, {Name: "h3", ID: 3, SystemID: "s3"}, {Name: "away", ID: 4}},
		},
		Networks: map[string]AdoptedNetwork{"blue": {ID: 7, AutoKey: true}, "red": {ID: 2}, "huge": {ID: 1<<32 - 1}},
		Hosts: map[string]AdoptedHost{
			"h1": {AutoID: true, Registered: true}, "h2": {}, "h3": {AutoID: true, Registered: true}, "away": {AutoID: true, Registered: true},
		},
	}
	c, err := in.PlanAdopt(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Current(c); err != nil {
		t.Error(err)
	}
	if err := in.Commit(c); err != nil {
		t.Fatal(err)
	}
	if err := in.Current(c); !errors.Is(err, ErrConflict) {
		t.Errorf("planned before: %v", err)
	}
	seen := map[uint32]bool{}
	for _, n := range in.Networks() {
		if seen[n.ID] || n.ID == 0 || n.ID > 1<<20 {
			t.Errorf("%s has ID %d", n.Name, n.ID)
		}
		seen[n.ID] = true
	}
	if blue, _ := in.Network("blue"); blue.ID != 7 || !blue.AutoKey {
		t.Errorf("%+v", blue)
	}
	for name, want := range map[string]HostRecord{
		"h1":   {Host: Host{ID: 2}, AutoID: true, Registered: true},
		"h2":   {Host: Host{ID: 9}},
		"h3":   {Host: Host{ID: 3}, AutoID: true, Registered: true},
		"away": {Host: Host{ID: 4}, AutoID: true, Registered: true},
	} {
		if r, _ := in.Host(name); r.ID != want.ID || r.AutoID != want.AutoID || r.Registered != want.Registered {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for _, i := range c.Items {
		if i.Name == "h3" && i.Verb != VerbUnchanged {
			t.Errorf("%+v", i)
		}
	}
	if _, err := NewIntent(Saved{NextNetworkID: c.NextNetworkID, Networks: in.Networks(), Hosts: in.Hosts()}); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if c, err = in.PlanAdopt(a); err != nil || !c.Empty() {
		t.Errorf("a second time: %+v, %v", c, err)
	}
	a.Spec = &Spec{Networks: []Network{{Name: "more", Encap: GRE, Key: 103}}}
	if _, err := in.PlanAdopt(a); err == nil {
		t.Error("a key is given twice")
	}
}
