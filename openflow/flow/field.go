package flow

// OXM and NXM classes, ovs-fields(7).
const (
	classNXM   = 0x0001
	classBasic = 0x8000
	classExp   = 0xffff
)

// The match fields that this package knows by name, by the names of OpenFlow
// 1.3.5 §7.2.3.7 and, for Tun* and registers, of ovs-fields(7). They are
// constants in all but the language.
var (
	InPort     = Field{Class: classBasic, ID: 0}
	Metadata   = Field{Class: classBasic, ID: 2}
	EthDst     = Field{Class: classBasic, ID: 3}
	EthSrc     = Field{Class: classBasic, ID: 4}
	EthType    = Field{Class: classBasic, ID: 5}
	VLANVID    = Field{Class: classBasic, ID: 6}
	VLANPCP    = Field{Class: classBasic, ID: 7}
	IPDSCP     = Field{Class: classBasic, ID: 8}
	IPECN      = Field{Class: classBasic, ID: 9}
	IPProto    = Field{Class: classBasic, ID: 10}
	IPv4Src    = Field{Class: classBasic, ID: 11}
	IPv4Dst    = Field{Class: classBasic, ID: 12}
	TCPSrc     = Field{Class: classBasic, ID: 13}
	TCPDst     = Field{Class: classBasic, ID: 14}
	UDPSrc     = Field{Class: classBasic, ID: 15}
	UDPDst     = Field{Class: classBasic, ID: 16}
	ICMPv4Type = Field{Class: classBasic, ID: 19}
	ICMPv4Code = Field{Class: classBasic, ID: 20}
	ARPOp      = Field{Class: classBasic, ID: 21}
	ARPSPA     = Field{Class: classBasic, ID: 22}
	ARPTPA     = Field{Class: classBasic, ID: 23}
	ARPSHA     = Field{Class: classBasic, ID: 24}
	ARPTHA     = Field{Class: classBasic, ID: 25}
	IPv6Src    = Field{Class: classBasic, ID: 26}
	IPv6Dst    = Field{Class: classBasic, ID: 27}
	ICMPv6Type = Field{Class: classBasic, ID: 29}
	ICMPv6Code = Field{Class: classBasic, ID: 30}
	NDTarget   = Field{Class: classBasic, ID: 31}
	NDSLL      = Field{Class: classBasic, ID: 32}
	NDTLL      = Field{Class: classBasic, ID: 33}
	TunnelID   = Field{Class: classBasic, ID: 38}
	TunSrc     = Field{Class: classNXM, ID: 31}
	TunDst     = Field{Class: classNXM, ID: 32}
	TunIPv6Src = Field{Class: classNXM, ID: 109}
	TunIPv6Dst = Field{Class: classNXM, ID: 110}
)

// Reg returns register n, 0 to 15.
func Reg(n uint8) Field { return Field{Class: classNXM, ID: n} }

// form is how ovs-ofctl prints a field's value.
type form uint8

const (
	formDecimal form = iota // masked: hexadecimal
	formHex                 // as C's %#x: zero is 0
	formHex4                // 0x and four digits
	formMAC
	formIPv4
	formIPv6
	formPort
	formVLAN // dl_vlan=N, or vlan_tci=V/M
	formDSCP // as the whole ToS byte
)

// known describes a field of which the text is known.
type known struct {
	field Field
	name  string // in a match
	set   string // in set_field
	width int    // bytes
	form  form
}

// fields are the known fields in the order in which ovs-ofctl prints them.
var fields = []known{
	{Reg(0), "reg0", "reg0", 4, formHex},
	{Reg(1), "reg1", "reg1", 4, formHex},
	{Reg(2), "reg2", "reg2", 4, formHex},
	{Reg(3), "reg3", "reg3", 4, formHex},
	{Reg(4), "reg4", "reg4", 4, formHex},
	{Reg(5), "reg5", "reg5", 4, formHex},
	{Reg(6), "reg6", "reg6", 4, formHex},
	{Reg(7), "reg7", "reg7", 4, formHex},
	{Reg(8), "reg8", "reg8", 4, formHex},
	{Reg(9), "reg9", "reg9", 4, formHex},
	{Reg(10), "reg10", "reg10", 4, formHex},
	{Reg(11), "reg11", "reg11", 4, formHex},
	{Reg(12), "reg12", "reg12", 4, formHex},
	{Reg(13), "reg13", "reg13", 4, formHex},
	{Reg(14), "reg14", "reg14", 4, formHex},
	{Reg(15), "reg15", "reg15", 4, formHex},
	{TunnelID, "tun_id", "tun_id", 8, formHex},
	{TunSrc, "tun_src", "tun_src", 4, formIPv4},
	{TunDst, "tun_dst", "tun_dst", 4, formIPv4},
	{TunIPv6Src, "tun_ipv6_src", "tun_ipv6_src", 16, formIPv6},
	{TunIPv6Dst, "tun_ipv6_dst", "tun_ipv6_dst", 16, formIPv6},
	{Metadata, "metadata", "metadata", 8, formHex},
	{InPort, "in_port", "in_port_oxm", 4, formPort},
	{VLANVID, "dl_vlan", "vlan_vid", 2, formVLAN},
	{VLANPCP, "dl_vlan_pcp", "vlan_pcp", 1, formDecimal},
	{EthSrc, "dl_src", "eth_src", 6, formMAC},
	{EthDst, "dl_dst", "eth_dst", 6, formMAC},
	{EthType, "dl_type", "eth_type", 2, formHex4},
	{IPv4Src, "nw_src", "ip_src", 4, formIPv4},
	{IPv4Dst, "nw_dst", "ip_dst", 4, formIPv4},
	{ARPSPA, "arp_spa", "arp_spa", 4, formIPv4},
	{ARPTPA, "arp_tpa", "arp_tpa", 4, formIPv4},
	{IPv6Src, "ipv6_src", "ipv6_src", 16, formIPv6},
	{IPv6Dst, "ipv6_dst", "ipv6_dst", 16, formIPv6},
	{ARPOp, "arp_op", "arp_op", 2, formDecimal},
	{IPProto, "nw_proto", "nw_proto", 1, formDecimal},
	{ARPSHA, "arp_sha", "arp_sha", 6, formMAC},
	{ARPTHA, "arp_tha", "arp_tha", 6, formMAC},
	{IPDSCP, "nw_tos", "ip_dscp", 1, formDSCP},
	{IPECN, "nw_ecn", "nw_ecn", 1, formDecimal},
	{ICMPv4Type, "icmp_type", "icmp_type", 1, formDecimal},
	{ICMPv4Code, "icmp_code", "icmp_code", 1, formDecimal},
	{ICMPv6Type, "icmp_type", "icmpv6_type", 1, formDecimal},
	{ICMPv6Code, "icmp_code", "icmpv6_code", 1, formDecimal},
	{NDTarget, "nd_target", "nd_target", 16, formIPv6},
	{NDSLL, "nd_sll", "nd_sll", 6, formMAC},
	{NDTLL, "nd_tll", "nd_tll", 6, formMAC},
	{TCPSrc, "tp_src", "tcp_src", 2, formDecimal},
	{TCPDst, "tp_dst", "tcp_dst", 2, formDecimal},
	{UDPSrc, "tp_src", "udp_src", 2, formDecimal},
	{UDPDst, "tp_dst", "udp_dst", 2, formDecimal},
}

// shorthand is a word that stands for an EtherType and an IP protocol.
type shorthand struct {
	name    string
	ethType string
	proto   string // empty: any
}

// shorthands has the longer ones before those that they imply.
var shorthands = []shorthand{
	{"icmp", "\x08\x00", "\x01"},
	{"tcp", "\x08\x00", "\x06"},
	{"udp", "\x08\x00", "\x11"},
	{"sctp", "\x08\x00", "\x84"},
	{"icmp6", "\x86\xdd", "\x3a"},
	{"tcp6", "\x86\xdd", "\x06"},
	{"udp6", "\x86\xdd", "\x11"},
	{"sctp6", "\x86\xdd", "\x84"},
	{"ip", "\x08\x00", ""},
	{"ipv6", "\x86\xdd", ""},
	{"arp", "\x08\x06", ""},
	{"rarp", "\x80\x35", ""},
}
