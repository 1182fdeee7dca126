package ovstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// netnsDir is where ip-netns(8) keeps its named namespaces.
const netnsDir = "/run/netns"

// inNS runs fn on a thread that is in the named network namespace; "" is the
// namespace of this process. Sockets made and children started by fn itself,
// not by goroutines of fn, belong to that namespace.
func inNS(ns string, fn func() error) error {
	if ns == "" {
		return fn()
	}
	done := make(chan error, 1)
	go func() {
		// The thread is not unlocked where it could not be brought back: it
		// then ends with this goroutine, and no other code ever runs on it.
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		target, err := os.Open(filepath.Join(netnsDir, ns))
		if err != nil {
			done <- fmt.Errorf("network namespace %s: %w", ns, err)
			runtime.UnlockOSThread()
			return
		}
		defer target.Close()
		if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace %s: %w", ns, err)
			runtime.UnlockOSThread()
			return
		}
		err = fn()
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// startIn starts cmd in the named network namespace.
func startIn(ns string, cmd *exec.Cmd) error {
	return inNS(ns, cmd.Start)
}

// runIn runs a program in the named network namespace and returns what it
// wrote to stdout, without the last newline. An error carries its stderr.
func runIn(ctx context.Context, ns string, env []string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	cmd.WaitDelay = 2 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := startIn(ns, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	out := strings.TrimSuffix(stdout.String(), "\n")
	if err == nil {
		return out, nil
	}
	if text := strings.TrimSpace(stderr.String()); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return out, fmt.Errorf("%s: %w", strings.Join(shorten(argv), " "), err)
}

// shorten keeps an error's command readable where it holds a whole flow table.
func shorten(argv []string) []string {
	const most = 16
	if len(argv) > most {
		return append(append([]string{}, argv[:most]...), "…")
	}
	return argv
}

// addNS makes a named network namespace with its loopback up.
func addNS(ctx context.Context, name string) error {
	if _, err := runIn(ctx, "", nil, "ip", "netns", "add", name); err != nil {
		return err
	}
	if _, err := runIn(ctx, name, nil, "ip", "link", "set", "lo", "up"); err != nil {
		return errors.Join(err, delNS(ctx, name))
	}
	return nil
}

// delNS removes a named network namespace; one that is not there is no error.
func delNS(ctx context.Context, name string) error {
	if _, err := os.Stat(filepath.Join(netnsDir, name)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	_, err := runIn(ctx, "", nil, "ip", "netns", "del", name)
	return err
}
