package faults

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Two minutes of random faults. They are the same in each run, so that a change
// that fails here is to blame and not the dice, which are for make chaos;
// OVSMESH_CHAOS_SEED repeats one of its runs. How fast each is right again is the
// matter of other tests; here it must only become so, and nothing be lost or
// written that should not.
func TestChaos(t *testing.T) {
	t.Parallel() // with what mostly waits
	opts := ChaosOptions{Seed: 1, Duration: 2 * time.Minute}
	if env := os.Getenv("OVSMESH_CHAOS_SEED"); env != "" {
		seed, err := strconv.ParseUint(env, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		opts.Seed = seed
	}
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
		if r.Wrong {
			t.Errorf("step %d, %s: %s", i+1, r.Fault.Name, r.Why)
		}
	}
	t.Logf("first %v, last %v", rep.Vital[0], rep.Vital[len(rep.Vital)-1])
}
