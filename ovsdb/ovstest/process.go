package ovstest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// exitWait is how long a daemon may take to end after a signal.
const exitWait = 10 * time.Second

// pid returns the process ID of the named daemon of this pair, 0 where it does
// not run. A PID file alone is no proof, as numbers are used again: the process
// must be one that was started with our run directory.
func (o *OVS) pid(daemon string) int {
	text, err := os.ReadFile(o.path(daemon + ".pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || !o.owns(pid, daemon) {
		return 0
	}
	return pid
}

func (o *OVS) owns(pid int, daemon string) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	argv := bytes.Split(cmdline, []byte{0})
	return filepath.Base(string(argv[0])) == daemon && bytes.Contains(cmdline, []byte(o.dir+"/"))
}

// open returns a handle of the named daemon that can't come to mean another
// process, or -1 where the daemon does not run.
func (o *OVS) open(daemon string) (int, error) {
	pid := o.pid(daemon)
	if pid == 0 {
		return -1, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("open process %d of %s: %w", pid, daemon, err)
	}
	if !o.owns(pid, daemon) {
		return -1, unix.Close(fd)
	}
	return fd, nil
}

// signal sends sig to the named daemon, which must run.
func (o *OVS) signal(daemon string, sig syscall.Signal) error {
	fd, err := o.open(daemon)
	if err != nil {
		return err
	}
	if fd < 0 {
		return fmt.Errorf("signal %s: it does not run", daemon)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil {
		return fmt.Errorf("signal %s: %w", daemon, err)
	}
	return nil
}

// kill sends sig to the named daemon if it runs and waits for its end.
func (o *OVS) kill(daemon string, sig syscall.Signal) error {
	fd, err := o.open(daemon)
	if err != nil || fd < 0 {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal %s: %w", daemon, err)
	}
	deadline := time.Now().Add(exitWait)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("%s still runs %v after signal %v", daemon, exitWait, sig)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for %s: %w", daemon, err)
		}
	}
}
