package flow_test

import (
	"testing"

	"ovsmesh/openflow/flow"
)

// lines are flows as Open vSwitch 3.1 prints them, completed by the cookie
// and table that it leaves out when they are 0.
func lines() []string {
	return []string{
		"cookie=0x0, table=0, in_port=3 actions=drop",
		"cookie=0x0, table=0, actions=drop",
		"cookie=0x0, table=0, priority=0 actions=NORMAL",
		"cookie=0x6f6d, table=0, priority=1000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=drop",
		"cookie=0x0, table=1, priority=28,reg2=0/0xf,tun_id=0,metadata=0/0xff actions=drop",
		"cookie=0x0, table=1, idle_timeout=5, hard_timeout=6, send_flow_rem check_overlap reset_counts no_packet_counts priority=14,dl_type=0x88cc actions=drop",
		"cookie=0x0, table=1, priority=21,rarp actions=drop",
		"cookie=0x0, table=1, priority=26,ip,nw_src=10.0.0.0/8,nw_dst=0.0.0.0/1 actions=drop",
		"cookie=0x0, table=1, priority=25,ipv6,tun_ipv6_src=fe80::1,ipv6_src=:: actions=drop",
		"cookie=0x0, table=1, priority=24,metadata=0 actions=set_field:0x5->metadata,set_field:10.0.0.1->tun_dst,set_field:0x67->tun_id",
		"cookie=0x0, table=1, priority=23,icmp6,icmp_type=136,nd_tll=02:00:00:00:00:01 actions=set_field:0x5->reg0,set_field:1.2.3.4->tun_dst",
		"cookie=0x0, table=1, priority=7,vlan_tci=0x0000/0x1fff actions=clear_actions,write_actions(output:2),write_metadata:0x5,goto_table:2",
		"cookie=0x0, table=1, priority=19,in_port=1,dl_vlan=7 actions=CONTROLLER:65535",
		"cookie=0x0, table=1, priority=18,in_port=LOCAL,vlan_tci=0x1000/0x1000 actions=CONTROLLER:65535",
		"cookie=0x0, table=1, priority=17,ip,nw_src=10.0.0.0/255.0.255.0 actions=drop",
		"cookie=0x0, table=1, priority=12,tcp6,tp_dst=0x50/0xfff0 actions=drop",
		"cookie=0x0, table=1, priority=11,udp,tp_src=68,tp_dst=67 actions=drop",
		"cookie=0x0, table=1, priority=10,icmp6,ipv6_src=fe80::/10,ipv6_dst=ff02::1,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=02:00:00:00:00:01 actions=drop",
		"cookie=0x0, table=1, priority=9,arp,dl_src=02:00:00:00:00:01,arp_spa=1.1.1.1,arp_tpa=2.2.2.2,arp_op=1,arp_sha=02:00:00:00:00:01,arp_tha=02:00:00:00:00:02 actions=drop",
		"cookie=0x0, table=1, priority=8,ip,in_port=1,nw_src=10.0.0.1,nw_dst=224.0.0.0/24,nw_tos=4,nw_ecn=1 actions=set_field:02:00:00:00:00:01->eth_dst,set_field:0x67->tun_id,output:3",
		"cookie=0x0, table=1, priority=6,tun_id=0x67/0xff,tun_dst=1.2.3.0/24,dl_vlan=5,dl_vlan_pcp=3,dl_src=02:00:00:00:00:01 actions=write_metadata:0x5/0xffffffff,goto_table:2",
		"cookie=0x0, table=1, priority=5,reg0=0x5,reg1=0x3/0xff,tun_id=0x67,tun_src=1.2.3.4,metadata=0x5/0xffffffff,in_port=3,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=output:3,output:4,IN_PORT,LOCAL,CONTROLLER:128,FLOOD,ALL",
		"cookie=0x0, table=2, priority=1,sctp,tp_src=5,tp_dst=0x10/0xfff0 actions=drop",
		"cookie=0x0, table=2, priority=2,sctp6,tp_dst=5 actions=drop",
		"cookie=0x0, table=2, priority=3,dl_vlan_pcp=3 actions=drop",
		"cookie=0x0, table=2, priority=4,vlan_tci=0x7005/0xf00f actions=drop",
		"cookie=0x0, table=2, priority=5,vlan_tci=0x1005/0x100f actions=drop",
		"cookie=0x0, table=2, priority=6,ipv6,ipv6_src=::1.2.3.4,ipv6_dst=::1/::255.255.0.255 actions=drop",
		"cookie=0x0, table=2, priority=7,ipv6,ipv6_src=::ffff:1.2.3.4,ipv6_dst=::0.5.0.0/112 actions=drop",
		"cookie=0x0, table=2, priority=8,icmp6,icmp_type=136,nd_target=fe80::/ffff::ff,nd_tll=02:00:00:00:00:00/ff:00:00:00:00:ff actions=drop",
		"cookie=0x0, table=2, priority=9,arp,arp_spa=10.0.0.0/8,arp_tpa=10.0.0.1/255.0.0.255,arp_sha=01:00:00:00:00:00/01:00:00:00:00:00 actions=drop",
		"cookie=0x0, table=2, priority=10,icmp,icmp_type=8,icmp_code=0 actions=drop",
		"cookie=0x0, table=2, priority=12,arp,arp_op=1 actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:02:00:00:00:00:01->eth_src,set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],set_field:02:00:00:00:00:01->arp_sha,set_field:10.0.0.1->arp_spa,IN_PORT",
		"cookie=0x0, table=2, priority=13,icmp6,icmp_type=135 actions=set_field:fe80::1->nd_target,set_field:02:00:00:00:00:01->nd_sll,set_field:fe80::2->ipv6_src,set_field:0x5->tun_id,set_field:10.0.0.1->tun_dst,set_field:fe80::5->tun_ipv6_dst,output:1",
		"cookie=0x0, table=2, priority=14 actions=move:NXM_NX_REG0[0..15]->NXM_NX_REG15[16..31],move:NXM_NX_TUN_ID[]->OXM_OF_METADATA[],move:OXM_OF_METADATA[63]->NXM_NX_REG3[0]",
		"cookie=0x0, table=2, priority=15,mpls,in_port=1,mpls_label=15 actions=drop",
		"cookie=0x0, table=2, priority=16,mplsm,mpls_label=15,mpls_tc=3,mpls_bos=1 actions=drop",
		"cookie=0x0, table=2, priority=17 actions=output:1,push_mpls:0x8847,set_field:15->mpls_label,NORMAL",
		"cookie=0x0, table=2, priority=11,tun_src=10.0.0.0/8,dl_src=00:00:00:00:00:01/00:00:00:00:00:ff actions=drop",
	}
}

func TestParseAndPrint(t *testing.T) {
	for _, line := range lines() {
		f, err := flow.Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := f.String(); got != line {
			t.Errorf("got  %s\nwant %s", got, line)
		}
	}
}

// TestOwnForms prints what ovs-ofctl has no words for.
func TestOwnForms(t *testing.T) {
	for _, c := range []struct {
		f    flow.Flow
		want string
	}{
		{flow.Flow{}, "cookie=0x0, table=0, priority=0 actions=drop"},
		{flow.Flow{Priority: 1, Match: flow.NewMatch(flow.OXM{Field: flow.Field{Class: 0x8000, ID: 99}, Value: "\x01\x02", Mask: "\xff\x0f"})},
			"cookie=0x0, table=0, priority=1,oxm_8000_99=0x0102/0xff0f actions=drop"},
		{flow.Flow{Priority: 1, Match: flow.NewMatch(flow.OXM{Field: flow.Field{Class: 0xffff, ID: 42, Exp: 0x4f4e4600}, Value: "\x00"})},
			"cookie=0x0, table=0, priority=1,oxm_ffff_42_4f4e4600=0x00 actions=drop"},
		{flow.Flow{Priority: 1, Match: flow.NewMatch(flow.Exact(flow.InPort, "\x01"))}, // a field of another width
			"cookie=0x0, table=0, priority=1,oxm_8000_0=0x01 actions=drop"},
		{flow.Flow{Priority: 1, Match: flow.NewMatch(flow.Exact(flow.TCPDst, "\x00\x50"))}, // without its protocol
			"cookie=0x0, table=0, priority=1,oxm_8000_14=0x0050 actions=drop"},
		{flow.Flow{Priority: 1, Match: flow.NewMatch(flow.Exact(flow.VLANPCP, "\x03"))}, // without a tag
			"cookie=0x0, table=0, priority=1,oxm_8000_7=0x03 actions=drop"},
		{flow.Flow{Flags: 0x8001}, "cookie=0x0, table=0, send_flow_rem flags=0x8000 priority=0 actions=drop"},
		{flow.Flow{Actions: flow.Actions{flow.Raw{Bytes: "\x00\x0b\x00\x08\x00\x00\x00\x00"}, flow.RawInstruction{Bytes: "\xff\xff"}}},
			"cookie=0x0, table=0, priority=0 actions=raw(000b000800000000),raw_instruction(ffff)"},
		{flow.Flow{Actions: flow.Actions{flow.Move{Src: flow.Subfield{Field: 0x800050, First: 1, Bits: 2}, Dst: flow.Whole(0x800050)}}}, // not one to be sent
			"cookie=0x0, table=0, priority=0 actions=move:oxm_8000_80[1..2]->oxm_8000_80[0..65535]"},
		{flow.Flow{Actions: flow.Actions{flow.WriteActions{}}}, // a switch drops it
			"cookie=0x0, table=0, priority=0 actions=write_actions(drop)"},
		{flow.Flow{Actions: flow.Actions{flow.SetField{OXM: flow.Masked(flow.Reg(3), "\x00\x00\x00\xff", "\x00\x00\x00\x0f")}}},
			"cookie=0x0, table=0, priority=0 actions=set_field:0xff/0xf->reg3"},
		{flow.Flow{Actions: flow.Actions{flow.SetField{OXM: flow.Masked(flow.TunFlags, "\x00\x03", "\x00\x01")}}}, // a bit that the words would lose
			"cookie=0x0, table=0, priority=0 actions=set_field:0x0003/0x0001->oxm_0001_104"},
		{flow.Flow{Match: flow.NewMatch(flow.Masked(flow.IPFrag, "\x01", "\x03"))}, // no switch masks the whole
			"cookie=0x0, table=0, priority=0,oxm_0001_26=0x01/0x03 actions=drop"},
		{flow.Flow{Match: flow.NewMatch(
			flow.OXM{Field: flow.Field{Class: 1, ID: 40}, Value: "\x00\x00\x12"}, // a number, whatever its width
			flow.OXM{Field: flow.Field{Class: 1, ID: 41}, Value: "\x00\x05", Mask: "\x00\xff"},
			flow.OXM{Field: flow.Field{Class: 1, ID: 103}, Value: "\x00", Mask: "\x00"})}, // is there
			"cookie=0x0, table=0, priority=0,tun_metadata0=0x12,tun_metadata1=0x5/0xff,tun_metadata63 actions=drop"},
		{flow.Flow{Actions: flow.Actions{flow.SetField{OXM: flow.OXM{Field: flow.Field{Class: 1, ID: 40}}}}},
			"cookie=0x0, table=0, priority=0 actions=set_field:0x->oxm_0001_40"},
	} {
		if got := c.f.String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
