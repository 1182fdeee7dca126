package controller

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"sync"
	"time"
)

const (
	softMemory = 3 << 29   // 1.5 GiB, of the 2 GiB that a thousand hosts may take
	idleHeap   = 64 << 20  // counted as one that lives, whatever does
	garbage    = 384 << 20 // that may pile up before it is cleared away, where that is less than mostGarbage

	mostGarbage, leastGarbage = 300, 50 // percent of what lives

	paceEvery = 250 * time.Millisecond // in which two processors make some 60 MiB of garbage
)

// TuneMemory suits the garbage collector to a process that runs a Controller:
// it is idle most of the time, and when something changes it makes much garbage
// at once while hosts wait. So the heap may grow to four times what lives,
// instead of twice, and to 256 MiB before anything is cleared away at all; but
// by no more than 384 MiB where much lives, or all that many hosts send when they
// dial in at once would stay there together. Near a bound it is kept small. GOGC
// and GOMEMLIMIT in the environment go before. It holds until release is called.
func TuneMemory() (release func()) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(mostGarbage)
	// The collector knows no least heap. Memory that is never touched counts
	// as one that lives and takes none of the machine's.
	ballast := make([]byte, idleHeap)
	ctx, cancel := context.WithCancel(context.Background())
	var pace sync.WaitGroup
	pace.Go(func() { keepPace(ctx) })
	return func() {
		cancel()
		pace.Wait()
		runtime.KeepAlive(ballast)
	}
}

// gcPercent is how much the heap may grow, in percent of what lives.
func gcPercent(live uint64) int {
	return int(min(max(garbage*100/max(live, 1), leastGarbage), mostGarbage))
}

// keepPace lets the heap grow by what suits what lived when it was cleared last,
// until ctx ends. What runs after each collection itself would often come late:
// it is a low priority of the runtime's, and there is much to do just then.
func keepPace(ctx context.Context) {
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	live := []gometrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := mostGarbage
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		gometrics.Read(live)
		if p := gcPercent(live[0].Value.Uint64()); p != set {
			set = p
			debug.SetGCPercent(p)
		}
	}
}
