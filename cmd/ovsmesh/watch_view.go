package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ovsmesh/controller/api"
)

// How often the tables are drawn at most, and at least: counts of flows, and how
// hosts answer, change without an event.
const (
	redrawSoon = 100 * time.Millisecond
	redrawLate = 5 * time.Second
)

// latestShown is how many events are shown: the latest above the tables, those
// before it below.
const latestShown = 6

// liveView draws the topology on a terminal as it changes. One goroutine draws;
// another follows the events and only reports to it.
type liveView struct {
	follower follower
	screen   *screen
	tables   tables
	onlyDown bool
	stderr   io.Writer       // nil where it is a terminal, too
	keys     <-chan keyPress // nil where there is no keyboard

	top    api.Topology
	loaded bool
	state  string // of the connection
	latest []string
	from   int // first line of the body that is shown
}

func newLiveView(f follower, s *screen, t tables, stderr io.Writer) *liveView {
	v := &liveView{follower: f, screen: s, tables: t, onlyDown: f.filter.Down, stderr: stderr, state: "connecting"}
	if isTerminal(stderr) {
		v.stderr = nil // it would run across the tables; the first line says it
	}
	return v
}

// run draws until ctx ends, and leaves the terminal as it was.
func (v *liveView) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	events, said, came := make(chan api.Event), make(chan string), make(chan struct{})
	ended := make(chan error, 1)
	v.follower.event = func(e api.Event) error { return give(ctx, events, e) }
	v.follower.said = func(text string) { _ = give(ctx, said, text) } // it ends when ctx does
	v.follower.came = func() { _ = give(ctx, came, struct{}{}) }
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		ended <- v.follower.run(ctx)
	}()
	defer func() { cancel(); <-followed }()

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := v.screen.open(); err != nil {
		return err
	}
	defer v.screen.close()
	if v.screen.before != nil {
		k, err := openKeyboard(v.screen.input)
		if err != nil {
			return err
		}
		defer k.close()
		v.keys = k.keys
	}
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	var took time.Duration // by the last look
	soon := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case e := <-events:
			v.note(e)
			if !soon { // further events don't put it off
				soon = true
				due.Reset(max(redrawSoon, 4*took)) // a large mesh is not to be read all the time
			}
			continue
		case <-came:
			v.state = "live"
		case text := <-said:
			v.state = text
			if v.stderr != nil {
				fmt.Fprintln(v.stderr, "ovsmesh: "+text)
			}
			if err := v.draw(); err != nil {
				return err
			}
			continue
		case s := <-signals:
			if s == syscall.SIGHUP || s == syscall.SIGQUIT {
				return nil
			}
			if err := v.signalled(s); err != nil {
				return err
			}
			continue
		case key := <-v.keys:
			if key == keyQuit {
				return nil
			}
			if anew := v.press(key); !anew {
				if err := v.draw(); err != nil {
					return err
				}
				continue
			}
		case <-due.C:
		}
		begin := time.Now()
		if err := v.look(ctx); err != nil {
			return err
		}
		took, soon = time.Since(begin), false
		due.Reset(max(redrawLate, 20*took))
		if err := v.draw(); err != nil {
			return err
		}
	}
}

// give hands a value over, unless ctx ends before.
func give[T any](ctx context.Context, c chan<- T, v T) error {
	select {
	case c <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look asks the server anew. One that is away leaves what is shown as it is: who
// follows the events says so.
func (v *liveView) look(ctx context.Context) error {
	top, err := summary(ctx, v.follower.client, v.filter())
	switch {
	case err == nil:
		v.top, v.loaded = top, true
	case hopeless(err) && !v.loaded:
		return err
	case hopeless(err): // the network or host is gone
		v.top = api.Topology{}
		v.state = err.Error()
	case !errors.Is(err, context.Canceled):
		v.state = err.Error()
	}
	return nil
}

func (v *liveView) note(e api.Event) {
	text := eventText(e)
	if text == "" {
		return
	}
	v.latest = append(v.latest, text)
	if n := len(v.latest) - latestShown; n > 0 {
		v.latest = v.latest[n:]
	}
}

// draw fills the screen: what is looked at, the latest event, the tables, what
// is wrong, and the events before.
func (v *liveView) draw() error {
	columns, rows := v.screen.size()
	var body, lists bytes.Buffer
	if err := writeTables(&body, v.top, v.tables); err != nil {
		return err
	}
	if err := writeNotes(&lists, v.top, v.tables.limit); err != nil {
		return err
	}
	f := frame{columns: columns, rows: rows, head: 3}
	f.clipped(strings.Join(append([]string{v.follower.client.BaseURL, time.Now().Format(time.TimeOnly), v.state}, v.filters()...), "  "))
	if n := len(v.latest); n > 0 {
		f.clipped("Latest: " + v.latest[n-1])
	} else {
		f.clipped("")
	}
	f.clipped("")
	f.eachClipped(body.String())
	if v.loaded && len(v.top.Networks)+len(v.top.Hosts) == 0 {
		f.clipped(nothingShown(v.filter()))
	}
	f.eachWrapped(lists.String())
	for i := len(v.latest) - 2; i >= 0; i-- {
		if i == len(v.latest)-2 {
			f.clipped("")
			f.clipped("Before that:")
		}
		f.clipped("  " + v.latest[i])
	}
	help := ""
	if v.keys != nil {
		help = keyHelp
	}
	var lines []string
	lines, v.from = f.text(v.from, help)
	return v.screen.draw(lines)
}

// filter is what is looked at: that of the follower, whose goroutine reads it,
// and what a key has changed since.
func (v *liveView) filter() api.TopologyFilter {
	f := v.follower.filter
	f.Down = v.onlyDown
	return f
}

// filters says in words what is left out.
func (v *liveView) filters() []string {
	var parts []string
	f := v.filter()
	for _, p := range [][2]string{{"tenant", f.Tenant}, {"network", f.Network}, {"host", f.Host}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	if f.Down {
		parts = append(parts, "only what is not as wanted")
	}
	return parts
}

// press does what a key says. It reports whether the server is to be asked anew.
func (v *liveView) press(key keyPress) (anew bool) {
	_, rows := v.screen.size()
	page := max(rows-5, 1)
	switch key {
	case keyUp:
		v.from--
	case keyDown:
		v.from++
	case keyPageUp:
		v.from -= page
	case keyPageDown:
		v.from += page
	case keyHome:
		v.from = 0
	case keyEnd:
		v.from = math.MaxInt / 2 // as far as it goes
	case keyOnlyDown:
		v.onlyDown = !v.onlyDown
		v.from = 0
		return true
	case keyWide:
		v.tables.wide = !v.tables.wide
	}
	v.from = max(v.from, 0)
	return false
}

// signalled draws anew for a terminal of another size, and leaves the terminal to
// the shell while the process is stopped.
func (v *liveView) signalled(s os.Signal) error {
	switch s {
	case syscall.SIGTSTP:
		v.screen.close()
		return unix.Kill(os.Getpid(), unix.SIGSTOP)
	case syscall.SIGCONT:
		if err := v.screen.open(); err != nil {
			return err
		}
	}
	return v.draw()
}
