package ovstest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// TempDir makes a directory for temporary files, "om-KIND-" and a number, of
// which the caller takes care. After a crash of this process Sweep removes it,
// and unmounts what is mounted in it.
func TempDir(kind string) (string, error) {
	dir, err := os.MkdirTemp("", prefix+kind+"-")
	if err != nil {
		return "", err
	}
	if err := claim(dir, false); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// sweepTemp removes the directories of TempDir whose makers are dead.
func sweepTemp() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*-*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, ownerFile)); err != nil || !abandoned(dir) {
			continue // somebody else's, or not told yet whose
		}
		if err := unmountUnder(dir); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// unmountUnder unmounts what is mounted at or below a directory.
func unmountUnder(dir string) error {
	points, err := mountsUnder(dir)
	if err != nil {
		return err
	}
	for _, at := range points {
		// Who still has a file open there keeps it; for all others it is gone.
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", at, err)
		}
	}
	return nil
}

// mountsUnder returns the mount points at or below a directory, the last first.
func mountsUnder(dir string) ([]string, error) {
	const mountPoint = 4 // field of proc(5) mountinfo, from 0
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	plain := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) <= mountPoint {
			continue
		}
		if at := plain.Replace(fields[mountPoint]); at == dir || strings.HasPrefix(at, dir+"/") {
			points = append(points, at)
		}
	}
	slices.Reverse(points)
	return points, nil
}
