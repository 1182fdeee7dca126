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
		hosts = append(hosts, h.Name)
		s.Hosts = append(s.Hosts, h)
	}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(1, 9), 0, 5, rapid.ID).Draw(t, "networks") {
		n := Network{Name: fmt.Sprint(i), Encap: rapid.SampledFrom([]Encap{GRE, VXLAN}).Draw(t, "encap")}
		if key := rapid.Uint32Range(0, 9).Draw(t, "key"); key > 0 && unique("key"+string(n.Encap), key) {
			n.Key = key
		}
		n.Tenant = rapid.SampledFrom([]string{"", "acme", "true", "null", "~", "a: b", "# c", "ü", "'", "0x1", "-", "[x"}).Draw(t, "tenant")
		if len(hosts) > 0 && rapid.Bool().Draw(t, "with hosts") {
			n.Bridge, n.Hosts = "br0", []string{hosts[0]}
		}
		if rapid.Bool().Draw(t, "insecure") {
			off := false
			n.PortSecurity = &off
		}
		s.Networks = append(s.Networks, n)
		if rapid.Bool().Draw(t, "port") {
			s.Ports = append(s.Ports, Port{
				Name: "port" + n.Name, Network: n.Name,
				Match: PortMatch{IfaceID: rapid.SampledFrom([]string{"x", "1", "no"}).Draw(t, "iface") + n.Name},
				MAC:   MAC{0x02, 0, 0, 0, 0, byte(i)},
				IPs:   []netip.Addr{netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("fd00::1")},
			})
		}
	}
	return s
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
