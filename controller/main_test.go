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
	"ovsmesh/controller/store"
)

// A test that kills its controller needs it in a process of its own: this test
// binary, started again with these in its environment.
const (
	envServeDir = "OVSMESH_TEST_SERVE_DIR"
	envServeDB  = "OVSMESH_TEST_SERVE_OVSDB"
	envServeOF  = "OVSMESH_TEST_SERVE_OPENFLOW"
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
	fmt.Println("serving")
	return ctl.Run(context.Background())
}

// startProcess starts a controller in a process of its own, on the store and
// the ports of the one before. The caller kills it.
func (m *mesh) startProcess() *os.Process {
	m.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envServeDir+"="+m.dir, envServeDB+"="+m.ctl.ovsdb, envServeOF+"="+m.ctl.openflow)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	m.check(err)
	m.check(cmd.Start())
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have been killed already
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "serving") {
		m.t.Fatalf("controller process: %q, %v", line, err)
	}
	return cmd.Process
}
