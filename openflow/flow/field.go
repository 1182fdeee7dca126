package flow

// OXM and NXM classes, ovs-fields(7).
const (
	classNXM   = 0x0001
	classBasic = 0x8000
	classExp   = 0xffff
)

// Name is a match field that this package knows by name.
type Name uint32

// Field returns the field's class and number.
func (n Name) Field() Field { return Field{Class: uint16(n >> 8), ID: uint8(n)} }

const (
	nxm   Name = classNXM << 8
	basic Name = classBasic << 8
)

// The fields that are known, by the names of OpenFlow 1.3.5 §7.2.3.7 and, for
// Tun*, of ovs-fields(7).
const (
	InPort     = basic + 0
	Metadata   = basic + 2
	EthDst     = basic + 3
	EthSrc     = basic + 4
	EthType    = basic + 5
	VLANVID    = basic + 6
	VLANPCP    = basic + 7
	IPDSCP     = basic + 8
	IPECN      = basic + 9
	IPProto    = basic + 10
	IPv4Src    = basic + 11
	IPv4Dst    = basic + 12
	TCPSrc     = basic + 13
	TCPDst     = basic + 14
	UDPSrc     = basic + 15
	UDPDst     = basic + 16
	SCTPSrc    = basic + 17
	SCTPDst    = basic + 18
	ICMPv4Type = basic + 19
	ICMPv4Code = basic + 20
	ARPOp      = basic + 21
	ARPSPA     = basic + 22
	ARPTPA     = basic + 23
	ARPSHA     = basic + 24
	ARPTHA     = basic + 25
	IPv6Src    = basic + 26
	IPv6Dst    = basic + 27
	ICMPv6Type = basic + 29
	ICMPv6Code = basic + 30
	NDTarget   = basic + 31
	NDSLL      = basic + 32
	NDTLL      = basic + 33
	MPLSLabel  = basic + 34
	MPLSTC     = basic + 35
	MPLSBOS    = basic + 36
	TunnelID   = basic + 38
	TunSrc     = nxm + 31
	TunDst     = nxm + 32
	TunIPv6Src = nxm + 109
	TunIPv6Dst = nxm + 110
)

// Reg returns register n, 0 to 15.
func Reg(n uint8) Name { return nxm + Name(n) }

// form is how ovs-ofctl prints a field's value.
type form uint8

const (
	formDecimal form = iota // masked: 0x and hexadecimal
	formHex                 // as C's %#x: zero is 0
	formHex4                // 0x and four digits
	formMAC
	formIPv4
	formIPv6
	formPort // never masked
	formVLAN // together with formPCP: see vlanText
	formPCP
	formDSCP // as the whole ToS byte
)

// known describes a field of which the text is known.
type known struct {
	name  Name
	match string // its name in a match
	set   string // its name in set_field
	width int    // bytes
	form  form
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

// fields are the known fields in the order in which ovs-ofctl prints them. Like
// shorthands it is a table that nothing ever writes.
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
	{VLANPCP, "dl_vlan_pcp", "vlan_pcp", 1, formPCP},
	{EthSrc, "dl_src", "eth_src", 6, formMAC},
	{EthDst, "dl_dst", "eth_dst", 6, formMAC},
	{EthType, "dl_type", "eth_type", 2, formHex4},
	{MPLSLabel, "mpls_label", "mpls_label", 4, formDecimal},
	{MPLSTC, "mpls_tc", "mpls_tc", 1, formDecimal},
	{MPLSBOS, "mpls_bos", "mpls_bos", 1, formDecimal},
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
	{SCTPSrc, "tp_src", "sctp_src", 2, formDecimal},
	{SCTPDst, "tp_dst", "sctp_dst", 2, formDecimal},
}
