package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"ovsmesh/controller/store/crashtest"
)

// ledger is what a program that commits has said so far; see commitNumbers.
type ledger struct {
	acked []uint32
	since []uint32 // tried after the last that was acknowledged
}

// hear takes a line of it: try 7, ack 7, or no 7.
func (l *ledger) hear(line string) error {
	word, number, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	n, err := strconv.ParseUint(number, 10, 32)
	switch {
	case err != nil:
		return fmt.Errorf("it says %q", line)
	case word == "try":
		l.since = append(l.since, uint32(n))
	case word == "ack":
		l.acked, l.since = append(l.acked, uint32(n)), nil
	}
	return nil
}

// check demands that a store holds what was acknowledged, and of what was tried
// since at most one commit, as a whole.
func (l *ledger) check(st State) error {
	have := l.acked
	last := st.Intent.NextNetworkID
	switch {
	case slices.Contains(l.since, last):
		have = append(slices.Clone(have), last)
	case len(have) == 0 && last == 0:
	case len(have) == 0 || have[len(have)-1] != last:
		return fmt.Errorf("the store ends at %d, acknowledged is %v, tried since %v", last, tail(have), l.since)
	}
	if got := st.Facts["h"].SystemID; len(have) > 0 && got != strconv.Itoa(int(last)) {
		return fmt.Errorf("facts of %s with networks of %d", got, last)
	}
	want := map[string]uint32{}
	for _, n := range have {
		want[fmt.Sprintf("n%d", n%fewSlots)] = n
	}
	if len(st.Intent.Networks) != len(want) {
		return fmt.Errorf("%d networks, want %d", len(st.Intent.Networks), len(want))
	}
	for _, n := range st.Intent.Networks {
		if n.Key != want[n.Name] {
			return fmt.Errorf("%s has %d, want %d of %d", n.Name, n.Key, want[n.Name], last)
		}
	}
	return nil
}

func tail(list []uint32) []uint32 { return list[max(0, len(list)-3):] }

// traceCommits runs a program that makes commits in a directory, and has each
// of its writes judged and told.
func traceCommits(t *testing.T, dir string, commits int, judge func(crashtest.Op) crashtest.Verdict, done func(crashtest.Op)) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	err = crashtest.Trace(crashtest.Program{
		Args: []string{os.Args[0]}, Dir: dir, Log: log, Judge: judge, Done: done,
		Env: append(os.Environ(), envCommitDir+"="+dir, envCommits+"="+strconv.Itoa(commits), "GORACE=atexit_sleep_ms=0"),
	})
	if err != nil {
		t.Fatalf("%v: %s", err, read(t, log.Name()))
	}
}

// crashes opens what a disk may hold after the machine has failed, and counts
// how often.
type crashes struct {
	t     *testing.T
	disk  *crashtest.Disk
	said  ledger
	rand  *rand.Rand
	queue chan crash
	opens int
}

// crash is one outcome, and what the store in it must hold.
type crash struct {
	files map[string][]byte
	said  ledger
	what  string
}

// startCrashes begins with what is in a directory. Stores are opened by
// workers, who end with the test's call of finish.
func startCrashes(t *testing.T, dir string, seed uint64) (*crashes, func()) {
	t.Helper()
	disk, err := crashtest.NewDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &crashes{t: t, disk: disk, rand: rand.New(rand.NewPCG(seed, 0)), queue: make(chan crash, 16)}
	var workers sync.WaitGroup
	for range 2 {
		dir := mountDisk(t, "64m")
		workers.Go(func() {
			for crash := range c.queue {
				if err := crash.open(dir); err != nil {
					t.Errorf("%s: %v", crash.what, err)
				}
			}
		})
	}
	return c, func() {
		close(c.queue)
		workers.Wait()
	}
}

// step plays back one operation, after which the machine fails with each of
// the losses.
func (c *crashes) step(number int, o crashtest.Op, losses ...crashtest.Loss) {
	if o.Kind == crashtest.Print {
		for line := range strings.Lines(string(o.Data)) {
			if err := c.said.hear(line); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	c.disk.Apply(o)
	said := ledger{slices.Clone(c.said.acked), slices.Clone(c.said.since)}
	for _, loss := range losses {
		files := map[string][]byte{}
		for name, b := range c.disk.Crash(loss, c.rand) {
			files[name] = slices.Clone(b)
		}
		c.queue <- crash{files, said, fmt.Sprintf("after step %d (%v), loss %d", number, o, loss)}
		c.opens++
	}
}

func (c *crash) open(dir string) error {
	for name, b := range c.files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return err
		}
	}
	defer func() {
		for name := range c.files {
			_ = os.Remove(filepath.Join(dir, name)) // the next would fail
		}
	}()
	s, err := Open(dir)
	if err != nil {
		return err
	}
	st, err := s.Load()
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	return c.said.check(st)
}

// The machine fails at every step of a thousand commits: before and after each
// write and each sync, with what was not synced there, lost, or torn. The store
// opens every time with all that was acknowledged and nothing half done.
func TestCrashAtEveryStep(t *testing.T) {
	dir := mountDisk(t, "64m")
	closeStore(t, openStore(t, dir))
	c, finish := startCrashes(t, dir, 1)
	steps := 0
	kinds := map[crashtest.Kind]int{}
	traceCommits(t, dir, 1000, nil, func(o crashtest.Op) {
		steps++
		kinds[o.Kind]++
		losses := []crashtest.Loss{crashtest.LoseSome}
		switch {
		case o.Kind == crashtest.Print && !strings.HasPrefix(string(o.Data), "ack"):
			losses = nil // it is as it was before
		case steps%5 == 0:
			losses = append(losses, crashtest.LoseAll)
		case steps%11 == 0:
			losses = append(losses, crashtest.LoseNothing)
		}
		c.step(steps, o, losses...)
	})
	finish()
	t.Logf("%d commits acknowledged, %d steps (%v), %d stores opened", len(c.said.acked), steps, kinds, c.opens)
	if len(c.said.acked) != 1000 || kinds[crashtest.Sync] < 2000 || kinds[crashtest.Write] < 3000 {
		t.Errorf("that is not a thousand commits: %d acknowledged, %v", len(c.said.acked), kinds)
	}
}

// Each write and sync of some commits fails once, as it does on a full disk, on
// one that has become read-only and on one that fails; a sync also with all of
// it done. What is refused then is gone once the next commit is acknowledged;
// and the machine fails at every step of that, too.
func TestWriteFails(t *testing.T) {
	const commits = 6
	counted := 0
	count := func(o crashtest.Op) crashtest.Verdict {
		if o.Kind != crashtest.Print {
			counted++
		}
		return crashtest.Verdict{}
	}
	dir := mountDisk(t, "64m")
	closeStore(t, openStore(t, dir))
	traceCommits(t, dir, commits, count, nil)
	total := counted
	verdicts := []crashtest.Verdict{{Errno: syscall.ENOSPC}, {Errno: syscall.EROFS}, {Errno: syscall.EIO}, {Errno: syscall.EIO, After: true}}
	refusedOnes, opens := 0, 0
	for n := 1; n <= total; n++ {
		v := verdicts[n%len(verdicts)]
		for _, v := range []crashtest.Verdict{v, {Errno: syscall.EIO, After: true}} {
			dir := filepath.Join(dir, "again")
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			closeStore(t, openStore(t, dir))
			c, finish := startCrashes(t, dir, uint64(n))
			at, steps := 0, 0
			traceCommits(t, dir, commits, func(o crashtest.Op) crashtest.Verdict {
				if o.Kind == crashtest.Print {
					return crashtest.Verdict{}
				}
				if at++; at == n {
					return v
				}
				return crashtest.Verdict{}
			}, func(o crashtest.Op) {
				steps++
				if strings.HasPrefix(string(o.Data), "no ") {
					refusedOnes++
				}
				c.step(steps, o, crashtest.LoseSome)
			})
			c.step(0, crashtest.Op{}, crashtest.LoseAll, crashtest.LoseNothing)
			finish()
			opens += c.opens
			if len(c.said.acked) < commits-1 {
				t.Errorf("call %d of %d fails (%v): only %v acknowledged of %d", n, total, v, c.said.acked, commits)
			}
			if t.Failed() {
				t.Fatalf("call %d of %d fails with %+v", n, total, v)
			}
		}
	}
	t.Logf("%d calls failed in two ways, %d commits refused, %d stores opened", total, refusedOnes, opens)
	if refusedOnes < total {
		t.Errorf("only %d commits were refused", refusedOnes)
	}
}
