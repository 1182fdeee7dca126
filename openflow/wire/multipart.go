package wire

import "bytes"

// MultipartType is the kind of a multipart request and its replies, OpenFlow
// 1.3.5 §7.3.5.
type MultipartType uint16

// The kinds that ovsmesh asks for.
const (
	MultipartDesc      MultipartType = 0
	MultipartFlow      MultipartType = 1
	MultipartGroupDesc MultipartType = 7
	MultipartPortDesc  MultipartType = 13
)

const multipartMore = 1

// Multipart is one part of a multipart reply.
type Multipart struct {
	Type MultipartType
	More bool // further parts follow, with the same XID
	Body []byte
}

// DecodeMultipart decodes the frame of a multipart reply. The body's records
// are for DecodeFlows, DecodePorts, DecodeGroups or DecodeDesc.
func DecodeMultipart(m Message) (Multipart, error) {
	if err := m.expect("multipart reply", TypeMultipartReply); err != nil {
		return Multipart{}, err
	}
	r := newReader("multipart reply", m.Body)
	p := Multipart{Type: MultipartType(r.u16()), More: r.u16()&multipartMore != 0}
	r.skip(4)
	p.Body = r.b
	return p, r.err
}

// Desc is what a switch says of its make.
type Desc struct {
	Manufacturer, Hardware, Software, Serial, Datapath string
}

// DecodeDesc decodes the body of a desc reply.
func DecodeDesc(body []byte) (Desc, error) {
	r := newReader("desc reply", body)
	text := func(n int) string {
		s, _, _ := bytes.Cut(r.take(n), []byte{0})
		return string(s)
	}
	d := Desc{Manufacturer: text(256), Hardware: text(256), Software: text(256), Serial: text(32), Datapath: text(256)}
	return d, r.end()
}

// Group is one group of a switch, OpenFlow 1.3.5 §7.3.5.7. Buckets are kept as
// they stand on the wire.
type Group struct {
	ID      uint32
	Type    uint8 // 0 all, 1 select, 2 indirect, 3 fast failover
	Buckets string
}

// DecodeGroups decodes the body of one part of a group-desc reply.
func DecodeGroups(body []byte) ([]Group, error) {
	r := newReader("group-desc reply", body)
	var groups []Group
	for r.more() {
		length := int(r.peek16(0))
		if length < 8 {
			r.fail("group of length %d", length)
			break
		}
		e := r.sub(length)
		e.skip(2)
		g := Group{Type: e.u8()}
		e.skip(1)
		g.ID = e.u32()
		g.Buckets = string(e.b)
		if r.err == nil {
			groups = append(groups, g)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return groups, nil
}
