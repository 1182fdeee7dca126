package flow_test

import (
	"testing"

	"ovsmesh/openflow/flow"
)

// TestParseAndPrint holds lines as Open vSwitch 3.1 printed them, completed by
// the cookie and table that it leaves out.
func TestParseAndPrint(t *testing.T) {
	for _, line := range []string{
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
	} {
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
