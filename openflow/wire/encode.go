package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/contiv/libOpenflow/common"
	of "github.com/contiv/libOpenflow/openflow13"
	"github.com/contiv/libOpenflow/util"
)

// ErrTooLong is wrapped by the error of every encoder whose message would be
// longer than MaxMessage.
var ErrTooLong = fmt.Errorf("OpenFlow message longer than %d bytes", MaxMessage)

// errDecode is what the values that we lend to libOpenflow say when it tries to
// decode into them.
var errDecode = errors.New("encode only")

// raw is bytes in the library's clothes.
type raw []byte

func (b raw) Len() uint16                    { return uint16(len(b)) }
func (b raw) MarshalBinary() ([]byte, error) { return b, nil }
func (b raw) UnmarshalBinary([]byte) error   { return errDecode }

// message is a message of which the library knows the header only.
type message struct {
	common.Header
	body []byte
}

func newMessage(typ Type, xid uint32, body []byte) *message {
	return &message{header(typ, xid), body}
}

func (m *message) Len() uint16 { return m.Header.Len() + uint16(len(m.body)) }

func (m *message) MarshalBinary() ([]byte, error) {
	m.Header.Length = m.Len()
	b, err := m.Header.MarshalBinary()
	return append(b, m.body...), err
}

func (m *message) UnmarshalBinary([]byte) error { return errDecode }

// header returns the header of a message of ours; the library fills in Length.
func header(typ Type, xid uint32) common.Header {
	return common.Header{Version: Version, Type: uint8(typ), Xid: xid}
}

// marshal lays m out and checks that what came out is one whole message.
func marshal(what string, m util.Message) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			b, err = nil, fmt.Errorf("encode %s: %v", what, p)
		}
	}()
	b, err = m.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("encode %s: %d bytes: %w", what, len(b), ErrTooLong)
	}
	if len(b) < headerLen || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return nil, fmt.Errorf("encode %s: length in header is not that of the %d bytes", what, len(b))
	}
	return b, nil
}

// EncodeHello encodes a hello that offers OpenFlow 1.3 and nothing else.
func EncodeHello(xid uint32) ([]byte, error) {
	elem := common.NewHelloElemVersionBitmap()
	elem.Bitmaps = []uint32{1 << Version}
	return marshal("hello", &common.Hello{Header: header(TypeHello, xid), Elements: []common.HelloElem{elem}})
}

// EncodeError encodes an error message about a message with the given XID; data
// is a text for a failed hello, else the beginning of that message.
func EncodeError(xid uint32, typ, code uint16, data []byte) ([]byte, error) {
	if len(data) > MaxMessage-headerLen-4 {
		return nil, fmt.Errorf("encode error: %w", ErrTooLong)
	}
	e := of.NewErrorMsg()
	e.Header = header(TypeError, xid)
	e.Type, e.Code = typ, code
	e.Data = *util.NewBuffer(data)
	e.Header.Length = e.Len()
	return marshal("error", e)
}

// EncodeEchoRequest encodes an echo request without data.
func EncodeEchoRequest(xid uint32) ([]byte, error) {
	return marshal("echo request", newMessage(TypeEchoRequest, xid, nil))
}

// EncodeEchoReply encodes the answer to an echo request, whose XID and body it
// must repeat.
func EncodeEchoReply(request Message) ([]byte, error) {
	return marshal("echo reply", newMessage(TypeEchoReply, request.XID, request.Body))
}

// EncodeFeaturesRequest encodes a features request.
func EncodeFeaturesRequest(xid uint32) ([]byte, error) {
	return marshal("features request", newMessage(TypeFeaturesRequest, xid, nil))
}

// EncodeBarrier encodes a barrier request.
func EncodeBarrier(xid uint32) ([]byte, error) {
	return marshal("barrier", newMessage(TypeBarrierRequest, xid, nil))
}
