package flow

import (
	"fmt"
	"strconv"
	"strings"
)

// flagNames returns the names of a field's bits, the lowest first; "" for those
// that have none.
func (k known) flagNames() []string {
	switch k.name {
	case CTState:
		return []string{"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"}
	case TCPFlags:
		return []string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"}
	case TunFlags:
		return []string{"oam"}
	}
	return nil
}

// wholeFlags reports whether x's mask has all flags that a field has room for:
// the bits beyond are never anything but 0.
func (x OXM) wholeFlags() bool {
	switch x.Field {
	case CTState.Field():
		return x.Mask == "\x00\x00\x00\xff"
	case TCPFlags.Field():
		return x.Mask == "\x0f\xff"
	}
	return false
}

// flagsText prints a field of flags: those that must be set and those that must
// not, or, of a field that is matched whole, those that are set.
func (k known) flagsText(x OXM) string {
	v, mask := number(x.Value), number(x.Mask)
	var parts []string
	names := k.flagNames()
	for bit := range 8 * k.width {
		flag := uint64(1) << bit
		name := ""
		if bit < len(names) {
			name = names[bit]
		} else {
			name = fmt.Sprintf("[%x]", flag)
		}
		switch {
		case x.Mask == "" && v&flag != 0:
			parts = append(parts, name)
		case mask&flag == 0:
		case v&flag != 0:
			parts = append(parts, "+"+name)
		default:
			parts = append(parts, "-"+name)
		}
	}
	if x.Mask == "" {
		if len(parts) == 0 {
			return "0"
		}
		return strings.Join(parts, "|")
	}
	if len(parts) == 0 {
		return "0/0"
	}
	return strings.Join(parts, "")
}

// parseFlags reads what flagsText prints, and numbers.
func (k known) parseFlags(text string) (value, mask string, err error) {
	if text != "" && text[0] >= '0' && text[0] <= '9' {
		v, m, masked := strings.Cut(text, "/")
		number, ok := number64(v, 8*k.width)
		matched, okay := number64(m, 8*k.width)
		if !ok || masked && !okay {
			return "", "", fmt.Errorf("%q is not a number of %d bytes", text, k.width)
		}
		if masked {
			mask = be64(matched)[8-k.width:]
		}
		return be64(number)[8-k.width:], mask, nil
	}
	var v, m uint64
	signed := strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-")
	for rest := text; rest != ""; {
		sign := byte('+')
		if signed {
			sign, rest = rest[0], rest[1:]
		}
		end := strings.IndexAny(rest, "+-|")
		name := rest
		if end >= 0 {
			name = rest[:end]
		}
		flag, ok := k.flag(name)
		if !ok || end >= 0 && (rest[end] == '|') == signed {
			return "", "", fmt.Errorf("%q is not a set of flags", text)
		}
		m |= flag
		if sign == '+' {
			v |= flag
		}
		switch {
		case end < 0:
			rest = ""
		case signed:
			rest = rest[end:]
		default:
			rest = rest[end+1:]
		}
	}
	if m == 0 {
		return "", "", fmt.Errorf("%q is not a set of flags", text)
	}
	if signed {
		mask = be64(m)[8-k.width:]
	}
	return be64(v)[8-k.width:], mask, nil
}

// flag returns the bit of a name, or of its number in brackets.
func (k known) flag(name string) (uint64, bool) {
	for bit, n := range k.flagNames() {
		if n == name {
			return 1 << bit, true
		}
	}
	inner, ok := strings.CutPrefix(name, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !ok || !closed {
		return 0, false
	}
	v, err := strconv.ParseUint(inner, 16, 8*k.width)
	return v, err == nil && v != 0
}

// frags are the words for fragments by value and mask of IPFrag, of which bit 0
// says that a packet is one, bit 1 that it is not the first.
var frags = []struct {
	word        string
	value, mask byte
}{
	{"no", 0, 3}, {"yes", 1, 1}, {"first", 1, 3}, {"later", 3, 3}, {"not_later", 0, 2},
}

func fragText(x OXM) string {
	for _, f := range frags {
		if x.Value[0] == f.value && (x.Mask == "" && f.mask == 3 || x.Mask != "" && x.Mask[0] == f.mask) {
			return f.word
		}
	}
	return ""
}
