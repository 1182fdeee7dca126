package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// asCommand makes the test binary behave as the command itself, so that exit
// codes are those of a process.
const asCommand = "OVSMESH_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// ran is what a command did.
type ran struct {
	stdout, stderr string
	code           int
}

// command runs the command as a process of its own.
func command(t *testing.T, env []string, stdin string, args ...string) ran {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	// The race detector would have each process sleep for a second at its end.
	cmd.Env = append(append(os.Environ(), asCommand+"=1", "GORACE=atexit_sleep_ms=0"), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ran{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// TestGolden holds each command's output and exit code to a file.
func TestGolden(t *testing.T) {
	server := startServer(t)
	tests := []struct {
		name  string
		args  string
		stdin string
	}{
		{"topology", "topology", ""},
		{"topology-wide", "topology -o wide", ""},
		{"topology-json", "topology -o json", ""},
		{"topology-down", "topology --down", ""},
		{"topology-network", "topology --network red", ""},
		{"topology-limit", "topology --limit 2", ""},
		{"topology-limit-negative", "topology --limit -1", ""},
		{"topology-tenant-unknown", "topology --tenant nosuch", ""},
		{"tunnels-limit", "topology tunnels --limit 3 --tenant globex", ""},
		{"tunnels-limit-json", "topology tunnels --limit 1 -o json", ""},
		{"tunnels-counters", "topology tunnels --counters", ""},
		{"tunnels-counters-wide", "topology tunnels --counters -o wide --network blue", ""},
		{"matrix", "topology matrix --network red", ""},
		{"matrix-json", "topology matrix --network red -o json", ""},
		{"matrix-yaml", "topology matrix --network blue -o yaml", ""},
		{"matrix-host", "topology matrix --network red --host xen1", ""},
		{"matrix-down", "topology matrix --network red --down", ""},
		{"matrix-all-up", "topology matrix --network blue --down", ""},
		{"matrix-which", "topology matrix", ""},
		{"matrix-no-members", "topology matrix --network empty", ""},
		{"matrix-wrong-tenant", "topology matrix --network blue --tenant globex", ""},
		{"matrix-wrong-host", "topology matrix --network blue --host kvm1", ""},
		{"graph-dot", "topology graph --network red", ""},
		{"graph-mermaid", "topology graph --format mermaid", ""},
		{"graph-svg", "topology graph --format svg --tenant acme", ""},
		{"graph-down", "topology graph --down", ""},
		{"graph-host", "topology graph --host sw9", ""},
		{"graph-bad-format", "topology graph --format sgv", ""},
		{"graph-output-json", "topology graph -o json", ""},
		{"graph-no-directory", "topology graph --output testdata/nosuch/x.svg", ""},
		{"complete-graph-format", "__complete topology graph --format ", ""},
		{"complete-matrix-network", "__complete topology matrix --network b", ""},
		{"tunnels-all-up", "topology tunnels --down --network blue", ""},
		{"tunnels", "topology tunnels", ""},
		{"tunnels-wide", "topology tunnels -o wide --network blue", ""},
		{"tunnels-down", "topology tunnels --down", ""},
		{"tunnels-down-yaml", "topology tunnels --down -o yaml", ""},
		{"get-networks", "get networks", ""},
		{"get-net-wide", "get net -o wide", ""},
		{"get-hosts", "get hosts", ""},
		{"get-host-wide", "get host -o wide", ""},
		{"get-hosts-yaml", "get hosts -o yaml", ""},
		{"get-ports", "get ports", ""},
		{"get-port-wide", "get port -o wide", ""},
		{"get-ports-json", "get ports -o json", ""},
		{"get-keypools", "get keypools", ""},
		{"get-not-found", "get host nosuch", ""},
		{"get-unknown-kind", "get netwroks", ""},
		{"get-bad-output", "get hosts -o xml", ""},
		{"audit", "audit", ""},
		{"audit-json", "audit -o json", ""},
		{"audit-clean", "audit --network clean", ""},
		{"audit-incomplete", "audit --host kvm1", ""},
		{"export", "export", ""},
		{"export-json", "export -o json", ""},
		{"export-table", "export -o table", ""},
		{"export-inventory", "export --inventory", ""},
		{"apply", "apply -f testdata/specs --wait=5s", ""},
		{"apply-dry-run", "apply -f testdata/specs/hosts.json -f testdata/specs/blue.yaml --dry-run", ""},
		{"apply-json", "apply -f - -o json", "networks: []"},
		{"apply-refused", "apply -f -", "refuse this"},
		{"apply-nothing", "apply", ""},
		{"apply-no-file", "apply -f testdata/nosuch.yaml", ""},
		{"apply-empty-dir", "apply -f testdata", ""},
		{"apply-no-flag", "apply blue.yaml", ""},
		{"apply-wait-apart", "apply -f - --wait 5s", "networks: []"},
		{"apply-wait-negative", "apply -f - --wait=-5s", "networks: []"},
		{"apply-blank", "apply -f - --prune", "# nothing\n"},
		{"get-no-kind", "get", ""},
		{"get-two", "get hosts xen1 xen3", ""},
		{"delete-no-name", "delete net", ""},
		{"delete-wait-apart", "delete net blue --wait 5s", ""},
		{"complete-tenant", "__complete topology --tenant a", ""},
		{"delete", "delete net blue", ""},
		{"delete-wait", "delete network blue --wait=1s", ""},
		{"delete-conflict", "delete network busy", ""},
		{"serve-beyond-loopback", "serve --api 0.0.0.0:8640", ""},
		{"serve-wrong-file", "serve --config testdata/config/wrong.yaml", ""},
		{"unknown-command", "topolgy", ""},
		{"unknown-flag", "audit --netwrok blue", ""},
		{"complete-kind", "__complete get h", ""},
		{"complete-name", "__complete get network b", ""},
		{"complete-watch", "__complete topology w", ""},
		{"complete-watch-network", "__complete topology watch --network r", ""},
		{"complete-flag", "__complete audit --host x", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := command(t, []string{"OVSMESH_SERVER=" + server}, tt.stdin, strings.Fields(tt.args)...)
			text := fmt.Sprintf("$ ovsmesh %s\n%s", tt.args, got.stdout)
			if got.stderr != "" {
				text += "--- stderr\n" + got.stderr
			}
			text += fmt.Sprintf("--- exit %d\n", got.code)
			golden(t, tt.name, text)
		})
	}
}

// golden compares text with a file of testdata/golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update writes it anew):\n--- got\n%s--- want\n%s", path, got, want)
	}
}

func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"topology", "audit", "get hosts", "export", "delete net blue", "apply -f testdata/specs"} {
		got := command(t, nil, "", append(strings.Fields(args), "--server", server)...)
		want := "ovsmesh: " + server + " refuses connections: is ovsmesh serve running there? name another server with --server or OVSMESH_SERVER\n"
		if got != (ran{"", want, 1}) {
			t.Errorf("%s: %+v", args, got)
		}
	}
	// The client's version does not depend on a server.
	if got := command(t, nil, "", "version", "--server", server); got.code != 0 || !strings.HasPrefix(got.stdout, "client: ") || !strings.Contains(got.stderr, "refuses connections") {
		t.Errorf("version: %+v", got)
	}
}

func TestHelpTeaches(t *testing.T) {
	for _, args := range []string{"--help", "apply --help", "get --help", "delete --help", "export --help", "topology --help",
		"topology tunnels --help", "topology matrix --help", "topology graph --help", "topology watch --help", "audit --help", "plan --help", "host join --help", "host leave --help"} {
		got := command(t, nil, "", strings.Fields(args)...)
		if got.code != 0 || !strings.Contains(got.stdout, "Examples:\n  ovsmesh ") || got.stderr != "" {
			t.Errorf("%s: exit %d, no examples in:\n%s%s", args, got.code, got.stdout, got.stderr)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := command(t, nil, "", "completion", shell); got.code != 0 || len(got.stdout) < 1000 {
			t.Errorf("completion %s: exit %d, %d bytes", shell, got.code, len(got.stdout))
		}
	}
}
