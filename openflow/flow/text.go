package flow

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// defaultPriority is what ovs-ofctl leaves out.
const defaultPriority = 32768

// reservedPorts and flagNames are as ovs-ofctl prints them.
var (
	reservedPorts = map[uint32]string{
		PortInPort: "IN_PORT", PortTable: "TABLE", PortNormal: "NORMAL", PortFlood: "FLOOD",
		PortAll: "ALL", PortController: "CONTROLLER", PortLocal: "LOCAL", PortAny: "ANY",
	}
	flagNames = []string{"send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts"}
)

func portName(p uint32) string { return reservedPorts[p] }

// String returns the flow as ovs-ofctl dump-flows --no-stats --no-names prints
// it with OpenFlow 1.3, except that cookie and table are never left out.
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
	for i, name := range flagNames {
		if f.Flags>>i&1 != 0 {
			b.WriteString(name + " ")
		}
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

// String returns the match as ovs-ofctl prints it, without the priority; empty
// if it matches everything. Different matches have different texts.
func (m Match) String() string {
	parts := make([]string, 0, len(m)+1)
	short, hasShort := m.shorthand()
	if hasShort {
		parts = append(parts, short.name)
	}
	for _, k := range fields {
		x, ok := m.Get(k.field)
		if !ok || len(x.Value) != k.width {
			continue
		}
		if hasShort && (k.field == EthType || k.field == IPProto && short.proto != "") {
			continue
		}
		if k.form == formVLAN {
			parts = append(parts, vlanText(x))
			continue
		}
		parts = append(parts, k.name+"="+k.value(x))
	}
	for _, x := range m {
		if k, ok := lookup(x.Field); !ok || len(x.Value) != k.width {
			parts = append(parts, rawName(x.Field)+"="+rawValue(x))
		}
	}
	return strings.Join(parts, ",")
}

func (m Match) shorthand() (shorthand, bool) {
	t, p := m.exact(EthType), m.exact(IPProto)
	for _, s := range shorthands {
		if s.ethType == t && (s.proto == "" || s.proto == p) {
			return s, true
		}
	}
	return shorthand{}, false
}

func lookup(f Field) (known, bool) {
	for _, k := range fields {
		if k.field == f {
			return k, true
		}
	}
	return known{}, false
}

// value returns x's value, and its mask where it has one.
func (k known) value(x OXM) string {
	switch k.form {
	case formMAC:
		if x.Mask != "" {
			return macText(x.Value) + "/" + macText(x.Mask)
		}
		return macText(x.Value)
	case formIPv4, formIPv6:
		return ipText(x)
	}
	v, m := number(x.Value), number(x.Mask)
	if k.form == formDSCP {
		v, m = v<<2, m<<2
	}
	switch {
	case k.form == formHex4 && x.Mask == "":
		return fmt.Sprintf("0x%04x", v)
	case k.form == formHex4:
		return fmt.Sprintf("0x%04x/0x%04x", v, m)
	case x.Mask != "":
		return hex(v) + "/" + hex(m)
	case k.form == formHex:
		return hex(v)
	case k.form == formPort && portName(uint32(v)) != "":
		return portName(uint32(v))
	}
	return strconv.FormatUint(v, 10)
}

// vlanText prints a VLAN the way of OpenFlow 1.0's TCI, of which bit 12 says
// that there is a tag.
func vlanText(x OXM) string {
	v, m := number(x.Value), uint64(0x1fff)
	if x.Mask != "" {
		m = number(x.Mask)
	}
	if m == 0x1fff && v&0x1000 != 0 {
		return fmt.Sprintf("dl_vlan=%d", v&0xfff)
	}
	return fmt.Sprintf("vlan_tci=0x%04x/0x%04x", v, m)
}

func macText(b string) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5])
}

func ipText(x OXM) string {
	a, _ := netip.AddrFromSlice([]byte(x.Value))
	if x.Mask == "" {
		return a.String()
	}
	ones := 0
	for i := range len(x.Mask) {
		ones += bits.OnesCount8(x.Mask[i])
	}
	if x.Mask == string(prefixMask(len(x.Mask), ones)) {
		return fmt.Sprintf("%s/%d", a, ones)
	}
	m, _ := netip.AddrFromSlice([]byte(x.Mask))
	return a.String() + "/" + m.String()
}

func prefixMask(n, ones int) []byte {
	b := make([]byte, n)
	for i := range ones {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b
}

// rawName names a field that has no name here; an experimenter's with its ID.
func rawName(f Field) string {
	if f.Class == classExp {
		return fmt.Sprintf("oxm_%04x_%d_%08x", f.Class, f.ID, f.Exp)
	}
	return fmt.Sprintf("oxm_%04x_%d", f.Class, f.ID)
}

func rawValue(x OXM) string {
	if x.Mask == "" {
		return fmt.Sprintf("0x%x", x.Value)
	}
	return fmt.Sprintf("0x%x/0x%x", x.Value, x.Mask)
}

// number reads up to 8 bytes, big endian.
func number(b string) uint64 {
	var w [8]byte
	copy(w[8-len(b):], b)
	return binary.BigEndian.Uint64(w[:])
}

// hex prints as C's %#x does: zero has no 0x.
func hex(v uint64) string {
	if v == 0 {
		return "0"
	}
	return hex0(v)
}

func hex0(v uint64) string { return "0x" + strconv.FormatUint(v, 16) }
