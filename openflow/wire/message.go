package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Version is the one version of OpenFlow that this package speaks: 1.3.
const Version = 4

// MaxMessage is the greatest length of a message in bytes, header included. It
// is the greatest that the header can express.
const MaxMessage = 65535

const headerLen = 8

// Type is the kind of a message, OpenFlow 1.3.5 §7.1.
type Type uint8

// The message types that ovsmesh sends or understands.
const (
	TypeHello            Type = 0
	TypeError            Type = 1
	TypeEchoRequest      Type = 2
	TypeEchoReply        Type = 3
	TypeExperimenter     Type = 4
	TypeFeaturesRequest  Type = 5
	TypeFeaturesReply    Type = 6
	TypePacketIn         Type = 10
	TypeFlowRemoved      Type = 11
	TypePortStatus       Type = 12
	TypeFlowMod          Type = 14
	TypePortMod          Type = 16
	TypeMultipartRequest Type = 18
	TypeMultipartReply   Type = 19
	TypeBarrierRequest   Type = 20
	TypeBarrierReply     Type = 21
	TypeRoleReply        Type = 25
)

// ErrMalformed is wrapped by every error about bytes that are not a message, or
// not the message that they claim to be.
var ErrMalformed = errors.New("malformed OpenFlow message")

// ErrVersion is wrapped by ReadMessage's error for a message that is not of
// OpenFlow 1.3.
var ErrVersion = errors.New("not OpenFlow 1.3")

// Message is one message as it came: its header's fields and what follows the
// header. Body belongs to the holder of the Message.
type Message struct {
	Version uint8
	Type    Type
	XID     uint32
	Body    []byte
}

// ReadMessage reads one message. It reads no byte beyond it, so that one reader
// who calls it again and again gets a connection's messages in order.
//
// Hello and Error are accepted in any version, as they are what peers without a
// common version say to each other; anything else must be of version 1.3. The
// error is io.EOF if r ended before a message began and io.ErrUnexpectedEOF if
// it ended within one.
func ReadMessage(r io.Reader) (Message, error) {
	var h [headerLen]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Message{}, err
	}
	m := Message{Version: h[0], Type: Type(h[1]), XID: binary.BigEndian.Uint32(h[4:])}
	length := int(binary.BigEndian.Uint16(h[2:]))
	if length < headerLen {
		return Message{}, malformed("header", "length %d", length)
	}
	if m.Version != Version && m.Type != TypeHello && m.Type != TypeError {
		return Message{}, fmt.Errorf("message type %d: version %#02x: %w", m.Type, m.Version, ErrVersion)
	}
	if length == headerLen {
		return m, nil
	}
	m.Body = make([]byte, length-headerLen)
	if _, err := io.ReadFull(r, m.Body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Message{}, err
	}
	return m, nil
}

// Count returns how many messages stand one after another in b, which an Encode
// function made.
func Count(b []byte) uint64 {
	var n uint64
	for len(b) >= headerLen {
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < headerLen || length > len(b) {
			break
		}
		b = b[length:]
		n++
	}
	return n
}

// malformed returns an error about part what, which wraps ErrMalformed.
func malformed(what, format string, args ...any) error {
	return fmt.Errorf("%s: %s: %w", what, fmt.Sprintf(format, args...), ErrMalformed)
}

// expect checks that m is of type want.
func (m Message) expect(what string, want Type) error {
	if m.Type != want {
		return malformed(what, "message of type %d, not %d", m.Type, want)
	}
	return nil
}
