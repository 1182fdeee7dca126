package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	defaultAPI = "127.0.0.1:8640"
	startWait  = 15 * time.Second
	stopWait   = 10 * time.Second
)

// server is an ovsmesh serve that the demo started.
type server struct {
	cmd     *exec.Cmd
	address string // where hosts dial in
	api     string // host:port
	log     string
	ended   chan struct{} // closed when the process is gone; then err is set
	err     error
}

// startServer starts the controller on the bed's address, so that it disturbs
// no other on this machine, and returns when it is ready.
func (d *demo) startServer(ctx context.Context) error {
	api, err := freeAPI()
	if err != nil {
		return err
	}
	s := &server{
		address: d.bed.Controller.String(), api: api,
		log: filepath.Join(d.dir, "ovsmesh.log"), ended: make(chan struct{}),
	}
	args := []string{"serve", "--data-dir", filepath.Join(d.dir, "data"), "--api", api,
		"--ovsdb", "ptcp:6640:" + s.address, "--openflow", "ptcp:6653:" + s.address}
	fmt.Fprintf(d.out, "$ %s %s\n", d.binary, strings.Join(args, " "))
	log, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(d.binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	// A Ctrl-C is for us: we stop it in good order, and it ends with us.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	d.server = s
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	return s.waitReady(ctx)
}

// freeAPI is the default address of the API, or another one where that is used.
func freeAPI() (string, error) {
	l, err := net.Listen("tcp", defaultAPI)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	return l.Addr().String(), l.Close()
}

func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for {
		if s.ready(ctx) {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("it ended at once: %w", errors.Join(s.err, errors.New("see its log")))
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *server) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url()+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (s *server) url() string     { return "http://" + s.api }
func (s *server) manager() string { return "tcp:" + s.address + ":6640" }

// environment is what ovsmesh's other commands need to find this server; "" for
// nothing.
func (s *server) environment() string {
	if s.api == defaultAPI {
		return ""
	}
	return "OVSMESH_SERVER=" + s.url()
}

// stop ends the server in good order and waits for it.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
		if s.err != nil {
			return fmt.Errorf("ovsmesh serve: %w", s.err)
		}
		return nil
	case <-time.After(stopWait):
		err := s.cmd.Process.Kill()
		<-s.ended
		return errors.Join(fmt.Errorf("ovsmesh serve did not stop within %v of SIGTERM", stopWait), err)
	}
}

// tail returns the end of the server's log.
func (s *server) tail() string {
	const most = 4 << 10
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// command prepares an ovsmesh command that talks to the demo's server.
func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.binary, args...)
	cmd.Env = append(os.Environ(), "OVSMESH_SERVER="+d.server.url())
	return cmd
}

// show runs an ovsmesh command before the audience.
func (d *demo) show(ctx context.Context, args ...string) error {
	fmt.Fprintf(d.out, "$ %s %s\n", d.binary, strings.Join(args, " "))
	cmd := d.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = d.out, d.out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ovsmesh %s: %w", args[0], err)
	}
	return nil
}

// query runs an ovsmesh command for its output alone.
func (d *demo) query(ctx context.Context, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := d.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("ovsmesh %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
