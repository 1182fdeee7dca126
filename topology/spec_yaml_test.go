package topology

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func sameAddr(a, b netip.Addr) bool { return a == b }

// shortened returns a spec as YAML writes it: defaults left out.
func shortened(s *Spec) *Spec {
	out := &Spec{KeyPools: s.KeyPools, Ports: s.Ports}
	for _, n := range s.Networks {
		out.Networks = append(out.Networks, n.short())
	}
	for _, h := range s.Hosts {
		out.Hosts = append(out.Hosts, h.short())
	}
	return out
}

// anySpec draws a spec that is right by itself. Names are few, so that specs
// drawn one after the other speak of the same objects.
func anySpec(t *rapid.T) *Spec {
	s := &Spec{}
	if rapid.Bool().Draw(t, "pools") {
		gre := rapid.Uint32Range(3, 12).Draw(t, "last key")
		s.KeyPools = []KeyPool{{GRE, KeyRange{1, gre}}, {VXLAN, KeyRange{100, 105}}}
	}
	var hosts []string
	used := map[string]bool{}
	unique := func(kind string, v any) bool {
		k := fmt.Sprint(kind, v)
		if used[k] {
			return false
		}
		used[k] = true
		return true
	}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(1, 5), 0, 4, rapid.ID).Draw(t, "hosts") {
		h := Host{Name: fmt.Sprintf("host%d", i)}
		if id := rapid.IntRange(0, 5).Draw(t, "id"); id > 0 && unique("id", id) {
			h.ID = id
		}
		if id := rapid.IntRange(0, 5).Draw(t, "system"); id > 0 && unique("system", id) {
			h.SystemID = fmt.Sprintf("1e%d", id) // YAML takes it for a number, if it may
		}
		if n := rapid.IntRange(0, 5).Draw(t, "endpoint"); n > 0 && unique("endpoint", n) {
			h.Endpoint = netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})
		}
		if h.Endpoint.IsValid() && rapid.Bool().Draw(t, "external") {
			h.Kind, h.SystemID = KindExternal, ""
		}
		h.UnderlayMTU = rapid.SampledFrom([]int{0, 0, 576, 9000}).Draw(t, "underlayMTU")
		hosts = append(hosts, h.Name)
		s.Hosts = append(s.Hosts, h)
	}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(1, 9), 0, 5, rapid.ID).Draw(t, "networks") {
		n := Network{Name: fmt.Sprint(i), Encap: rapid.SampledFrom([]Encap{GRE, VXLAN}).Draw(t, "encap")}
		if key := rapid.Uint32Range(0, 9).Draw(t, "key"); key > 0 && unique("key"+string(n.Encap), key) {
			n.Key = key
		}
		n.Tenant = rapid.SampledFrom([]string{"", "acme", "true", "null", "~", "a: b", "# c", "ü", "'", "0x1", "-", "[x"}).Draw(t, "tenant")
		n.Bridge = rapid.SampledFrom([]string{"", "br0", "br1", "br2"}).Draw(t, "bridge")
		if len(hosts) > 0 && rapid.Bool().Draw(t, "with hosts") {
			n.Hosts = []string{hosts[0]}
			n.CreateBridge = n.Bridge != "" && rapid.Bool().Draw(t, "createBridge")
		}
		n.DatapathType = rapid.SampledFrom([]string{"", "", "netdev"}).Draw(t, "datapathType")
		if rapid.Bool().Draw(t, "insecure") {
			off := false
			n.PortSecurity = &off
		}
		anyOptions(t, &n)
		s.Networks = append(s.Networks, n)
		if rapid.Bool().Draw(t, "port") {
			s.Ports = append(s.Ports, Port{
				Name: "port" + n.Name, Network: n.Name,
				Match: PortMatch{IfaceID: rapid.SampledFrom([]string{"x", "1", "no"}).Draw(t, "iface") + n.Name},
				MAC:   MAC{0x02, 0, 0, 0, 0, byte(i)},
				IPs:   []netip.Addr{netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("fd00::1")},
			})
			p := &s.Ports[len(s.Ports)-1]
			if rapid.Bool().Draw(t, "elsewhere") {
				p.Network = fmt.Sprint(rapid.IntRange(1, 9).Draw(t, "network"))
			}
			if len(hosts) > 0 && rapid.Bool().Draw(t, "on host") {
				p.Match = PortMatch{Host: hosts[0], Interface: "vif" + n.Name}
				if rapid.Bool().Draw(t, "listed") {
					p.Network = n.Name
					s.Networks[len(s.Networks)-1].Hosts = hosts[:1:1]
				}
			}
			if rapid.Bool().Draw(t, "floating") {
				p.AllowedAddresses = []Address{{IP: netip.MustParseAddr("10.1.1.9")}, {MAC: MAC{0, 0, 0x5e, 0, 1, 9}, IP: netip.MustParseAddr("fd00::9")}}
			}
			p.DHCPServer, p.Router = rapid.Bool().Draw(t, "dhcpServer"), rapid.Bool().Draw(t, "router")
		}
	}
	return s
}

// anyOptions draws how a network is carried: options that go together.
func anyOptions(t *rapid.T, n *Network) {
	n.MTU = rapid.SampledFrom([]int{0, 0, 68, 1400, 65535}).Draw(t, "mtu")
	if rapid.IntRange(0, 3).Draw(t, "learns") == 0 {
		n.Profile, n.BFD = ProfileLearning, rapid.Bool().Draw(t, "bfd")
		return
	}
	n.Profile = rapid.SampledFrom([]string{"", ProfileProgrammed}).Draw(t, "profile")
	n.Broadcast = rapid.SampledFrom([]string{"", BroadcastSplitHorizon, BroadcastDrop}).Draw(t, "broadcast")
	n.UnknownUnicast = rapid.SampledFrom([]string{"", UnknownUnicastFlood, UnknownUnicastDrop}).Draw(t, "unknownUnicast")
	n.TunnelPorts = rapid.SampledFrom([]string{"", TunnelPortsPerNetwork, TunnelPortsShared, TunnelPortsFlow}).Draw(t, "tunnelPorts")
	n.TakeBridge = rapid.Bool().Draw(t, "takeBridge")
	n.BFD = n.TunnelPorts != TunnelPortsFlow && rapid.Bool().Draw(t, "bfd")
	if n.Encap == VXLAN {
		n.DstPort = rapid.SampledFrom([]uint16{0, 4789, 8472}).Draw(t, "dstPort")
	}
}

func TestSpecIsReadBackAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := anySpec(t)
		for _, write := range []func() ([]byte, error){spec.YAML, spec.JSON} {
			b, err := write()
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := parseText(string(b))
			if err != nil {
				t.Fatalf("%v in\n%s", err, b)
			}
			if diff := cmp.Diff(shortened(spec), got, specOptions, cmp.Comparer(sameAddr)); diff != "" {
				t.Fatalf("%s in\n%s", diff, b)
			}
		}
	})
}
