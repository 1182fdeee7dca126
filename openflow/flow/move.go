package flow

import (
	"fmt"
	"strconv"
	"strings"
)

// Move copies the bits of one field over those of another, ovs-actions(7)
// "move". Both are of the same number of bits.
type Move struct{ Src, Dst Subfield }

// Subfield is a run of bits of a field, counted from its least significant one.
type Subfield struct {
	Field Name
	First uint16 // number of the lowest bit
	Bits  uint16 // how many
}

// Whole returns all bits of a field that Move can name, and of another one
// none.
func Whole(n Name) Subfield {
	m, _ := movableByName(n)
	return Subfield{Field: n, Bits: m.bits}
}

// movable is a field that Move can name. Its text and its header on the wire
// are those of Nicira's extended match wherever that has the field: Open
// vSwitch prints and sends these, whatever it was given.
type movable struct {
	name   Name
	text   string
	header uint32 // class, number and length as ovs-fields(7) has them, without a mask
	bits   uint16
}

// movables is a table that nothing ever writes; registers are computed.
var movables = []movable{
	{EthDst, "NXM_OF_ETH_DST", 0x00000206, 48},
	{EthSrc, "NXM_OF_ETH_SRC", 0x00000406, 48},
	{EthType, "NXM_OF_ETH_TYPE", 0x00000602, 16},
	{IPv4Src, "NXM_OF_IP_SRC", 0x00000e04, 32},
	{IPv4Dst, "NXM_OF_IP_DST", 0x00001004, 32},
	{TCPSrc, "NXM_OF_TCP_SRC", 0x00001202, 16},
	{TCPDst, "NXM_OF_TCP_DST", 0x00001402, 16},
	{UDPSrc, "NXM_OF_UDP_SRC", 0x00001602, 16},
	{UDPDst, "NXM_OF_UDP_DST", 0x00001802, 16},
	{ARPOp, "NXM_OF_ARP_OP", 0x00001e02, 16},
	{ARPSPA, "NXM_OF_ARP_SPA", 0x00002004, 32},
	{ARPTPA, "NXM_OF_ARP_TPA", 0x00002204, 32},
	{TunnelID, "NXM_NX_TUN_ID", 0x00012008, 64},
	{ARPSHA, "NXM_NX_ARP_SHA", 0x00012206, 48},
	{ARPTHA, "NXM_NX_ARP_THA", 0x00012406, 48},
	{IPv6Src, "NXM_NX_IPV6_SRC", 0x00012610, 128},
	{IPv6Dst, "NXM_NX_IPV6_DST", 0x00012810, 128},
	{NDTarget, "NXM_NX_ND_TARGET", 0x00012e10, 128},
	{NDSLL, "NXM_NX_ND_SLL", 0x00013006, 48},
	{NDTLL, "NXM_NX_ND_TLL", 0x00013206, 48},
	{TunSrc, "NXM_NX_TUN_IPV4_SRC", 0x00013e04, 32},
	{TunDst, "NXM_NX_TUN_IPV4_DST", 0x00014004, 32},
	{TunIPv6Src, "NXM_NX_TUN_IPV6_SRC", 0x0001da10, 128},
	{TunIPv6Dst, "NXM_NX_TUN_IPV6_DST", 0x0001dc10, 128},
	{Metadata, "OXM_OF_METADATA", 0x80000408, 64},
}

func register(n uint8) movable {
	return movable{Reg(n), fmt.Sprintf("NXM_NX_REG%d", n), 0x00010004 | uint32(n)<<9, 32}
}

func findMovable(is func(movable) bool) (movable, bool) {
	for _, m := range movables {
		if is(m) {
			return m, true
		}
	}
	for n := range uint8(16) {
		if m := register(n); is(m) {
			return m, true
		}
	}
	return movable{}, false
}

func movableByName(n Name) (movable, bool) {
	return findMovable(func(m movable) bool { return m.name == n })
}

// Header returns the field's header on the wire as Move has it, or 0 where Move
// can't name the field.
func (s Subfield) Header() uint32 {
	m, _ := movableByName(s.Field)
	return m.header
}

// SubfieldOf returns bits of the field with a header as on the wire; false if
// the field is not known or has no such bits.
func SubfieldOf(header uint32, first, bits uint16) (Subfield, bool) {
	m, ok := findMovable(func(m movable) bool { return m.header == header })
	s := Subfield{m.name, first, bits}
	return s, ok && s.within(m)
}

func (s Subfield) within(m movable) bool {
	return s.Bits > 0 && uint32(s.First)+uint32(s.Bits) <= uint32(m.bits)
}

// Valid reports whether both sides exist and are equally wide.
func (a Move) Valid() bool {
	src, ok := movableByName(a.Src.Field)
	dst, okay := movableByName(a.Dst.Field)
	return ok && okay && a.Src.within(src) && a.Dst.within(dst) && a.Src.Bits == a.Dst.Bits
}

func (a Move) String() string { return "move:" + a.Src.text() + "->" + a.Dst.text() }

func (s Subfield) text() string {
	m, ok := movableByName(s.Field)
	if !ok {
		return fmt.Sprintf("%s[%d..%d]", rawName(s.Field.Field()), s.First, s.First+s.Bits-1)
	}
	switch {
	case s.First == 0 && s.Bits == m.bits:
		return m.text + "[]"
	case s.Bits == 1:
		return fmt.Sprintf("%s[%d]", m.text, s.First)
	}
	return fmt.Sprintf("%s[%d..%d]", m.text, s.First, s.First+s.Bits-1)
}

func parseMove(token, value string) (Action, error) {
	src, dst, _ := strings.Cut(value, "->")
	var a Move
	var ok, okay bool
	a.Src, ok = parseSubfield(src)
	a.Dst, okay = parseSubfield(dst)
	if !ok || !okay || !a.Valid() {
		return nil, fmt.Errorf("%s: not two equally wide parts of fields that are known", token)
	}
	return a, nil
}

// parseSubfield reads NAME[], NAME[BIT] and NAME[FIRST..LAST].
func parseSubfield(text string) (Subfield, bool) {
	name, rest, ok := strings.Cut(text, "[")
	inside, closed := strings.CutSuffix(rest, "]")
	m, known := findMovable(func(m movable) bool { return m.text == name })
	if !ok || !closed || !known {
		return Subfield{}, false
	}
	if inside == "" {
		return Subfield{m.name, 0, m.bits}, true
	}
	from, to, ranged := strings.Cut(inside, "..")
	if !ranged {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 8)
	last, lastErr := strconv.ParseUint(to, 10, 8)
	if err != nil || lastErr != nil || last < first {
		return Subfield{}, false
	}
	return Subfield{m.name, uint16(first), uint16(last - first + 1)}, true
}
