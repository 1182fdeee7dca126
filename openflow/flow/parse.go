package flow

import (
	"errors"
	"fmt"
	"strings"
)

// Parse reads one flow as String and ovs-ofctl dump-flows print it. Statistics
// are ignored; a missing priority is 32768. A field or action that is not known
// here is an error that names it, and so is anything given twice.
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
	p := parser{Flow: Flow{Priority: defaultPriority}, seen: map[string]bool{}}
	for _, token := range strings.FieldsFunc(head, func(r rune) bool { return r == ',' || r == ' ' }) {
		if err := p.token(token); err != nil {
			return Flow{}, err
		}
	}
	if err := p.finishVLAN(); err != nil {
		return Flow{}, err
	}
	p.Match = NewMatch(p.oxms...)
	for i := 1; i < len(p.Match); i++ {
		if p.Match[i].Field == p.Match[i-1].Field {
			return Flow{}, fmt.Errorf("a match field twice in %q", head)
		}
	}
	actions, err := parseActions(strings.TrimSpace(tail), 0)
	p.Actions = actions
	return p.Flow, err
}

type parser struct {
	Flow
	oxms []OXM
	seen map[string]bool // names of tokens
}

func (p *parser) token(token string) error {
	name, value, valued := strings.Cut(token, "=")
	if p.seen[name] {
		return fmt.Errorf("%s twice", name)
	}
	p.seen[name] = true
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
	case "flags":
		var flags uint16
		err = small(&flags, token, value, 16)
		p.Flags |= flags
	case "duration", "n_packets", "n_bytes", "idle_age", "hard_age":
	case "vlan_tci":
		err = p.tci(value)
	default:
		var x OXM
		x, err = p.field(name, value)
		p.oxms = append(p.oxms, x)
	}
	return err
}

// word takes a flag or a protocol.
func (p *parser) word(word string) error {
	for bit := 0; ; bit++ {
		name, ok := flagName(bit)
		if !ok {
			break
		}
		if name == word {
			p.Flags |= 1 << bit
			return nil
		}
	}
	for _, s := range shorthands {
		if s.name == word {
			p.oxms = append(p.oxms, Exact(EthType, s.ethType))
			if s.proto != "" {
				p.oxms = append(p.oxms, Exact(IPProto, s.proto))
			}
			return nil
		}
	}
	return fmt.Errorf("unknown word %q", word)
}

// field reads a match field. Names that several fields share are told apart by
// the protocol, which ovs-ofctl prints before them.
func (p *parser) field(name, value string) (OXM, error) {
	if strings.HasPrefix(name, "oxm_") {
		return parseRaw(name, value)
	}
	shared := false
	for _, k := range fields {
		switch {
		case k.match != name:
		case !k.named(p.oxms):
			shared = true
		case k.form == formVLAN:
			vid, err := parseUint(name+"="+value, value, 12)
			return Exact(VLANVID, be64(vid | 0x1000)[6:]), err
		default:
			x, err := k.parse(name, value)
			if err == nil && !k.fits(x) {
				err = fmt.Errorf("%s=%s: out of range, or a mask on a field that takes none", name, value)
			}
			return x.canonical(), err
		}
	}
	if shared {
		return OXM{}, fmt.Errorf("match field %q before the protocol that it belongs to", name)
	}
	return OXM{}, fmt.Errorf("unknown match field %q", name)
}

// tci reads a VLAN tag whole, as OpenFlow 1.0 has it: see vlanText.
func (p *parser) tci(value string) error {
	k := known{width: 2, form: formHex4}
	x, err := k.parse("vlan_tci", value)
	if err != nil {
		return err
	}
	tci, mask := number(x.Value), uint64(0xffff)
	if x.Mask != "" {
		mask = number(x.Mask)
	}
	switch mask & 0xe000 {
	case 0:
	case 0xe000:
		if mask == 0xe000 {
			return fmt.Errorf("vlan_tci=%s: a priority without a VLAN", value)
		}
		p.oxms = append(p.oxms, Exact(VLANPCP, string([]byte{byte(tci >> 13)})))
	default:
		return fmt.Errorf("vlan_tci=%s: a part of the priority", value)
	}
	p.oxms = append(p.oxms, Masked(VLANVID, be64(tci & mask & 0x1fff)[6:], be64(mask & 0x1fff)[6:]))
	return nil
}

// finishVLAN adds what a priority alone implies: that there is a tag.
func (p *parser) finishVLAN() error {
	if !p.seen["dl_vlan_pcp"] || p.seen["dl_vlan"] {
		return nil
	}
	if p.seen["vlan_tci"] {
		return errors.New("dl_vlan_pcp beside vlan_tci")
	}
	p.oxms = append(p.oxms, Masked(VLANVID, "\x10\x00", "\x10\x00"))
	return nil
}
