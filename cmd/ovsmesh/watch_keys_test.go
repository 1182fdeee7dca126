package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ovsmesh/controller/api"
)

func TestNextKey(t *testing.T) {
	tests := []struct {
		typed string
		want  []keyPress
	}{
		{"q", []keyPress{keyQuit}},
		{"jk gG", []keyPress{keyDown, keyUp, keyPageDown, keyHome, keyEnd}},
		{"\x1b[A\x1b[B\x1bOA\x1bOB", []keyPress{keyUp, keyDown, keyUp, keyDown}},
		{"\x1b[5~\x1b[6~\x1b[H\x1b[F\x1b[1~\x1b[4~", []keyPress{keyPageUp, keyPageDown, keyHome, keyEnd, keyHome, keyEnd}},
		{"\x1b[1;5Aq", []keyPress{keyNone, keyQuit}}, // with Ctrl: not ours
		{"\x1b", []keyPress{keyNone}},
		{"\x1b[", []keyPress{keyNone}},
		{"\x1b[12", []keyPress{keyNone}},
		{"\x1b\x1b[A", []keyPress{keyNone, keyUp}},
		{"\x1b[\x00q", []keyPress{keyNone, keyQuit}},
		{"\xff\x00x", []keyPress{keyNone, keyNone, keyNone}},
	}
	for _, tt := range tests {
		var got []keyPress
		for rest := []byte(tt.typed); len(rest) > 0; {
			var key keyPress
			key, rest = nextKey(rest)
			got = append(got, key)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %v, want %v", tt.typed, got, tt.want)
		}
	}
}

func FuzzNextKey(f *testing.F) {
	f.Add([]byte("\x1b[5~q"))
	f.Fuzz(func(t *testing.T, typed []byte) {
		for len(typed) > 0 {
			_, rest := nextKey(typed)
			if len(rest) >= len(typed) {
				t.Fatalf("%q is not taken", typed)
			}
			typed = rest
		}
	})
}

func TestFrameScrolls(t *testing.T) {
	f := frame{columns: 40, rows: 8, head: 2}
	for i := range 12 {
		f.clipped(fmt.Sprintf("line %d", i))
	}
	tests := []struct {
		from, first   int
		begins, saysN string
	}{
		{0, 0, "line 2", "lines 1-5 of 10  keys"},
		{3, 3, "line 5", "lines 4-8 of 10  keys"},
		{99, 5, "line 7", "lines 6-10 of 10  keys"},
		{-4, 0, "line 2", "lines 1-5 of 10  keys"},
	}
	for _, tt := range tests {
		lines, first := f.text(tt.from, "keys")
		if first != tt.first || len(lines) != 8 || lines[0] != "line 0" || lines[2] != tt.begins || lines[7] != tt.saysN {
			t.Errorf("from %d: %d, %q", tt.from, first, lines)
		}
	}
	for rows := range 30 {
		f.rows = rows
		for _, help := range []string{"", "keys"} {
			if lines, _ := f.text(0, help); len(lines) > rows {
				t.Errorf("%d lines on %d rows: %q", len(lines), rows, lines)
			}
		}
	}
	if lines, _ := f.text(0, "keys"); len(lines) != 13 || lines[12] != "keys" {
		t.Errorf("%q", lines)
	}
}

func (m *terminal) press(keys string) {
	m.t.Helper()
	if _, err := m.ptmx.WriteString(keys); err != nil {
		m.t.Fatal(err)
	}
}

// lflag returns the modes of the terminal that decide about keys.
func (m *terminal) lflag() uint32 {
	m.t.Helper()
	is, err := unix.IoctlGetTermios(int(m.tty.Fd()), unix.TCGETS)
	if err != nil {
		m.t.Fatal(err)
	}
	return is.Lflag & (unix.ECHO | unix.ICANON | unix.ISIG)
}

// Two hundred hosts are watched on a small terminal: keys scroll, and show only
// what is not as wanted; q ends it, and the terminal is as before.
func TestWatchKeys(t *testing.T) {
	server := serveCloud(t, func() api.Topology {
		top := cloud(200, 100, 6, func(_, from, _ int) string {
			if from == 20 {
				return api.TunnelDown
			}
			return ""
		})
		for i := range 15 {
			top.Hosts[10*i].Health, top.Hosts[10*i].HealthReason = api.HealthSlow, "its database took 700ms to answer"
		}
		return top
	})
	term := openTerminal(t, 100, 20)
	before := term.lflag()
	w := startWatch(t, server, term.tty, term.tty)
	first := term.until("the first screen", has("lines 1-16 of "))
	if !strings.Contains(first[3], "100 networks of 10 tenants, 200 hosts") || len(first) != 20 || widest(first) > 100 || !strings.Contains(first[19], "q quit") {
		t.Errorf("the first screen:\n%s", strings.Join(first, "\n"))
	}
	term.press("\x1b[B\x1b[B")
	second := term.until("two lines down", has("lines 3-18 of "))
	if second[0][:20] != first[0][:20] || second[3] != first[5] {
		t.Errorf("the head does not stay, or the body does not scroll:\n%s", strings.Join(second, "\n"))
	}
	term.press("\x1b[6~")
	term.until("a page down", has("lines 18-33 of "))
	term.press("G")
	end := term.until("the end", func(lines []string) bool { return len(lines) == 20 && !has("lines 18-33")(lines) })
	var from, to, of int
	if _, err := fmt.Sscanf(end[19], "lines %d-%d of %d", &from, &to, &of); err != nil || to != of || to-from != 15 {
		t.Errorf("the end: %q, %v", end[19], err)
	}
	term.press("g")
	term.until("the begin", has("lines 1-16 of "))
	term.press("d")
	down := term.until("only what is wrong", func(lines []string) bool {
		return len(lines) > 0 && strings.HasSuffix(lines[0], "  only what is not as wanted")
	})
	if has("100 networks of")(down) {
		t.Errorf("what is well is still there:\n%s", strings.Join(down, "\n"))
	}
	term.press("dw")
	term.until("wide", has("hv019,hv020,hv021,hv022,"))
	term.resize(60, 4)
	if err := w.cmd.Process.Signal(syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	term.until("a tiny terminal", func(lines []string) bool { return len(lines) == 4 && widest(lines) <= 60 })
	term.press("q")
	if code := w.code(); code != 0 || w.stderr.Len() > 0 {
		t.Errorf("exit %d, %s", code, &w.stderr)
	}
	whole := openTerminal(t, 100, 20)
	all := startWatch(t, server, whole.tty, whole.tty, "--limit", "0")
	whole.until("all hosts and networks", func(lines []string) bool {
		var from, to, of int
		if len(lines) == 0 {
			return false
		}
		_, err := fmt.Sscanf(lines[len(lines)-1], "lines %d-%d of %d", &from, &to, &of)
		return err == nil && of > 300
	})
	whole.press("q")
	if code := all.code(); code != 0 {
		t.Errorf("exit %d, %s", code, &all.stderr)
	}
	if after := term.lflag(); after != before {
		t.Errorf("the terminal was %#x and is %#x", before, after)
	}
}

// Whatever signal ends or stops it, the shell gets its terminal back.
func TestWatchSignals(t *testing.T) {
	server := startServer(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		term := openTerminal(t, 80, 24)
		before := term.lflag()
		w := startWatch(t, server, term.tty, term.tty)
		term.until("events", has("network/blue updated"))
		if term.lflag() == before {
			t.Error("keys are echoed")
		}
		if code := w.end(s); code != 0 || term.lflag() != before {
			t.Errorf("%v: exit %d, terminal %#x, was %#x", s, code, term.lflag(), before)
		}
	}
	term := openTerminal(t, 80, 24)
	before := term.lflag()
	w := startWatch(t, server, term.tty, term.tty)
	term.until("events", has("network/blue updated"))
	if err := w.cmd.Process.Signal(syscall.SIGTSTP); err != nil {
		t.Fatal(err)
	}
	w.state("T")
	const left = "\x1b[?25h\x1b[?1049l"
	for begin := time.Now(); !strings.HasSuffix(term.written(), left) && time.Since(begin) < patience; {
		time.Sleep(time.Millisecond) // until all is read
	}
	if term.lflag() != before || !strings.HasSuffix(term.written(), left) {
		t.Errorf("stopped, the terminal is %#x, was %#x: %q", term.lflag(), before, term.written()[max(0, len(term.written())-20):])
	}
	if err := w.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.state("S")
	for begin := time.Now(); strings.Count(term.written(), "\x1b[?1049h") != 2 && time.Since(begin) < patience; {
		time.Sleep(10 * time.Millisecond)
	}
	term.until("drawn again", has("network/blue updated"))
	term.press("q")
	if code := w.code(); code != 0 || term.lflag() != before {
		t.Errorf("exit %d, terminal %#x, was %#x", code, term.lflag(), before)
	}
}

// state waits until the process is in a state of proc(5).
func (w *watching) state(want string) {
	w.t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.cmd.Process.Pid))
		if err != nil {
			w.t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if strings.HasPrefix(rest, want) {
			return
		}
		if time.Since(begin) > patience {
			w.t.Fatalf("it is in state %.1s, not %s", rest, want)
		}
	}
}
