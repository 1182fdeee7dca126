package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"
)

// create makes an empty store at path, unless there is a file already. It is
// made beside its place and linked into it when it is whole: whoever dies
// meanwhile leaves nothing that a later start would take for a damaged store,
// and of two that start at once only one makes it.
func create(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), FileName+".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // by then it has its own name, or is of no use
	if err := f.Close(); err != nil {
		return err
	}
	db, err := bolt.Open(f.Name(), 0o600, options(false))
	if err != nil {
		return err
	}
	if err := errors.Join(initialize(db), db.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func initialize(db *bolt.DB) error {
	err := db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("new store: %w", err)
	}
	return (&Store{db: db, path: db.Path()}).update(func(w *writer) error {
		return errors.Join(
			w.putBytes(bucketMeta, keyVersion, binary.BigEndian.AppendUint64(nil, version)),
			w.putBytes(bucketMeta, keyUUID, []byte(uuid.NewString())),
		)
	})
}

// leftover is how old a file must be that was to become a store, and is not in
// use by anybody any longer.
const leftover = time.Hour

// sweep removes what was left behind by who died while he made a store.
func (s *Store) sweep() {
	names, err := filepath.Glob(s.path + ".new-*")
	if err != nil {
		return // a pattern of ours that makes no sense: nothing is lost
	}
	for _, name := range names {
		if st, err := os.Lstat(name); err == nil && st.Mode().IsRegular() && time.Since(st.ModTime()) > leftover {
			_ = os.Remove(name) // in nobody's way
		}
	}
}

// syncDir puts a directory's entries on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
