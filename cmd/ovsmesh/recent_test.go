package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestRecentIsBounded(t *testing.T) {
	r := &recent{}
	if got := r.Lines(); len(got) != 0 {
		t.Errorf("%q", got)
	}
	for i := range 3 * recentLines {
		fmt.Fprintf(r, "line %d\n", i)
	}
	got := r.Lines()
	if len(got) != recentLines || got[0] != fmt.Sprintf("line %d", 2*recentLines) || got[recentLines-1] != fmt.Sprintf("line %d", 3*recentLines-1) {
		t.Errorf("%d lines from %q to %q", len(got), got[0], got[len(got)-1])
	}
	long := strings.Repeat("x", 3*recentLine)
	for i := range 2 * recentLines {
		fmt.Fprintf(r, "%d %s\n", i, long)
	}
	got = r.Lines()
	bytes := 0
	for _, l := range got {
		bytes += len(l)
	}
	if bytes > recentBytes || bytes < recentBytes-2*recentLine || !strings.HasPrefix(got[len(got)-1], fmt.Sprintf("%d x", 2*recentLines-1)) {
		t.Errorf("%d bytes, the last line %.20q", bytes, got[len(got)-1])
	}
}
