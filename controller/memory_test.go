package controller

import (
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	for _, c := range []struct {
		live uint64 // MiB
		want int
	}{{0, 300}, {64, 300}, {128, 300}, {192, 200}, {384, 100}, {600, 64}, {768, 50}, {4096, 50}} {
		if got := gcPercent(c.live << 20); got != c.want {
			t.Errorf("%d MiB live: %d%%, want %d%%", c.live, got, c.want)
		}
	}
}

// The more lives the less the heap may grow, as soon as the collector has seen it,
// and again more when it is gone.
func TestTuneMemory(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "1GiB") // not to be touched
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	limit := debug.SetMemoryLimit(-1)
	release := TuneMemory()
	defer release()
	if got := debug.SetMemoryLimit(-1); got != limit {
		t.Errorf("memory limit %d, was %d", got, limit)
	}
	percent := func() uint64 {
		sample := []gometrics.Sample{{Name: "/gc/gogc:percent"}}
		gometrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	becomes := func(what string, ok func(uint64) bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !ok(percent()); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d%%", what, percent())
			}
			runtime.GC()
		}
	}
	becomes("little lives", func(p uint64) bool { return p == mostGarbage })
	much := make([]byte, 320<<20) // with the 64 of before
	becomes("much lives", func(p uint64) bool { return p >= leastGarbage && p <= 100 })
	runtime.KeepAlive(much)
	much = nil
	becomes("little lives again", func(p uint64) bool { return p == mostGarbage })
}
