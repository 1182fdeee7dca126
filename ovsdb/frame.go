package ovsdb

import (
	"fmt"
	"io"
	"net"
	"time"

	"ovsmesh/ovsdb/notation"
)

// A message buffer beyond this is given back once its message is done: a host
// sends one large message, the dump, and small ones ever after.
const keepBuffer = 64 << 10

// framer cuts a connection's bytes into messages. OVSDB has no other frame than
// JSON's own: a message ends with the bracket that closes its first.
type framer struct {
	conn    net.Conn
	max     int           // bytes of a message
	timeout time.Duration // from a message's first byte to its last
	seen    func(n int)   // told of bytes as they come

	buf   []byte
	next  int // start of what has not been handed out
	read  int // how far buf has been scanned
	depth int
	text  bool // within a string
	esc   bool // after a backslash
	until time.Time
}

// message returns the next message, valid until the next call. It returns
// io.EOF only between messages.
func (f *framer) message() ([]byte, error) {
	f.compact()
	for {
		done, err := f.scan()
		if err != nil {
			return nil, err
		}
		if done {
			m := f.buf[f.next:f.read]
			f.next = f.read
			f.until = time.Time{}
			return m, nil
		}
		if err := f.fill(); err != nil {
			return nil, err
		}
	}
}

// scan goes on to the end of the message, and reports whether it is there.
func (f *framer) scan() (bool, error) {
	for ; f.read < len(f.buf); f.read++ {
		c := f.buf[f.read]
		if f.depth == 0 {
			switch c {
			case ' ', '\t', '\n', '\r':
				f.next = f.read + 1
				continue
			case '{':
				f.depth = 1
				f.next = f.read
				continue
			}
			return false, fmt.Errorf("%q where a message should begin", c)
		}
		switch {
		case f.esc:
			f.esc = false
		case f.text && c == '\\':
			f.esc = true
		case c == '"':
			f.text = !f.text
		case f.text:
		case c == '{' || c == '[':
			if f.depth++; f.depth > notation.MaxDepth {
				return false, fmt.Errorf("message nested more than %d deep", notation.MaxDepth)
			}
		case c == '}' || c == ']':
			if f.depth--; f.depth == 0 {
				f.read++
				return true, nil
			}
		}
		if f.read-f.next >= f.max {
			return false, fmt.Errorf("message of more than %d bytes", f.max)
		}
	}
	return false, nil
}

func (f *framer) fill() error {
	if f.depth > 0 && f.until.IsZero() {
		f.until = time.Now().Add(f.timeout)
	}
	if err := f.conn.SetReadDeadline(f.until); err != nil {
		return err
	}
	if cap(f.buf)-len(f.buf) < 4<<10 {
		grown := make([]byte, len(f.buf), max(16<<10, 2*cap(f.buf)))
		copy(grown, f.buf)
		f.buf = grown
	}
	n, err := f.conn.Read(f.buf[len(f.buf):cap(f.buf)])
	f.buf = f.buf[:len(f.buf)+n]
	f.seen(n)
	if n > 0 {
		return nil
	}
	if err == io.EOF && f.depth > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// compact moves what is left to the start of the buffer.
func (f *framer) compact() {
	left := f.buf[f.next:]
	if f.next == 0 {
		return
	}
	if cap(f.buf) > keepBuffer && len(left) < keepBuffer {
		f.buf = append(make([]byte, 0, max(16<<10, len(left))), left...)
	} else if len(left) == 0 || f.next > cap(f.buf)/2 {
		f.buf = f.buf[:copy(f.buf, left)]
	} else {
		return
	}
	f.read -= f.next
	f.next = 0
}
