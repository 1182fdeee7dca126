package flow

import (
	"strconv"
)

// OXM and NXM classes, ovs-fields(7).
const (
	classNXM   = 0x0001
	classEric  = 0x1000 // Ericsson's
	classXReg  = 0x8001 // OpenFlow 1.5's packet registers
	classBasic = 0x8000
	classExp   = 0xffff
)

// textField returns the nth of the fields that a dump has and this package does
// not know: Value is the text, NAME=VALUE.
func textField(n int) Field { return Field{Class: 0xfffe, ID: uint8(n), Exp: 1} }

// IsText reports whether the field is known by its text alone, which is then
// its Value. No switch can be sent one, and none sends one: on the wire only
// class 0xffff has an experimenter.
func (f Field) IsText() bool { return f.Class == textField(0).Class && f.Exp != 0 }

// Name is a match field that this package knows by name: its class and number,
// and in the top byte which experimenter defines it.
type Name uint32

// Field returns the field's class and number.
func (n Name) Field() Field {
	return Field{Class: uint16(n >> 8), ID: uint8(n), Exp: (n >> 24).experimenter()}
}

// experimenter returns the ID that a name's top byte stands for.
func (n Name) experimenter() uint32 {
	switch n {
	case onf >> 24:
		return 0x4f4e4600
	case nicira >> 24:
		return 0x00002320
	case nsh >> 24:
		return 0x005ad650
	}
	return 0
}

const (
	nxmOF Name = 0 // what OpenFlow 1.0 has, with Nicira's encoding
	nxm   Name = classNXM << 8
	basic Name = classBasic << 8
	xreg  Name = classXReg << 8
	eric  Name = classEric << 8

	onf    Name = 1<<24 | classExp<<8
	nicira Name = 2<<24 | classExp<<8
	nsh    Name = 3<<24 | classExp<<8
)

// The fields that are known, by the names of OpenFlow 1.3.5 §7.2.3.7 and, for
// others, of ovs-fields(7).
const (
	InPort       = basic + 0
	Metadata     = basic + 2
	EthDst       = basic + 3
	EthSrc       = basic + 4
	EthType      = basic + 5
	VLANVID      = basic + 6
	VLANPCP      = basic + 7
	IPDSCP       = basic + 8
	IPECN        = basic + 9
	IPProto      = basic + 10
	IPv4Src      = basic + 11
	IPv4Dst      = basic + 12
	TCPSrc       = basic + 13
	TCPDst       = basic + 14
	UDPSrc       = basic + 15
	UDPDst       = basic + 16
	SCTPSrc      = basic + 17
	SCTPDst      = basic + 18
	ICMPv4Type   = basic + 19
	ICMPv4Code   = basic + 20
	ARPOp        = basic + 21
	ARPSPA       = basic + 22
	ARPTPA       = basic + 23
	ARPSHA       = basic + 24
	ARPTHA       = basic + 25
	IPv6Src      = basic + 26
	IPv6Dst      = basic + 27
	IPv6Label    = basic + 28
	ICMPv6Type   = basic + 29
	ICMPv6Code   = basic + 30
	NDTarget     = basic + 31
	NDSLL        = basic + 32
	NDTLL        = basic + 33
	MPLSLabel    = basic + 34
	MPLSTC       = basic + 35
	MPLSBOS      = basic + 36
	TunnelID     = basic + 38
	PacketType   = basic + 44
	IPFrag       = nxm + 26
	IPTTL        = nxm + 29
	MPLSTTL      = nxm + 30
	TunSrc       = nxm + 31
	TunDst       = nxm + 32
	PktMark      = nxm + 33
	DPHash       = nxm + 35
	RecircID     = nxm + 36
	ConjID       = nxm + 37
	TunFlags     = nxm + 104
	CTState      = nxm + 105
	CTZone       = nxm + 106
	CTMark       = nxm + 107
	CTLabel      = nxm + 108
	TunIPv6Src   = nxm + 109
	TunIPv6Dst   = nxm + 110
	CTNwProto    = nxm + 119
	CTNwSrc      = nxm + 120
	CTNwDst      = nxm + 121
	CTIPv6Src    = nxm + 122
	CTIPv6Dst    = nxm + 123
	CTTpSrc      = nxm + 124
	CTTpDst      = nxm + 125
	TCPFlags     = onf + 42
	ActsetOutput = onf + 43
)

// Reg returns register n, 0 to 15.
func Reg(n uint8) Name { return nxm + Name(n) }

// form is how ovs-ofctl prints a field's value.
type form uint8

const (
	formDecimal form = iota // masked: 0x and hexadecimal
	formHex                 // as C's %#x: zero is 0
	formHex0                // 0x and hexadecimal, zero too
	formHex2                // decimal; masked: 0x and two digits
	formHex4                // 0x and four digits
	formHex5                // 0x and five digits
	formMAC
	formIPv4
	formIPv6
	formPort // never masked
	formVLAN // together with formPCP: see vlanText
	formPCP
	formDSCP  // as the whole ToS byte
	formFrag  // one of five words
	formFlags // +SET-UNSET, or SET|SET where all are matched: see flagNames
	formType  // (NAMESPACE,TYPE)
	formBytes // hexadecimal, of any length
)

// known describes a field, or a family of them that are numbered, of which the
// text is known.
type known struct {
	name   Name
	match  string // its name in a match
	set    string // its name in set_field
	width  int    // bytes
	form   form
	text   string // its name in move, load and the like
	mover  Name   // by which these have it on the wire
	bits   uint16 // that a value may have
	family int    // how many there are; 0: one
}

// at returns the field with a number of a family.
func (k known) at(n int) known {
	if k.family == 0 {
		return k
	}
	number := strconv.Itoa(n)
	k.match, k.set, k.text = k.match+number, k.set+number, k.text+number
	k.name, k.mover, k.family = k.name+Name(n), k.mover+Name(n), 0
	return k
}

// is reports whether a name is the field's own, or its family's with a number.
func (k *known) is(name, own string) (number int, ok bool) {
	if k.family == 0 {
		return 0, name == own
	}
	if len(name) <= len(own) || len(name) > len(own)+2 || name[:len(own)] != own {
		return 0, false
	}
	digits := name[len(own):]
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' || i > 0 && digits[0] == '0' {
			return 0, false
		}
		number = 10*number + int(digits[i]-'0')
	}
	return number, number < k.family
}

// needs returns the EtherType and the IP protocol, empty for any, that tell the
// field from the others of its name in a match.
func (k known) needs() (ethType, proto string) {
	switch k.name {
	case TCPSrc, TCPDst:
		return "", protoTCP
	case UDPSrc, UDPDst:
		return "", protoUDP
	case SCTPSrc, SCTPDst:
		return "", protoSCTP
	case ICMPv4Type, ICMPv4Code:
		return etherIPv4, protoICMPv4
	case ICMPv6Type, ICMPv6Code:
		return etherIPv6, protoICMPv6
	}
	return "", ""
}

// named reports whether k's name in a match with these fields means k.
func (k known) named(fields []OXM) bool {
	ethType, proto := k.needs()
	m := Match(fields)
	return (ethType == "" || m.exact(EthType) == ethType) && (proto == "" || m.exact(IPProto) == proto)
}

// lookup returns the known field of a class and number, and its rank among
// those that ovs-ofctl prints.
func lookup(f Field) (k known, rank int, ok bool) {
	for i := range fields {
		k := &fields[i]
		first := k.name.Field()
		n := int(f.ID) - int(first.ID)
		if f.Class == first.Class && f.Exp == first.Exp && n >= 0 && n < max(1, k.family) {
			return k.at(n), i<<8 | n, true
		}
	}
	return known{}, 0, false
}
