package audit_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/openflow/audit"
)

var (
	gre = audit.Tunnel{Name: "t103-1-3", Type: "gre", Bridge: "xapi1", Network: "blue", Peer: "xen3",
		Key: "103", RemoteIP: "192.168.65.246"}
	vxlan = audit.Tunnel{Name: "v5000-1-2", Type: "vxlan", Bridge: "xapi2", Network: "red", Peer: "xen2",
		Key: "5000", RemoteIP: "192.168.65.245", LocalIP: "192.168.65.247", DstPort: 8472}
)

// with returns a copy of t that f has changed, as a switch holds it.
func with(t audit.Tunnel, f func(*audit.Tunnel)) audit.Tunnel {
	t.OFPort = 20001
	f(&t)
	return t
}

func TestTunnels(t *testing.T) {
	asIs := func(*audit.Tunnel) {}
	const (
		greText   = "xapi1 t103-1-3 type=gre options:key=103 options:remote_ip=192.168.65.246"
		vxlanText = "xapi2 v5000-1-2 type=vxlan options:key=5000 options:remote_ip=192.168.65.245 options:local_ip=192.168.65.247 options:dst_port=8472"
		lost      = "VMs on xen3 can't be reached from xen1"
	)
	find := func(kind, want, got, effect string) audit.Finding {
		return audit.Finding{Host: "xen1", Bridge: "xapi1", Network: "blue", Kind: kind, Want: want, Got: got, Effect: effect}
	}
	changed := func(name, got string, f func(*audit.Tunnel)) tunnelCase {
		return tunnelCase{name, []audit.Tunnel{gre}, []audit.Tunnel{with(gre, f)},
			[]audit.Finding{find(audit.ChangedTunnel, greText, got, lost)}}
	}
	for _, c := range []tunnelCase{
		{"none", nil, nil, nil},
		{"as wanted", []audit.Tunnel{gre, vxlan}, []audit.Tunnel{with(vxlan, asIs), with(gre, asIs)}, nil},
		{"not made yet", []audit.Tunnel{gre}, []audit.Tunnel{gre}, nil},
		{"missing", []audit.Tunnel{gre}, nil, []audit.Finding{find(audit.MissingTunnel, greText, "", lost)}},
		{"missing, to an unknown host", []audit.Tunnel{{Name: "t1", Type: "gre", Bridge: "xapi1", Network: "blue", Key: "1", RemoteIP: "10.0.0.1"}}, nil,
			[]audit.Finding{find(audit.MissingTunnel, "xapi1 t1 type=gre options:key=1 options:remote_ip=10.0.0.1", "", "nothing goes through t1 of xen1")}},
		{"unexpected", nil, []audit.Tunnel{with(gre, asIs)},
			[]audit.Finding{find(audit.UnexpectedTunnel, "", greText, "a way to a host that is not in the network, for any flow that sends there")}},
		{"missing and unexpected", []audit.Tunnel{gre}, []audit.Tunnel{with(vxlan, asIs)}, []audit.Finding{
			find(audit.MissingTunnel, greText, "", lost),
			{Host: "xen1", Bridge: "xapi2", Network: "red", Kind: audit.UnexpectedTunnel, Got: vxlanText,
				Effect: "a way to a host that is not in the network, for any flow that sends there"}}},
		changed("another key", "xapi1 t103-1-3 type=gre options:key=199 options:remote_ip=192.168.65.246",
			func(t *audit.Tunnel) { t.Key = "199" }),
		changed("another address", "xapi1 t103-1-3 type=gre options:key=103 options:remote_ip=10.0.0.1",
			func(t *audit.Tunnel) { t.RemoteIP = "10.0.0.1" }),
		changed("another type", "xapi1 t103-1-3 type=vxlan options:key=103 options:remote_ip=192.168.65.246",
			func(t *audit.Tunnel) { t.Type = "vxlan" }),
		changed("another bridge", "xapi9 t103-1-3 type=gre options:key=103 options:remote_ip=192.168.65.246",
			func(t *audit.Tunnel) { t.Bridge = "xapi9" }),
		changed("a source address", "xapi1 t103-1-3 type=gre options:key=103 options:remote_ip=192.168.65.246 options:local_ip=10.0.0.2",
			func(t *audit.Tunnel) { t.LocalIP = "10.0.0.2" }),
		{"another ofport", []audit.Tunnel{with(gre, asIs)}, []audit.Tunnel{with(gre, func(t *audit.Tunnel) { t.OFPort = 7 })},
			[]audit.Finding{find(audit.ChangedTunnel, greText+" ofport=20001", greText+" ofport=7", lost)}},
		{"an error", []audit.Tunnel{gre}, []audit.Tunnel{with(gre, func(t *audit.Tunnel) { t.OFPort, t.Error = -1, "could not add: File exists" })},
			[]audit.Finding{find(audit.TunnelError, greText, "could not add: File exists", lost)}},
		{"no port and no error", []audit.Tunnel{gre}, []audit.Tunnel{with(gre, func(t *audit.Tunnel) { t.OFPort = -1 })},
			[]audit.Finding{find(audit.TunnelError, greText, "the switch could not make the port", lost)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 5 {
				if d := cmp.Diff(c.find, audit.Tunnels("xen1", c.want, c.got)); d != "" {
					t.Fatal(d)
				}
				rand.Shuffle(len(c.want), func(i, j int) { c.want[i], c.want[j] = c.want[j], c.want[i] })
			}
		})
	}
}

type tunnelCase struct {
	name      string
	want, got []audit.Tunnel
	find      []audit.Finding
}

func TestSettings(t *testing.T) {
	want := map[string]string{
		"fail_mode": "secure", "stp_enable": "false", "rstp_enable": "false", "protocols": "OpenFlow10,OpenFlow13",
		"other_config:disable-in-band": "true", "other_config:datapath-id": "00008219499edf3d",
		"controller": "tcp:10.0.0.1:6653", "connection_mode": "out-of-band", "mcast_snooping_enable": "false",
	}
	got := map[string]string{
		"fail_mode": "standalone", "stp_enable": "true", "rstp_enable": "true", "protocols": "OpenFlow10",
		"other_config:disable-in-band": "false", "other_config:datapath-id": "", "of_others": "x",
	}
	if found := audit.Settings("xen1", "xapi1", want, want); found != nil {
		t.Errorf("as wanted: %v", found)
	}
	find := func(want, got, effect string) audit.Finding {
		return audit.Finding{Host: "xen1", Bridge: "xapi1", Kind: audit.WrongBridgeSetting, Want: want, Got: got, Effect: effect}
	}
	for range 5 { // in whatever order the map comes
		if d := cmp.Diff([]audit.Finding{
			find("connection_mode=out-of-band", "connection_mode=", "a forged ARP request may run round the mesh of xapi1"),
			find("controller=tcp:10.0.0.1:6653", "controller=", "xapi1 does not listen to this controller"),
			find("fail_mode=secure", "fail_mode=standalone", "xapi1 forwards by itself while the controller is away, and loops"),
			find("mcast_snooping_enable=false", "mcast_snooping_enable=", "xapi1 may not behave as planned"),
			find("other_config:datapath-id=00008219499edf3d", "other_config:datapath-id=",
				"xapi1 may get another datapath ID, by which the controller does not know it"),
			find("other_config:disable-in-band=true", "other_config:disable-in-band=false", "a forged ARP request may run round the mesh of xapi1"),
			find("protocols=OpenFlow10,OpenFlow13", "protocols=OpenFlow10", "xapi1 may not speak OpenFlow 1.3 with the controller"),
			find("rstp_enable=false", "rstp_enable=true", "spanning tree may block tunnels of xapi1"),
			find("stp_enable=false", "stp_enable=true", "spanning tree may block tunnels of xapi1"),
		}, audit.Settings("xen1", "xapi1", want, got)); d != "" {
			t.Fatal(d)
		}
	}
}

func TestUnreachableHost(t *testing.T) {
	want := audit.Finding{Host: "xen2", Kind: audit.UnreachableHost, Got: "it is not connected",
		Effect: "what xen2 holds is not known"}
	if got := audit.UnreachableHostFinding("xen2", "it is not connected"); got != want {
		t.Errorf("%+v", got)
	}
}
