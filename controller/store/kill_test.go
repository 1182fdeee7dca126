package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ovsmesh/topology"
)

// envCommitDir makes this test binary commit to the store in that directory
// until it is killed.
const envCommitDir = "OVSMESH_TEST_COMMIT_DIR"

// envCommits has it end after so many commits, and say of each when it begins
// and what became of it: try 7, then ack 7 or no 7.
const envCommits = "OVSMESH_TEST_COMMITS"

// slots is among how many networks the commits go round, so that records are
// replaced as well as added, and the store does not grow for ever.
const slots = 150

// fewSlots is the same where thousands of stores are opened.
const fewSlots = 25

// commitForEver makes commits of several buckets and some pages each, and
// prints the number of every one that was acknowledged.
func commitForEver(dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	st, err := s.Load()
	if err != nil {
		return err
	}
	first := st.Intent.NextNetworkID + 1
	if text := os.Getenv(envCommits); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return err
		}
		return errors.Join(commitNumbers(s, first, first+uint32(n)), s.Close())
	}
	for i := first; ; i++ {
		if err := s.Commit(numbered(i, slots)); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// commitNumbers commits from first to the one before end, whatever becomes of
// each.
func commitNumbers(s *Store, first, end uint32) error {
	for i := first; i < end; i++ {
		fmt.Println("try", i)
		if err := s.Commit(numbered(i, fewSlots)); err != nil {
			var refused *WriteError
			if !errors.As(err, &refused) {
				return err
			}
			fmt.Println("no", i)
			if err := notInBackup(s, i); err != nil {
				return err
			}
			continue
		}
		fmt.Println("ack", i)
	}
	return nil
}

// notInBackup demands that a backup, where there is one now, has nothing of a
// commit that was refused.
func notInBackup(s *Store, refused uint32) error {
	backup, err := s.Backup(time.Now(), "")
	if err != nil {
		return nil
	}
	dir, err := os.MkdirTemp("", "om-backup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var file bytes.Buffer
	if _, err := ReadBackup(bytes.NewReader(backup), &file); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, FileName), file.Bytes(), 0o600); err != nil {
		return err
	}
	restored, err := Open(dir)
	if err != nil {
		return err
	}
	st, err := restored.Load()
	if err == nil && (st.Intent.NextNetworkID == refused || st.Facts["h"].SystemID == strconv.Itoa(int(refused))) {
		err = fmt.Errorf("%d was refused, and is in the backup", refused)
	}
	return errors.Join(err, restored.Close())
}

// numbered is a commit that can be told from others in all that it writes.
func numbered(i, slots uint32) *Batch {
	return &Batch{
		Facts:   map[string]topology.HostFacts{"h": {SystemID: strconv.Itoa(int(i)), Hostname: strings.Repeat("x", int(i*977%20000))}},
		Changes: []*topology.Change{{PutNetworks: []topology.NetworkRecord{network(fmt.Sprintf("n%d", i%slots), i)}, NextNetworkID: i}},
	}
}

// A process that is killed in the middle of its commits has lost none that it
// acknowledged, and left none half done.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	total := 0
	for range 50 {
		acknowledged := commitUntilKilled(t, dir)
		total += len(acknowledged)
		s := openStore(t, dir)
		st := load(t, s)
		closeStore(t, s)
		last := st.Intent.NextNetworkID
		if n := len(acknowledged); n > 0 && acknowledged[n-1] > last {
			t.Fatalf("%d was acknowledged; the store ends at %d", acknowledged[n-1], last)
		}
		if got := st.Facts["h"].SystemID; last > 0 && got != strconv.Itoa(int(last)) {
			t.Fatalf("half a commit: facts of %s with networks of %d", got, last)
		}
		for _, n := range st.Intent.Networks {
			// The newest number of this slot.
			slot, err := strconv.Atoi(n.Name[1:])
			if err != nil {
				t.Fatal(err)
			}
			if want := last - (last+slots-uint32(slot))%slots; n.Key != want {
				t.Fatalf("%s has %d, want %d of %d", n.Name, n.Key, want, last)
			}
		}
		if want := min(int(last), slots); len(st.Intent.Networks) != want {
			t.Fatalf("%d networks, want %d", len(st.Intent.Networks), want)
		}
	}
	if total < 50 {
		t.Errorf("only %d commits before 50 kills", total)
	}
}

// commitUntilKilled returns the numbers that a process has printed when it was
// killed at some moment.
func commitUntilKilled(t *testing.T, dir string) (acknowledged []uint32) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envCommitDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.ParseUint(lines.Text(), 10, 32)
		if err != nil {
			break // the kill cut the line
		}
		if acknowledged = append(acknowledged, uint32(n)); len(acknowledged) == 1 {
			time.AfterFunc(time.Duration(rand.IntN(30_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the process ended by itself: %v", err)
	}
	return acknowledged
}
