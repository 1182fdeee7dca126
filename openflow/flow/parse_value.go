package flow

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parse reads a value with its mask, as they stand; name is for the error.
func (k known) parse(name, value string) (OXM, error) {
	x := OXM{Field: k.name.Field()}
	var err error
	switch k.form {
	case formFlags:
		x.Value, x.Mask, err = k.parseFlags(value)
	case formFrag:
		x.Value, x.Mask, err = parseFrag(value)
	default:
		text, mask, masked := strings.Cut(value, "/")
		if x.Value, err = k.bytes(text); err == nil && masked {
			x.Mask, err = k.mask(mask)
		}
		if k.form == formBytes && err == nil {
			if masked {
				x.Value, x.Mask = equallyLong(x.Value, x.Mask)
			}
			x = x.shortest()
		}
	}
	if err != nil {
		return OXM{}, fmt.Errorf("%s=%s: %w", name, value, err)
	}
	return x, nil
}

// mask reads a mask, or the length of an address's prefix.
func (k known) mask(text string) (string, error) {
	if k.form == formIPv4 || k.form == formIPv6 {
		ones, err := strconv.ParseUint(text, 10, 8)
		if err == nil && ones <= uint64(8*k.width) {
			return string(prefixMask(k.width, int(ones))), nil
		}
	}
	return k.bytes(text)
}

// bytes reads one value or mask.
func (k known) bytes(text string) (string, error) {
	switch k.form {
	case formMAC:
		return parseMAC(text)
	case formIPv4, formIPv6:
		a, err := netip.ParseAddr(text)
		if err != nil || len(a.AsSlice()) != k.width || a.Zone() != "" {
			return "", fmt.Errorf("%q is not an address of %d bytes", text, k.width)
		}
		return string(a.AsSlice()), nil
	case formPort:
		port, err := parsePort(text)
		if err == nil && k.width == 2 {
			if number(port) > 0xffff && number(port) < 0xffffff00 {
				return "", fmt.Errorf("%q is not a port of 16 bits", text)
			}
			port = port[2:]
		}
		return port, err
	case formType:
		return parseType(text)
	case formBytes:
		return parseHex(text, maxBytes)
	}
	if k.width > 8 {
		return k.wide(text)
	}
	v, ok := number64(text, 8*k.width)
	if !ok {
		return "", fmt.Errorf("%q is not a number of %d bytes", text, k.width)
	}
	if k.form == formDSCP {
		if v&3 != 0 {
			return "", fmt.Errorf("%q has bits of the ECN", text)
		}
		v >>= 2
	}
	return be64(v)[8-k.width:], nil
}

// maxBytes is how long a value of a field without a fixed width may be: 124
// bytes have the options of a tunnel.
const maxBytes = 124

// wide reads a number of more than 64 bits.
func (k known) wide(text string) (string, error) {
	b := ""
	if v, ok := number64(text, 64); ok {
		b = be64(v)
	} else {
		var err error
		if b, err = parseHex(text, k.width); err != nil {
			return "", err
		}
	}
	return strings.Repeat("\x00", k.width-len(b)) + b, nil
}

// parseHex reads 0x and any number of digits, of at most size bytes; also a
// short decimal number.
func parseHex(text string, size int) (string, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok {
		v, is := number64(text, 64)
		digits, ok = strconv.FormatUint(v, 16), is
	}
	if len(digits)%2 != 0 {
		digits = "0" + digits
	}
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) == 0 || len(b) > size {
		return "", fmt.Errorf("%q is not a number of up to %d bytes", text, size)
	}
	return string(b), nil
}

// equallyLong puts zeros before the shorter one.
func equallyLong(a, b string) (string, string) {
	n := max(len(a), len(b))
	return strings.Repeat("\x00", n-len(a)) + a, strings.Repeat("\x00", n-len(b)) + b
}

// parseType reads (NAMESPACE,TYPE).
func parseType(text string) (string, error) {
	inner, ok := strings.CutPrefix(text, "(")
	inner, closed := strings.CutSuffix(inner, ")")
	first, second, two := strings.Cut(inner, ",")
	ns, okNS := number64(first, 16)
	typ, okType := number64(second, 16)
	if !ok || !closed || !two || !okNS || !okType {
		return "", fmt.Errorf("%q is not a packet type", text)
	}
	return be32(uint32(ns<<16 | typ)), nil
}

func parseFrag(text string) (value, mask string, err error) {
	for _, f := range frags {
		if f.word == text && f.mask == 3 {
			return string([]byte{f.value}), "", nil // both bits that there are
		} else if f.word == text {
			return string([]byte{f.value}), string([]byte{f.mask}), nil
		}
	}
	v, ok := number64(text, 8)
	if !ok {
		return "", "", fmt.Errorf("%q is none of no, yes, first, later, not_later", text)
	}
	return string([]byte{byte(v)}), "", nil
}

// parseRaw reads a field that is given by class and number: see rawName.
func parseRaw(name, value string) (OXM, error) {
	f, err := parseRawName(name)
	if err != nil {
		return OXM{}, err
	}
	x := OXM{Field: f}
	text, mask, masked := strings.Cut(value, "/")
	if x.Value, err = parseBytes(text); err == nil && masked {
		if x.Mask, err = parseBytes(mask); err == nil && x.Mask == "" {
			err = errors.New("an empty mask")
		}
	}
	if err != nil {
		return OXM{}, fmt.Errorf("%s=%s: %w", name, value, err)
	}
	return x, nil
}

func parseRawName(name string) (Field, error) {
	parts := strings.Split(name, "_")
	if len(parts) == 3 || len(parts) == 4 {
		class, classErr := strconv.ParseUint(parts[1], 16, 16)
		id, idErr := strconv.ParseUint(parts[2], 10, 7)
		f := Field{Class: uint16(class), ID: uint8(id)}
		var expErr error
		if len(parts) == 4 {
			var exp uint64
			exp, expErr = strconv.ParseUint(parts[3], 16, 32)
			f.Exp = uint32(exp)
		}
		hasExp := len(parts) == 4
		if parts[0] == "oxm" && classErr == nil && idErr == nil && expErr == nil && hasExp == (f.Class == classExp) {
			return f, nil
		}
	}
	return Field{}, fmt.Errorf("%q is not a field by class and number", name)
}

// parseBytes reads 0x and any number of bytes.
func parseBytes(text string) (string, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil {
		return "", fmt.Errorf("%q is not a string of bytes", text)
	}
	return string(b), nil
}

func parseMAC(text string) (string, error) {
	parts := strings.Split(text, ":")
	mac := make([]byte, 0, 6)
	for _, part := range parts {
		v, err := strconv.ParseUint(part, 16, 8)
		if err != nil || len(part) > 2 || len(parts) != 6 {
			return "", fmt.Errorf("%q is not an Ethernet address", text)
		}
		mac = append(mac, byte(v))
	}
	return string(mac), nil
}

func parsePort(text string) (string, error) {
	if port, ok := namedPort(text); ok {
		return be32(port), nil
	}
	v, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return "", fmt.Errorf("%q is not a port", text)
	}
	return be32(uint32(v)), nil
}

// number64 reads a number that is decimal, or hexadecimal after 0x.
func number64(text string, bits int) (uint64, bool) {
	base := 10
	if digits, ok := strings.CutPrefix(text, "0x"); ok {
		text, base = digits, 16
	}
	v, err := strconv.ParseUint(text, base, bits)
	return v, err == nil
}

func parseUint(token, value string, bits int) (uint64, error) {
	v, ok := number64(value, bits)
	if !ok {
		return 0, fmt.Errorf("%s: not a number of %d bits", token, bits)
	}
	return v, nil
}

func small[T uint8 | uint16](to *T, token, value string, bits int) error {
	v, err := parseUint(token, value, bits)
	*to = T(v)
	return err
}
