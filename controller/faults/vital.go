package faults

import (
	"context"
	"fmt"
)

// Vital is what a server's process holds at one moment.
type Vital struct {
	Run        int // of the server, that is of its process, from 1
	Goroutines int
	Files      int   // open descriptors
	Live       int64 // bytes of heap that the last collection found in use
	Resident   int64 // bytes of memory
}

// Vital asks the server for what it holds.
func (s *Server) Vital(ctx context.Context) (Vital, error) {
	const (
		goroutines = "go_goroutines"
		files      = "process_open_fds"
		live       = "go_gc_heap_live_bytes"
		resident   = "process_resident_memory_bytes"
	)
	all, err := s.metrics(ctx, goroutines, files, live, resident)
	return Vital{s.runs, int(all[goroutines]), int(all[files]), int64(all[live]), int64(all[resident])}, err
}

// String says it for people.
func (v Vital) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %.1f MiB in use, %.1f MiB resident",
		v.Goroutines, v.Files, float64(v.Live)/(1<<20), float64(v.Resident)/(1<<20))
}

// How much more a server may hold than its process did when it was first in
// sync. Goroutines and files come and go with requests; the heap holds recent
// events and changes.
const (
	moreGoroutines = 12
	moreFiles      = 8
	moreLive       = 16 << 20
	moreResident   = 64 << 20
)

// flat demands that no process of the server has come to hold more and more:
// that the least of its last few readings is not above the first by more than a
// little.
func flat(readings []Vital) error {
	const last = 3
	byRun := make(map[int][]Vital)
	for _, v := range readings {
		byRun[v.Run] = append(byRun[v.Run], v)
	}
	for _, list := range byRun {
		first, now := list[0], list[len(list)-1]
		for _, v := range list[max(1, len(list)-last):] {
			now.Goroutines, now.Files = min(now.Goroutines, v.Goroutines), min(now.Files, v.Files)
			now.Live, now.Resident = min(now.Live, v.Live), min(now.Resident, v.Resident)
		}
		if now.Goroutines > first.Goroutines+moreGoroutines || now.Files > first.Files+moreFiles ||
			now.Live > first.Live+moreLive || now.Resident > first.Resident+moreResident {
			return fmt.Errorf("the controller grows: first %v, after %d faults %v", first, len(list)-1, now)
		}
	}
	return nil
}
