package ovsdb

import (
	"encoding/json"
	"fmt"
	"time"
)

// write sends what others hand it, and an echo when the host has been silent.
func (s *Session) write() error {
	tick := time.NewTicker(max(s.cfg.EchoAfter/5, time.Millisecond))
	defer tick.Stop()
	for {
		var m []byte
		select {
		case <-s.done:
			return nil
		case m = <-s.echoes:
		case m = <-s.out:
		case <-tick.C:
			if s.digesting.Load() {
				continue
			}
			now, heard, probed := time.Since(s.start), time.Duration(s.heard.Load()), time.Duration(s.probed.Load())
			if now-heard >= s.cfg.SilentAfter {
				return fmt.Errorf("%w for %v", ErrSilent, (now - heard).Round(time.Millisecond))
			}
			if now-heard < s.cfg.EchoAfter || now-probed < s.cfg.EchoAfter {
				continue
			}
			s.probed.Store(int64(now))
			if s.owed.Load() <= int64(heard) {
				s.owed.Store(int64(now))
			}
			m = []byte(`{"id":` + echoID + `,"method":"echo","params":[]}`)
		}
		if err := s.conn.SetWriteDeadline(time.Now().Add(s.cfg.CallTimeout)); err != nil {
			return err
		}
		if _, err := s.conn.Write(m); err != nil {
			return err
		}
	}
}

// wellFormed returns an error if b is not one JSON value.
func wellFormed(b []byte) error {
	if !json.Valid(b) {
		return fmt.Errorf("%.40q is not JSON", b)
	}
	return nil
}
