package faults

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// Two minutes of random faults, others in each run: OVSMESH_CHAOS_SEED repeats
// one of them. How fast each is right again is the matter of other tests; here
// it must only become so, and nothing be lost or written that should not.
func TestChaos(t *testing.T) {
	opts := ChaosOptions{Seed: rand.Uint64N(1e6), Duration: 2 * time.Minute}
	if env := os.Getenv("OVSMESH_CHAOS_SEED"); env != "" {
		seed, err := strconv.ParseUint(env, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		opts.Seed = seed
	}
	t.Logf("OVSMESH_CHAOS_SEED=%d", opts.Seed)
	m := startMesh(t, 4)
	opts.Each = func(r Result) { logResult(t, r) }
	rep, err := m.Chaos(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Results) == 0 {
		t.Error("no fault was made")
	}
	for i, r := range rep.Results {
		if !r.Met && !r.Slow {
			t.Errorf("step %d, %s: %s", i+1, r.Fault.Name, r.Why)
		}
	}
	t.Logf("first %v, last %v", rep.Vital[0], rep.Vital[len(rep.Vital)-1])
}
