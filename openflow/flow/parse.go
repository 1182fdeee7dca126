package flow

import (
	"errors"
	"fmt"
	"strings"
)

// Parse reads one flow as String and ovs-ofctl dump-flows print it, with any
// version of OpenFlow. Statistics are ignored; a missing priority is 32768.
// What Open vSwitch prints, or a newer version of it may, and this package has
// no type for is kept as it stands: a field by its text, which no switch can be
// sent, an action as a Text. What is neither is an error that names it, and so is
// anything given twice.
func Parse(line string) (Flow, error) { return ParseNamed(line, Names{}) }

// ParseNamed reads a flow as Parse does, from a dump with names of ports and
// tables in place of numbers (ovs-ofctl --names).
func ParseNamed(line string, names Names) (Flow, error) {
	f, err := parse(strings.TrimSpace(line), names)
	if err != nil {
		return Flow{}, fmt.Errorf("parse flow: %w", err)
	}
	return f, nil
}

func parse(line string, names Names) (Flow, error) {
	at := indexOutside(line, "actions=")
	if at < 0 {
		return Flow{}, fmt.Errorf("no actions= in %q", line)
	}
	head, tail := line[:at], strings.TrimSpace(line[at+len("actions="):])
	p := parser{Flow: Flow{Priority: defaultPriority}, names: names}
	for head := head; ; {
		token, rest, more := cutOutside(head, ", ")
		if token != "" {
			if err := p.token(token); err != nil {
				return Flow{}, err
			}
		}
		if !more {
			break
		}
		head = rest
	}
	if err := p.finishVLAN(); err != nil {
		return Flow{}, err
	}
	p.numberTexts()
	p.Match = NewMatch(p.oxms...)
	for i := 1; i < len(p.Match); i++ {
		if p.Match[i].Field == p.Match[i-1].Field {
			return Flow{}, fmt.Errorf("a match field twice in %q", head)
		}
	}
	actions, err := parseActions(names.numbers(tail), 0)
	p.Actions = actions
	return p.Flow, err
}

// maxWords is how many fields and other words a flow may have before its
// actions: more than there are, and few enough to compare each with all.
const maxWords = 256

type parser struct {
	Flow
	names Names
	oxms  []OXM
	seen  []string // names of tokens
}

func (p *parser) saw(name string) bool {
	for _, s := range p.seen {
		if s == name {
			return true
		}
	}
	return false
}

func (p *parser) token(token string) error {
	name, value, valued := strings.Cut(token, "=")
	if p.saw(name) {
		return fmt.Errorf("%s twice", name)
	}
	if len(p.seen) == maxWords {
		return fmt.Errorf("more than %d words before the actions", maxWords)
	}
	p.seen = append(p.seen, name)
	if !valued {
		return p.word(name)
	}
	var err error
	switch name {
	case "cookie":
		p.Cookie, err = parseUint(token, value, 64)
	case "table":
		if n, ok := p.names.table(value); ok {
			p.Table = n
			return nil
		}
		err = small(&p.Table, token, value, 8)
	case "priority":
		err = small(&p.Priority, token, value, 16)
	case "idle_timeout":
		err = small(&p.IdleTimeout, token, value, 16)
	case "hard_timeout":
		err = small(&p.HardTimeout, token, value, 16)
	case "importance":
		err = small(&p.Importance, token, value, 16)
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

// word takes a flag, a protocol, or a field that has only to be there.
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
	for i := range fields {
		if n, ok := fields[i].is(word, fields[i].match); ok && fields[i].form == formBytes {
			p.oxms = append(p.oxms, Exact(fields[i].name+Name(n), ""))
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
	switch name {
	case "gtpu_flags", "gtpu_msgtype": // as ovs-ofctl prints them, and does not read them
		name = "tun_" + name
	}
	shared := false
	for i := range fields {
		n, ok := fields[i].is(name, fields[i].match)
		if !ok {
			continue
		}
		switch k := fields[i].at(n); {
		case !k.named(p.oxms):
			shared = true
		case k.form == formVLAN:
			vid, err := parseUint(name+"="+value, value, 12)
			return Exact(VLANVID, be64(vid | 0x1000)[6:]), err
		default:
			if k.form == formPort {
				value = p.names.portText(value)
			}
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
	if !identifier(name) || value == "" {
		return OXM{}, fmt.Errorf("unknown match field %q", name)
	}
	return OXM{Field: textField(0), Value: name + "=" + value}, nil
}

// numberTexts gives fields that are kept as text numbers, in their own order,
// so that equal matches stay equal.
func (p *parser) numberTexts() {
	for i := range p.oxms {
		if !p.oxms[i].Field.IsText() {
			continue
		}
		before := 0
		for j := range p.oxms {
			if p.oxms[j].Field.IsText() && p.oxms[j].Value < p.oxms[i].Value {
				before++
			}
		}
		p.oxms[i].Field = textField(before)
	}
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
	if !p.saw("dl_vlan_pcp") || p.saw("dl_vlan") {
		return nil
	}
	if p.saw("vlan_tci") {
		return errors.New("dl_vlan_pcp beside vlan_tci")
	}
	p.oxms = append(p.oxms, Masked(VLANVID, "\x10\x00", "\x10\x00"))
	return nil
}
