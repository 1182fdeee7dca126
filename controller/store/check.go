package store

import (
	"encoding/binary"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// check reads the whole file without writing to it: first the shape of its
// pages, then who wrote it, then whether all of it is there.
func check(path string) (err error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return fmt.Errorf("not a file, but %v", st.Mode())
	case st.Size() == 0: // bbolt would make a new one of it
		return fmt.Errorf("%w: it is empty", ErrCorrupt)
	}
	// Opened before anything is read, for the lock.
	db, err := bolt.Open(path, 0o600, options(true))
	if err != nil {
		return openError(err)
	}
	defer func() { err = firstOf(err, db.Close()) }()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()                     // only read
	if st, err = f.Stat(); err != nil { // now that nobody else writes
		return err
	}
	if err := checkPages(f, st.Size()); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			return fmt.Errorf("%w: it is no store of ovsmesh", ErrCorrupt)
		}
		v := meta.Get(keyVersion)
		if len(v) != 8 {
			return fmt.Errorf("%w: no version in it", ErrCorrupt)
		}
		if got := binary.BigEndian.Uint64(v); got > version {
			return fmt.Errorf("%w: it has version %d, this one reads up to %d", ErrNewer, got, version)
		}
		return checkSum(tx)
	})
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
