package audit_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// TestEveryReasonHasAnEffect takes each flow of bridges with every option away
// and expects the finding to say what follows from it.
func TestEveryReasonHasAnEffect(t *testing.T) {
	ip := netip.MustParseAddr
	a := pipeline.VIF{OFPort: 1, MACs: [][6]byte{mac(1)}, IPs: []netip.Addr{ip("10.1.1.1"), ip("fd00::1")}, DHCPServer: true, Router: true}
	b := pipeline.VIF{OFPort: 2, MACs: [][6]byte{mac(2)}}
	peers := []pipeline.Tunnel{
		{OFPort: 20001, Key: 103, Remote: ip("192.0.2.1"), DHCPServer: true, Router: true},
		{OFPort: 20001, Key: 103, Remote: ip("192.0.2.2")},
	}
	stations := []pipeline.Station{{IP: ip("10.1.1.1"), MAC: mac(1)}, {IP: ip("fd00::1"), MAC: mac(1)}, {IP: ip("10.1.1.3"), MAC: mac(3)}}
	remotes := []pipeline.Remote{{MAC: mac(3), Via: []int{0}}}
	c := pipeline.VIF{OFPort: 3, MACs: [][6]byte{mac(4)}, IPs: []netip.Addr{ip("10.1.1.4")}}
	learning := []pipeline.Tunnel{{OFPort: 20001}, {OFPort: 20002}}
	for _, tt := range []struct {
		base     pipeline.Bridge
		networks []pipeline.Network
	}{
		{pipeline.Bridge{Carriers: []uint32{20001}, Host: []uint32{9}, Taken: true}, []pipeline.Network{
			{ID: 7, PortSecurity: true, DropBroadcast: true, DropUnknown: true, VIFs: []pipeline.VIF{a, b, c}, Tunnels: peers, Stations: stations, Remotes: remotes}}},
		{pipeline.Bridge{Learning: true}, []pipeline.Network{{ID: 7, Learning: true, Protected: true, VIFs: []pipeline.VIF{b, c}, Tunnels: learning}}},
		{pipeline.Bridge{Learning: true}, []pipeline.Network{{ID: 7, Learning: true, VIFs: []pipeline.VIF{b, c}, Tunnels: learning}}},
	} {
		want := pipeline.Base(tt.base)
		for _, n := range tt.networks {
			flows, err := pipeline.Compile(n)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, flows...)
		}
		for i, f := range want {
			got := audit.Flows(audit.Bridge{
				Host: "xen1", Name: "xapi1", Want: want, Got: slices.Delete(slices.Clone(want), i, i+1),
				Network: func(uint32) string { return "blue" },
			})
			if len(got) != 1 || got[0].Kind != audit.MissingFlow || got[0].Effect == "" || strings.HasPrefix(got[0].Effect, "frames may") {
				t.Errorf("%s (%s) is missing: %+v", f.Text(), pipeline.ReasonOf(f.Cookie), got)
			}
		}
	}
}

// TestEffectNamesPeerAndAddress holds that shared ports are told apart by their
// peers, and answers by what they are about.
func TestEffectNamesPeerAndAddress(t *testing.T) {
	ip := netip.MustParseAddr
	n := pipeline.Network{
		ID: 7, VIFs: []pipeline.VIF{{OFPort: 1, MACs: [][6]byte{mac(1)}}},
		Tunnels:  []pipeline.Tunnel{{OFPort: 20001, Key: 103, Remote: ip("192.0.2.1")}},
		Stations: []pipeline.Station{{IP: ip("10.1.1.3"), MAC: mac(3)}, {IP: ip("fd00::3"), MAC: mac(3)}},
	}
	want, err := pipeline.Compile(n)
	if err != nil {
		t.Fatal(err)
	}
	var effects []string
	for _, f := range audit.Flows(audit.Bridge{Host: "xen1", Name: "xapi1", Want: want, Got: []flow.Flow{}}) {
		effects = append(effects, f.Effect)
	}
	for _, effect := range []string{
		"nothing from 192.0.2.1 arrives at xen1", "VMs on xen1 ask all hosts for 10.1.1.3", "VMs on xen1 ask all hosts for fd00::3",
	} {
		if !slices.Contains(effects, effect) {
			t.Errorf("no %q in %q", effect, effects)
		}
	}
}

// TestUnexpectedSaysWhose holds that a flow which nobody wants is told by the
// frames that it takes, and where they go.
func TestUnexpectedSaysWhose(t *testing.T) {
	for text, effect := range map[string]string{
		"table=60, priority=7,dl_dst=02:00:00:00:00:02 actions=drop":                            "frames to web-2 may be lost",
		"table=60, priority=7,dl_dst=02:00:00:00:00:99 actions=output:20001,output:9":           "frames to 02:00:00:00:00:99 may go to xen3, port 9",
		"table=0, priority=7,in_port=20002 actions=NORMAL":                                      "frames from xen2 may go to NORMAL",
		"table=60, priority=7,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=goto_table:70": "frames that it matches may go where they should not",
	} {
		b := bridge(t)
		edit(t, &b, nil, []string{cookie(7, pipeline.UnicastLocal) + text})
		if got := audit.Flows(b); len(got) != 1 || got[0].Kind != audit.UnexpectedFlow || got[0].Effect != effect {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
