package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ovsmesh/controller/api"
)

// watching is a command that runs until it is told to end.
type watching struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{}
}

// startWatch starts "ovsmesh topology watch" with its output and input where the
// caller says.
func startWatch(t *testing.T, server string, stdin, stdout *os.File, args ...string) *watching {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &watching{t: t, ended: make(chan struct{})}
	w.cmd = exec.Command(exe, append([]string{"topology", "watch"}, args...)...)
	w.cmd.Env = append(os.Environ(), asCommand+"=1", "OVSMESH_SERVER="+server, "GORACE=atexit_sleep_ms=0", "TZ=UTC")
	w.cmd.Stdin, w.cmd.Stdout, w.cmd.Stderr = stdin, stdout, &w.stderr
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.ended)
		_ = w.cmd.Wait() // its state says all
	}()
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill() // it may have ended
		<-w.ended
	})
	return w
}

// patience is how long a test waits for what is to come, on a machine that is busy
// with other things as well.
const patience = time.Minute

// end sends a signal and returns the exit code.
func (w *watching) end(s os.Signal) int {
	w.t.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		w.t.Fatal(err)
	}
	return w.code()
}

func (w *watching) code() int {
	w.t.Helper()
	select {
	case <-w.ended:
		return w.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		w.t.Fatal("it does not end")
		return 0
	}
}

// pipe returns the end to write to, and the lines that are written.
func pipe(t *testing.T) (*os.File, <-chan string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(r); in.Scan(); {
			lines <- in.Text()
		}
	}()
	t.Cleanup(func() { _ = w.Close(); _ = r.Close() })
	return w, lines
}

func wantLines(t *testing.T, lines <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-lines:
			if got != w {
				t.Fatalf("got  %s\nwant %s", got, w)
			}
		case <-time.After(patience):
			t.Fatalf("nothing; want %s", w)
		}
	}
}

const (
	hostGone   = `{"id":2,"time":"2026-01-02T03:04:05Z","kind":"host","host":"xen3","state":"disconnected","was":"connected","error":"EOF"}`
	tunnelDown = `{"id":3,"time":"2026-01-02T03:04:06.5Z","kind":"tunnel","tenant":"acme","network":"blue","host":"xen1","peer":"xen3","state":"down","was":"up","error":"no <route>"}`
	specChange = `{"id":4,"time":"2026-01-02T03:04:07Z","kind":"change","generation":8,"items":[{"kind":"networks","name":"blue","verb":"updated","fields":["key: 103 → 104"]}]}`
	lostSome   = `{"id":904,"time":"2026-01-02T03:04:09Z","kind":"reset"}`
)

// Without a terminal each event is a line of JSON; Ctrl-C is no error.
func TestWatchLines(t *testing.T) {
	server := startServer(t)
	for _, args := range [][]string{nil, {"-o", "json"}, {"-o", "wide", "--network", "blue"}} {
		stdout, lines := pipe(t)
		w := startWatch(t, server, nil, stdout, args...)
		wantLines(t, lines, hostGone, tunnelDown, specChange)
		if code := w.end(os.Interrupt); code != 0 || w.stderr.String() != "" {
			t.Errorf("%q: exit %d, %s", args, code, &w.stderr)
		}
	}
}

func TestWatchRefused(t *testing.T) {
	server := startServer(t)
	tests := []struct{ args, want string }{
		{"-o yaml", "not yaml"},
		{"blue", "unknown command"},
		{"--dwon", "unknown flag: --dwon"},
	}
	for _, tt := range tests {
		got := command(t, []string{"OVSMESH_SERVER=" + server}, "", append([]string{"topology", "watch"}, strings.Fields(tt.args)...)...)
		if got.code != 1 || !strings.Contains(got.stderr, tt.want) || got.stdout != "" {
			t.Errorf("%s: %+v, want %s", tt.args, got, tt.want)
		}
	}
}

// A server that goes away is waited for, which stderr says once; the stream
// then goes on where it was.
func TestWatchReconnects(t *testing.T) {
	// Not a port that the kernel gives out: while nobody listens there another would
	// get it, or who dials it meet himself.
	l, err := net.Listen("tcp", fmt.Sprintf("127.98.%d.%d:8640", os.Getpid()>>8&0xff, os.Getpid()&0xff))
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	stop := serveStub(t, l)
	stdout, lines := pipe(t)
	w := startWatch(t, "http://"+addr, nil, stdout)
	wantLines(t, lines, hostGone, tunnelDown, specChange)
	stop()
	time.Sleep(700 * time.Millisecond) // some attempts fail
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	stop = serveStub(t, l)
	defer stop()
	wantLines(t, lines, lostSome)
	if code := w.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
	said := strings.Split(strings.TrimSpace(w.stderr.String()), "\n")
	if len(said) != 2 || !strings.HasSuffix(said[0], "trying again until it is back") || said[1] != "ovsmesh: connected again" {
		t.Errorf("stderr: %q", said)
	}
}

// serveStub serves what TestWatchReconnects needs, until stop.
func serveStub(t *testing.T, l net.Listener) (stop func()) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/topology", func(w http.ResponseWriter, _ *http.Request) { answerFile(t, w, "topology") })
	mux.HandleFunc("GET /v1/events", serveEvents)
	ctx, cancel := context.WithCancel(t.Context())
	s := &http.Server{Handler: mux, BaseContext: func(net.Listener) context.Context { return ctx }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // until stop
	}()
	return func() {
		cancel()
		_ = s.Close()
		<-done
	}
}

// A server that is not there at first is an error at once.
func TestWatchNoServer(t *testing.T) {
	got := command(t, nil, "", "topology", "watch", "--server", "http://127.0.0.1:1")
	if got.code != 1 || !strings.Contains(got.stderr, "refuses connections") {
		t.Errorf("%+v", got)
	}
}

// terminal is a pseudo-terminal and what a user sees on it.
type terminal struct {
	t     *testing.T
	ptmx  *os.File
	tty   *os.File
	mu    sync.Mutex
	bytes bytes.Buffer // all that was written
	done  chan struct{}
}

func openTerminal(t *testing.T, columns, rows int) *terminal {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, ptmx: ptmx, tty: tty, done: make(chan struct{})}
	term.resize(columns, rows)
	go func() {
		defer close(term.done)
		buf := make([]byte, 4096)
		for {
			n, err := ptmx.Read(buf)
			term.mu.Lock()
			term.bytes.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = tty.Close()
		<-term.done // the last end of it is closed, so reading ends
		_ = ptmx.Close()
	})
	return term
}

func (m *terminal) resize(columns, rows int) {
	m.t.Helper()
	if err := unix.IoctlSetWinsize(int(m.ptmx.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *terminal) written() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bytes.String()
}

// shows returns the lines of the last whole drawing.
func (m *terminal) shows() []string {
	text := strings.ReplaceAll(m.written(), "\r\r\n", "\r\n") // the terminal adds one
	end := strings.LastIndex(text, "\x1b[J")
	if end < 0 {
		return nil
	}
	begin := strings.LastIndex(text[:end], "\x1b[H")
	lines := strings.Split(text[begin+len("\x1b[H"):end], "\r\n")
	for i := range lines {
		if !strings.HasSuffix(lines[i], "\x1b[K") || strings.Count(lines[i], "\x1b") != 1 {
			m.t.Errorf("line %q", lines[i])
		}
		lines[i] = strings.TrimSuffix(lines[i], "\x1b[K")
	}
	return lines
}

// until waits for a drawing that f likes.
func (m *terminal) until(what string, f func(lines []string) bool) []string {
	m.t.Helper()
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		lines := m.shows()
		if f(lines) {
			return lines
		}
		if time.Since(begin) > patience {
			m.t.Fatalf("%s: not shown:\n%s", what, strings.Join(lines, "\n"))
		}
	}
}

func has(part string) func([]string) bool {
	return func(lines []string) bool { return strings.Contains(strings.Join(lines, "\n"), part) }
}

func widest(lines []string) int {
	n := 0
	for _, l := range lines {
		n = max(n, len([]rune(l)))
	}
	return n
}

// On a terminal the tables are drawn to its size, anew when that changes, and
// the terminal is as before at the end.
func TestWatchTerminal(t *testing.T) {
	server := startServer(t)
	term := openTerminal(t, 80, 24)
	before, err := unix.IoctlGetTermios(int(term.tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	w := startWatch(t, server, term.tty, term.tty)
	lines := term.until("events", has("network/blue updated"))
	if widest(lines) > 80 || len(lines) != 24 {
		t.Errorf("%d lines, up to %d wide:\n%s", len(lines), widest(lines), strings.Join(lines, "\n"))
	}
	if !strings.HasPrefix(lines[0], server+"  ") || !strings.HasPrefix(lines[3], "TENANT   NETWORK") ||
		lines[1] != "Latest: 03:04:07  network/blue updated" || !slices.ContainsFunc(lines, func(l string) bool { return strings.HasSuffix(l, "…") }) {
		t.Errorf("drawn:\n%s", strings.Join(lines, "\n"))
	}
	if during, err := unix.IoctlGetTermios(int(term.tty.Fd()), unix.TCGETS); err != nil || during.Lflag&unix.ECHO != 0 || during.Lflag&unix.ISIG == 0 {
		t.Errorf("keys: echo %#x, %v", during.Lflag, err)
	}
	for _, size := range [][2]int{{200, 60}, {40, 10}, {120, 50}} {
		term.resize(size[0], size[1])
		if err := w.cmd.Process.Signal(syscall.SIGWINCH); err != nil { // it has no controlling terminal to send it
			t.Fatal(err)
		}
		term.until("resized", func(lines []string) bool {
			return widest(lines) <= size[0] && len(lines) <= size[1] && (widest(lines) > size[0]-20 || size[0] > 160) && (len(lines) == size[1] || size[1] > 40)
		})
	}
	lines = term.until("everything", func(lines []string) bool { return has("Before that:")(lines) && has("Warnings:")(lines) })
	for _, want := range []string{"  live", "03:04:05  xen3 is disconnected: EOF", "03:04:06  blue: tunnel from xen1 to xen3 is down: no <route>", "03:04:07  network/blue updated"} {
		if !has(want)(lines) {
			t.Errorf("%q is not in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	if code := w.end(os.Interrupt); code != 0 || w.stderr.Len() > 0 {
		t.Errorf("exit %d, %s", code, &w.stderr)
	}
	after, err := unix.IoctlGetTermios(int(term.tty.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal was %+v and is %+v, %v", before, after, err)
	}
	all := term.written()
	for begin := time.Now(); !strings.HasSuffix(all, "\x1b[?1049l") && time.Since(begin) < patience; all = term.written() {
		time.Sleep(time.Millisecond) // until all is read
	}
	if !strings.HasPrefix(all, "\x1b[?1049h\x1b[?25l") || !strings.HasSuffix(all, "\x1b[?25h\x1b[?1049l") {
		t.Errorf("begins %q, ends %q", all[:20], all[len(all)-20:])
	}
}

// On a terminal the first line says that the server is away.
func TestWatchTerminalAlone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := serveStub(t, l)
	term := openTerminal(t, 150, 60)
	w := startWatch(t, "http://"+l.Addr().String(), term.tty, term.tty)
	term.until("live", has("  live"))
	stop()
	lines := term.until("away", has("trying again"))
	if !has("xen1,xen3")(lines) {
		t.Errorf("what was known is gone:\n%s", strings.Join(lines, "\n"))
	}
	if code := w.end(os.Interrupt); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestFrame(t *testing.T) {
	f := frame{columns: 30, rows: 6}
	f.clipped("a\x1b[31mb\tc\x00\u0085d")
	f.eachClipped("0123456789012345678901234567890\nshort\n")
	f.eachWrapped("  xen1: it does not work as it should, because of this\n  ok\n")
	f.clipped(strings.Repeat("é", 30))
	want := []string{
		"a[31mbcd", "01234567890123456789012345678…", "short", "  xen1: it does not work as it", "    should, because of this",
		"(2 more lines: a taller termi…",
	}
	if got, _ := f.text(0, ""); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	f.rows = 8
	if got, _ := f.text(0, ""); len(got) != 7 || got[6] != strings.Repeat("é", 30) {
		t.Errorf("got %q", got)
	}
	narrow := frame{columns: 10, rows: 0}
	narrow.eachWrapped("01234567890 1234\n")
	if got, _ := narrow.text(0, ""); len(got) > 0 {
		t.Errorf("no rows: %q", got)
	}
}

func TestEventText(t *testing.T) {
	tests := []struct{ event, want string }{
		{hostGone, "xen3 is disconnected: EOF"},
		{tunnelDown, "blue: tunnel from xen1 to xen3 is down: no <route>"},
		{specChange, "network/blue updated"},
		{`{"kind":"change","items":[{"kind":"networks"},{"kind":"hosts"}],"omitted":5}`, "7 objects of the spec changed"},
		{`{"kind":"member","network":"blue","host":"xen1","state":"joined"}`, "blue: xen1 has joined"},
		{`{"kind":"bridge","host":"xen1","bridge":"xapi1","state":"released"}`, "xen1: bridge xapi1 is released"},
		{`{"kind":"problem","host":"xen1","network":"blue","state":"appeared","error":"no bridge"}`, "xen1 blue: problem appeared: no bridge"},
		{`{"kind":"problem","host":"xen1","bridge":"xapi1","state":"gone","error":"no bridge"}`, "xen1 xapi1: problem gone: no bridge"},
		{`{"kind":"drift","host":"xen1","network":"blue","bridge":"xapi1","state":"repaired","count":1,"error":"1 missing-flow: VMs can send nothing"}`,
			"xen1 blue xapi1: changed by another program, and mended: 1 missing-flow: VMs can send nothing"},
		{`{"kind":"drift","host":"xen1","bridge":"xapi1","state":"left-alone","error":"again"}`, "xen1 xapi1: changed by another program, and left as it is: again"},
		{`{"kind":"drift","host":"xen1","bridge":"xapi1","state":"contested","error":"he insists"}`,
			"xen1 xapi1: changed by another program again and again, and mended less often from now on: he insists"},
		{`{"kind":"drift","host":"xen1","bridge":"xapi1","state":"settled"}`, "xen1 xapi1: no longer changed by another program"},
		{`{"kind":"sync","host":"xen1","state":"in-sync"}`, ""},
		{`{"kind":"reset"}`, "too much happened to tell it all"},
		{`{"kind":"of a later version","error":"x"}`, ""},
	}
	for _, tt := range tests {
		var e api.Event
		if err := json.NewDecoder(io.LimitReader(strings.NewReader(tt.event), 4096)).Decode(&e); err != nil {
			t.Fatal(err)
		}
		e.Time = ""
		if got := eventText(e); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.event, got, tt.want)
		}
	}
}
