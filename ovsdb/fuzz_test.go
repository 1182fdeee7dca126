package ovsdb

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"ovsmesh/ovsdb/schema"
)

// bytesConn is a connection whose peer has sent what is in the reader, in
// pieces of at most step bytes, and hung up.
type bytesConn struct {
	net.Conn
	r    *bytes.Reader
	step int
}

func (c *bytesConn) Read(b []byte) (int, error)    { return c.r.Read(b[:min(len(b), c.step)]) }
func (*bytesConn) SetReadDeadline(time.Time) error { return nil }
func frames(b []byte, step int) (out []string, err error) {
	f := framer{conn: &bytesConn{r: bytes.NewReader(b), step: step}, max: 1 << 16, timeout: time.Hour, seen: func(int) {}}
	for {
		m, err := f.message()
		if err != nil {
			return out, err
		}
		out = append(out, string(m))
	}
}

func TestFrames(t *testing.T) {
	text := " {\"a\":\"}{\\\"\"}\n{\"b\":[{}]}{}"
	for step := 1; step < 30; step++ {
		got, err := frames([]byte(text), step)
		if err != io.EOF || len(got) != 3 || got[0] != `{"a":"}{\""}` || got[1] != `{"b":[{}]}` || got[2] != `{}` {
			t.Errorf("in pieces of %d: %q, %v", step, got, err)
		}
	}
	for cut := 2; cut < 12; cut++ {
		if got, err := frames([]byte(text)[:cut], 3); err != io.ErrUnexpectedEOF || len(got) != 0 {
			t.Errorf("cut at %d: %q, %v", cut, got, err)
		}
	}
	if _, err := frames([]byte(`{"a":"`+string(make([]byte, 1<<17))), 999); err == nil || err == io.ErrUnexpectedEOF {
		t.Errorf("a message without end: %v", err)
	}
}

// FuzzMessages feeds a session's decoders with whatever: no input may panic,
// and how the bytes are cut must make no difference.
func FuzzMessages(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"id":1,"result":[{"uuid":["uuid","x"]},null,{"rows":[{"a":["map",[["x",1.5]]]}]}],"error":null}`,
		`{"id":null,"method":"update","params":["ovsmesh",{"Bridge":{"00000000-0000-4000-8000-000000000001":{"new":{"ports":["set",[["uuid","p"]]],"external_ids":["map",[["a","\u00e4"]]],"stp_enable":true}}}}]}`,
		`{"id":null,"method":"locked","params":["ovsmesh"]}`, `{"id":2,"result":{"error":"x","details":"y"}}`,
		`{"id":"echo","method":"echo","params":["a",{}]}`, `{"tables":{"Bridge":{"columns":{"name":{}}}}}`, `[[`, `{"a":"\`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, err1 := frames(b, 1<<20)
		bytewise, err2 := frames(b, 1)
		if (err1 == nil) != (err2 == nil) || len(whole) != len(bytewise) {
			t.Fatalf("%d messages (%v) whole, %d (%v) byte by byte", len(whole), err1, len(bytewise), err2)
		}
		s := &Session{
			cfg: Config{}.withDefaults(), count: &counters{}, pending: pending{max: 1000}, changed: make(chan struct{}, 1),
			calls: map[uint64]*call{}, echoes: make(chan []byte, 1),
		}
		for _, m := range whole {
			_, _ = schema.ParseSchema([]byte(m))
			e, err := parseEnvelope([]byte(m))
			if err != nil {
				continue
			}
			_ = e.refusal("x")
			_, _ = parseResults(e.result, 3)
			if s.dispatch(e) != nil {
				continue
			}
			if _, err := schema.NewDB(schema.Full()).Apply(s.Take()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
