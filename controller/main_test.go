package controller_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
)

// A test that kills its controller needs it in a process of its own: this test
// binary, started again with these in its environment.
const (
	envServeDir = "OVSMESH_TEST_SERVE_DIR"
	envServeDB  = "OVSMESH_TEST_SERVE_OVSDB"
	envServeOF  = "OVSMESH_TEST_SERVE_OPENFLOW"
	envServeAPI = "OVSMESH_TEST_SERVE_API" // may be left out
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envServeDir); dir != "" {
		if err := serveAlone(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(envRivalDir); dir != "" {
		if err := serveRival(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func serveAlone(dir string) error {
	st, err := store.Open(dir)
	if err != nil {
		return err
	}
	db, err := net.Listen("tcp", os.Getenv(envServeDB))
	if err != nil {
		return err
	}
	of, err := net.Listen("tcp", os.Getenv(envServeOF))
	if err != nil {
		return err
	}
	ctl, err := controller.New(controller.Config{
		Log: zap.NewNop(), Store: st, OVSDB: []net.Listener{db}, OpenFlow: []net.Listener{of}, AutoRegister: true,
	})
	if err != nil {
		return err
	}
	if addr := os.Getenv(envServeAPI); addr != "" {
		web, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		go func() { _ = api.NewServer(ctl, "", zap.NewNop()).Run(context.Background(), web) }() // until the process is killed
	}
	fmt.Println("serving")
	return ctl.Run(context.Background())
}

// startProcess starts a controller in a process of its own, on the store and
// the ports of the one before. The caller kills it.
func (m *mesh) startProcess() *os.Process {
	m.t.Helper()
	return startAlone(m.t, m.dir, m.ctl.ovsdb, m.ctl.openflow, "")
}

// startAlone starts a controller in a process of its own, with its API where web
// is not empty. The caller kills it.
func startAlone(t *testing.T, dir, ovsdb, openflow, web string) *os.Process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envServeDir+"="+dir, envServeDB+"="+ovsdb, envServeOF+"="+openflow, envServeAPI+"="+web)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have been killed already
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "serving") {
		t.Fatalf("controller process: %q, %v", line, err)
	}
	return cmd.Process
}
