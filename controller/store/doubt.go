package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// doubt is a write that has failed and may be in the file nevertheless: the
// system took all of it, and could not say that it is on disk. It was not
// acknowledged, so it must not come to light at the next start; and what the
// system has kept of it must not be built upon, since it forgets pages that it
// could not write and from then on takes them for written.
type doubt struct {
	undo []record // what was there before, in the order in which it was changed
	sum  uint64   // of all records before
}

// suspect finds out whether a write that failed can be seen in the file.
func (s *Store) suspect(number int, d doubt) {
	seen := true // also if that can't be told
	err := s.db.View(func(tx *bolt.Tx) error {
		seen = tx.ID() >= number
		return nil
	})
	if err != nil || seen {
		s.doubt = &d
	}
}

// resolve replaces a file that is in doubt by a new one that holds what was
// acknowledged, and nothing else. It does nothing where there is no doubt.
func (s *Store) resolve() error {
	if s.doubt == nil {
		return s.settleName()
	}
	name, err := s.rewrite()
	if name != "" {
		defer os.Remove(name) // by then it has its own name, or is of no use
	}
	if err != nil {
		return fmt.Errorf("write it anew: %w", err)
	}
	// Opened, and by that locked, before it has its name.
	db, err := bolt.Open(name, 0o600, options(false))
	if err != nil {
		return err
	}
	if err := os.Rename(name, s.path); err != nil {
		return errors.Join(err, db.Close())
	}
	s.mu.Lock()
	_ = s.db.Close() // whatever it still says, that file is done with
	s.db = db
	s.mu.Unlock()
	s.doubt, s.renamed = nil, true
	return s.settleName()
}

// settleName puts it on disk that the file's name is that of a new one.
func (s *Store) settleName() error {
	if !s.renamed {
		return nil
	}
	if err := syncDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	s.renamed = false
	return nil
}

// rewrite makes a file beside the store's with what was acknowledged, on disk
// when it returns. The name is returned as soon as there is one.
func (s *Store) rewrite() (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(s.path), FileName+".new-*")
	if err != nil {
		return "", err
	}
	name = f.Name()
	of, err := os.Stat(s.path)
	if err == nil {
		err = sameOwner(name, of)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return name, err
	}
	db, err := bolt.Open(name, 0o600, options(false))
	if err != nil {
		return name, err
	}
	err = db.Update(func(to *bolt.Tx) error {
		err := s.db.View(func(from *bolt.Tx) error { return copyRecords(to, from) })
		if err != nil {
			return err
		}
		return s.doubt.takeBack(to)
	})
	return name, errors.Join(err, db.Close())
}

func copyRecords(to, from *bolt.Tx) error {
	for _, name := range buckets() {
		b, err := to.CreateBucket(name)
		if err != nil {
			return err
		}
		if err := from.Bucket(name).ForEach(b.Put); err != nil {
			return err
		}
	}
	return nil
}

// takeBack undoes the write, and checks by the sum of all records that what
// is left is what was acknowledged.
func (d *doubt) takeBack(tx *bolt.Tx) error {
	for i := len(d.undo) - 1; i >= 0; i-- {
		r := d.undo[i]
		b := tx.Bucket(r.bucket)
		err := b.Delete(r.key)
		if err == nil && r.value != nil {
			err = b.Put(r.key, r.value)
		}
		if err != nil {
			return err
		}
	}
	if err := (&writer{tx: tx, sum: d.sum}).putSum(); err != nil {
		return err
	}
	return checkSum(tx)
}
