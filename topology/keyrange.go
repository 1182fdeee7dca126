package topology

import (
	"fmt"
	"strconv"
	"strings"
)

// KeyRange is a closed range of tunnel keys, "100-110" in text.
type KeyRange struct {
	First, Last uint32
}

// ParseKeyRange reads FIRST-LAST, or a single key, in decimal. The range is
// not empty; whether its keys suit an encapsulation is not looked at.
func ParseKeyRange(s string) (KeyRange, error) {
	first, last, two := strings.Cut(s, "-")
	if !two {
		last = first
	}
	a, err := parseKey(first)
	if err != nil {
		return KeyRange{}, fmt.Errorf("%.64q is not a range of keys (want FIRST-LAST, like 100-110)", s)
	}
	b, err := parseKey(last)
	if err != nil {
		return KeyRange{}, fmt.Errorf("%.64q is not a range of keys (want FIRST-LAST, like 100-110)", s)
	}
	if a > b {
		return KeyRange{}, fmt.Errorf("range %s begins after its end", s)
	}
	return KeyRange{First: a, Last: b}, nil
}

func parseKey(s string) (uint32, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	return uint32(n), err
}

// String returns FIRST-LAST, which ParseKeyRange reads back.
func (r KeyRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

// Size returns how many keys the range holds.
func (r KeyRange) Size() uint64 { return uint64(r.Last) - uint64(r.First) + 1 }

// Contains reports whether key is in the range.
func (r KeyRange) Contains(key uint32) bool { return r.First <= key && key <= r.Last }

// Overlaps reports whether the two ranges have a key in common.
func (r KeyRange) Overlaps(o KeyRange) bool { return r.First <= o.Last && o.First <= r.Last }

// MarshalText implements encoding.TextMarshaler.
func (r KeyRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *KeyRange) UnmarshalText(b []byte) error {
	v, err := ParseKeyRange(string(b))
	if err != nil {
		return err
	}
	*r = v
	return nil
}
