// Package notation reads the JSON that an OVSDB peer sends, RFC 7047 §3.1 and
// §5.1, without trusting it: every access is checked against the bytes that
// are there, every shape against the one that is expected, and nothing is built
// that nobody asked for.
//
// It is pure. A Reader belongs to one goroutine.
package notation

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// MaxDepth is how deeply arrays and objects may nest in a message. A database
// schema, the deepest of what an honest peer sends, needs about 12.
const MaxDepth = 64

// ErrTruncated says that the text ends within a value.
var ErrTruncated = errors.New("JSON ends within a value")

// Reader is a position in a JSON text. Each method reads one value there, or
// returns an error and leaves the position undefined. The zero value stands in
// an empty text.
type Reader struct {
	b []byte
	i int
}

// NewReader returns a Reader at the start of b, which it does not copy.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Peek returns the first byte of the next value or bracket, 0 at the end.
func (r *Reader) Peek() byte {
	for ; r.i < len(r.b); r.i++ {
		switch r.b[r.i] {
		case ' ', '\t', '\n', '\r':
		default:
			return r.b[r.i]
		}
	}
	return 0
}

// End returns an error unless only white space is left.
func (r *Reader) End() error {
	if c := r.Peek(); c != 0 || r.i < len(r.b) {
		return fmt.Errorf("%q after the value", c)
	}
	return nil
}

// take consumes c, which must come next.
func (r *Reader) take(c byte, what string) error {
	got := r.Peek()
	switch {
	case got == c && r.i < len(r.b):
		r.i++
		return nil
	case r.i >= len(r.b):
		return ErrTruncated
	}
	return fmt.Errorf("got %q, want %s", got, what)
}

// Object reads an object. It calls member with each key, upon which member
// must read the value. The key is valid only during the call.
func (r *Reader) Object(member func(key []byte) error) error {
	if err := r.take('{', "an object"); err != nil {
		return err
	}
	if r.Peek() == '}' {
		r.i++
		return nil
	}
	for {
		key, err := r.Text()
		if err != nil {
			return err
		}
		if err := r.take(':', "a colon"); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if r.Peek() == '}' {
			r.i++
			return nil
		}
		if err := r.take(',', "a comma or the object's end"); err != nil {
			return err
		}
	}
}

// Array reads an array. It calls element with each index, upon which element
// must read the value.
func (r *Reader) Array(element func(n int) error) error {
	if err := r.take('[', "an array"); err != nil {
		return err
	}
	if r.Peek() == ']' {
		r.i++
		return nil
	}
	for n := 0; ; n++ {
		if err := element(n); err != nil {
			return err
		}
		if r.Peek() == ']' {
			r.i++
			return nil
		}
		if err := r.take(',', "a comma or the array's end"); err != nil {
			return err
		}
	}
}

// Text reads a string. The result may share memory with the text.
func (r *Reader) Text() ([]byte, error) {
	if err := r.take('"', "a string"); err != nil {
		return nil, err
	}
	start, plain := r.i, true
	for r.i < len(r.b) {
		switch c := r.b[r.i]; {
		case c == '"':
			s := r.b[start:r.i]
			r.i++
			if plain {
				return s, nil
			}
			return unquote(r.b[start-1 : r.i])
		case c == '\\':
			plain = false
			r.i += 2
			continue
		case c < ' ':
			return nil, fmt.Errorf("control character %#02x in a string", c)
		case c >= utf8.RuneSelf:
			plain = false // may be invalid UTF-8
		}
		r.i++
	}
	r.i = len(r.b)
	return nil, ErrTruncated
}

func unquote(quoted []byte) ([]byte, error) {
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return nil, fmt.Errorf("malformed string: %w", err)
	}
	return []byte(s), nil
}

// String reads a string.
func (r *Reader) String() (string, error) {
	b, err := r.Text()
	return string(b), err
}

// Int reads an integer. A number with a fraction or an exponent is an error.
func (r *Reader) Int() (int64, error) {
	tok, err := r.word("an integer")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(tok), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("got %.40q, want an integer", tok)
	}
	return n, nil
}

// Float reads a number.
func (r *Reader) Float() (float64, error) {
	tok, err := r.word("a number")
	if err != nil {
		return 0, err
	}
	if c := tok[0]; c != '-' && (c < '0' || c > '9') {
		return 0, fmt.Errorf("got %.40q, want a number", tok)
	}
	f, err := strconv.ParseFloat(string(tok), 64)
	if err != nil {
		return 0, fmt.Errorf("got %.40q, want a number", tok)
	}
	return f, nil
}

// Bool reads true or false.
func (r *Reader) Bool() (bool, error) {
	tok, err := r.word("a boolean")
	if err != nil {
		return false, err
	}
	switch string(tok) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("got %.40q, want a boolean", tok)
}

// word reads a number or a literal, as it stands.
func (r *Reader) word(what string) ([]byte, error) {
	c := r.Peek()
	start := r.i
	for r.i < len(r.b) && isWord(r.b[r.i]) {
		r.i++
	}
	switch {
	case start >= len(r.b):
		return nil, ErrTruncated
	case start == r.i:
		return nil, fmt.Errorf("got %q, want %s", c, what)
	}
	return r.b[start:r.i], nil
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.'
}

// Raw skips one value and returns its text, which is checked no further than
// that its brackets close and its strings end.
func (r *Reader) Raw() ([]byte, error) {
	c := r.Peek()
	start := r.i
	switch c {
	case '"':
		if _, err := r.Text(); err != nil {
			return nil, err
		}
	case '{', '[':
		if err := r.skipNested(); err != nil {
			return nil, err
		}
	default:
		if _, err := r.word("a value"); err != nil {
			return nil, err
		}
	}
	return r.b[start:r.i], nil
}

func (r *Reader) skipNested() error {
	for depth := 0; r.i < len(r.b); {
		switch r.b[r.i] {
		case '"':
			if _, err := r.Text(); err != nil {
				return err
			}
			continue
		case '{', '[':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("nested more than %d deep", MaxDepth)
			}
		case '}', ']':
			if depth--; depth == 0 {
				r.i++
				return nil
			}
		}
		r.i++
	}
	return ErrTruncated
}

// Null reports whether the next value is null, and consumes it if so.
func (r *Reader) Null() bool {
	if r.Peek() == 'n' && len(r.b)-r.i >= 4 && string(r.b[r.i:r.i+4]) == "null" && (len(r.b) == r.i+4 || !isWord(r.b[r.i+4])) {
		r.i += 4
		return true
	}
	return false
}
