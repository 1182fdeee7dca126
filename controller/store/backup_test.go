package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/topology"
)

var backupTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// smallStore makes a store with a network, a host and a port, and returns its
// directory, its UUID, what it holds and a backup of it.
func smallStore(t *testing.T) (dir, id string, want State, backup []byte) {
	t.Helper()
	dir = t.TempDir()
	s := openStore(t, dir)
	commit(t, s, &Batch{
		Changes: []*topology.Change{{
			PutNetworks: []topology.NetworkRecord{network("blue", 103)}, PutHosts: []topology.HostRecord{{Host: topology.Host{Name: "h", ID: 1, SystemID: "s"}}},
			PutPorts: []topology.Port{{Name: "web", Network: "blue", Match: topology.PortMatch{IfaceID: "i"}}}, NextNetworkID: 104,
		}},
		Facts: map[string]topology.HostFacts{"h": {SystemID: "s", Hostname: strings.Repeat("x", 9000)}},
	})
	backup, err := s.Backup(backupTime, "v1")
	if err != nil {
		t.Fatal(err)
	}
	want = load(t, s)
	closeStore(t, s)
	return dir, s.UUID(), want, backup
}

// sealed ends a changed backup with the checksum that it should have.
func sealed(b []byte) []byte {
	b = b[:len(b)-len("sha256 \n")-2*sha256.Size]
	return fmt.Appendf(bytes.Clone(b), "sha256 %x\n", sha256.Sum256(b))
}

func TestBackupMalformed(t *testing.T) {
	_, _, _, backup := smallStore(t)
	replaced := func(old, new string) []byte { return sealed(bytes.Replace(backup, []byte(old), []byte(new), 1)) }
	lines := bytes.SplitAfterN(backup, []byte("\n"), 3)
	tests := []struct {
		name string
		file []byte
		want error
		text string
	}{
		{"empty", nil, ErrNoBackup, "empty"},
		{"spec", []byte("networks:\n  - name: blue\n"), ErrNoBackup, "is it what ovsmesh backup has written"},
		{"store file", lines[2], ErrNoBackup, "ovsmesh backup"},
		{"zeros", make([]byte, 100_000), ErrNoBackup, "does not begin"},
		{"a line without end", append([]byte(backupMagic), make([]byte, 100_000)...), ErrNoBackup, "a line of more than"},
		{"no first line", bytes.Join(lines[1:], nil), ErrNoBackup, "does not begin"},
		{"newer format", replaced("backup 1", "backup 2"), ErrNoBackup, `format "2"`},
		{"no format", replaced("backup 1", "backup"), ErrNoBackup, "of format"},
		{"no manifest", append(bytes.Clone(lines[0]), lines[2]...), ErrNoBackup, ""},
		{"manifest without bytes", replaced(`"bytes"`, `"sizes"`), ErrNoBackup, "bytes is 0"},
		{"huge", replaced(`"bytes":`, `"bytes":99999999`), ErrNoBackup, "bytes is"},
		{"longer than it says", append(bytes.Clone(backup), 'x'), ErrNoBackup, "more after"},
		{"two in a row", append(bytes.Clone(backup), backup...), ErrNoBackup, "more after"},
		{"changed", bytes.Replace(backup, []byte("blue"), []byte("glue"), 1), ErrNoBackup, "does not match"},
		{"changed and sealed", replaced("blue", "glue"), ErrCorrupt, "the store in the backup"},
		{"of another store", replaced(`"storeID":"`, `"storeID":"x`), ErrCorrupt, "the backup says x"},
		{"time is no time", replaced("2026-01-02T03:04:05Z", "yesterday"), ErrNoBackup, "line 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			for _, r := range []Restore{{Dir: dir, DryRun: true}, {Dir: dir}, {Dir: dir, Replace: true}} {
				_, err := r.Restore(bytes.NewReader(tt.file))
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%+v: err = %v, want %v with %q", r, err, tt.want, tt.text)
				}
				if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
					t.Errorf("left behind: %v, %v", left, err)
				}
			}
		})
	}
}

// A backup that was cut off anywhere is refused, and one in which any byte is
// another.
func TestBackupCut(t *testing.T) {
	_, _, _, backup := smallStore(t)
	for n := range backup {
		if n > 2000 && n < len(backup)-2000 && n%997 != 0 {
			continue // amid the store
		}
		if _, err := ReadBackup(bytes.NewReader(backup[:n]), io.Discard); !errors.Is(err, ErrNoBackup) {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(backup), err)
		}
		flipped := bytes.Clone(backup)
		flipped[n] ^= 0x20
		if _, err := ReadBackup(bytes.NewReader(flipped), io.Discard); !errors.Is(err, ErrNoBackup) {
			t.Fatalf("byte %d is another: %v", n, err)
		}
	}
	if _, err := ReadBackup(iotest.OneByteReader(bytes.NewReader(backup)), io.Discard); err != nil {
		t.Error(err)
	}
	broken := io.MultiReader(bytes.NewReader(backup[:len(backup)/2]), iotest.ErrReader(syscall.ECONNRESET))
	if _, err := ReadBackup(broken, io.Discard); !errors.Is(err, syscall.ECONNRESET) || errors.Is(err, ErrNoBackup) {
		t.Errorf("a connection that breaks: %v", err)
	}
}

func TestRestore(t *testing.T) {
	_, id, want, backup := smallStore(t)
	now := backupTime.Add(time.Hour)
	dir := filepath.Join(t.TempDir(), "a", "b")
	res, err := Restore{Dir: dir, Now: now}.Restore(bytes.NewReader(backup))
	if err != nil {
		t.Fatal(err)
	}
	wantResult := RestoreResult{Path: filepath.Join(dir, FileName), Manifest: Manifest{
		StoreID: id, Time: backupTime, Version: "v1", Networks: 1, Hosts: 1, Ports: 1, Bytes: res.Manifest.Bytes,
	}}
	if d := cmp.Diff(wantResult, res); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	s := openStore(t, dir)
	if s.UUID() != id {
		t.Errorf("UUID %s became %s", id, s.UUID())
	}
	want.Restored = &Restored{Backup: backupTime, Time: now}
	if d := cmp.Diff(want, load(t, s), compareAddr); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if err := s.SetRestored(nil); err != nil {
		t.Fatal(err)
	}
	if got := load(t, s).Restored; got != nil {
		t.Errorf("accepted, and still marked: %+v", got)
	}
	commit(t, s, &Batch{Left: map[string]*Left{"s9": {Name: "later"}}})
	if _, err := (Restore{Dir: dir, Replace: true, Now: now}).Restore(bytes.NewReader(backup)); !errors.Is(err, ErrInUse) {
		t.Errorf("over a store that is served: %v", err)
	}
	closeStore(t, s)

	if _, err := (Restore{Dir: dir, Now: now}).Restore(bytes.NewReader(backup)); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), res.Path) {
		t.Errorf("over a store: %v", err)
	}
	res, err = Restore{Dir: dir, Now: now, Replace: true, Accept: true}.Restore(bytes.NewReader(backup))
	if err != nil {
		t.Fatal(err)
	}
	if wantKept := filepath.Join(dir, "ovsmesh.db.before-20260102T040405Z"); res.Kept != wantKept {
		t.Errorf("kept as %s, want %s", res.Kept, wantKept)
	}
	s = openStore(t, dir)
	want.Restored = nil
	if d := cmp.Diff(want, load(t, s), compareAddr); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	closeStore(t, s)
	kept := t.TempDir()
	if err := os.Rename(res.Kept, filepath.Join(kept, FileName)); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, kept)
	if _, there := load(t, s).Left["s9"]; !there {
		t.Error("what was kept is not what was there")
	}
	closeStore(t, s)
	st, err := os.Stat(res.Path)
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); err != nil || st.Mode().Perm() != 0o600 || len(left) != 1 {
		t.Errorf("mode %v, %v; in the directory %v", st.Mode(), err, left)
	}
}

// A store that is damaged is replaced like any other, and who holds it keeps
// a restore away even so.
func TestRestoreOverDamage(t *testing.T) {
	dir, _, want, backup := smallStore(t)
	path := filepath.Join(dir, FileName)
	damaged := read(t, path)[:5000]
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, ErrCorrupt)
	res, err := Restore{Dir: dir, Replace: true, Accept: true, Now: backupTime}.Restore(bytes.NewReader(backup))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, res.Kept), damaged) {
		t.Error("what was there is not what is kept")
	}
	s := openStore(t, dir)
	if d := cmp.Diff(want, load(t, s), compareAddr); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	closeStore(t, s)
}

// Root restores, and the user who serves must be able to open it.
func TestRestoreKeepsOwner(t *testing.T) {
	_, _, _, backup := smallStore(t)
	dir := t.TempDir()
	if err := os.Chown(dir, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	owned := func(path string) {
		t.Helper()
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 1234 || sys.Gid != 2345 {
			t.Errorf("%s belongs to %d:%d", path, sys.Uid, sys.Gid)
		}
	}
	for _, r := range []Restore{{Dir: dir, Now: backupTime}, {Dir: dir, Now: backupTime, Replace: true}} {
		res, err := r.Restore(bytes.NewReader(backup))
		if err != nil {
			t.Fatal(err)
		}
		owned(res.Path)
	}
}

// A backup that is taken amid commits is one moment of the store.
func TestBackupIsOneMoment(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := uint32(1); ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			err := s.Commit(&Batch{
				Facts:   map[string]topology.HostFacts{"h": {SystemID: fmt.Sprint(i), Hostname: strings.Repeat("x", int(i*977%20000))}},
				Changes: []*topology.Change{{PutNetworks: []topology.NetworkRecord{network("blue", i)}, NextNetworkID: i}},
			})
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for range 30 {
		backup, err := s.Backup(backupTime, "v1")
		if err != nil {
			t.Fatal(err)
		}
		var file bytes.Buffer
		if _, err := ReadBackup(bytes.NewReader(backup), &file); err != nil {
			t.Fatal(err)
		}
		copied := t.TempDir()
		if err := os.WriteFile(filepath.Join(copied, FileName), file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		c := openStore(t, copied)
		st := load(t, c)
		closeStore(t, c)
		if last := st.Intent.NextNetworkID; last > 0 && (st.Facts["h"].SystemID != fmt.Sprint(last) || st.Intent.Networks[0].Key != last) {
			t.Errorf("two moments in one: %d, %+v", last, st)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	closeStore(t, s)
}
