package plan_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// phy is the bridge of a bed's host that carries the host's own network.
const phy = "br-phy"

// A host reaches its controller by the very bridge that is taken. Its switch
// restarts while the controller is away: the host must get through by itself,
// and neither VMs' frames nor tunnels may be part of what NORMAL then floods.
func TestTakenBridgeKeepsHostAndFences(t *testing.T) {
	bed := ovstest.StartBed(t, ovstest.Options{})
	ctx := t.Context()
	h, err := bed.AddHost(ctx, "h1")
	if err != nil {
		t.Fatal(err)
	}
	var vms []*ovstest.VM
	for i := range 2 {
		vm, err := h.AddVM(ctx, ovstest.VMSpec{Name: fmt.Sprintf("v%d", i), Bridge: phy, MAC: topology.MAC{2, 0, 0, 0, 1, byte(i)}})
		if err != nil {
			t.Fatal(err)
		}
		vms = append(vms, vm)
	}
	s := server{h.OVS, t}
	ports := func() string {
		return s.VSCtl("--columns=name,vlan_mode,tag,trunks,cvlans,external_ids,other_config,protected", "list", "Port")
	}
	was, portsWere := s.look(phy), ports()
	fence := []string{vms[0].Interface, vms[1].Interface}
	want := plan.Want{Owner: "o",
		Bridges: []plan.Bridge{{Name: phy, Target: fmt.Sprintf("tcp:%s:6999", bed.Controller), Take: true, Fence: fence}},
		Networks: []plan.Network{{Name: "blue", Bridge: phy, Tunnels: []plan.Tunnel{
			{Name: "t103-1-2", Type: "gre", Peer: "xen2", Key: 103, RemoteIP: bed.Controller}, // answers ARP
		}}, {Name: "flow/gre", Bridge: phy, Tunnels: []plan.Tunnel{{Name: "fg1", Type: "gre"}}}},
	}
	s.run(want)
	if row := database(t, s.rows()).BridgeByName(phy); !plan.Taken(row, "o") || plan.Taken(row, "p") {
		t.Errorf("taken: %+v", row)
	}
	reaches := func(what string) {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for {
			_, err := h.Exec(ctx, "ping", "-c1", "-W1", bed.Controller.String())
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the host does not reach its controller: %v", what, err)
			}
		}
	}
	if err := h.KillVSwitchd(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := h.StartVSwitchd(ctx); err != nil {
		t.Fatal(err)
	}
	reaches("after a restart without a controller")
	if got := s.OFCtl("dump-flows", phy); strings.Count(got, "actions=") != 1 || !strings.Contains(got, "priority=0 actions=NORMAL") {
		t.Errorf("flows after the restart: %s", got)
	}

	capture, err := vms[1].StartCapture()
	if err != nil {
		t.Fatal(err)
	}
	defer capture.Stop()
	for name, frame := range floods(vms[0].MAC, bed.Controller, h.Addr) {
		for range 3 {
			if err := vms[0].SendFrame(frame); err != nil {
				t.Fatal(name, err)
			}
		}
	}
	reaches("after a VM has forged its controller's address")
	if got := s.sent(phy, "t103-1-2") + s.sent(phy, "fg1"); got != 0 {
		t.Errorf("%d frames of a VM in tunnels", got)
	}
	// Nor may what the host itself floods get anywhere.
	h.Exec(ctx, "ping", "-c1", "-W1", "10.211.250.250") // nobody: an ARP request, or no route
	if n := capture.Count(func(f ovstest.Frame) bool { return !f.Sent && f.EtherType() != 0x86dd }); n != 0 {
		t.Errorf("%d frames from elsewhere at a VM: %x", n, capture.Frames()[0].Data)
	}

	// What flows say passes the fences, in both directions.
	s.OFCtl("add-flow", phy, "priority=9,dl_src="+vms[0].MAC.String()+",actions="+s.ofport(vms[1].Interface)+","+s.ofport("t103-1-2"))
	if err := vms[0].SendFrame(frame(vms[1].MAC, vms[0].MAC, "88b5")); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for capture.Count(func(f ovstest.Frame) bool { return f.EtherType() == 0x88b5 }) == 0 || s.sent(phy, "t103-1-2") == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("nothing through the fences: %d frames in the tunnel", s.sent(phy, "t103-1-2"))
		}
		time.Sleep(20 * time.Millisecond)
	}

	// A bump that changes nothing leaves our flows alone, and a second look
	// finds nothing.
	if p := plan.Diff(database(t, s.rows()), want); len(p.Groups) > 0 {
		t.Errorf("second plan:\n%s", world{}.text(t, p))
	}
	s.run(plan.Want{Owner: "o", Complete: true, Release: []plan.Release{{Bridge: phy, Keep: true}}})
	reaches("half released")
	s.run(plan.Want{Owner: "o", Complete: true, Release: []plan.Release{{Bridge: phy}}})
	reaches("released")
	if is := s.look(phy); is != was {
		t.Errorf("was\n%s\nis\n%s", was, is)
	}
	if is := ports(); is != portsWere {
		t.Errorf("ports were\n%s\nare\n%s", portsWere, is)
	}
}

// floods are frames of a VM that NORMAL would flood, by name; one forges ARP
// with the controller's address, one a VLAN that is a fence's.
func floods(mac topology.MAC, controller, host netip.Addr) map[string][]byte {
	all := topology.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	arp := frame(all, mac, "0806"+"0001080006040001"+hex.EncodeToString(mac[:])+hex.EncodeToString(controller.AsSlice())+
		"000000000000"+hex.EncodeToString(host.AsSlice()))
	return map[string][]byte{
		"forged ARP":      arp,
		"broadcast":       frame(all, mac, "0800"),
		"unknown unicast": frame(topology.MAC{2, 0, 0, 0, 0xee, 1}, mac, "0800"),
		"IPv4 multicast":  frame(topology.MAC{1, 0, 0x5e, 0, 0, 5}, mac, "0800"),
		"IPv6 multicast":  frame(topology.MAC{0x33, 0x33, 0, 0, 0, 1}, mac, "86dd"),
		"VLAN 5":          frame(all, mac, "810000050800"),
	}
}

// frame is a short Ethernet frame; rest is hex from the type on.
func frame(dst, src topology.MAC, rest string) []byte {
	tail, err := hex.DecodeString(rest)
	if err != nil {
		panic(err)
	}
	f := append(append(append([]byte{}, dst[:]...), src[:]...), tail...)
	return append(f, make([]byte, max(0, 60-len(f)))...)
}

// sent returns how many packets a port has sent.
func (s server) sent(bridge, port string) int {
	s.t.Helper()
	var n int
	_, tx, _ := strings.Cut(s.OFCtl("dump-ports", bridge, port), "tx pkts=")
	if _, err := fmt.Sscanf(tx, "%d", &n); err != nil {
		s.t.Fatalf("counters of port %s: %v", port, err)
	}
	return n
}

func (s server) ofport(iface string) string {
	return strings.TrimSpace(s.VSCtl("get", "Interface", iface, "ofport"))
}

// A VM that tags its frames for the fence's own VLAN gets into no tunnel.
func TestFenceVLANLeadsNowhere(t *testing.T) {
	s := startServer(t)
	s.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "datapath_type=dummy")
	s.VSCtl("add-port", "xapi1", "eth0", "--", "set", "Interface", "eth0", "type=dummy")
	s.VSCtl("add-port", "xapi1", "vif1.0", "--", "set", "Interface", "vif1.0", "type=dummy")
	s.run(plan.Want{Owner: "o", Bridges: []plan.Bridge{{Name: "xapi1", Target: ourTarget}},
		Networks: blue(plan.Tunnel{Name: "t103-1-2", Type: "gre", Peer: "xen2", Key: 103, RemoteIP: netip.MustParseAddr("127.0.0.2"), Fenced: true})})
	s.OFCtl("add-flow", "xapi1", "actions=NORMAL")
	trace := func(flow string) string {
		t.Helper()
		out, err := s.AppCtl(t.Context(), "ofproto/trace", "xapi1", flow)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		flow, says string
	}{
		{"in_port=vif1.0,dl_dst=ff:ff:ff:ff:ff:ff", ""},
		{"in_port=vif1.0,dl_dst=ff:ff:ff:ff:ff:ff,dl_vlan=5", ""},
		{"in_port=vif1.0,dl_dst=ff:ff:ff:ff:ff:ff,dl_vlan=4095", ""},
		{"in_port=t103-1-2,tun_id=103,tun_src=127.0.0.2,dl_dst=ff:ff:ff:ff:ff:ff", "Datapath actions: drop"},
	} {
		out := trace(c.flow)
		if strings.Contains(out, "output to native tunnel") || strings.Contains(out, "set(tunnel") || strings.Contains(out, "tnl_push") || !strings.Contains(out, c.says) {
			t.Errorf("%s: %s", c.flow, out)
		}
	}
	s.VSCtl("clear", "Port", "t103-1-2", "vlan_mode", "--", "clear", "Port", "t103-1-2", "tag", "--", "clear", "Port", "t103-1-2", "cvlans")
	if out := trace("in_port=vif1.0,dl_dst=ff:ff:ff:ff:ff:ff"); !strings.Contains(out, "tunnel") {
		t.Errorf("without a fence it would get in: %s", out)
	}
}

// A port that takes its key, or its remote address too, from each packet stands
// beside ports that have their own; of its own kind there is only one.
func TestFlowPortsBesideOthers(t *testing.T) {
	s := startServer(t)
	s.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "datapath_type=dummy")
	shared := plan.Tunnel{Name: "sg-1-2", Type: "gre", Peer: "xen2", RemoteIP: netip.MustParseAddr("127.0.0.2"), BFD: true}
	w := plan.Want{Owner: "o", Bridges: []plan.Bridge{{Name: "xapi1", Target: ourTarget}}, Networks: append(
		blue(gre("t103-1-2", "xen2", "127.0.0.2")),
		plan.Network{Name: "shared/gre", Bridge: "xapi1", Tunnels: []plan.Tunnel{shared}},
		plan.Network{Name: "flow/gre", Bridge: "xapi1", Tunnels: []plan.Tunnel{{Name: "fg1", Type: "gre"}}},
		plan.Network{Name: "flow/vxlan", Bridge: "xapi1", Tunnels: []plan.Tunnel{{Name: "fv1", Type: "vxlan", DstPort: 4789}}},
		plan.Network{Name: "flow/vxlan-4790", Bridge: "xapi1", Tunnels: []plan.Tunnel{{Name: "fv2", Type: "vxlan", DstPort: 4790}}},
	)}
	s.run(w)
	list := plan.Tunnels(database(t, s.rows()), "o")
	want := []plan.TunnelPort{
		{Name: "fg1", Network: "flow/gre", Type: "gre", Key: "flow", RemoteIP: "flow", OFPort: 20001},
		{Name: "fv1", Network: "flow/vxlan", Type: "vxlan", Key: "flow", RemoteIP: "flow", OFPort: 20002},
		{Name: "fv2", Network: "flow/vxlan-4790", Type: "vxlan", Key: "flow", RemoteIP: "flow", DstPort: 4790, OFPort: 20003},
		{Name: "sg-1-2", Network: "shared/gre", Peer: "xen2", Type: "gre", Key: "flow", RemoteIP: "127.0.0.2", BFD: true, OFPort: 20004},
		{Name: "t103-1-2", Network: "blue", Peer: "xen2", Type: "gre", Key: "103", RemoteIP: "127.0.0.2", OFPort: 20000},
	}
	for i := range want {
		want[i].Bridge = "xapi1"
		if len(list) != len(want) || list[i] != want[i] {
			t.Fatalf("got %+v\nwant %+v", list, want)
		}
	}
	if state := s.VSCtl("get", "Interface", "sg-1-2", "bfd_status:state"); strings.TrimSpace(state) != "down" {
		t.Errorf("BFD is %q, with nobody at the other end", state)
	}
	// What the plan refuses as a clash the switch refuses, too.
	s.OVS.VSCtl(t.Context(), "add-port", "xapi1", "fg2", "--", "set", "Interface", "fg2", "type=gre", "options:key=flow", "options:remote_ip=flow")
	if got := s.ofport("fg2"); got != "-1" {
		t.Errorf("a second flow port has ofport %s", got)
	}
	w.Networks = append(w.Networks, plan.Network{Name: "flow/gre-2", Bridge: "xapi1", Tunnels: []plan.Tunnel{{Name: "fg3", Type: "gre"}}})
	if p := plan.Diff(database(t, s.rows()), w); len(p.Groups) > 0 || len(p.Problems) != 1 {
		t.Errorf("a second flow port: %s", world{}.text(t, p))
	}
	// BFD goes, and only our key of it.
	s.VSCtl("set", "Interface", "sg-1-2", "bfd:min_tx=200")
	shared.BFD = false
	w.Networks = []plan.Network{{Name: "shared/gre", Bridge: "xapi1", Tunnels: []plan.Tunnel{shared}}}
	s.run(w)
	if got := strings.TrimSpace(s.VSCtl("get", "Interface", "sg-1-2", "bfd")); got != `{min_tx="200"}` {
		t.Errorf("bfd is %s", got)
	}
}

// A switch without controller types would fail open: there a bridge with the
// host's own network is refused, whatever is asked for.
func TestTakeNeedsServices(t *testing.T) {
	w := readWorld(t, "testdata/take")
	old := schema.Full().Without("Controller", "type")
	p := plan.Diff(databaseOf(t, old, w.have), w.want)
	if len(p.Groups) > 0 || !strings.Contains(w.text(t, p), "too old for takeBridge") {
		t.Error(w.text(t, p))
	}
}

// One that is taken passes for ours only while it is as it must be.
func TestTaken(t *testing.T) {
	ids := map[string]string{schema.KeyOwner: "o"}
	taken := map[string]string{schema.KeyOwner: "o", "ovsmesh-taken": "true"}
	for _, c := range []struct {
		b    *schema.Bridge
		want bool
	}{
		{nil, false},
		{&schema.Bridge{FailMode: "secure"}, false},
		{&schema.Bridge{FailMode: "secure", ExternalIDs: ids}, true},
		{&schema.Bridge{FailMode: "standalone", ExternalIDs: ids}, false},
		{&schema.Bridge{ExternalIDs: ids}, false},
		{&schema.Bridge{FailMode: "secure", ExternalIDs: taken}, false},
		{&schema.Bridge{FailMode: "standalone", ExternalIDs: taken}, true},
		{&schema.Bridge{ExternalIDs: taken}, true},
	} {
		if got := plan.Taken(c.b, "o"); got != c.want {
			t.Errorf("%+v: %v", c.b, got)
		}
	}
	if plan.Taken(&schema.Bridge{FailMode: "secure"}, "") {
		t.Error("a bridge of nobody is taken")
	}
}
