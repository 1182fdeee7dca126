package wire

import "fmt"

const helloElemVersionBitmap = 1

// Hello is a peer's first message: the versions that it offers.
type Hello struct {
	Version  uint8    // of the header: the greatest that it offers
	Versions []uint32 // version bitmap, the least significant bit of the first word first; nil if it sent none
}

// DecodeHello decodes a hello of any version, OpenFlow 1.3.5 §7.5.1. Elements
// other than the version bitmap are passed over, as are all bytes after the
// header of a version without elements (before 1.3).
func DecodeHello(m Message) (Hello, error) {
	if err := m.expect("hello", TypeHello); err != nil {
		return Hello{}, err
	}
	h := Hello{Version: m.Version}
	if m.Version < Version {
		return h, nil
	}
	r := newReader("hello", m.Body)
	for r.more() {
		typ, length := r.u16(), int(r.u16())
		if length < 4 {
			r.fail("element of length %d", length)
			break
		}
		e := r.sub(length - 4)
		// Elements are padded to 8 bytes; some peers leave the last one's out.
		r.skip(min(padding(length), len(r.b)))
		if typ != helloElemVersionBitmap {
			continue
		}
		if (length-4)%4 != 0 {
			r.fail("version bitmap of %d bytes", length-4)
		}
		for e.more() {
			h.Versions = append(h.Versions, e.u32())
		}
	}
	return h, r.end()
}

// Offers reports whether the peer can speak the given version: by its bitmap,
// or without one because its greatest version is no less (§6.3.1).
func (h Hello) Offers(version uint8) bool {
	if h.Versions == nil {
		return h.Version >= version
	}
	word := int(version / 32)
	return word < len(h.Versions) && h.Versions[word]&(1<<(version%32)) != 0
}

// String names the offer for people: "0x01" or "0x05 (bitmap 0x20)".
func (h Hello) String() string {
	if h.Versions == nil {
		return fmt.Sprintf("%#02x", h.Version)
	}
	return fmt.Sprintf("%#02x (bitmap %#x)", h.Version, h.Versions)
}

// padding returns how many bytes fill n up to a multiple of 8.
func padding(n int) int { return (8 - n%8) % 8 }
