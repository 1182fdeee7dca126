package ovsdb

import (
	"fmt"
	"io"
	"time"

	"ovsmesh/ovsdb/notation"
	"ovsmesh/ovsdb/schema"
)

const (
	maxEchoes  = 16       // replies that wait to be sent, before a host counts as flooding
	maxRequest = 16 << 10 // bytes of the id and params of a request, which go back in the reply
)

// read takes the host's messages in their order until the session ends.
func (s *Session) read() (err error) {
	// The decoders check all that they touch; this is for what nobody thought
	// of, since a panic here would take every host down.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("message that can't be read: %v", p)
		}
	}()
	f := framer{conn: s.conn, max: s.cfg.MaxMessage, timeout: s.cfg.MessageTimeout, seen: func(n int) {
		s.heard.Store(int64(time.Since(s.start)))
		s.count.bytes.Add(uint64(n))
	}}
	for {
		m, err := f.message()
		if err == io.EOF {
			return fmt.Errorf("host closed the connection: %w", err)
		}
		if err != nil {
			return err
		}
		s.count.messages.Add(1)
		if err := s.digest(m); err != nil {
			return err
		}
	}
}

// digest takes a whole message. The dump of a large host may take a controller
// that is busy longer than a host may be silent, and meanwhile nobody listens to
// the host: that must not count against it.
func (s *Session) digest(m []byte) error {
	s.digesting.Store(true)
	defer func() {
		s.heard.Store(int64(time.Since(s.start)))
		s.digesting.Store(false)
	}()
	e, err := parseEnvelope(m)
	if err != nil {
		return err
	}
	return s.dispatch(e)
}

func (s *Session) dispatch(e envelope) error {
	switch {
	case e.method == "":
		return s.reply(e)
	case e.method == "echo" && e.id != nil:
		return s.answer(e, `,"error":null,"result":`, e.params)
	case e.method == "update":
		return s.update(e.params)
	case e.method == "update2" && s.bridges.apart:
		return s.update2(e.params)
	case e.method == "locked" || e.method == "stolen":
		return s.lockNews(e)
	case e.id != nil:
		return s.answer(e, `,"result":null,"error":`, []byte(`"unknown method"`))
	}
	return nil // a notification that we don't know, to be ignored
}

// answer replies to a request. It never waits: a host that does not read what
// it asked for must not keep us from reading what it says.
func (s *Session) answer(e envelope, between string, body []byte) error {
	if len(e.id)+len(e.params) > maxRequest {
		return fmt.Errorf("request %.40q of more than %d bytes", e.method, maxRequest)
	}
	// Brackets close in what comes next, and no more is known of it.
	if err := wellFormed(e.id); err != nil {
		return fmt.Errorf("request %.40q: id: %w", e.method, err)
	}
	if body == nil {
		body = []byte("[]")
	}
	if err := wellFormed(body); err != nil {
		return fmt.Errorf("request %.40q: params: %w", e.method, err)
	}
	m := make([]byte, 0, len(e.id)+len(between)+len(body)+8)
	m = append(append(m, `{"id":`...), e.id...)
	m = append(append(append(m, between...), body...), '}')
	select {
	case s.echoes <- m:
		return nil
	default:
		return fmt.Errorf("more than %d requests whose replies it does not read", maxEchoes)
	}
}

// update takes an "update" notification, RFC 7047 §4.1.6: [<id>, <table-updates>].
func (s *Session) update(params []byte) error {
	var rows []schema.RowUpdate
	r := notation.NewReader(params)
	err := r.Array(func(n int) error {
		switch n {
		case 0:
			return wantMonitor(r, monitorID)
		case 1:
			return s.decoder.TableUpdates(r, func(u schema.RowUpdate) error {
				rows = append(rows, s.bridges.whole(u))
				if len(rows) > s.cfg.MaxPending {
					return fmt.Errorf("more than %d rows", s.cfg.MaxPending)
				}
				return nil
			})
		}
		return fmt.Errorf("more than two parameters")
	})
	return s.changedRows(rows, err)
}

// changedRows hands on the rows of a notification that was read with err.
func (s *Session) changedRows(rows []schema.RowUpdate, err error) error {
	if err == nil {
		err = s.pending.add(rows)
	}
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	s.count.updates.Add(uint64(len(rows)))
	if len(rows) > 0 {
		s.signal()
	}
	return nil
}
