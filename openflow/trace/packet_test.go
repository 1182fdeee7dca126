package trace_test

import (
	"net/netip"
	"strings"
	"testing"

	"ovsmesh/openflow/trace"
)

// TestPacket makes packets of what is known and of what is asked for.
func TestPacket(t *testing.T) {
	web := trace.Party{MAC: [6]byte{2, 0, 0, 0, 0, 1}, IPs: []netip.Addr{ip("10.0.0.1"), ip("fd00::1")}}
	db := trace.Party{MAC: [6]byte{2, 0, 0, 0, 0, 2}, IPs: []netip.Addr{ip("10.0.0.2"), ip("fd00::2")}}
	only6 := trace.Party{MAC: db.MAC, IPs: db.IPs[1:]}
	bare := trace.Party{MAC: db.MAC}
	const ends = "dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02"
	for _, c := range []struct {
		name string
		want trace.Want
		text string
	}{
		{"ping", trace.Want{From: web, To: db}, "icmp," + ends + ",nw_src=10.0.0.1,nw_dst=10.0.0.2,icmp_type=8,icmp_code=0"},
		{"ping over IPv6", trace.Want{From: web, To: only6}, "icmp6," + ends + ",ipv6_src=fd00::1,ipv6_dst=fd00::2,icmp_type=128,icmp_code=0"},
		{"neither", trace.Want{From: web, To: bare}, ends + ",dl_type=0x88b5"},
		{"everybody", trace.Want{From: web, ToAll: true}, "udp,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,nw_src=10.0.0.1,nw_dst=255.255.255.255,tp_src=1024,tp_dst=9"},
		{"everybody, by nobody's IP", trace.Want{From: bare, ToAll: true}, "dl_src=02:00:00:00:00:02,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x88b5"},
		{"TCP", trace.Want{From: web, To: db, Text: "tcp,tp_dst=80"}, "tcp," + ends + ",nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1024,tp_dst=80"},
		{"TCP over IPv6", trace.Want{From: web, To: db, Text: "tcp6,tp_src=5"}, "tcp6," + ends + ",ipv6_src=fd00::1,ipv6_dst=fd00::2,tp_src=5,tp_dst=9"},
		{"the protocol last", trace.Want{From: web, To: db, Text: "tp_dst=53 udp"}, "udp," + ends + ",nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1024,tp_dst=53"},
		{"an address alone", trace.Want{From: web, To: bare, Text: "nw_dst=10.9.9.9"}, "icmp," + ends + ",nw_src=10.0.0.1,nw_dst=10.9.9.9,icmp_type=8,icmp_code=0"},
		{"another sender", trace.Want{From: web, To: bare, Text: "dl_src=02:00:00:00:00:09"}, "dl_src=02:00:00:00:00:09,dl_dst=02:00:00:00:00:02,dl_type=0x88b5"},
		{"ARP", trace.Want{From: web, To: db, ARP: true}, "arp,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=1,arp_sha=02:00:00:00:00:01,arp_tha=00:00:00:00:00:00"},
		{"ARP for another", trace.Want{From: web, ToAll: true, Text: "arp_tpa=10.0.0.7"}, "arp,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,arp_spa=10.0.0.1,arp_tpa=10.0.0.7,arp_op=1,arp_sha=02:00:00:00:00:01,arp_tha=00:00:00:00:00:00"},
		{"an ARP reply", trace.Want{From: web, To: db, Text: "arp,arp_op=2"}, "arp," + ends + ",arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=2,arp_sha=02:00:00:00:00:01,arp_tha=02:00:00:00:00:02"},
		{"a solicitation", trace.Want{From: web, To: db, Text: "nd"}, "icmp6,dl_src=02:00:00:00:00:01,dl_dst=33:33:ff:00:00:02,ipv6_src=fd00::1,ipv6_dst=ff02::1:ff00:2,icmp_type=135,icmp_code=0,nd_target=fd00::2,nd_sll=02:00:00:00:00:01"},
		{"a solicitation for another", trace.Want{From: web, To: bare, Text: "nd_target=fd00::9"}, "icmp6,dl_src=02:00:00:00:00:01,dl_dst=33:33:ff:00:00:09,ipv6_src=fd00::1,ipv6_dst=ff02::1:ff00:9,icmp_type=135,icmp_code=0,nd_target=fd00::9,nd_sll=02:00:00:00:00:01"},
		{"multicast", trace.Want{From: web, To: db, Text: "udp,nw_dst=224.0.0.251"}, "udp,dl_src=02:00:00:00:00:01,dl_dst=01:00:5e:00:00:fb,nw_src=10.0.0.1,nw_dst=224.0.0.251,tp_src=1024,tp_dst=9"},
		{"tagged", trace.Want{From: web, To: bare, Text: "dl_vlan=5,dl_vlan_pcp=3"}, "dl_vlan=5,dl_vlan_pcp=3," + ends + ",dl_type=0x88b5"},
		{"DHCP", trace.Want{From: bare, ToAll: true, Text: "udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67"}, "udp,dl_src=02:00:00:00:00:02,dl_dst=ff:ff:ff:ff:ff:ff,nw_src=0.0.0.0,nw_dst=255.255.255.255,tp_src=68,tp_dst=67"},
	} {
		f, err := trace.Packet(c.want)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := trace.PacketText(f); got != c.text {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.text)
		}
	}
}

// TestPacketRefuses names what makes no packet.
func TestPacketRefuses(t *testing.T) {
	web := trace.Party{MAC: [6]byte{2, 0, 0, 0, 0, 1}, IPs: []netip.Addr{ip("10.0.0.1")}}
	for text, want := range map[string]string{
		"nonsense":                        "unknown word",
		"oxm_8000_5=0x000000000000000800": "is no field of a packet",
		"oxm_8000_3=0x02":                 "is no field of a packet",
		"future=1":                        "future=1 is no field of a packet",
		"tp_dst=80":                       "ports without a protocol",
		"ip,nw_dst=10.0.0.0/8":            "no masks",
		"in_port=4":                       "see --from",
		"metadata=1":                      "no field of a packet that a VM sends",
		"icmp,actions=drop":               "of a flow",
		"ip,nw_dst=300.1.1.1":             "not an address",
		"":                                "MAC address of the receiver is not known",
		"dl_dst=2:0:0:0:0:2,reg0=5":       "does not fit",
		"arp,arp_op=2":                    "MAC address of the receiver is not known",
		"dl_dst=02:00:00:00:00:02,p":      "unknown word",
	} {
		if f, err := trace.Packet(trace.Want{From: web, Text: text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %s, want %s", text, err, trace.PacketText(f), want)
		}
	}
}
