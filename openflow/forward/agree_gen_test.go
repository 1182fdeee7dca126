package forward

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// generator makes flows, groups and frames that have to do with each other:
// all are of few addresses.
type generator struct {
	*rand.Rand

	// actionSets has flows write actions, but none goes to a select group then:
	// ovs-vswitchd 3.1.0 aborts where the datapath is to pick a bucket while there
	// is an action set ("action_set_len <= ofpacts_len").
	actionSets bool
}

// group is one of those of groups.
func (g generator) group() int {
	if g.actionSets {
		return []int{1, 2, 3, 5}[g.IntN(4)]
	}
	return 1 + g.IntN(6)
}

func (g generator) one(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

var (
	genMACs  = []string{"02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01", "01:80:c2:00:00:0e"}
	genIPs   = []string{"10.0.0.1", "10.0.0.2", "10.0.1.3", "192.168.7.9"}
	genIP6s  = []string{"fd00::1", "fd00::2", "fe80::1", "ff02::1"}
	genPorts = []string{"53", "80", "1024"}
)

func (g generator) mac() string  { return g.one(genMACs...) }
func (g generator) ip() string   { return g.one(genIPs...) }
func (g generator) ip6() string  { return g.one(genIP6s...) }
func (g generator) port() string { return g.one(genPorts...) }

// subject is a kind of frames with what can be matched and set of them.
type subject struct {
	match string
	more  func(generator) string
	sets  []func(generator) string
}

func subjects() []subject {
	eth := []func(generator) string{
		func(g generator) string { return "set_field:" + g.mac() + "->eth_dst" },
		func(g generator) string { return "set_field:" + g.mac() + "->eth_src" },
		func(g generator) string { return "load:0x5->NXM_OF_ETH_DST[0..7]" },
		func(g generator) string { return "set_field:02:00:00:00:00:00/ff:00:00:00:00:00->eth_dst" },
		func(g generator) string { return fmt.Sprintf("load:0x%x->NXM_NX_REG%d[]", g.IntN(9), g.IntN(4)) },
		func(g generator) string {
			return fmt.Sprintf("load:0x%x->NXM_NX_REG%d[%d..%d]", g.IntN(4), g.IntN(4), 2, 3)
		},
		func(g generator) string { return "load:0xabcdef01->OXM_OF_METADATA[8..39]" },
		func(g generator) string { return "move:NXM_OF_ETH_SRC[0..15]->NXM_NX_REG1[16..31]" },
		func(g generator) string { return "move:NXM_NX_REG0[0..7]->NXM_OF_ETH_DST[0..7]" },
		func(g generator) string { return "move:OXM_OF_METADATA[0..31]->NXM_NX_REG2[]" },
		func(g generator) string { return "set_field:0x1122334455667788->xreg1" },
		func(g generator) string { return "move:NXM_NX_XXREG0[0..47]->NXM_OF_ETH_SRC[]" },
		func(g generator) string { return "push:NXM_NX_REG0[],pop:NXM_NX_REG3[]" },
		func(g generator) string {
			return "push:NXM_OF_ETH_SRC[],push:NXM_OF_ETH_DST[],pop:NXM_OF_ETH_SRC[],pop:NXM_OF_ETH_DST[]"
		},
		func(g generator) string { return "move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]" },
		func(g generator) string { return "load:0->NXM_OF_IN_PORT[]" },
		func(g generator) string { return "set_field:0x7->tun_id" },
	}
	with := func(more ...func(generator) string) []func(generator) string { return slices.Concat(eth, more) }
	set := func(value func(generator) string, field string) func(generator) string {
		return func(g generator) string { return "set_field:" + value(g) + "->" + field }
	}
	text := func(s string) func(generator) string { return func(generator) string { return s } }
	ip := []func(generator) string{
		set(generator.ip, "ip_src"), set(generator.ip, "ip_dst"), text("set_field:10.0.0.0/255.0.0.0->ip_dst"), text("set_field:20->ip_dscp"),
		text("set_field:1->nw_ecn"), text("set_field:7->nw_ttl"), text("dec_ttl"), text("move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[]"),
		text("load:0x2->NXM_OF_IP_DST[0..7]"), text("move:NXM_OF_IP_SRC[]->NXM_NX_REG0[]"), text("load:0x48->NXM_OF_IP_TOS[]"), text("load:0x3->NXM_OF_IP_TOS[4..5]"),
	}
	ip6 := []func(generator) string{
		set(generator.ip6, "ipv6_src"), set(generator.ip6, "ipv6_dst"), text("dec_ttl"), text("set_field:20->ip_dscp"),
		text("set_field:fd00::/ffff::->ipv6_dst"), text("move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[]"), text("set_field:0x123->ipv6_label"),
	}
	vlan := func(g generator) string {
		return g.one("", "dl_vlan=5", "dl_vlan=7", "vlan_tci=0x1000/0x1000", "vlan_tci=0/0x1fff", "dl_vlan_pcp=3")
	}
	return []subject{
		{"", vlan, with()},
		{"dl_vlan=5", text(""), with(text("pop_vlan"), text("set_field:4103->vlan_vid"), text("set_field:3->vlan_pcp"),
			text("load:0x1007->NXM_OF_VLAN_TCI[]"), text("load:0->NXM_OF_VLAN_TCI[]"), text("strip_vlan"))},
		{"vlan_tci=0/0x1fff", text(""), with(text("push_vlan:0x8100,set_field:4101->vlan_vid"), text("mod_vlan_vid:7"), text("load:0x7005->NXM_OF_VLAN_TCI[]"),
			text("push_mpls:0x8847,set_field:16->mpls_label"))},
		{"", func(g generator) string { return g.one("dl_src=", "dl_dst=") + g.mac() }, with()},
		{"", text("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"), with()},
		{"arp", func(g generator) string {
			return g.one("", "arp_op=1", "arp_op=2", "arp_tpa="+g.ip(), "arp_spa=10.0.0.0/16", "arp_sha="+g.mac())
		}, with(set(generator.ip, "arp_spa"), set(generator.ip, "arp_tpa"), set(generator.mac, "arp_sha"), text("set_field:2->arp_op"),
			text("move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]"), text("move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]"))},
		{"ip", func(g generator) string {
			return g.one("", "nw_src="+g.ip(), "nw_dst="+g.ip(), "nw_dst=10.0.0.0/24", "nw_tos=80", "nw_ttl=64", "nw_ecn=1", "ip_frag=no", "ip_frag=yes", "ip_frag=not_later")
		}, with(ip...)},
		{"tcp", func(g generator) string {
			return g.one("", "tp_dst="+g.port(), "tp_src=1024", "tcp_flags=+syn", "tcp_flags=-ack")
		},
			with(append(ip, set(generator.port, "tcp_dst"), set(generator.port, "tcp_src"))...)},
		{"udp", func(g generator) string { return g.one("", "tp_dst="+g.port(), "tp_dst=0x50/0xfffe", "tp_src=1024") },
			with(append(ip, set(generator.port, "udp_dst"), set(generator.port, "udp_src"))...)},
		{"icmp", func(g generator) string { return g.one("", "icmp_type=8", "icmp_type=0") }, with(append(ip, text("set_field:0->icmp_type"))...)},
		{"ipv6", func(g generator) string {
			return g.one("", "ipv6_src="+g.ip6(), "ipv6_dst="+g.ip6(), "ipv6_dst=fd00::/16", "ipv6_label=0")
		}, with(ip6...)},
		{"udp6", func(g generator) string { return g.one("", "tp_dst="+g.port()) }, with(append(ip6, set(generator.port, "udp_dst"))...)},
		{"icmp6,icmp_type=135,icmp_code=0", func(g generator) string { return g.one("", "nd_target="+g.ip6(), "nd_sll="+g.mac()) },
			with(append(ip6, set(generator.ip6, "nd_target"), set(generator.mac, "nd_sll"))...)},
	}
}

const genTables = 8

// foreign makes flows as other programs might have them, of which no two of one
// table have the same priority.
func (g generator) foreign(n, firstTable int) []string {
	all := subjects()
	var lines []string
	for i := range n {
		s := all[g.IntN(len(all))]
		table := firstTable + g.IntN(genTables)
		var match []string
		add := func(m string) {
			if m != "" {
				match = append(match, m)
			}
		}
		add(s.match)
		add(s.more(g))
		if g.chance(30) {
			add(fmt.Sprintf("in_port=%d", 1+g.IntN(6)))
		}
		if g.chance(20) {
			add(fmt.Sprintf("reg%d=0x%x/0x%x", g.IntN(4), g.IntN(4), 3))
		}
		if g.chance(10) {
			add(fmt.Sprintf("metadata=0x%x/0x%x", g.IntN(2), 1))
		}
		lines = append(lines, fmt.Sprintf("cookie=0x%x,table=%d,priority=%d,%s actions=%s",
			g.IntN(100), table, 1000+i, strings.Join(match, ","), g.actions(s, table)))
	}
	for t := range genTables {
		lines = append(lines, fmt.Sprintf("table=%d,priority=1 actions=%s", firstTable+t, g.actions(all[0], firstTable+t)))
	}
	return lines
}

func (g generator) actions(s subject, table int) string {
	later := func() int { return table + 1 + g.IntN(3) }
	var list []string
	for range 1 + g.IntN(4) {
		switch g.IntN(20) {
		case 0, 1, 2, 3, 4:
			list = append(list, s.sets[g.IntN(len(s.sets))](g))
		case 5, 6, 7:
			list = append(list, fmt.Sprintf("output:%d", 1+g.IntN(8)))
		case 8, 9, 10:
			list = append(list, fmt.Sprintf("resubmit(,%d)", later()))
		case 11:
			list = append(list, fmt.Sprintf("resubmit(%d,%d)", 1+g.IntN(6), later()))
		case 12:
			list = append(list, g.one("IN_PORT", "LOCAL", "FLOOD", "ALL", "CONTROLLER:128"))
		case 13, 14:
			list = append(list, fmt.Sprintf("group:%d", g.group()))
		case 15:
			list = append(list, g.one("output:NXM_NX_REG0[0..3]", "output:NXM_NX_REG3[0..15]", "output:NXM_NX_REG1[]"))
		case 16:
			list = append(list, g.one("note:01.02.03", "set_queue:3", "pop_queue", "ct_clear", "exit"))
		case 17:
			list = append(list, g.one("clone("+s.sets[g.IntN(len(s.sets))](g)+",output:5)", "NORMAL", "NORMAL", "multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])",
				"ct(commit)", "resubmit(,200)"))
		}
	}
	if g.actionSets && g.chance(25) {
		list = append(list, g.one("clear_actions", fmt.Sprintf("write_actions(output:%d)", 1+g.IntN(6)), fmt.Sprintf("write_actions(group:%d,output:2)", g.group()),
			"write_actions(set_field:02:00:00:00:00:09->eth_dst,output:4)"))
	}
	if g.chance(10) {
		list = append(list, fmt.Sprintf("write_metadata:0x%x/0x%x", g.IntN(4), 1+g.IntN(3)))
	}
	if g.chance(40) {
		list = append(list, fmt.Sprintf("goto_table:%d", later()))
	}
	if len(list) == 0 || g.chance(5) {
		return "drop"
	}
	return strings.Join(list, ",")
}

// groups are of every type; what a port watches is there or not.
func (g generator) groups() []string {
	return []string{
		"group_id=1,type=all,bucket=actions=output:1,bucket=actions=set_field:02:00:00:00:00:07->eth_dst,output:2,bucket=actions=resubmit(,6),bucket=actions=set_field:02:00:00:00:00:05->eth_dst,output:NXM_NX_REG3[0..3]",
		"group_id=2,type=indirect,bucket=actions=set_field:02:00:00:00:00:08->eth_src,output:3",
		"group_id=3,type=ff,bucket=watch_port:99,actions=output:4,bucket=watch_port:5,actions=output:5,bucket=watch_port:6,actions=output:6",
		"group_id=4,type=select,bucket=weight:1,actions=output:6",
		"group_id=5,type=all,bucket=actions=group:2,bucket=actions=output:7",
		"group_id=6,type=select,bucket=weight:1,actions=output:6,bucket=weight:1,actions=output:7",
	}
}

// network makes one network of a bridge of ours, on ports 1 to 6 and tunnels.
func (g generator) network() []flow.Flow {
	mac := func(n int) [6]byte { return [6]byte{2, 0, 0, 0, 0, byte(n)} }
	n := pipeline.Network{ID: 1 + uint32(g.IntN(9)), PortSecurity: g.chance(50), DropBroadcast: g.chance(30), DropUnknown: g.chance(30)}
	for i := 1; i <= 4; i++ {
		v := pipeline.VIF{OFPort: uint32(i), DHCPServer: g.chance(20), Router: g.chance(20)}
		if g.chance(80) {
			v.MACs = [][6]byte{mac(i)}
		}
		if g.chance(60) {
			v.IPs = []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}
		}
		n.VIFs = append(n.VIFs, v)
	}
	for i := range 2 {
		n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: uint32(7 + i), DHCPServer: g.chance(20)})
		n.Remotes = append(n.Remotes, pipeline.Remote{MAC: mac(3 + 2*i), Via: []int{i}})
	}
	for i := 1; i <= 3; i++ {
		n.Stations = append(n.Stations, pipeline.Station{IP: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), MAC: mac(i)})
	}
	flows, err := pipeline.Compile(n)
	if err != nil {
		panic(err)
	}
	return append(flows, pipeline.Base(pipeline.Bridge{})...)
}

// frame makes a frame.
func (g generator) frame() []byte {
	hw := func() []byte { v, _ := literal(g.mac(), 6); return []byte(v) }
	src := hw()
	src[0] &^= 1
	b := append(hw(), src...)
	if g.chance(25) {
		b = append(b, 0x81, 0, byte(g.IntN(8)<<5), byte(5+2*g.IntN(2)))
	}
	addr := func(list []string) []byte { return netip.MustParseAddr(g.one(list...)).AsSlice() }
	number := func() []byte { v, _ := literal(g.port(), 2); return []byte(v) }
	var l4 []byte
	proto := byte(0)
	switch g.IntN(4) {
	case 0:
		proto, l4 = protoTCP, append(append(number(), number()...), 0, 0, 0, 0, 0, 0, 0, 0, 0x50, []byte{0x02, 0x12, 0x10}[g.IntN(3)], 0, 0, 0, 0, 0, 0)
	case 1:
		proto, l4 = protoUDP, append(append(number(), number()...), 0, 8, 0, 0)
	case 2:
		proto, l4 = protoICMPv4, []byte{byte(8 * g.IntN(2)), 0, 0, 0, 0, 0, 0, 0}
	default:
		proto, l4 = 47, make([]byte, 8)
	}
	switch g.IntN(5) {
	case 0:
		b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, byte(1+g.IntN(2)))
		b = append(append(append(append(b, src...), addr(genIPs)...), hw()...), addr(genIPs)...)
	case 1, 2:
		flags := []byte{0, 0}
		if g.chance(15) {
			flags = []byte{[]byte{0x20, 0x20, 0}[g.IntN(3)], []byte{0, 5, 5}[g.IntN(3)]}
		}
		head := []byte{0x45, byte(g.IntN(3) * 40), 0, 0, 0, 0, flags[0], flags[1], []byte{64, 2, 1}[g.IntN(3)], proto, 0, 0}
		binary.BigEndian.PutUint16(head[2:], uint16(20+len(l4)))
		b = append(append(append(append(append(b, 8, 0), head...), addr(genIPs)...), addr(genIPs)...), l4...)
	case 3:
		if g.chance(50) {
			proto, l4 = protoICMPv6, []byte{135, 0, 0, 0, 0, 0, 0, 0}
			l4 = append(append(append(l4, addr(genIP6s)...), 1, 1), hw()...)
		} else if proto == protoICMPv4 {
			proto, l4 = protoICMPv6, []byte{128, 0, 0, 0, 0, 0, 0, 0}
		}
		head := []byte{0x60, 0, 0, 0, 0, byte(len(l4)), proto, []byte{64, 255, 1}[g.IntN(3)]}
		b = append(append(append(append(append(b, 0x86, 0xdd), head...), addr(genIP6s)...), addr(genIP6s)...), l4...)
	default:
		b = append(append(b, 0x88, 0xb5), make([]byte, 10)...)
	}
	return b
}
