package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"ovsmesh/controller/api"
)

// Server is an "ovsmesh serve" in a process of its own, that can be killed and
// started again on the same store and ports.
type Server struct {
	Binary string
	Args   []string // further arguments of serve
	Env    []string // further environment
	Client *api.Client

	dir      string // data directory and log
	address  string // where hosts dial in
	ovsdb    int    // ports
	openflow int
	api      string
	http     *http.Client

	cmd   *exec.Cmd     // nil before the first start
	ended chan struct{} // closed when the process is gone; then err is set
	err   error
	runs  int // how often it was started
}

const (
	readyLimit = 30 * time.Second // for a server to listen; one with the race detector on a busy machine
	stopLimit  = 5 * time.Second  // what is promised after SIGTERM

	requestLimit = 30 * time.Second // for any answer of a server
)

// NewServer makes a server of that name beside others of the mesh, with a store
// and ports of its own. It is not started; Close kills it.
func (m *Mesh) NewServer(name, binary string) *Server {
	n := len(m.servers)
	s := &Server{
		Binary: binary,
		// The heap stays near what lives, so that what leaks shows.
		Env: []string{"GOGC=100"},
		dir: filepath.Join(m.Dir(), "server-"+name), address: m.Controller.String(), ovsdb: 6640 + 100*n, openflow: 6653 + 100*n,
		// All of 127.0.0.0/8 is ours: no other bed has this one.
		api: fmt.Sprintf("127.%d.%d.1:8640", 100+n, m.Number),
	}
	// A connection that is kept breaks with the server, and a request on it.
	s.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: requestLimit}
	s.Client = &api.Client{BaseURL: "http://" + s.api, HTTP: s.http}
	m.servers = append(m.servers, s)
	return s
}

// Manager is what hosts are to dial, ovs-vsctl(8) set-manager.
func (s *Server) Manager() string { return fmt.Sprintf("tcp:%s:%d", s.address, s.ovsdb) }

// DataDir is the directory of its store.
func (s *Server) DataDir() string { return filepath.Join(s.dir, "data") }

// Runs is how often the server was started.
func (s *Server) Runs() int { return s.runs }

// Start starts the server and returns when hosts may dial in.
func (s *Server) Start(ctx context.Context) error {
	if err := s.Launch(); err != nil {
		return err
	}
	return s.Ready(ctx)
}

// Launch starts the server's process and waits for nothing.
func (s *Server) Launch() error {
	if s.Running() {
		return errors.New("ovsmesh serve runs already")
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"serve", "--data-dir", s.DataDir(), "--api", s.api,
		"--ovsdb", fmt.Sprintf("ptcp:%d:%s", s.ovsdb, s.address), "--openflow", fmt.Sprintf("ptcp:%d:%s", s.openflow, s.address)}
	s.cmd = exec.Command(s.Binary, append(args, s.Args...)...)
	s.cmd.Env = append(os.Environ(), s.Env...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	s.ended, s.err = make(chan struct{}), nil
	started := make(chan error)
	go func() {
		// The kernel takes the end of this thread for that of the parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.err = s.cmd.Wait()
		}
		close(s.ended)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start ovsmesh serve: %w", err)
	}
	s.runs++
	return nil
}

// Ready waits until hosts may dial in.
func (s *Server) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	return Until(ctx, func(ctx context.Context) error {
		if !s.Running() {
			cancel()
			return fmt.Errorf("ovsmesh serve ended: %w: %s", s.err, s.tail())
		}
		if _, err := s.get(ctx, "/readyz"); err != nil {
			return fmt.Errorf("ovsmesh serve is not ready: %w", err)
		}
		return nil
	})
}

// Running reports whether the process is there, paused or not.
func (s *Server) Running() bool {
	if s.ended == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// PID is the number of the process, 0 where none is there.
func (s *Server) PID() int {
	if !s.Running() {
		return 0
	}
	return s.cmd.Process.Pid
}

// Kill sends SIGKILL and waits for the end. A server that does not run is no
// error.
func (s *Server) Kill() error {
	if !s.Running() {
		return nil
	}
	if err := s.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-s.ended
	return nil
}

// Stop sends SIGTERM and waits for the end, which must come in good order and
// within 5 s; else the server is killed and that is an error.
func (s *Server) Stop() error {
	if !s.Running() {
		return nil
	}
	if err := s.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.ended:
		if s.err != nil {
			return fmt.Errorf("ovsmesh serve after SIGTERM: %w: %s", s.err, s.tail())
		}
		return nil
	case <-time.After(stopLimit):
		return errors.Join(fmt.Errorf("ovsmesh serve did not stop within %v of SIGTERM", stopLimit), s.Kill())
	}
}

// Pause stops the process where it is (SIGSTOP): its connections stay open and
// nobody answers.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	if s.cmd == nil {
		return errors.New("ovsmesh serve was not started")
	}
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %v to ovsmesh serve: %w", sig, err)
	}
	return nil
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "ovsmesh.log") }

// Log returns what the server has written, over all its runs.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// tail returns the end of the log.
func (s *Server) tail() string {
	const most = 4 << 10
	text := s.Log()
	return text[max(0, len(text)-most):]
}

// broken reports what in the log no server may ever write: a data race or a
// panic.
func (s *Server) broken() error {
	text := s.Log()
	for _, sign := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if i := strings.Index(text, sign); i >= 0 {
			return fmt.Errorf("ovsmesh serve: %s", text[i:min(len(text), i+4<<10)])
		}
	}
	return nil
}
