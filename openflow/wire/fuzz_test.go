package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"ovsmesh/openflow/flow"
)

// FuzzDecode feeds any bytes to the decoders: they end, without panic, and all
// that they refuse is malformed.
func FuzzDecode(f *testing.F) {
	golden(f, func(_ string, b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ReadMessage(bytes.NewReader(b))
		if err != nil {
			return
		}
		if _, err := decodeAny(m); err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("error is not ErrMalformed: %v", err)
		}
	})
}

// FuzzRoundTrip decodes any bytes as a flow-stats reply's body. Each flow in it
// can be sent back as it was read.
func FuzzRoundTrip(f *testing.F) {
	golden(f, func(_ string, b []byte) {
		if m, err := ReadMessage(bytes.NewReader(b)); err == nil && m.Type == TypeMultipartReply {
			f.Add(m.Body[8:])
		}
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > MaxMessage-headerLen-8 {
			return
		}
		flows, err := DecodeFlows(body)
		if err != nil {
			return
		}
		for _, want := range flows {
			b, err := EncodeFlowMod(Mod{Command: Add, Flow: &want}, 1)
			if err != nil {
				t.Fatalf("encode %+v: %v", want, err)
			}
			got, err := DecodeFlowMod(b)
			if err != nil {
				t.Fatalf("decode %x: %v", b, err)
			}
			if !reflect.DeepEqual(*got.Flow, want) {
				t.Errorf("sent back as %+v, was %+v", *got.Flow, want)
			}
		}
	})
}

// FuzzText prints what a switch may say that it holds: the text is a line, and
// read back the same flow.
func FuzzText(f *testing.F) {
	golden(f, func(_ string, b []byte) {
		if m, err := ReadMessage(bytes.NewReader(b)); err == nil && m.Type == TypeMultipartReply {
			f.Add(m.Body[8:])
		}
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<10 {
			return // more fields than text may have
		}
		flows, err := DecodeFlows(body)
		if err != nil {
			return
		}
		for _, want := range flows {
			text := want.String()
			got, err := flow.Parse(text)
			if err != nil || !got.Equal(&want) {
				t.Errorf("%q\nof %+v\nread back as %+v, %v", text, want, got, err)
			}
		}
	})
}
