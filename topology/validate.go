package topology

import (
	"fmt"
	"net/netip"
	"strings"
)

// The bad functions say what is wrong with a value, for people; "" if nothing is.

const (
	maxName   = 63
	maxText   = 255
	maxHostID = 1<<31 - 1
)

// badName judges the name of an object: a DNS label, as it ends up in
// external_ids and URLs.
func badName(s string) string {
	const rule = "(want lower-case letters, digits and dashes, beginning and ending with a letter or digit, at most 63)"
	if s == "" {
		return "is missing"
	}
	if len(s) > maxName {
		return fmt.Sprintf("%.20q… is longer than %d characters", s, maxName)
	}
	for i := range len(s) {
		c := s[i]
		inner := c == '-' && i > 0 && i < len(s)-1
		if !inner && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return fmt.Sprintf("%q is not a name %s", s, rule)
		}
	}
	return ""
}

// badText judges text that is compared with what a switch has.
func badText(s string) string {
	if len(s) > maxText {
		return fmt.Sprintf("is longer than %d bytes", maxText)
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return fmt.Sprintf("%q holds a control or invalid character", s)
		}
	}
	if strings.TrimSpace(s) != s {
		return fmt.Sprintf("%q begins or ends with a space", s)
	}
	return ""
}

func badSystemID(s string) string {
	if s == "" {
		return "is missing"
	}
	return badText(s)
}

// badDevice judges the name of a bridge or an interface: what Linux takes
// (dev_valid_name) and what Open vSwitch takes on top.
func badDevice(s string) string {
	switch {
	case len(s) > maxPortName:
		return fmt.Sprintf("%.20q is longer than %d characters", s, maxPortName)
	case s == "." || s == "..":
		return fmt.Sprintf("%q is not the name of a device", s)
	case strings.ContainsAny(s, "/: \t\"") || badText(s) != "":
		return fmt.Sprintf("%q is not the name of a device", s)
	}
	return ""
}

// badUUID judges a UUID in its usual form of 8-4-4-4-12 hex digits.
func badUUID(s string) string {
	ok := len(s) == 36
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			ok = c == '-'
		} else {
			ok = '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		}
	}
	if !ok {
		return fmt.Sprintf("%.64q is not a UUID", s)
	}
	return ""
}

func badKey(encap Encap, key uint64) string {
	if key < 1 || key > uint64(encap.MaxKey()) {
		return fmt.Sprintf("%d is out of range for %s (1..%d)", key, encap, encap.MaxKey())
	}
	return ""
}

// badIP judges the address of a VM.
func badIP(a netip.Addr) string {
	switch {
	case a.Zone() != "":
		return fmt.Sprintf("%s has a zone", a)
	case a.IsUnspecified():
		return fmt.Sprintf("%s is the unspecified address", a)
	case a.IsMulticast():
		return fmt.Sprintf("%s is a multicast address", a)
	case a.IsLoopback():
		return fmt.Sprintf("%s is a loopback address", a)
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Sprintf("%s is the broadcast address", a)
	}
	return ""
}

// badStation judges the MAC address of a VM.
func badStation(m MAC) string {
	if !m.IsUnicast() {
		return fmt.Sprintf("%s is a multicast address", m)
	}
	return ""
}
