package cloudstacktest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// server is an "ovsmesh serve" that hosts dial in to, and that the program on
// them asks with a token of their own.
type server struct {
	*api.Client
	t   *testing.T
	bed *ovstest.Bed
	dir string

	cmd   *exec.Cmd
	ended chan error
	log   syncBuffer
}

const adminToken = "the-operators-own-token"

// hostToken is a host's own token.
func hostToken(host string) string { return "the-own-token-of-" + host }

func startServer(t *testing.T, bed *ovstest.Bed) *server {
	t.Helper()
	s := &server{t: t, bed: bed, dir: t.TempDir()}
	var tokens strings.Builder
	for _, h := range bed.Hosts() {
		fmt.Fprintf(&tokens, "%s %s\n", h.Name, hostToken(h.Name))
	}
	for name, text := range map[string]string{
		"token": adminToken, "hosts": tokens.String(),
		"ovsmesh.yaml": fmt.Sprintf("ovsdb: {listen: ['ptcp:6640:%[1]s']}\nopenflow: {listen: ['ptcp:6653:%[1]s']}\n"+
			"api: {listen: '%[1]s:8640', tokenFile: %[2]s/token, hostTokensFile: %[2]s/hosts}\nstore: {dir: %[2]s/data}\n", bed.Controller, s.dir),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A connection that is kept breaks with the server, and a request on it.
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	s.Client = &api.Client{BaseURL: s.url(), Token: adminToken, HTTP: web}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("=== ovsmesh serve\n%s", s.log.String())
		}
	})
	s.start()
	return s
}

func (s *server) url() string { return fmt.Sprintf("http://%s:8640", s.bed.Controller) }

// start starts the server and waits until hosts may dial in.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(ovsmesh, "serve", "--config", filepath.Join(s.dir, "ovsmesh.yaml"))
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.ended = make(chan error, 1)
	started := make(chan error)
	go func() {
		// The kernel takes the end of this thread for that of the parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.ended <- s.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "ovsmesh serve is ready", func() error {
		r, err := s.HTTP.Get(s.url() + "/readyz")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", r.Status)
		}
		return nil
	})
}

// stop ends the server in good order, if it runs.
func (s *server) stop() {
	s.t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Error(err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("ovsmesh serve: %v", err)
		}
	case <-time.After(30 * time.Second):
		s.t.Error("ovsmesh serve does not stop")
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	s.cmd = nil
}

// pause stops the server where it stands: it takes connections and answers
// nothing.
func (s *server) pause(is bool) {
	s.t.Helper()
	sig := syscall.SIGCONT
	if is {
		sig = syscall.SIGSTOP
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// connected waits until exactly these hosts are.
func (s *server) connected(ctx context.Context, hosts ...string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("connected are %v", hosts), func() error {
		top, err := s.Topology(ctx, api.TopologyFilter{})
		if err != nil {
			return err
		}
		var are []string
		for _, h := range top.Hosts {
			if h.Connected {
				are = append(are, h.Name)
			}
		}
		if strings.Join(are, " ") != strings.Join(hosts, " ") {
			return fmt.Errorf("connected are %v", are)
		}
		return nil
	})
}

// clean waits until an audit finds nothing.
func (s *server) clean(ctx context.Context) {
	s.t.Helper()
	eventually(s.t, "a clean audit", func() error {
		rep, err := s.Audit(ctx, api.AuditRequest{})
		if err != nil {
			return err
		}
		if !rep.Clean || !rep.Complete {
			return fmt.Errorf("%+v", rep)
		}
		return nil
	})
}

// eventually waits until f is content, up to 30 s.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	const limit = 30 * time.Second
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// syncBuffer is a bytes.Buffer that a process may write to while it is read.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
