package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// Inspect reads the store in dir, which nobody else may have open, without
// writing to it or making it. bytes is the size of its file; it is told as far as
// the rest can't be.
func Inspect(dir string) (id string, st State, bytes int64, err error) {
	path := filepath.Join(dir, FileName)
	info, err := os.Stat(path)
	if err != nil {
		return "", State{}, 0, err
	}
	bytes = info.Size()
	if err := check(path); err != nil {
		return "", State{}, bytes, fmt.Errorf("%s: %w", path, err)
	}
	db, err := bolt.Open(path, 0o600, options(true))
	if err != nil {
		return "", State{}, bytes, fmt.Errorf("%s: %w", path, openError(err))
	}
	s := &Store{path: path, db: db}
	id, err = s.readUUID()
	if err == nil {
		st, err = s.Load()
	}
	return id, st, bytes, errors.Join(err, db.Close())
}
