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
	text, mask, masked := strings.Cut(value, "/")
	x := OXM{Field: k.name.Field()}
	var err error
	if x.Value, err = k.bytes(text); err == nil && masked {
		x.Mask, err = k.mask(mask)
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
		return parsePort(text)
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
		if parts[0] == "oxm" && classErr == nil && idErr == nil && expErr == nil {
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
