package faults

import (
	"context"
	"testing"
	"time"
)

// Many hosts that dial in at once, to a server that is new and to one that runs,
// are all in sync soon; nothing is written to them, and the server needs no more
// for it than it does when they come one by one.
func TestStorm(t *testing.T) {
	const (
		hosts  = 30
		within = 30 * time.Second // with the race detector, on a busy machine
		memory = 1 << 30          // likewise
	)
	c := startCrowd(t, hosts)
	goroutines := 0
	for _, storm := range []struct {
		name string
		run  func(context.Context) (StormResult, error)
	}{{"restart", c.Restart}, {"cut", c.Cut}} {
		r, err := storm.run(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", storm.name, err)
		}
		t.Logf("%s: %v", storm.name, r)
		if r.Transactions != 0 || r.FlowMods != 0 || r.Grown != 0 {
			t.Errorf("%s: something was written", storm.name)
		}
		if r.Took > within || r.Peak > memory {
			t.Errorf("%s: want %v and %d MiB at most", storm.name, within, memory>>20)
		}
		// Requests that end just now have some.
		if d := r.Goroutines - goroutines; goroutines > 0 && (d > hosts/2 || d < -hosts/2) {
			t.Errorf("%s: %d goroutines, after the first storm %d", storm.name, r.Goroutines, goroutines)
		}
		goroutines = r.Goroutines
	}
}

// startCrowd makes a crowd that goes with the test.
func startCrowd(t *testing.T, hosts int) *Crowd {
	t.Helper()
	c, err := StartCrowd(t.Context(), hosts, Options{Binary: ovsmesh, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Server.tail())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
