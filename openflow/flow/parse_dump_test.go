package flow_test

import (
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
)

// dumpLines are lines as other programs' flows look in dumps: what is printed
// back just so.
func dumpLines() []string {
	return []string{
		"cookie=0x0, table=0, pkt_mark=0x5/0xf,conj_id=7,ct_state=-new+trk,ct_zone=5,ct_mark=0/0x1,ct_label=0x23456789abcdef012/0xfffffffffffffffff,ip,reg0=0x5 actions=drop",
		"cookie=0x0, table=0, ct_state=new|trk actions=drop",
		"cookie=0x0, table=0, ct_state=0 actions=drop",
		"cookie=0x0, table=0, ct_state=+[100] actions=drop",
		"cookie=0x0, table=0, tcp,nw_ttl=64,nw_frag=not_later,tcp_flags=+syn-ack actions=drop",
		"cookie=0x0, table=0, tcp,tcp_flags=fin|syn|[800] actions=drop",
		"cookie=0x0, table=0, ipv6,ipv6_label=0x00005/0x000ff,nw_frag=no actions=drop",
		"cookie=0x0, table=0, packet_type=(1,0x894f),nsh_mdtype=1 actions=drop",
		"cookie=0x0, table=0, dl_type=0x894f,nsh_flags=0x00/0x01,nsh_spi=0x0,nsh_c2=0x2/0xff actions=dec_nsh_ttl",
		"cookie=0x0, table=0, xreg1=0x500000000/0xf00000000,tun_gbp_id=0x5/0xf,tun_erspan_ver=1,tun_gtpu_flags=0x30 actions=drop",
		"cookie=0x0, table=0, tun_flags=-oam,tun_metadata0=0x1234,tun_metadata63 actions=drop",
		"cookie=0x0, table=0, actset_output=UNSET actions=drop",
		"cookie=0x0, table=0, send_flow_rem importance=5, priority=1 actions=drop",
		"cookie=0x0, table=0, priority=1,ct_new_thing=+a-b,zz_other=(1,2) actions=drop",
		"cookie=0x0, table=0, actions=resubmit(,5),resubmit(1,5,ct),load:0x5->NXM_NX_REG0[4..7],output:NXM_NX_REG0[]",
		"cookie=0x0, table=0, actions=learn(table=1,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),clone(output:1,clone(ct(commit,nat(src=[fe80::1]:5)))),NORMAL",
		"cookie=0x0, table=0, actions=check_pkt_larger(1000)->NXM_NX_REG0[0],write_actions(group:7,set_queue:3,dec_ttl),goto_table:5",
		"cookie=0x0, table=0, actions=move:NXOXM_NSH_SPI[]->NXM_NX_REG1[0..23],move:NXM_NX_NEW_THING[]->NXM_NX_REG0[],set_field:5->new_thing",
		"cookie=0x0, table=0, actions=set_field:0x5/0xff->reg0,set_field:fe80::/32->tun_ipv6_dst,set_field:oam->tun_flags,set_field:LOCAL->in_port",
		"cookie=0x0, table=0, actions=controller(reason=invalid_ttl,max_len=123,id=5),output(port=1,max_len=100),note:01.02.03",
		"cookie=0x0, table=0, actions=some_action_of_the_future,another(with(arguments)),third:1:2->x",
	}
}

func TestParseAndPrintDumps(t *testing.T) {
	for _, line := range dumpLines() {
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

// Fields that are known by their texts alone make equal matches where the texts
// are, in whatever order they come.
func TestUnknownFieldsCompare(t *testing.T) {
	parse := func(line string) flow.Flow {
		f, err := flow.Parse(line + " actions=drop")
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	a, b, c := parse("one=1,two=2,ip"), parse("two=2,ip,one=1"), parse("one=1,two=3,ip")
	if a.Key() != b.Key() || a.Key() == c.Key() {
		t.Errorf("keys %x, %x, %x", a.Key(), b.Key(), c.Key())
	}
}

func TestParseNamed(t *testing.T) {
	names := flow.Names{
		Port: func(name string) (uint32, bool) {
			n := slices.Index([]string{"", "p1", "weird.port-2", "3", `in"put`, "LOCAL", "a,b(c", "x=actions="}, name)
			return uint32(n), n > 0
		},
		Table: func(name string) (uint8, bool) { return 9, name == "acl" },
	}
	for _, c := range []struct{ line, want string }{
		{"table=acl, in_port=p1 actions=output:p1,goto_table:acl", "table=9, in_port=1 actions=output:1,goto_table:9"},
		{`in_port="weird.port-2",actset_output="3" actions=output:"in\"put",output:3`, "table=0, actset_output=3,in_port=2 actions=output:4,output:3"},
		{`in_port=LOCAL actions=LOCAL,output:"LOCAL"`, "table=0, in_port=LOCAL actions=LOCAL,output:5"},
		{`in_port="a,b(c" actions=output:"a,b(c",NORMAL`, "table=0, in_port=6 actions=output:6,NORMAL"},
		{`in_port="x=actions=" actions=drop`, "table=0, in_port=7 actions=drop"},
		{`actions=resubmit(p1,acl),resubmit(,acl),resubmit:p1,resubmit("3",acl,ct)`, "table=0, actions=resubmit(1,9),resubmit(,9),resubmit:1,resubmit(3,9,ct)"},
		{`actions=set_field:"3"->in_port,set_field:p1->in_port_oxm,set_field:5->reg0`, "table=0, actions=set_field:3->in_port,set_field:1->in_port_oxm,set_field:0x5->reg0"},
		{`actions=bundle(eth_src,0,active_backup,ofport,members:p1,"3"),output(port=p1,max_len=5)`, "table=0, actions=bundle(eth_src,0,active_backup,ofport,members:1,3),output(port=1,max_len=5)"},
		{`actions=learn(table=acl,in_port=p1,load:0x5->NXM_NX_REG0[],output:NXM_OF_IN_PORT[]),ct(table=acl),clone(output:p1,resubmit(p1,acl))`,
			"table=0, actions=learn(table=9,in_port=1,load:0x5->NXM_NX_REG0[],output:NXM_OF_IN_PORT[]),ct(table=9),clone(output:1,resubmit(1,9))"},
		{`actions=output:nobody`, ""}, {`in_port=nobody actions=drop`, ""}, {`table=nobody actions=drop`, ""}, {`actions=goto_table:nobody`, ""},
		{`in_port="p1 actions=drop`, ""}, {`actions=output:"p1`, ""},
	} {
		f, err := flow.ParseNamed(c.line, names)
		if c.want == "" {
			if err == nil || !strings.HasPrefix(err.Error(), "parse flow: ") {
				t.Errorf("%s: read as %s, %v", c.line, f, err)
			}
			continue
		}
		if err != nil || f.Text() != c.want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", c.line, f.Text(), err, c.want)
		}
	}
}

// Old is what ovs-ofctl prints over OpenFlow 1.0 of what we install.
func TestOld(t *testing.T) {
	for now, old := range map[string]string{
		"set_field:02:00:00:00:00:01->eth_dst,goto_table:60":           "mod_dl_dst:02:00:00:00:00:01,resubmit(,60)",
		"set_field:0x67->tun_id,set_field:172.16.0.1->tun_dst,NORMAL":  "load:0x67->NXM_NX_TUN_ID[],load:0xac100001->NXM_NX_TUN_IPV4_DST[],NORMAL",
		"set_field:fd00::1->tun_ipv6_dst,output:1":                     "load:0x1->NXM_NX_TUN_IPV6_DST[0..63],load:0xfd00000000000000->NXM_NX_TUN_IPV6_DST[64..127],output:1",
		"push_mpls:0x8847,set_field:8->mpls_label,NORMAL":              "push_mpls:0x8847,load:0x8->OXM_OF_MPLS_LABEL[],NORMAL",
		"set_field:2->arp_op,set_field:10.0.0.1->arp_spa,IN_PORT":      "load:0x2->NXM_OF_ARP_OP[],load:0xa000001->NXM_OF_ARP_SPA[],IN_PORT",
		"set_field:10.0.0.1->ip_src,set_field:80->tcp_dst,set_queue:5": "mod_nw_src:10.0.0.1,mod_tp_dst:80,set_queue:5",
		"drop": "drop",
	} {
		f, err := flow.Parse("actions=" + now)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Actions.Old().String(); got != old {
			t.Errorf("%s\ngot  %s\nwant %s", now, got, old)
		}
	}
}
