package controller_test

import (
	"fmt"
	"strings"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/ovstest"
)

// vifLock returns the flows by which XenServer locks a VIF to its addresses, as
// its setup-vif-rules gives them to ovs-ofctl add-flow.
func vifLock(vm *ovstest.VM, ofport string) []string {
	in := "cookie=1,in_port=" + ofport + ","
	mac, ip4, ip6 := vm.MAC.String(), vm.IPs[0].Addr().String(), vm.IPs[1].Addr().String()
	flows := []string{
		in + "priority=8000,dl_type=0x0800,nw_proto=0x11,tp_dst=67,dl_src=" + mac + ",idle_timeout=0,action=normal",
		in + "priority=7000,dl_type=0x0806,dl_src=" + mac + ",arp_sha=" + mac + ",nw_src=0.0.0.0,idle_timeout=0,action=normal",
		in + "priority=7000,dl_type=0x0806,dl_src=" + mac + ",arp_sha=" + mac + ",nw_src=" + ip4 + ",idle_timeout=0,action=normal",
		in + "priority=6000,dl_type=0x0800,nw_src=" + ip4 + ",dl_src=" + mac + ",idle_timeout=0,action=normal",
		in + "priority=8000,dl_src=" + mac + ",icmp6,ipv6_src=" + ip6 + ",icmp_type=135,nd_sll=" + mac + ",idle_timeout=0,action=normal",
		in + "priority=8000,dl_src=" + mac + ",icmp6,ipv6_src=" + ip6 + ",icmp_type=136,nd_target=" + ip6 + ",idle_timeout=0,action=normal",
		in + "priority=4000,idle_timeout=0,action=drop",
	}
	for _, proto := range []string{"icmp6", "tcp6", "udp6"} {
		flows = append(flows, in+"priority=5000,dl_src="+mac+",ipv6_src="+ip6+","+proto+",action=normal")
	}
	for _, typ := range []int{135, 136} {
		flows = append(flows, fmt.Sprintf("%spriority=7000,icmp6,icmp_type=%d,action=drop", in, typ))
	}
	for _, typ := range []int{134, 137, 146, 147, 151, 152, 153} {
		flows = append(flows, fmt.Sprintf("%spriority=6000,icmp6,icmp_type=%d,action=drop", in, typ))
	}
	return flows
}

// XenServer's VIF locking and Xen Orchestra's rules are there to take frames;
// what takes others' frames is found, however the switch prints it.
func TestAuditShadows(t *testing.T) {
	m, vms := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	h1 := m.Host("h1")
	ofport := m.vsctl(h1, "get", "Interface", vms[0].Interface, "ofport")
	for _, f := range vifLock(vms[0], ofport) {
		m.ofctl(h1, "add-flow", "xapi1", f)
	}
	mac := vms[0].MAC.String()
	for _, rule := range []string{ // protocol, cookie, MAC, range, port, as sdncontroller.py has them
		"tcp,cookie=0x0,dl_src=" + mac + ",nw_dst=192.0.2.0/24,tp_dst=25,actions=drop",
		"priority=100,ip,cookie=0x9f,dl_dst=" + mac + ",nw_src=192.0.2.0/24,actions=drop",
		"priority=100,arp,cookie=0x9e,dl_dst=" + mac + ",nw_src=192.0.2.0/24,actions=normal",
		"udp,cookie=0x9d,in_port=" + ofport + ",nw_dst=192.0.2.0/24,tp_dst=53,actions=drop",
	} {
		m.ofctl(h1, "add-flow", "xapi1", rule)
	}
	m.clean()
	m.pingAll(vms...) // what the lock lets by, NORMAL takes through the tunnels

	foreign := 0
	for _, f := range m.audit(api.AuditRequest{Foreign: true, Host: "h1"}).Findings {
		if f.Kind != audit.ForeignFlow || !strings.HasPrefix(f.Effect, "the VIF lock of h1/") && !strings.HasPrefix(f.Effect, "a filter of ") {
			t.Errorf("%+v", f)
		}
		foreign++
	}
	if want := len(vifLock(vms[0], ofport)) + 4; foreign != want {
		t.Errorf("%d flows of others, want %d", foreign, want)
	}

	_, toH2 := m.tunnelTo(h1, "h2")
	for _, tt := range []struct{ flow, want, effect string }{
		{"cookie=0x1234,table=0,priority=5000,icmp6,in_port=" + toH2, "in_port=" + toH2, "for frames with icmp6: nothing from h2 arrives at h1"},
		{"cookie=0x1234,table=60,priority=2000,dl_dst=" + vms[1].MAC.String(), "dl_dst=" + vms[1].MAC.String(), "can't be reached directly from h1: frames to it are dropped"},
		{"cookie=0x1234,table=0,priority=1100,dl_dst=ff:ff:ff:ff:ff:ff", "in_port=", "should the switch prefer it"},
		{"cookie=0x1234,table=70,priority=300,dl_vlan=7", "table=70", "for frames with dl_vlan=7"},
		{"cookie=0x1234,table=0,priority=9000", "in_port=", "another program's flow takes every frame on xapi1"},
	} {
		m.ofctl(h1, "add-flow", "xapi1", tt.flow+",actions=drop")
		rep := m.audit(api.AuditRequest{Host: "h1"})
		if len(rep.Findings) != 1 || rep.Findings[0].Kind != audit.ShadowedFlow || !strings.Contains(rep.Findings[0].Want, tt.want) ||
			!strings.Contains(rep.Findings[0].Effect, tt.effect) || !strings.HasPrefix(rep.Findings[0].Got, "cookie=0x1234, ") {
			t.Errorf("%s: %+v", tt.flow, rep.Findings)
		}
		match, _, _ := strings.Cut(strings.TrimPrefix(tt.flow, "cookie=0x1234,"), ",actions=")
		m.ofctl(h1, "--strict", "del-flows", "xapi1", "cookie=0x1234/-1,"+match)
	}
	m.clean()
}
