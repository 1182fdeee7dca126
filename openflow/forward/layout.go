package forward

import "ovsmesh/openflow/flow"

// Names that package flow has no use for, by the numbers of Nicira's extended
// match and OpenFlow 1.5, ovs-fields(7).
const (
	nxm    flow.Name = 0x0001 << 8
	xreg   flow.Name = 0x8001 << 8
	xxreg0           = nxm + 111

	vlanTCI flow.Name = 4 // of NXM's class 0: the whole tag
	ipTOS   flow.Name = 5 // likewise: DSCP with two zeros
)

// slot is a field of a Frame with its width in bytes.
type slot struct {
	name  flow.Name
	width int
	alias flow.Name // its other number; 0: none
	texts string    // what ovs-ofctl calls it in actions, separated by spaces
}

// slots are the fields in the order in which a Frame holds them, without the
// registers, which come last. Like the tables of package flow nothing ever
// writes it.
var slots = []slot{
	{flow.InPort, 4, 0, "in_port_oxm OXM_OF_IN_PORT"},
	{flow.Metadata, 8, 0, "metadata OXM_OF_METADATA"},
	{flow.EthDst, 6, 1, "eth_dst dl_dst NXM_OF_ETH_DST OXM_OF_ETH_DST"},
	{flow.EthSrc, 6, 2, "eth_src dl_src NXM_OF_ETH_SRC OXM_OF_ETH_SRC"},
	{flow.EthType, 2, 3, "eth_type dl_type NXM_OF_ETH_TYPE OXM_OF_ETH_TYPE"},
	{flow.VLANVID, 2, 0, "vlan_vid OXM_OF_VLAN_VID"},
	{flow.VLANPCP, 1, 0, "vlan_pcp OXM_OF_VLAN_PCP"},
	{flow.MPLSLabel, 4, 0, "mpls_label OXM_OF_MPLS_LABEL"},
	{flow.MPLSTC, 1, 0, "mpls_tc OXM_OF_MPLS_TC"},
	{flow.MPLSBOS, 1, 0, "mpls_bos OXM_OF_MPLS_BOS"},
	{flow.IPDSCP, 1, 0, "ip_dscp nw_tos_shifted OXM_OF_IP_DSCP"},
	{flow.IPECN, 1, nxm + 28, "nw_ecn ip_ecn OXM_OF_IP_ECN NXM_NX_IP_ECN"},
	{flow.IPProto, 1, 6, "ip_proto nw_proto OXM_OF_IP_PROTO NXM_OF_IP_PROTO"},
	{flow.IPv4Src, 4, 7, "ip_src nw_src NXM_OF_IP_SRC OXM_OF_IPV4_SRC"},
	{flow.IPv4Dst, 4, 8, "ip_dst nw_dst NXM_OF_IP_DST OXM_OF_IPV4_DST"},
	{flow.IPv6Src, 16, nxm + 19, "ipv6_src NXM_NX_IPV6_SRC OXM_OF_IPV6_SRC"},
	{flow.IPv6Dst, 16, nxm + 20, "ipv6_dst NXM_NX_IPV6_DST OXM_OF_IPV6_DST"},
	{flow.TCPSrc, 2, 9, "tcp_src NXM_OF_TCP_SRC OXM_OF_TCP_SRC"},
	{flow.TCPDst, 2, 10, "tcp_dst NXM_OF_TCP_DST OXM_OF_TCP_DST"},
	{flow.UDPSrc, 2, 11, "udp_src NXM_OF_UDP_SRC OXM_OF_UDP_SRC"},
	{flow.UDPDst, 2, 12, "udp_dst NXM_OF_UDP_DST OXM_OF_UDP_DST"},
	{flow.SCTPSrc, 2, 0, "sctp_src OXM_OF_SCTP_SRC"},
	{flow.SCTPDst, 2, 0, "sctp_dst OXM_OF_SCTP_DST"},
	{flow.ICMPv4Type, 1, 13, "icmp_type NXM_OF_ICMP_TYPE OXM_OF_ICMPV4_TYPE"},
	{flow.ICMPv4Code, 1, 14, "icmp_code NXM_OF_ICMP_CODE OXM_OF_ICMPV4_CODE"},
	{flow.ICMPv6Type, 1, nxm + 21, "icmpv6_type NXM_NX_ICMPV6_TYPE OXM_OF_ICMPV6_TYPE"},
	{flow.ICMPv6Code, 1, nxm + 22, "icmpv6_code NXM_NX_ICMPV6_CODE OXM_OF_ICMPV6_CODE"},
	{flow.ARPOp, 2, 15, "arp_op NXM_OF_ARP_OP OXM_OF_ARP_OP"},
	{flow.ARPSPA, 4, 16, "arp_spa NXM_OF_ARP_SPA OXM_OF_ARP_SPA"},
	{flow.ARPTPA, 4, 17, "arp_tpa NXM_OF_ARP_TPA OXM_OF_ARP_TPA"},
	{flow.ARPSHA, 6, nxm + 17, "arp_sha NXM_NX_ARP_SHA OXM_OF_ARP_SHA"},
	{flow.ARPTHA, 6, nxm + 18, "arp_tha NXM_NX_ARP_THA OXM_OF_ARP_THA"},
	{flow.NDTarget, 16, nxm + 23, "nd_target NXM_NX_ND_TARGET OXM_OF_IPV6_ND_TARGET"},
	{flow.NDSLL, 6, nxm + 24, "nd_sll NXM_NX_ND_SLL OXM_OF_IPV6_ND_SLL"},
	{flow.NDTLL, 6, nxm + 25, "nd_tll NXM_NX_ND_TLL OXM_OF_IPV6_ND_TLL"},
	{flow.IPFrag, 1, 0, "ip_frag nw_frag NXM_NX_IP_FRAG"},
	{flow.IPv6Label, 4, nxm + 27, "ipv6_label NXM_NX_IPV6_LABEL OXM_OF_IPV6_FLABEL"},
	{flow.IPTTL, 1, 0, "nw_ttl ip_ttl NXM_NX_IP_TTL"},
	{flow.MPLSTTL, 1, 0, "mpls_ttl NXM_NX_MPLS_TTL"},
	{flow.TCPFlags, 2, nxm + 34, "tcp_flags NXM_NX_TCP_FLAGS OXM_OF_TCP_FLAGS"},
	{flow.CTState, 4, 0, "ct_state NXM_NX_CT_STATE"},
	{flow.CTZone, 2, 0, "ct_zone NXM_NX_CT_ZONE"},
	{flow.CTMark, 4, 0, "ct_mark NXM_NX_CT_MARK"},
	{flow.CTLabel, 16, 0, "ct_label NXM_NX_CT_LABEL"},
	{flow.ConjID, 4, 0, "conj_id NXM_NX_CONJ_ID"},
	{flow.PktMark, 4, 0, "pkt_mark NXM_NX_PKT_MARK"},
	{flow.TunnelID, 8, nxm + 16, "tun_id tunnel_id NXM_NX_TUN_ID OXM_OF_TUNNEL_ID"},
	{flow.TunSrc, 4, 0, "tun_src NXM_NX_TUN_IPV4_SRC"},
	{flow.TunDst, 4, 0, "tun_dst NXM_NX_TUN_IPV4_DST"},
	{flow.TunIPv6Src, 16, 0, "tun_ipv6_src NXM_NX_TUN_IPV6_SRC"},
	{flow.TunIPv6Dst, 16, 0, "tun_ipv6_dst NXM_NX_TUN_IPV6_DST"},
}

// Bytes of all fields: those of slots, of which the port and the metadata are
// the first and those of tunnels the last, then 16 registers of 4.
const (
	atMetadata   = 4
	atTransport  = 78 // ports, types and codes of all protocols
	endTransport = 94
	slotBytes    = 235
	fieldBytes   = slotBytes + 16*4
)

// spot is where a field's bytes are in a Frame.
type spot struct{ at, width uint16 }

// spots has them by class and number, for classes of NXM, OpenFlow, its
// extended registers and ONF's experiments. It is made once and never written
// again.
var spots = makeSpots()

func makeSpots() *[5][128]spot {
	var t [5][128]spot
	put := func(n flow.Name, s spot) {
		f := n.Field()
		t[classIndex(f)][f.ID] = s
	}
	at := uint16(0)
	for _, s := range slots {
		put(s.name, spot{at, uint16(s.width)})
		if s.alias != 0 {
			put(s.alias, spot{at, uint16(s.width)})
		}
		at += uint16(s.width)
	}
	put(0, spot{2, 2}) // NXM_OF_IN_PORT has 16 bits
	for n := range uint16(16) {
		put(flow.Reg(uint8(n)), spot{slotBytes + 4*n, 4})
		if n%2 == 0 {
			put(xreg+flow.Name(n/2), spot{slotBytes + 4*n, 8})
		}
		if n%4 == 0 {
			put(xxreg0+flow.Name(n/4), spot{slotBytes + 4*n, 16})
		}
	}
	return &t
}

func classIndex(f flow.Field) int {
	switch {
	case f.Exp == flow.TCPFlags.Field().Exp && f.Class == 0xffff:
		return 4
	case f.Exp != 0:
	case f.Class == 0:
		return 0
	case f.Class == 0x0001:
		return 1
	case f.Class == 0x8000:
		return 2
	case f.Class == 0x8001:
		return 3
	}
	return -1
}

// locate returns where a field's bytes are; a width of 0 if a Frame has no such
// field.
func locate(f flow.Field) (at, width int) {
	i := classIndex(f)
	if i < 0 || f.ID > 127 {
		return 0, 0
	}
	s := spots[i][f.ID]
	return int(s.at), int(s.width)
}
