package topology

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestIntentHoldsItsPromises walks through random specs, deletions and hosts
// that dial in. After each step all that was handed out is unique and has
// stayed with its holder, a second plan changes nothing, what a restart would
// load is the same intent, and an empty store takes what is exported.
func TestIntentHoldsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, err := NewIntent(Saved{})
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			before := saved(in)
			var c *Change
			again := func() (*Change, error) { return in.newChange(), nil }
			switch rapid.IntRange(0, 3).Draw(t, "kind of step") {
			case 0:
				f := HostFacts{
					SystemID: fmt.Sprintf("1e%d", rapid.IntRange(1, 5).Draw(t, "system")),
					Hostname: fmt.Sprintf("host%d", rapid.IntRange(1, 5).Draw(t, "hostname")),
				}
				c, _, err = in.PlanRegister(f)
				again = func() (*Change, error) {
					c, _, err := in.PlanRegister(f)
					return c, err
				}
			case 1:
				kind := rapid.SampledFrom([]string{KindNetworks, KindHosts, KindPorts, KindKeyPools}).Draw(t, "kind")
				name := rapid.SampledFrom([]string{"1", "2", "3", "host1", "host2", "port1", "vxlan-100-105"}).Draw(t, "name")
				c, err = in.PlanDelete(kind, name)
			default:
				spec, prune := anySpec(t), rapid.Bool().Draw(t, "prune")
				c, err = in.Plan(spec, nil, prune)
				again = func() (*Change, error) { return in.Plan(spec, nil, prune) }
			}
			if diff := cmp.Diff(before, saved(in), cmpOptions()); diff != "" {
				t.Fatalf("planning changed the intent: %s", diff)
			}
			if err != nil {
				continue
			}
			if err := in.Commit(c); err != nil {
				t.Fatal(err)
			}
			checkKept(t, before, in)
			c, err := again()
			if err != nil {
				t.Fatalf("a second time: %v", err)
			}
			if !c.Empty() {
				t.Fatalf("a second time: %v", said(c))
			}
			// Step by step nothing comes about that would be refused at once.
			export := in.Spec()
			if _, err := newIntent(t).Plan(&export, nil, false); err != nil {
				t.Fatalf("what is there would be refused in an empty store: %v", err)
			}
			// NewIntent refuses whatever is not unique.
			loaded, err := NewIntent(saved(in))
			if err != nil {
				t.Fatal(err)
			}
			loaded.generation = in.generation
			if diff := cmp.Diff(in, loaded, cmpOptions(), cmp.AllowUnexported(Intent{}, tunnelKey{}, station{}, factKey{}, pinIndex{}, hostBridge{})); diff != "" {
				t.Fatalf("a restart makes it different: %s", diff)
			}
		}
	})
}

// checkKept holds that networks kept their IDs, and keys that no spec changed.
func checkKept(t *rapid.T, before Saved, in *Intent) {
	for _, old := range before.Networks {
		r, ok := in.Network(old.Name)
		if !ok || r.ID > old.ID && r.ID >= before.NextNetworkID {
			continue // deleted; by the same step never made anew
		}
		if r.ID != old.ID {
			t.Fatalf("network %s had ID %d and has %d", old.Name, old.ID, r.ID)
		}
		if r.Encap == old.Encap && r.AutoKey && r.Key != old.Key {
			t.Fatalf("network %s had key %d and has %d", old.Name, old.Key, r.Key)
		}
	}
	for _, old := range before.Hosts {
		r, ok := in.Host(old.Name)
		if !ok || r.ID == old.ID || !r.AutoID {
			continue
		}
		if other, taken := in.HostByID(old.ID); !taken || other.AutoID {
			t.Fatalf("host %s had ID %d and has %d, and nobody named that", old.Name, old.ID, r.ID)
		}
	}
	if in.nextNetworkID < before.NextNetworkID {
		t.Fatalf("next network ID went from %d to %d", before.NextNetworkID, in.nextNetworkID)
	}
}

func saved(in *Intent) Saved {
	return Saved{in.Networks(), in.Hosts(), in.Ports(), in.KeyPools(), in.nextNetworkID}
}

func cmpOptions() cmp.Options {
	return cmp.Options{specOptions, cmp.Comparer(sameAddr), asSet[string](), asSet[hostBridge]()}
}

// asSet compares indexes without regard to the order of values.
func asSet[K comparable]() cmp.Option {
	sorted := cmp.Transformer("set", func(x index[K, string]) map[K]map[string]bool {
		out := map[K]map[string]bool{}
		for k, list := range x {
			out[k] = map[string]bool{}
			for _, v := range list {
				out[k][v] = true
			}
		}
		return out
	})
	some := func(a, b index[K, string]) bool { return len(a)+len(b) > 0 }
	return cmp.FilterValues(some, sorted)
}
