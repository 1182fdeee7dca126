package flow

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Parse reads one flow as String and ovs-ofctl dump-flows print it. Statistics
// are ignored; a missing priority is 32768. A field or action that is not known
// here is an error that names it.
func Parse(line string) (Flow, error) {
	f, err := parse(strings.TrimSpace(line))
	if err != nil {
		return Flow{}, fmt.Errorf("parse flow: %w", err)
	}
	return f, nil
}

func parse(line string) (Flow, error) {
	head, tail, ok := strings.Cut(line, "actions=")
	if !ok {
		return Flow{}, fmt.Errorf("no actions= in %q", line)
	}
	p := parser{Flow: Flow{Priority: defaultPriority}}
	for _, token := range strings.FieldsFunc(head, func(r rune) bool { return r == ',' || r == ' ' }) {
		if err := p.token(token); err != nil {
			return Flow{}, err
		}
	}
	if p.has(p.oxms, VLANPCP) && !p.has(p.oxms, VLANVID) {
		return Flow{}, fmt.Errorf("dl_vlan_pcp without dl_vlan")
	}
	p.Match = NewMatch(p.oxms...)
	for i := 1; i < len(p.Match); i++ {
		if p.Match[i].Field == p.Match[i-1].Field {
			return Flow{}, fmt.Errorf("a match field twice in %q", head)
		}
	}
	actions, err := parseActions(strings.TrimSpace(tail))
	p.Actions = actions
	return p.Flow, err
}

type parser struct {
	Flow
	oxms []OXM
}

func (p *parser) has(list []OXM, f Field) bool {
	_, ok := Match(list).Get(f)
	return ok
}

func (p *parser) token(token string) error {
	name, value, valued := strings.Cut(token, "=")
	if !valued {
		return p.word(name)
	}
	var err error
	switch name {
	case "cookie":
		p.Cookie, err = parseUint(token, value, 64)
	case "table":
		err = small(&p.Table, token, value, 8)
	case "priority":
		err = small(&p.Priority, token, value, 16)
	case "idle_timeout":
		err = small(&p.IdleTimeout, token, value, 16)
	case "hard_timeout":
		err = small(&p.HardTimeout, token, value, 16)
	case "duration", "n_packets", "n_bytes", "idle_age", "hard_age":
	default:
		var x OXM
		x, err = p.field(name, value)
		p.oxms = append(p.oxms, x)
	}
	return err
}

// word takes a flag or a protocol.
func (p *parser) word(name string) error {
	for i, flag := range flagNames {
		if name == flag {
			p.Flags |= 1 << i
			return nil
		}
	}
	for _, s := range shorthands {
		if name == s.name {
			p.oxms = append(p.oxms, Exact(EthType, s.ethType))
			if s.proto != "" {
				p.oxms = append(p.oxms, Exact(IPProto, s.proto))
			}
			return nil
		}
	}
	return fmt.Errorf("unknown word %q", name)
}

// field reads a match field. Names that several fields share are told apart by
// the protocol, which ovs-ofctl prints before them.
func (p *parser) field(name, value string) (OXM, error) {
	if name == "vlan_tci" {
		return known{field: VLANVID, width: 2, form: formHex4}.parse(name, value)
	}
	if name == "dl_vlan" {
		v, err := parseUint(name+"="+value, value, 12)
		return known{field: VLANVID}.number(2, v|0x1000), err
	}
	proto, six := Match(p.oxms).exact(IPProto), Match(p.oxms).exact(EthType) == "\x86\xdd"
	for _, k := range fields {
		switch k.field {
		case TCPSrc, TCPDst:
			if proto != "\x06" {
				continue
			}
		case UDPSrc, UDPDst:
			if proto != "\x11" {
				continue
			}
		case ICMPv4Type, ICMPv4Code:
			if six {
				continue
			}
		}
		if k.name == name {
			return k.parse(name, value)
		}
	}
	return OXM{}, fmt.Errorf("unknown match field %q", name)
}

func (k known) number(width int, v uint64) OXM { return Exact(k.field, be64(v)[8-width:]) }

// parse reads a value with its mask; name is for the error.
func (k known) parse(name, value string) (OXM, error) {
	text, mask, masked := strings.Cut(value, "/")
	x := OXM{Field: k.field}
	var err error
	if x.Value, err = k.bytes(text); err == nil && masked {
		ones, e := strconv.Atoi(mask)
		if e == nil && (k.form == formIPv4 || k.form == formIPv6) && ones >= 0 && ones <= 8*k.width {
			x.Mask = string(prefixMask(k.width, ones))
		} else {
			x.Mask, err = k.bytes(mask)
		}
	}
	if err != nil {
		return OXM{}, fmt.Errorf("%s=%s: %w", name, value, err)
	}
	if k.form == formHex4 && k.field == VLANVID && x.Mask == "\x1f\xff" {
		x.Mask = ""
	}
	return x.canonical(), nil
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
	v, err := strconv.ParseUint(text, 0, 8*k.width)
	if err != nil {
		return "", fmt.Errorf("%q is not a number of %d bytes", text, k.width)
	}
	if k.form == formDSCP {
		v >>= 2
	}
	return be64(v)[8-k.width:], nil
}

func parseMAC(text string) (string, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 6 {
		return "", fmt.Errorf("%q is not an Ethernet address", text)
	}
	mac := make([]byte, 6)
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 16, 8)
		if err != nil {
			return "", fmt.Errorf("%q is not an Ethernet address", text)
		}
		mac[i] = byte(v)
	}
	return string(mac), nil
}

func parsePort(text string) (string, error) {
	for port, name := range reservedPorts {
		if name == text {
			return be32(port), nil
		}
	}
	v, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return "", fmt.Errorf("%q is not a port", text)
	}
	return be32(uint32(v)), nil
}

func parseUint(token, value string, bits int) (uint64, error) {
	v, err := strconv.ParseUint(value, 0, bits)
	if err != nil {
		return 0, fmt.Errorf("%s: not a number of %d bits", token, bits)
	}
	return v, nil
}

func small[T uint8 | uint16](to *T, token, value string, bits int) error {
	v, err := parseUint(token, value, bits)
	*to = T(v)
	return err
}
