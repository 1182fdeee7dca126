package openflow_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovsmesh/openflow"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/ovstest"
)

// foreign is what others may have on a bridge, in the syntax of ovs-ofctl(8):
// each kind of match and action that Open vSwitch 3.1 takes on OpenFlow 1.3.
const foreign = `priority=1000,in_port=1,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop
priority=1000,in_port=1,ip,nw_dst=224.0.0.0/24,actions=drop
priority=1100,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=output:1,output:2,output:3
cookie=0x1,priority=8000,in_port=2,dl_src=02:00:00:00:00:02,arp,arp_sha=02:00:00:00:00:02,arp_spa=10.0.0.2,arp_tpa=10.0.0.0/24,arp_op=1,actions=NORMAL
cookie=0xffffffffffffffff,priority=0,actions=NORMAL
table=1,priority=1,metadata=0x12340000/0xffff0000,reg0=0x5,reg1=0x5/0xffff,xreg2=0x7,xxreg2=0x9,tun_id=0x10/0xf0,tun_src=1.1.1.1,tun_dst=2.2.2.0/24,actions=write_metadata:0x1234/0xffff,goto_table:5
table=1,priority=2,idle_timeout=3600,hard_timeout=7200,send_flow_rem,actions=clear_actions,write_actions(output:2,group:5),goto_table:6
table=1,priority=3,no_packet_counts,actions=learn(table=20,idle_timeout=10,hard_timeout=300,priority=5,cookie=0x99,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],output:NXM_OF_IN_PORT[])
table=1,priority=4,actset_output=2,actions=set_field:02:00:00:00:00:09->eth_dst,set_field:0x7->tun_id,set_field:0x5/0xf->reg0,output:2
table=1,priority=5,tcp,tcp_flags=+syn-ack,tp_src=0x50/0xfff0,tp_dst=80,actions=fin_timeout(idle_timeout=5),output:2
table=1,priority=6,ct_state=+est-inv+trk,ct_zone=9,ct_mark=0x1/0xff,ct_label=0x5/0xff,ip,actions=ct(commit,zone=5,exec(load:0x9->NXM_NX_CT_MARK[]))
table=1,priority=7,ip,actions=ct(commit,table=4,zone=5,nat(src=10.0.0.1-10.0.0.9)),ct_clear
table=1,priority=8,dl_vlan=10,dl_vlan_pcp=3,actions=pop_vlan,output:2
table=1,priority=9,vlan_tci=0x1000/0x1000,actions=output:2
table=1,priority=10,actions=push_vlan:0x8100,set_field:4106->vlan_vid,output:2
table=1,priority=11,actions=controller(reason=no_match,max_len=100,id=3),output(port=2,max_len=100),CONTROLLER:256
table=1,priority=12,ip,nw_frag=first,nw_tos=40,nw_ecn=1,nw_ttl=3,actions=dec_ttl,mod_nw_ttl:9,output:2
table=1,priority=13,ip,nw_src=10.0.0.0/255.0.255.0,actions=resubmit(2,10),resubmit(,11),IN_PORT,FLOOD,ALL,LOCAL
table=1,priority=14,ipv6,ipv6_src=fe80::/64,ipv6_label=5,actions=set_queue:1,output:2
table=1,priority=15,ipv6,icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=00:01:02:03:04:05,actions=output:2
table=1,priority=16,icmp,icmp_type=8,actions=note:74.65.6e.61.6e.74,output:2
table=1,priority=17,sctp,tp_dst=5,actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],output:NXM_NX_REG0[0..15]
table=1,priority=18,conj_id=7,actions=multipath(symmetric_l4,1024,hrw,4,0,NXM_NX_REG0[0..1])
table=1,priority=19,reg3=0x3,actions=conjunction(7,1/2)
table=1,priority=20,actions=push:NXM_NX_REG0[],pop:NXM_NX_REG1[],bundle(symmetric_l4,60,hrw,ofport,members:1,2)
table=1,priority=21,actions=clone(output:2),sample(probability=12345,collector_set_id=1),output:1
table=1,priority=22,mpls,mpls_tc=1,mpls_label=7,actions=check_pkt_larger(1500)->NXM_NX_REG0[0],output:2
table=1,priority=23,pkt_mark=5,recirc_id=0,actions=load:0->NXM_OF_IN_PORT[],load:0x9->NXM_NX_TUN_ID[],enqueue:2:1
table=1,priority=24,actions=exit
table=1,priority=25,tun_flags=+oam,tun_gbp_id=3,actions=group:5
table=253,priority=65535,udp,udp_dst=53,in_port=LOCAL,actions=meter:1,output:2
`

// foreignFlows puts them on a bridge.
func foreignFlows(t *testing.T, sw *ovstest.Switch, br string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	foreignObjects(sw, br)
	sw.OFCtl("add-flows", br, file)
}

// foreignObjects makes the group and the meter that the flows need.
func foreignObjects(sw *ovstest.Switch, br string) {
	sw.OFCtl("add-group", br, "group_id=5,type=all,bucket=actions=output:1,bucket=actions=output:2")
	sw.OFCtl("add-meter", br, "meter=1,kbps,band=type=drop,rate=1000")
}

// TestForeignFlowsSurvive reads what others have on a bridge over a passive
// controller row, which costs the bridge none of it, and puts it on another
// bridge: ovs-ofctl finds no difference.
func TestForeignFlowsSurvive(t *testing.T) {
	sw := ovstest.StartSwitch(t)
	bridge(sw, "br0", "00000000000000a0")
	bridge(sw, "br1", "00000000000000a1")
	foreignFlows(t, sw, "br0")
	before := dump(sw, "br0")
	if len(before) != strings.Count(foreign, "\n") {
		t.Fatalf("%d flows, want %d", len(before), strings.Count(foreign, "\n"))
	}

	sess := dialBridge(t, sw, "br0")
	flows, err := sess.Flows(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(sw, "br0"); strings.Join(got, "\n") != strings.Join(before, "\n") {
		t.Errorf("reading changed the flows:\n%s", strings.Join(got, "\n"))
	}
	if len(flows) != len(before) {
		t.Errorf("%d flows read, want %d", len(flows), len(before))
	}
	groups, err := sess.Groups(patient(t))
	if err != nil || len(groups) != 1 || groups[0].ID != 5 {
		t.Errorf("groups %+v, %v", groups, err)
	}

	foreignObjects(sw, "br1")
	other := dialBridge(t, sw, "br1")
	var back []wire.Mod
	for _, f := range flows {
		b, err := wire.EncodeFlowMod(wire.Mod{Command: wire.Add, Flow: &f}, 0)
		if err != nil {
			t.Fatal(err)
		}
		mod, err := wire.DecodeFlowMod(b)
		if err != nil {
			t.Fatal(err)
		}
		back = append(back, mod)
	}
	if err := other.Apply(patient(t), back); err != nil {
		t.Fatal(err)
	}
	if out, err := sw.OFCtlErr("diff-flows", "br0", "br1"); err != nil || out != "" {
		t.Errorf("diff-flows: %v\n%s", err, out)
	}
	if got := dump(sw, "br1"); strings.Join(got, "\n") != strings.Join(before, "\n") {
		t.Errorf("dumps differ:\n%s\n---\n%s", strings.Join(got, "\n"), strings.Join(before, "\n"))
	}
}

// dialBridge connects to a bridge through a passive controller row.
func dialBridge(t *testing.T, sw *ovstest.Switch, br string) *openflow.Session {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	host, port, _ := net.SplitHostPort(addr)
	sw.VSCtl("--", "--id=@c", "create", "Controller", `target="ptcp:`+port+":"+host+`"`,
		"connection_mode=out-of-band", "--", "set", "Bridge", br, "controller=@c")
	sess, err := openflow.Dial(patient(t), addr, openflow.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sess.Close)
	return sess
}
