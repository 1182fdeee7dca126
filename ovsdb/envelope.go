package ovsdb

import (
	"fmt"
	"strconv"

	"ovsmesh/ovsdb/notation"
)

// envelope is a JSON-RPC 1.0 message with its parts as they stand, RFC 7047 §4.
// A part that is missing or null is nil.
type envelope struct {
	id, result, fault, params []byte
	method                    string
}

func parseEnvelope(message []byte) (envelope, error) {
	var e envelope
	r := notation.NewReader(message)
	err := r.Object(func(key []byte) (err error) {
		var to *[]byte
		switch string(key) {
		case "method":
			if r.Null() {
				return nil
			}
			e.method, err = r.String()
			return err
		case "id":
			to = &e.id
		case "result":
			to = &e.result
		case "error":
			to = &e.fault
		case "params":
			to = &e.params
		default:
			_, err = r.Raw()
			return err
		}
		if r.Null() {
			*to = nil
			return nil
		}
		*to, err = r.Raw()
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return envelope{}, fmt.Errorf("message: %w", err)
	}
	return e, nil
}

// number returns the ID of a reply as one that we gave, 0 for any other.
func (e envelope) number() uint64 {
	n, err := strconv.ParseUint(string(e.id), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// refusal returns what a reply says went wrong, nil if nothing. Beside the
// "error" of the standard it knows "error":null,"result":{"error":…}, which
// Open vSwitch 1.4 sends.
func (e envelope) refusal(op string) *Error {
	fault := e.fault
	if fault == nil {
		if notation.NewReader(e.result).Peek() != '{' {
			return nil
		}
		r := notation.NewReader(e.result)
		err := r.Object(func(key []byte) error {
			raw, err := r.Raw()
			if string(key) == "error" {
				fault = raw
			}
			return err
		})
		if err != nil || fault == nil || notation.NewReader(fault).Peek() != '"' {
			return nil
		}
		fault = e.result
	}
	f := &Error{Op: op, Index: -1}
	r := notation.NewReader(fault)
	switch r.Peek() {
	case '"':
		f.Code, _ = r.String()
	case '{':
		_ = r.Object(func(key []byte) (err error) {
			if r.Peek() != '"' {
				_, err = r.Raw()
				return err
			}
			s, err := r.String()
			switch string(key) {
			case "error":
				f.Code = s
			case "details":
				f.Details = s
			}
			return err
		})
	}
	if f.Code == "" {
		f.Code = "unspecified error"
	}
	f.Code, f.Details = clip(f.Code), clip(f.Details)
	return f
}

// clip keeps a host's words readable in a log.
func clip(s string) string {
	if len(s) > 1000 {
		return s[:1000] + "…"
	}
	return s
}
