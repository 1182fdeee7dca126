package controller

import (
	"os"
	"runtime/debug"
)

// TuneMemory suits the garbage collector to a process that runs a Controller:
// it is idle most of the time, and when something changes it makes much garbage
// at once while hosts wait. So the heap may grow to four times what lives,
// instead of twice, up to a bound near which it is kept small. GOGC and
// GOMEMLIMIT in the environment go before.
func TuneMemory() {
	const soft = 3 << 29 // 1.5 GiB, of the 2 GiB that a thousand hosts may take
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(soft)
	}
}
