package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asCommand makes the test binary behave as the command itself, so that exit
// codes are those of a process.
const asCommand = "OVSTUNNEL_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command is the command as a process of its own, not yet started.
func (s setup) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	// The race detector would have each process sleep for a second at its end.
	cmd.Env = append(os.Environ(), asCommand+"=1", "GORACE=atexit_sleep_ms=0")
	for k, v := range s.environment(t) {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// exitCode waits for a command to end.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func TestHelp(t *testing.T) {
	tests := []struct {
		args           []string
		stdout, stderr string // begin so
		code           int
	}{
		{nil, "", "ovstunnel stands in for", 1},
		{[]string{"--help"}, "ovstunnel stands in for", "", 0},
		{[]string{"-h"}, "ovstunnel stands in for", "", 0},
		{[]string{"create_tunnel", "--help"}, "ovstunnel stands in for", "", 0},
		{[]string{"--version"}, "ovstunnel unknown\n", "", 0},
		{[]string{""}, "", "ovstunnel: unknown function", 1},
		{[]string{"--hepl"}, "", "ovstunnel: unknown option --hepl (did you mean --help?)", 1},
		{[]string{"--strict", "destroy_tunnel"}, "", "ovstunnel: destroy_tunnel: it needs --bridge and --iface_name (see ovstunnel --help)", 1},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		cmd := setup{}.command(t, tt.args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		start(t, cmd)
		if code := exitCode(t, cmd); code != tt.code || !strings.HasPrefix(stdout.String(), tt.stdout) || !strings.HasPrefix(stderr.String(), tt.stderr) ||
			tt.stdout == "" && stdout.Len() > 0 || tt.stderr == "" && stderr.Len() > 0 {
			t.Errorf("%q: exit code %d, %q, %q", tt.args, code, stdout.String(), stderr.String())
		}
	}
	for _, f := range functions() {
		if f.onKVM() && !strings.Contains(help, "  ovstunnel "+f.name+" --bridge") {
			t.Errorf("--help lacks %s", f.name)
		}
	}
	for line := range strings.Lines(help) {
		if len([]rune(line)) > 84 {
			t.Errorf("--help has a line that no terminal holds: %s", line)
		}
	}
}

// A process that CloudStack's agent runs has both outputs in one pipe.
func TestProcessAsAgentRuns(t *testing.T) {
	s := setup{server: willing(t)}
	for function, want := range map[string]string{createTunnel: "SUCCESS:t103-1-2\n", configureTopology: "SUCCESS\n"} {
		var out bytes.Buffer
		cmd := s.command(t, kvmCalls()[function]...)
		cmd.Stdout, cmd.Stderr = &out, &out
		start(t, cmd)
		if code := exitCode(t, cmd); code != 1 || out.String() != want {
			t.Errorf("%s: exit code %d, %q", function, code, out.String())
		}
	}
}

// The agent reads the outputs only when the process has ended: what a pipe does
// not hold would keep it from ending, and a timeout is success to the agent.
func TestAgentReadsLate(t *testing.T) {
	long := strings.Repeat("no. ", 50_000)
	arguments := append(kvmCalls()[createTunnel], "--bridge", long[:100_000], "--"+long[:20_000])
	for _, call := range []struct {
		server string
		args   []string
		code   int
	}{
		{refusing(t, 409, long), kvmCalls()[createTunnel], 0},
		{refusing(t, 409, long), kvmCalls()[setupBridge], 1},
		{willing(t), arguments, 0},
		{refusing(t, 409, long), []string{xapiCalls()[createTunnel]}, 0},
		{willing(t), []string{methodCallOf(long[:100_000])}, 0},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := setup{server: call.server}.command(t, call.args...)
		cmd.Stdout, cmd.Stderr = w, w
		start(t, cmd)
		w.Close()
		late := time.AfterFunc(20*time.Second, func() { r.Close() }) // lets it end
		code := exitCode(t, cmd)
		if !late.Stop() {
			t.Errorf("%.40q: it waited for a reader", call.args)
		}
		if code != call.code {
			t.Errorf("%.40q: exit code %d, want %d", call.args, code, call.code)
		}
		r.Close()
	}
}

// A signal ends a call at once, with a failure in the caller's form.
func TestSignals(t *testing.T) {
	asked := make(chan struct{}, 1)
	silent := func() setup { // serves one call
		return setup{server: hostile(t, func(_ net.Conn, over <-chan struct{}) {
			asked <- struct{}{}
			<-over
		})}
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		var stdout, stderr bytes.Buffer
		cmd := silent().command(t, kvmCalls()[createTunnel]...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		start(t, cmd)
		<-asked
		sent := time.Now()
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		code := exitCode(t, cmd)
		if code != 0 || stdout.Len() > 0 || stderr.String() != "ovstunnel: create_tunnel: ended by a signal before the controller answered\n" {
			t.Errorf("%v: exit code %d, %q, %q", sig, code, stdout.String(), stderr.String())
		}
		if took := time.Since(sent); took > 10*time.Second {
			t.Errorf("%v: took %v", sig, took)
		}
	}
	var stdout bytes.Buffer
	cmd := silent().command(t, xapiCalls()[createTunnel])
	cmd.Stdout = &stdout
	start(t, cmd)
	<-asked
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code := exitCode(t, cmd)
	if a := readAnswer(t, ran{stdout: stdout.String()}); code != 0 || len(a.description) != 4 || a.description[2] != interruptedError {
		t.Errorf("exit code %d, %q", code, stdout.String())
	}
}

// Nobody reading changes no exit code of the agent's form.
func TestNobodyReads(t *testing.T) {
	s := setup{server: refusing(t, 409, "no")}
	for function, want := range map[string]int{createTunnel: 0, setupBridge: 1} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd := s.command(t, kvmCalls()[function]...)
		cmd.Stdout, cmd.Stderr = w, w
		start(t, cmd)
		w.Close()
		if code := exitCode(t, cmd); code != want {
			t.Errorf("%s: exit code %d, want %d", function, code, want)
		}
	}
}

// A run ends even where reading a file never does: here a fifo that nobody
// writes.
func TestHangingFile(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() { // for the reader, which outlives the run, to end with the test
		f, err := os.OpenFile(fifo, os.O_RDWR, 0)
		if err == nil {
			time.Sleep(time.Second)
			err = f.Close()
		}
		opened <- err
	}()
	var stdout, stderr bytes.Buffer
	p := program{kvmCalls()[createTunnel], func(k string) (string, bool) { return fifo, k == envConfigFile }, &stdout, &stderr, 500 * time.Millisecond}
	started := time.Now()
	code := p.run(t.Context())
	if took := time.Since(started); code != 0 || stdout.Len() > 0 || took > 10*time.Second ||
		stderr.String() != "ovstunnel: create_tunnel: not done within 500ms, and what it waited for can't be told\n" {
		t.Errorf("exit code %d, %q, %q, %v", code, stdout.String(), stderr.String(), took)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// An error of our own is a failure, too: the exit code of a crash would be
// success to the agent.
func TestCrash(t *testing.T) {
	for _, args := range [][]string{kvmCalls()[createTunnel], {xapiCalls()[createTunnel]}} {
		var stdout, stderr bytes.Buffer
		p := program{args, func(string) (string, bool) { panic("out of luck") }, &stdout, &stderr, wholeLimit}
		code := p.run(t.Context())
		if !strings.Contains(stdout.String()+stderr.String(), "out of luck: this is an error of ovstunnel itself") || code != 0 {
			t.Errorf("exit code %d, %q, %q", code, stdout.String(), stderr.String())
		}
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// An answer that XenServer's toolstack does not get is a crash to it.
func TestAnswerCantBeWritten(t *testing.T) {
	s := setup{server: willing(t)}
	env := s.environment(t)
	p := program{[]string{xapiCalls()[createTunnel]}, func(k string) (string, bool) { v, ok := env[k]; return v, ok }, closed{}, io.Discard, wholeLimit}
	if code := p.run(t.Context()); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// Each call is one line in the log, also where many come at once.
func TestLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "ovstunnel.log")
	s := setup{server: willing(t), config: "logFile: " + log}
	var all sync.WaitGroup
	for range 5 {
		for _, args := range kvmCalls() {
			all.Go(func() { s.run(t, args...) })
		}
		for _, text := range xapiCalls() {
			all.Go(func() { s.run(t, text) })
		}
	}
	all.Wait()
	setup{server: refusing(t, 409, "no\nsuch thing"), config: "logFile: " + log}.run(t, kvmCalls()[setupBridge]...)
	setup{config: "logFile: " + log}.run(t, "<x>")
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	stamp := `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - `
	wants := map[string]int{
		stamp + `create_tunnel bridge=xapi1 remote_ip=192\.0\.2\.2 key=103 from=1 to=2 cloudstack-network-id=\S+: answered SUCCESS:t103-1-2 \(\d+\.\d{3} s\)$`: 5,
		stamp + `configure_ovs_bridge_for_network_topology bridge=OVS-DR-VPC-Bridge5 config=\(29 bytes\): answered SUCCESS: Ignoring`:                          5,
		stamp + `setup_ovs_bridge bridge=OVSTunnel103 key=OVSTunnel103 cs_host_id=1: failed: ControllerError: no such thing \(\d+\.\d{3} s\)$`:                 1,
		stamp + `a call that can't be read: failed: ArgumentError: not a methodCall: `:                                                                         1,
	}
	for want, times := range wants {
		if got := len(regexp.MustCompile("(?m)"+want).FindAll(b, -1)); got != times {
			t.Errorf("%d lines %s, want %d", got, want, times)
		}
	}
	if got := bytes.Count(b, []byte("\n")); got != 5*14+2 {
		t.Errorf("%d lines:\n%s", got, b)
	}
	if bytes.Contains(b, []byte("5e55-10n")) {
		t.Error("the toolstack's session is in the log")
	}
}

// No call fails because of its log, and only --strict tells of it.
func TestLogCantBeWritten(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{fifo, "/nonexistent/log", t.TempDir(), "/dev/full"} {
		s := setup{server: willing(t), config: "logFile: " + file}
		if r := s.run(t, kvmCalls()[createTunnel]...); r.code != 1 || r.stdout != "SUCCESS:t103-1-2\n" || r.stderr != "" {
			t.Errorf("%s: %+v", file, r)
		}
		if r := s.run(t, xapiCalls()[createTunnel]); readAnswer(t, r).value != "SUCCESS:t103-1-2" || r.code != 0 || r.stderr != "" {
			t.Errorf("%s: %+v", file, r)
		}
		r := s.run(t, append(kvmCalls()[createTunnel], "--strict")...)
		if r.code != 0 || r.stdout != "SUCCESS:t103-1-2\n" || !strings.HasPrefix(r.stderr, "ovstunnel: the log: ") {
			t.Errorf("%s --strict: %+v", file, r)
		}
	}
}

// A line of the log is bounded.
func TestLogLineBounded(t *testing.T) {
	o := outcome{call: call{createTunnel, map[string]string{"bridge": strings.Repeat("x", 100_000)}}, value: "SUCCESS"}
	if got := line(defaultConfig(), o, time.Time{}, time.Time{}); len(got) > maxText+100 {
		t.Errorf("%d bytes", len(got))
	}
}
