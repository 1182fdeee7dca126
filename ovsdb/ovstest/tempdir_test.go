package ovstest_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ovsmesh/ovsdb/ovstest"
)

// maker has this program, started again by TestSweepTakesTempDirs, only make
// directories and wait for its end.
const maker = "OVSTEST_TEMPDIR_MAKER"

// makeTempDirs makes two directories, mounts something in one, and says where
// they are.
func makeTempDirs(t *testing.T) {
	t.Helper()
	for _, mounts := range []bool{false, true} {
		dir, err := ovstest.TempDir("test")
		if err != nil {
			t.Fatal(err)
		}
		if mounts {
			at := filepath.Join(dir, "a disk")
			if err := os.Mkdir(at, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("om-test", at, "tmpfs", 0, "size=1m"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(at, "file"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stdout.WriteString(dir + "\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// What a run that was killed has left goes with the next sweep, mounts and all;
// what a run uses that lives stays, and so does what nobody has claimed.
func TestSweepTakesTempDirs(t *testing.T) {
	if os.Getenv(maker) != "" {
		makeTempDirs(t)
		select {}
	}
	t.Setenv("TMPDIR", t.TempDir())
	cmd := exec.Command(os.Args[0], "-test.run=^TestSweepTakesTempDirs$")
	cmd.Env = append(os.Environ(), maker+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill := func() {
		if !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // it was killed
		}
	}
	defer kill()
	var theirs []string
	for lines := bufio.NewScanner(out); len(theirs) < 2 && lines.Scan(); {
		theirs = append(theirs, lines.Text())
	}
	if len(theirs) < 2 {
		t.Fatalf("made only %q", theirs)
	}
	mine, err := ovstest.TempDir("test")
	if err != nil {
		t.Fatal(err)
	}
	unclaimed := filepath.Join(os.TempDir(), "om-test-1")
	if err := os.Mkdir(unclaimed, 0o755); err != nil {
		t.Fatal(err)
	}
	there := func(want bool, dirs ...string) {
		t.Helper()
		for _, dir := range dirs {
			if _, err := os.Stat(dir); (err == nil) != want {
				t.Errorf("%s is there: %v, want %v", dir, err == nil, want)
			}
		}
	}
	if err := ovstest.Sweep(); err != nil {
		t.Error(err)
	}
	there(true, append(theirs, mine, unclaimed, filepath.Join(theirs[1], "a disk", "file"))...)
	kill()
	if err := ovstest.Sweep(); err != nil {
		t.Error(err)
	}
	there(false, theirs...)
	there(true, mine, unclaimed)
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), filepath.Base(theirs[1])) {
		t.Errorf("still mounted: %v\n%s", err, mounts)
	}
}
