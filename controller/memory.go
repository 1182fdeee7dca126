package controller

import (
	"os"
	"runtime"
	"runtime/debug"
)

// TuneMemory suits the garbage collector to a process that runs a Controller:
// it is idle most of the time, and when something changes it makes much garbage
// at once while hosts wait. So the heap may grow to four times what lives,
// instead of twice, and to 256 MiB before anything is cleared away at all, up to
// a bound near which it is kept small. GOGC and GOMEMLIMIT in the environment go
// before. It holds until release is called.
func TuneMemory() (release func()) {
	const (
		soft = 3 << 29 // 1.5 GiB, of the 2 GiB that a thousand hosts may take
		idle = 64 << 20
	)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(soft)
	}
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(300)
	// The collector knows no least heap. Memory that is never touched counts
	// as one that lives and takes none of the machine's.
	ballast := make([]byte, idle)
	return func() { runtime.KeepAlive(ballast) }
}
