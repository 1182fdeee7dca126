package main

import (
	"strings"
	"sync"
)

// Bounds of what is kept of the log.
const (
	recentLines = 2000
	recentBytes = 1 << 20
	recentLine  = 4 << 10 // of one line; the rest of a longer one is not kept
)

// recent keeps the last lines of the log in memory, for support. It implements
// io.Writer, each call of which is one entry, and may be used by several
// goroutines.
type recent struct {
	mu    sync.Mutex
	lines []string // a ring once it is full
	next  int      // where the next goes then
	bytes int
}

// Write keeps an entry. It never fails.
func (r *recent) Write(entry []byte) (int, error) {
	line := strings.TrimRight(string(entry[:min(len(entry), recentLine)]), "\n")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += len(line)
	if len(r.lines) < recentLines {
		r.lines = append(r.lines, line)
	} else {
		r.bytes -= len(r.lines[r.next])
		r.lines[r.next] = line
		r.next = (r.next + 1) % recentLines
	}
	for i := r.next; r.bytes > recentBytes; i = (i + 1) % len(r.lines) {
		r.bytes -= len(r.lines[i])
		r.lines[i] = ""
	}
	return len(entry), nil
}

// Lines returns what is kept, oldest first.
func (r *recent) Lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]string, 0, len(r.lines))
	for i := range r.lines {
		if line := r.lines[(r.next+i)%len(r.lines)]; line != "" {
			list = append(list, line)
		}
	}
	return list
}
