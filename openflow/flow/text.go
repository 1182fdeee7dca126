package flow

import (
	"fmt"
	"slices"
	"strings"
)

// defaultPriority is what ovs-ofctl leaves out.
const defaultPriority = 32768

// flagName returns a flag's name as ovs-ofctl prints it, by the number of its
// bit.
func flagName(bit int) (string, bool) {
	names := [...]string{"send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts"}
	if bit >= len(names) {
		return "", false
	}
	return names[bit], true
}

// String returns the flow as ovs-ofctl dump-flows --no-stats --no-names prints
// it with OpenFlow 1.3, except that cookie and table are never left out. What
// ovs-ofctl has no words for is printed so that Parse reads it back: fields as
// oxm_CLASS_NUMBER, raw actions as raw(HEX), flags without a name as flags=0x….
func (f Flow) String() string { return "cookie=" + hex0(f.Cookie) + ", " + f.Text() }

// Text returns the flow as String does, without the cookie.
func (f Flow) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table=%d, ", f.Table)
	if f.IdleTimeout != 0 {
		fmt.Fprintf(&b, "idle_timeout=%d, ", f.IdleTimeout)
	}
	if f.HardTimeout != 0 {
		fmt.Fprintf(&b, "hard_timeout=%d, ", f.HardTimeout)
	}
	b.WriteString(flagsText(f.Flags))
	if f.Importance != 0 {
		fmt.Fprintf(&b, "importance=%d, ", f.Importance)
	}
	m := f.Match.String()
	if f.Priority != defaultPriority {
		fmt.Fprintf(&b, "priority=%d", f.Priority)
		if m != "" {
			b.WriteByte(',')
		}
	}
	b.WriteString(m)
	if m != "" || f.Priority != defaultPriority {
		b.WriteByte(' ')
	}
	b.WriteString("actions=" + f.Actions.String())
	return b.String()
}

func flagsText(flags uint16) string {
	text := ""
	for bit := 0; ; bit++ {
		name, ok := flagName(bit)
		if !ok {
			break
		}
		if flags>>bit&1 != 0 {
			text += name + " "
			flags &^= 1 << bit
		}
	}
	if flags != 0 {
		text += fmt.Sprintf("flags=%#x ", flags)
	}
	return text
}

// String returns the match as ovs-ofctl prints it, without the priority; empty
// if it matches everything. Different matches have different texts.
func (m Match) String() string {
	short, hasShort := m.shorthand()
	var room [8]part
	parts := room[:0]
	if hasShort {
		parts = append(parts, part{shorthandRank() - 1, short.name})
	}
	for i, x := range m {
		k, rank, ok := lookup(x.Field)
		switch {
		case x.Field.IsText():
			parts = append(parts, part{lastRank + i, x.Value})
		case !ok || !m.printable(k, x):
			parts = append(parts, part{lastRank + i, rawName(x.Field) + "=" + rawValue(x)})
		case hasShort && (k.name == EthType || k.name == IPProto && short.proto != ""):
		case k.form == formVLAN:
			parts = append(parts, part{rank, m.vlanText(x)})
		case k.form == formPCP: // with the VLAN
		case k.form == formBytes && x.Value == "":
			parts = append(parts, part{rank, k.match})
		default:
			parts = append(parts, part{rank, k.match + "=" + k.value(x)})
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return a.rank - b.rank })
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// part is a field of a match as text, and where it stands among the others.
type part struct {
	rank int
	text string
}

// lastRank is that of what ovs-ofctl has no words for.
const lastRank = 1 << 20

// printable reports whether k's own name and form can tell x, which is of field
// k, from all else.
func (m Match) printable(k known, x OXM) bool {
	if k.form == formPCP {
		vid, ok := m.Get(VLANVID.Field())
		vlan, _, _ := lookup(VLANVID.Field())
		// A mask of nothing would be lost beside the priority's bits.
		return ok && vlan.fits(vid) && vid.Mask != "\x00\x00" && k.fits(x)
	}
	return k.match != "" && k.fits(x) && k.named(m)
}
