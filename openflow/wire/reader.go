package wire

import "encoding/binary"

// reader takes values off the front of a message. After it has run short once
// every further value is zero and err is set: decoders read all that they need
// and ask once.
type reader struct {
	what string // names the message in err
	b    []byte
	text string // ends with b, where many parts of it are to become strings; see string
	err  error
}

func newReader(what string, b []byte) *reader { return &reader{what: what, b: b} }

// take returns the next n bytes, or nil if there are not so many.
func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.b) {
		r.err = malformed(r.what, "%d bytes needed, %d left", n, len(r.b))
		r.b = nil
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

// string returns the next n bytes as a string, which is a part of r.text where
// that is set.
func (r *reader) string(n int) string {
	at := len(r.text) - len(r.b)
	p := r.take(n)
	if p == nil || r.text == "" {
		return string(p)
	}
	return r.text[at : at+n]
}

func (r *reader) skip(n int) { r.take(n) }

// sub returns a reader of the next n bytes alone.
func (r *reader) sub(n int) *reader {
	b := r.take(n)
	return &reader{what: r.what, b: b, err: r.err}
}

// fail sets the first error.
func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = malformed(r.what, format, args...)
		r.b = nil
	}
}

// more reports whether another record can be read.
func (r *reader) more() bool { return r.err == nil && len(r.b) > 0 }

// peek16 returns the 16 bits at offset off of what is left, consuming nothing.
func (r *reader) peek16(off int) uint16 {
	if r.err != nil || len(r.b) < off+2 {
		r.fail("%d bytes needed, %d left", off+2, len(r.b))
		return 0
	}
	return binary.BigEndian.Uint16(r.b[off:])
}

func (r *reader) u8() uint8 {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if p := r.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if p := r.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if p := r.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// end fails if anything is left.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	return r.err
}
