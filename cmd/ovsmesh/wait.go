package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ovsmesh/controller/api"
)

// How often the server is asked how far hosts are: soon at first, as most
// changes take some tens of milliseconds.
const (
	firstPoll = 20 * time.Millisecond
	lastPoll  = 500 * time.Millisecond
)

// waiter waits for a change to be on every connected host.
type waiter struct {
	client *api.Client
	limit  time.Duration // 0: don't wait
	before []string      // what could not be done before the change
	stderr io.Writer
}

// newWaiter must be called before the change is sent: what hosts can't do
// already is not the change's fault.
func newWaiter(ctx context.Context, c *api.Client, limit time.Duration, stderr io.Writer) (*waiter, error) {
	w := &waiter{client: c, limit: limit, stderr: stderr}
	if limit == 0 {
		return w, nil
	}
	status, err := c.Sync(ctx, 0)
	w.before = status.Errors
	return w, err
}

// wait returns when every connected host has a generation on its switches, and
// an error after the limit or where the change brought what can't be done.
func (w *waiter) wait(ctx context.Context, generation uint64) error {
	if w.limit == 0 {
		return nil
	}
	status, err := waitSync(ctx, w.client, generation, w.limit, newProgress(w.stderr))
	if err != nil {
		return err
	}
	var fresh, standing []string
	for _, e := range status.Errors {
		if slices.Contains(w.before, e) {
			standing = append(standing, e)
		} else {
			fresh = append(fresh, e)
		}
	}
	if len(standing) > 0 {
		fmt.Fprintf(w.stderr, "not because of this change, but still so:\n%s\n", listed(standing))
	}
	if len(fresh) > 0 {
		return fmt.Errorf("done on %s, save for:\n%s", plural(status.Hosts, "connected host"), listed(fresh))
	}
	return nil
}

// linesListed is how many lines of what hosts say an error holds.
const linesListed = 10

// listed indents lines, the first few only.
func listed(lines []string) string {
	if len(lines) > linesListed {
		lines = append(lines[:linesListed:linesListed], fmt.Sprintf("and %d more: see ovsmesh topology", len(lines)-linesListed))
	}
	return "  " + strings.Join(lines, "\n  ")
}

// waitSync asks until every connected host has a generation.
func waitSync(ctx context.Context, c *api.Client, generation uint64, limit time.Duration, p *progress) (api.SyncStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer p.end()
	var last api.SyncStatus
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		status, err := c.Sync(ctx, generation)
		switch {
		case ctx.Err() != nil:
			return last, notInSync(ctx, last, limit)
		case err != nil || status.Done:
			return status, err
		case status.Held != "":
			return status, fmt.Errorf("the change is kept, and on no host: each waits for %s", status.Held)
		}
		last = status
		p.show(waitLine(status))
		select {
		case <-ctx.Done():
			return last, notInSync(ctx, last, limit)
		case <-time.After(pause):
		}
	}
}

func notInSync(ctx context.Context, s api.SyncStatus, limit time.Duration) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("stopped waiting; the change is kept and goes on to the hosts: %s", waitLine(s))
	}
	var lines []string
	for _, p := range s.Pending {
		lines = append(lines, p.Host+": "+p.Reason)
	}
	text := fmt.Sprintf("not on every connected host after %v, %d of %s in sync; the change is kept and goes on", limit, s.InSync, plural(s.Hosts, "host"))
	if lines = append(lines, s.Errors...); len(lines) > 0 {
		text += ":\n" + listed(lines)
	}
	return errors.New(text)
}

// waitLine says in one line how far hosts are.
func waitLine(s api.SyncStatus) string {
	line := fmt.Sprintf("%d of %s in sync", s.InSync, plural(s.Hosts, "host"))
	if len(s.Pending) > 0 {
		line += fmt.Sprintf(", %s: %s", s.Pending[0].Host, s.Pending[0].Reason)
	}
	return line
}

// progress is a line that is written over and over, on a terminal only.
type progress struct {
	w       io.Writer // nil: not a terminal
	columns int
	shown   bool
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok {
		return &progress{}
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return &progress{}
	}
	columns := int(size.Col)
	if columns < 20 {
		columns = 80
	}
	return &progress{w: w, columns: columns}
}

// show replaces the line.
func (p *progress) show(line string) {
	if p.w == nil {
		return
	}
	if len(line) >= p.columns {
		line = line[:p.columns-1] // a line that wraps can't be written over
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	p.shown = true
}

// end takes the line away.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.shown = false
}
