package ovsdb

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A host is not taken for silent while what it said is being digested, however
// long that takes; after that it is given its time again.
func TestDigestingIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		s := &Session{cfg: Config{}.withDefaults(), conn: ours, start: time.Now(), done: make(chan struct{}), echoes: make(chan []byte)}
		ended := make(chan error, 1)
		go func() { ended <- s.write() }()
		s.digesting.Store(true)
		time.Sleep(time.Hour)
		if _, silent, overdue := s.Pulse(); silent != 0 || overdue != 0 {
			t.Errorf("silent for %v, an echo overdue for %v", silent, overdue)
		}
		s.heard.Store(int64(time.Since(s.start)))
		s.digesting.Store(false)
		again := time.Now()
		if err := <-ended; !errors.Is(err, ErrSilent) || time.Since(again) < s.cfg.SilentAfter {
			t.Errorf("after %v: %v", time.Since(again), err)
		}
		ours.Close()
	})
}
