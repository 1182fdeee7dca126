package ofctl

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/digitalocean/go-openvswitch/ovs"
)

// ErrNoTools says that ovs-vsctl is not there.
var ErrNoTools = errors.New("not found: this command runs on a hypervisor, with Open vSwitch installed")

// ErrNoDatabase says that ovsdb-server does not answer.
var ErrNoDatabase = errors.New("the database of Open vSwitch does not answer: is its service (openvswitch-switch, openvswitch) running, and are you root?")

// commandTimeout is what ovs-vsctl and ovs-ofctl give a command, in seconds.
const commandTimeout = 10

// Host is the Open vSwitch of this machine.
type Host struct {
	runDir string // "": where the tools look by themselves
}

// NewHost returns the Open vSwitch whose sockets are in runDir, as OVS_RUNDIR;
// "" is where ovs-vsctl looks by itself.
func NewHost(runDir string) *Host { return &Host{runDir: runDir} }

// RunDir is the directory of the sockets.
func (h *Host) RunDir() string {
	if h.runDir != "" {
		return h.runDir
	}
	if dir := os.Getenv("OVS_RUNDIR"); dir != "" {
		return dir
	}
	return "/var/run/openvswitch"
}

// Bridges returns the names of all bridges.
func (h *Host) Bridges(ctx context.Context) ([]string, error) {
	var failed error // of the tool: the library's error does not unwrap
	names, err := h.client(ctx, &failed).VSwitch.ListBridges()
	if err := cmp.Or(failed, err); err != nil {
		return nil, fmt.Errorf("list bridges: %w", err)
	}
	if len(names) == 1 && names[0] == "" {
		return nil, nil // the library's reading of no output
	}
	return names, nil
}

// client is the library's view of the host, for one context. What a tool fails
// with is put into failed.
func (h *Host) client(ctx context.Context, failed *error) *ovs.Client {
	return ovs.New(
		ovs.Timeout(commandTimeout),
		ovs.Exec(func(cmd string, args ...string) (out []byte, err error) {
			out, *failed = h.run(ctx, nil, cmd, args...)
			return out, *failed
		}),
	)
}

// vsctl runs ovs-vsctl without waiting for ovs-vswitchd, which what is done
// here does not concern.
func (h *Host) vsctl(ctx context.Context, args ...string) (string, error) {
	out, err := h.run(ctx, nil, "ovs-vsctl", append([]string{fmt.Sprintf("--timeout=%d", commandTimeout), "--no-wait"}, args...)...)
	return strings.TrimSpace(string(out)), err
}

// run runs one of the tools on this host's sockets and returns what it printed.
func (h *Host) run(ctx context.Context, stdin io.Reader, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = stdin
	cmd.Env = os.Environ()
	if h.runDir != "" {
		cmd.Env = append(cmd.Env, "OVS_RUNDIR="+h.runDir)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%s: %w", name, ErrNoTools)
	case strings.Contains(stderr.String(), "database connection failed"):
		return nil, ErrNoDatabase
	}
	return nil, fmt.Errorf("%s: %s", name, lastLine(stderr.String(), err))
}

// lastLine is what a tool says of its failure: the lines before are its log.
func lastLine(stderr string, err error) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return strings.TrimPrefix(last, "ovs-vsctl: ")
	}
	return err.Error()
}
