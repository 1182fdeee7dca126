package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ovsmesh/controller/api"
)

func TestWaitSync(t *testing.T) {
	c := &api.Client{BaseURL: startServer(t)}
	var line strings.Builder
	p := &progress{w: &line, columns: 40}
	// Generation 7 is on all hosts at the third question, see startServer.
	if _, err := waitSync(t.Context(), c, 7, time.Minute, p); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("\r\x1b[K1 of 2 hosts in sync, xen3: waits for o", 2) + "\r\x1b[K"
	if line.String() != want {
		t.Errorf("progress = %q, want %q", line.String(), want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := waitSync(ctx, c, 8, time.Minute, &progress{})
	if err == nil || !strings.HasPrefix(err.Error(), "stopped waiting; the change is kept") {
		t.Errorf("cancelled: %v", err)
	}
}

// What could not be done before the change is told; what the change brought is
// an error.
func TestWaitTellsErrorsApart(t *testing.T) {
	old, fresh := "xen1: network red: no bridge br-red", "xen3: network blue: t103-3-1: File exists"
	var now atomic.Pointer[[]string]
	now.Store(&[]string{old})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, api.SyncStatus{Done: true, Hosts: 2, InSync: 2, Errors: *now.Load()})
	}))
	defer s.Close()
	var stderr strings.Builder
	w, err := newWaiter(t.Context(), &api.Client{BaseURL: s.URL}, time.Minute, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.wait(t.Context(), 3); err != nil {
		t.Errorf("nothing new: %v", err)
	}
	if want := "not because of this change, but still so:\n  " + old + "\n"; stderr.String() != want {
		t.Errorf("stderr = %q, want %q", stderr.String(), want)
	}
	now.Store(&[]string{old, fresh})
	err = w.wait(t.Context(), 3)
	if want := "done on 2 connected hosts, save for:\n  " + fresh; err == nil || err.Error() != want {
		t.Errorf("err = %v, want %s", err, want)
	}
}

func TestListed(t *testing.T) {
	var lines []string
	for range linesListed + 2 {
		lines = append(lines, "x")
	}
	if got := listed(lines); strings.Count(got, "\n  ") != linesListed || !strings.HasSuffix(got, "  and 2 more: see ovsmesh topology") || lines[linesListed] != "x" {
		t.Errorf("listed = %q", got)
	}
}

// Only a terminal gets a progress line.
func TestProgressNeedsTerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	p := newProgress(f)
	p.show("1 of 2 hosts in sync")
	p.end()
	st, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if st.Size() != 0 {
		t.Errorf("%d bytes were written to a file", st.Size())
	}
}
