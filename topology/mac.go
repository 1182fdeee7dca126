package topology

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// MAC is an Ethernet address. The zero value means none.
type MAC [6]byte

// ParseMAC reads six hex octets separated by colons, in either case.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	parts := strings.Split(s, ":")
	if len(parts) != 6 {
		return MAC{}, fmt.Errorf("%q is not a MAC address (want six hex octets, like 02:00:00:00:01:01)", s)
	}
	for i, p := range parts {
		b, err := hex.DecodeString(p)
		if err != nil || len(b) != 1 {
			return MAC{}, fmt.Errorf("%q is not a MAC address (want six hex octets, like 02:00:00:00:01:01)", s)
		}
		m[i] = b[0]
	}
	return m, nil
}

// String returns the address in lower case with colons; "" for the zero value.
func (m MAC) String() string {
	if m.IsZero() {
		return ""
	}
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// IsZero reports whether m is 00:00:00:00:00:00, which stands for none.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsUnicast reports whether m may be a station's own address: the group bit
// is clear and it is not zero.
func (m MAC) IsUnicast() bool { return !m.IsZero() && m[0]&1 == 0 }

// MarshalText implements encoding.TextMarshaler.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; empty text is the zero value.
func (m *MAC) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*m = MAC{}
		return nil
	}
	v, err := ParseMAC(string(b))
	if err != nil {
		return err
	}
	*m = v
	return nil
}
