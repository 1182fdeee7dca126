package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"ovsmesh/topology"
)

// Restore says how a backup is put in a store's place.
type Restore struct {
	Dir     string    // the data directory; made where it is absent
	Replace bool      // also where there is a store already, which is kept beside it
	Accept  bool      // what it says may be carried out at once; see Restored
	DryRun  bool      // only check the backup
	Now     time.Time // when, for Restored and for the name under which the old store is kept
}

// RestoreResult is what a restore has done, or would do.
type RestoreResult struct {
	Manifest Manifest
	Path     string // of the store
	Kept     string // where the store that was there is now; "" where there was none
}

// Restored is the mark of a store that came from a backup and has not been
// accepted: what hosts got since then is not in it, and would be taken away.
type Restored struct {
	Backup time.Time `json:"backup"` // when that was taken
	Time   time.Time `json:"time"`   // when it was restored
}

// ErrExists is why a backup is not restored over a store.
var ErrExists = errors.New("there is a store already")

// Restore reads a backup and puts the store that is in it in its place. The
// backup is read to its end and the store in it checked like one that is
// opened, before anything is replaced; then it takes its place in one step.
//
// The errors are ErrNoBackup, ErrCorrupt and ErrNewer for what is wrong with
// the backup, ErrInUse while a process has the store open, and ErrExists.
func (r Restore) Restore(in io.Reader) (res RestoreResult, err error) {
	res.Path = filepath.Join(r.Dir, FileName)
	dir := r.Dir
	if r.DryRun {
		dir = os.TempDir()
	} else if err := os.MkdirAll(dir, 0o750); err != nil {
		return res, fmt.Errorf("data directory: %w", err)
	}
	var old *os.File
	if !r.DryRun {
		if old, err = r.claim(res.Path); err != nil {
			return res, fmt.Errorf("%s: %w", res.Path, err)
		}
	}
	if old != nil {
		defer old.Close() // which gives the lock up
	}
	name, m, err := r.unpack(in, dir)
	if name != "" {
		defer os.Remove(name) // by then it has its own name, or is of no use
	}
	res.Manifest = m
	if err != nil || r.DryRun {
		return res, err
	}
	if res.Kept, err = r.place(name, res.Path, old); err != nil {
		return res, fmt.Errorf("%s: %w", res.Path, err)
	}
	return res, nil
}

// claim locks the store that is there, as one that has it open does; nil where
// there is none.
func (r Restore) claim(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case !st.Mode().IsRegular():
		err = fmt.Errorf("not a file, but %v", st.Mode())
	case errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK):
		err = ErrInUse
	case !r.Replace:
		err = ErrExists
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// unpack writes the store of a backup to a file of its own in dir, and checks
// it whole. The name of the file is returned as soon as there is one.
func (r Restore) unpack(in io.Reader, dir string) (name string, m Manifest, err error) {
	f, err := os.CreateTemp(dir, FileName+".new-*") // mode 0600
	if err != nil {
		return "", m, err
	}
	name = f.Name()
	m, err = ReadBackup(in, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return name, m, err
	}
	if err := r.examine(name, m); err != nil {
		return name, m, fmt.Errorf("the store in the backup: %w", err)
	}
	return name, m, nil
}

// examine checks a store that was unpacked, and marks it.
func (r Restore) examine(name string, m Manifest) error {
	if err := check(name); err != nil {
		return err
	}
	db, err := bolt.Open(name, 0o600, options(false))
	if err != nil {
		return openError(err)
	}
	s := &Store{db: db, path: name}
	err = s.acceptable(m)
	if err == nil {
		var mark *Restored
		if !r.Accept {
			mark = &Restored{Backup: m.Time, Time: r.Now.UTC().Truncate(time.Second)}
		}
		err = s.SetRestored(mark)
	}
	if err == nil {
		err = db.Sync() // also what the file was made of before it was opened
	}
	return errors.Join(err, db.Close())
}

// acceptable reports what a controller would not start with.
func (s *Store) acceptable(m Manifest) error {
	st, err := s.Load()
	if err != nil {
		return err
	}
	if _, err := topology.NewIntent(st.Intent); err != nil {
		return err
	}
	id, err := s.readUUID()
	if err != nil {
		return err
	}
	if id != m.StoreID {
		return fmt.Errorf("%w: it is of store %s, and the backup says %s", ErrCorrupt, id, m.StoreID)
	}
	return nil
}

// place puts a new file in the store's place. There is a store at every moment:
// one that is started meanwhile must not find none, and make an empty one.
func (r Restore) place(name, path string, old *os.File) (kept string, err error) {
	like := path
	if old == nil {
		like = filepath.Dir(path)
	}
	owner, err := os.Stat(like)
	if err != nil {
		return "", err
	}
	if err := sameOwner(name, owner); err != nil {
		return "", err
	}
	if old == nil {
		if err := os.Link(name, path); errors.Is(err, fs.ErrExist) {
			return "", ErrInUse // it came just now
		} else if err != nil {
			return "", err
		}
		return "", syncDir(filepath.Dir(path))
	}
	kept = path + ".before-" + r.Now.UTC().Format("20060102T150405Z")
	if err := os.Link(path, kept); err != nil {
		return "", err
	}
	if err := os.Rename(name, path); err != nil {
		return "", errors.Join(err, os.Remove(kept))
	}
	return kept, syncDir(filepath.Dir(path))
}

// sameOwner gives a file to the owner of another: root restores, and a user of
// its own serves.
func sameOwner(name string, of os.FileInfo) error {
	sys, ok := of.Sys().(*syscall.Stat_t)
	if !ok || int(sys.Uid) == os.Geteuid() && int(sys.Gid) == os.Getegid() {
		return nil
	}
	return os.Chown(name, int(sys.Uid), int(sys.Gid))
}

// SetRestored marks the store as one that came from a backup; nil takes the
// mark away.
func (s *Store) SetRestored(r *Restored) error {
	return s.update(func(w *writer) error {
		if r == nil {
			return w.remove(bucketMeta, string(keyRestored))
		}
		return w.put(bucketMeta, string(keyRestored), r)
	})
}

func loadRestored(meta *bolt.Bucket) (*Restored, error) {
	b := meta.Get(keyRestored)
	if b == nil {
		return nil, nil
	}
	var r Restored
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("mark of a restore: %w", err)
	}
	return &r, nil
}
