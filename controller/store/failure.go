package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// WriteError is why the store's file can't be written. What was acknowledged
// before is there; what the call was to write is not.
type WriteError struct {
	Path string // of the file
	Err  error
}

// Error says what can't be written, why, and what to do about it.
func (e *WriteError) Error() string {
	text := fmt.Sprintf("store %s can't be written: %v", e.Path, e.Err)
	if advice := adviceOn(e.Err); advice != "" {
		text += ": " + advice
	}
	return text
}

func (e *WriteError) Unwrap() error { return e.Err }

// adviceOn says what an operator can do about an error of the system.
func adviceOn(err error) string {
	for _, a := range []struct {
		errno  syscall.Errno
		advice string
	}{
		{syscall.ENOSPC, "make room on its file system"},
		{syscall.EDQUOT, "raise the quota of its owner, or make room"},
		{syscall.EROFS, "mount its file system for writing again (dmesg tells whether the kernel made it read-only)"},
		{syscall.EFBIG, "raise the limit on the size of files (LimitFSIZE= of the service, ulimit -f)"},
		{syscall.EIO, "its disk fails (see dmesg): save what is there with ovsmesh backup, or ovsmesh export where that fails, and replace the disk"},
	} {
		// bbolt tells some errors only by their text.
		if errors.Is(err, a.errno) || strings.HasSuffix(err.Error(), a.errno.Error()) {
			return a.advice
		}
	}
	return ""
}

// failure is that the file can't be written now. The zero value is that it can,
// but for the number.
type failure struct {
	err    error     // of the last write; a WriteError
	since  time.Time // of the first that failed
	size   int       // the most bytes that a write since then was to put
	number uint64    // of all writes that have failed
}

// update runs f in a transaction that is on disk when update returns. It
// returns f's error, or a WriteError.
func (s *Store) update(f func(*writer) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	w, refused, err := s.write(f)
	if refused {
		return err // nothing was wrong with the file
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.failure = failure{number: s.failure.number}
		return nil
	}
	s.failure.note(s.writeError(err))
	s.failure.size = max(s.failure.size, w.size)
	return s.failure.err
}

func (f *failure) note(err *WriteError) {
	f.err = err
	if f.since.IsZero() {
		f.since = time.Now()
	}
	f.number++
}

// closedToWrites takes note that the file can only be read.
func (s *Store) closedToWrites(err error) {
	s.closed = true
	s.failure.note(s.writeError(err))
}

func (s *Store) writeError(err error) *WriteError {
	var system *fs.PathError
	if errors.As(err, &system) && system.Path == s.path {
		err = system.Err // the path is told anyway
	}
	return &WriteError{Path: s.path, Err: err}
}

// reopen opens a file to write that was opened only to be read, as soon as it
// can be.
func (s *Store) reopen() error {
	if !s.closed {
		return nil
	}
	// Before the lock is let go, which another process might take.
	if err := unix.Access(s.path, unix.W_OK); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.db.Close(); err != nil {
		return err
	}
	db, err := openCurrent(s.path, false)
	if err != nil {
		again, e := openCurrent(s.path, true)
		if e != nil {
			return errors.Join(err, e) // the closed one refuses all that is asked of it
		}
		s.db = again
		return err
	}
	s.db, s.closed = db, false
	return nil
}

// write makes one attempt. The error is f's own where refused is true.
func (s *Store) write(f func(*writer) error) (w *writer, refused bool, err error) {
	w = &writer{}
	if err := errors.Join(s.reopen(), s.resolve()); err != nil {
		return w, false, err
	}
	number, before := 0, uint64(0)
	err = s.db.Update(func(tx *bolt.Tx) error {
		number = tx.ID()
		w.tx = tx
		before, _ = sumOf(tx)
		w.sum = before
		if err := f(w); err != nil {
			refused = true
			return err
		}
		return w.putSum()
	})
	if err != nil && !refused {
		s.suspect(number, doubt{undo: w.undo, sum: before})
	}
	return w, refused, err
}

// Trouble says why the file can't be written, and since when; nil where
// nothing is known to be wrong. It is the error of the last write.
func (s *Store) Trouble() (since time.Time, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.failure.since, s.failure.err
}

// Failures returns how many writes have failed since the store was opened.
func (s *Store) Failures() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.failure.number
}

// Size returns how much of the file is in use, in bytes.
func (s *Store) Size() (n int64) {
	_ = s.view(func(tx *bolt.Tx) error { // 0 once it is closed
		n = tx.Size()
		return nil
	})
	return n
}

// Probe finds out whether a file that could not be written can be again, by
// writing as much as the largest write that has failed meanwhile. What it
// wrote is taken out again; the room in the file stays, so that such a write
// succeeds then. It does nothing where nothing was wrong.
func (s *Store) Probe() error {
	s.mu.RLock()
	size, failing := s.failure.size, s.failure.err != nil
	s.mu.RUnlock()
	if !failing {
		return nil
	}
	if err := s.update(func(w *writer) error { return w.putBytes(bucketMeta, keyProbe, make([]byte, size)) }); err != nil {
		return err
	}
	return s.update(func(w *writer) error { return w.remove(bucketMeta, string(keyProbe)) })
}
