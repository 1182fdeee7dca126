package ovstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// owner says whose a run directory is. It lies in it as "owner.json", and lets
// Sweep tell what a crashed process left from what another one uses just now.
type owner struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // in clock ticks since boot, proc(5); tells a PID that was used again
	Kept  bool   `json:"kept"`  // belongs to no process: stays until someone removes it by name
}

const ownerFile = "owner.json"

// unclaimed is how old a run directory without an owner file must be before
// Sweep takes it for a leftover; its maker needs only a moment to write one.
const unclaimed = time.Minute

// claim writes this process's owner file into dir.
func claim(dir string, kept bool) error {
	start, err := startTime(os.Getpid())
	if err != nil {
		return err
	}
	text, err := json.Marshal(owner{PID: os.Getpid(), Start: start, Kept: kept})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ownerFile), text, 0o644)
}

// abandoned reports whether dir is a run directory that nobody will remove.
func abandoned(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	// In /tmp anyone can make a directory of that name.
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return false
	}
	text, err := os.ReadFile(filepath.Join(dir, ownerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Since(info.ModTime()) > unclaimed
	}
	var o owner
	if err != nil || json.Unmarshal(text, &o) != nil {
		return false
	}
	if o.Kept {
		return false
	}
	start, err := startTime(o.PID)
	return err != nil || start != o.Start
}

// startTime returns when a process was started, field 22 of proc(5)'s stat.
func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is the command in parentheses and may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const startAfterCommand = 22 - 3
	if len(fields) <= startAfterCommand {
		return "", fmt.Errorf("process %d: short stat", pid)
	}
	return fields[startAfterCommand], nil
}

// Sweep removes what crashed processes left: beds, switches and directories of
// TempDir whose owner is dead. What belongs to a living process, or was made to stay, is not touched.
// NewBed and StartSwitch call it. One process at a time does: another that had
// found the same leftover would remove what has taken its number meanwhile.
func Sweep() (err error) {
	run, err := unix.Open(runDir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", runDir, err)
	}
	defer func() { err = errors.Join(err, unix.Close(run)) }() // which unlocks it
	for {
		if err = unix.Flock(run, unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", runDir, err)
	}
	var errs []error
	beds, err := filepath.Glob(runDir + "/" + prefix + "??")
	errs = append(errs, err)
	for _, dir := range beds {
		if abandoned(dir) {
			errs = append(errs, RemoveBed(filepath.Base(dir)))
		}
	}
	switches, err := filepath.Glob(switchDirs + "*")
	errs = append(errs, err)
	for _, dir := range switches {
		if abandoned(dir) {
			o := &OVS{dir: dir}
			errs = append(errs, o.Stop(), os.RemoveAll(dir))
		}
	}
	errs = append(errs, sweepTemp())
	return errors.Join(errs...)
}
