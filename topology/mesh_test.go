package topology

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// told is a mesh of three hosts, of which xen1 and xen3 run a VM of blue.
func told() *Mesh {
	m := NewMesh()
	m.SetNetwork(network("blue", "xapi1"))
	for i := 1; i <= 3; i++ {
		name := fmt.Sprintf("xen%d", i)
		m.SetHost(HostRecord{Host: Host{Name: name, ID: i}})
		m.SetFacts(name, reported(i))
	}
	m.SetFacts("xen1", reported(1, vm(1)))
	m.SetFacts("xen3", reported(3, vm(3)))
	return m
}

// reported is what host i says of itself: bridge xapi1 with these VIFs.
func reported(i int, vifs ...InterfaceFacts) HostFacts {
	return HostFacts{
		SystemID: fmt.Sprint(i), PeerAddr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}),
		Bridges: []BridgeFacts{bridge("xapi1", vifs...)},
	}
}

func vm(i int) InterfaceFacts {
	return InterfaceFacts{Name: fmt.Sprintf("vif%d.0", i), AttachedMAC: fmt.Sprintf("02:00:00:00:00:%02x", i)}
}

// heard is who hears of a flush: "xen1/blue", or "-xen1/blue" when it leaves.
func heard(updates []Update) string {
	var s []string
	for _, u := range updates {
		minus := ""
		if u.On == nil {
			minus = "-"
		}
		s = append(s, minus+u.Host+"/"+u.Network)
	}
	return strings.Join(s, " ")
}

func TestFlushTellsWhomItConcerns(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Mesh)
		want   string
	}{
		{"nothing", func(*Mesh) {}, ""},
		{"the same again", func(m *Mesh) {
			m.SetNetwork(network("blue", "xapi1"))
			m.SetHost(HostRecord{Host: Host{Name: "xen1", ID: 1}})
			m.SetFacts("xen1", reported(1, vm(1)))
		}, ""},
		{"there and back", func(m *Mesh) { m.SetFacts("xen1", reported(1)); m.SetFacts("xen1", reported(1, vm(1))) }, ""},
		{"deleted and made again", func(m *Mesh) { m.DeleteNetwork("blue"); m.SetNetwork(network("blue", "xapi1")) }, ""},
		{"what nobody knows", func(m *Mesh) { m.DeleteHost("xen9"); m.DropFacts("xen9"); m.DeleteNetwork("red"); m.DeletePort("web") }, ""},
		{"first VM on a host", func(m *Mesh) { m.SetFacts("xen2", reported(2, vm(2))) }, "xen1/blue xen2/blue xen3/blue"},
		{"last VM leaves", func(m *Mesh) { m.SetFacts("xen1", reported(1)) }, "-xen1/blue xen3/blue"},
		{"a VM moves", func(m *Mesh) { m.SetFacts("xen1", reported(1)); m.SetFacts("xen2", reported(2, vm(1))) }, "-xen1/blue xen2/blue xen3/blue"},
		{"a second VM", func(m *Mesh) { m.SetFacts("xen1", reported(1, vm(1), vm(4))) }, "xen1/blue xen3/blue"},
		{"another device with the same address", func(m *Mesh) {
			v := vm(1)
			v.Name = "vif7.0"
			m.SetFacts("xen1", reported(1, v))
		}, "xen1/blue"},
		{"the spec lists an empty host", func(m *Mesh) {
			n := network("blue", "xapi1")
			n.Hosts = []string{"xen2"}
			m.SetNetwork(n)
		}, "xen1/blue xen2/blue xen3/blue"},
		{"the spec lists a host that nobody knows", func(m *Mesh) {
			n := network("blue", "xapi1")
			n.Hosts = []string{"xen9"}
			m.SetNetwork(n)
		}, ""},
		{"another key", func(m *Mesh) { n := network("blue", "xapi1"); n.Key = 104; m.SetNetwork(n) }, "xen1/blue xen3/blue"},
		{"another bridge", func(m *Mesh) { m.SetNetwork(network("blue", "xapi2")) }, "-xen1/blue -xen3/blue"},
		{"network deleted", func(m *Mesh) { m.DeleteNetwork("blue") }, "-xen1/blue -xen3/blue"},
		{"host deleted", func(m *Mesh) { m.DeleteHost("xen3") }, "xen1/blue -xen3/blue"},
		{"facts dropped", func(m *Mesh) { m.DropFacts("xen3") }, "xen1/blue -xen3/blue"},
		{"an endpoint moves", func(m *Mesh) {
			f := reported(1, vm(1))
			f.LocalIP = "10.9.9.9"
			m.SetFacts("xen1", f)
		}, "xen1/blue xen3/blue"},
		{"a ports entry gives a name", func(m *Mesh) {
			m.SetPort(Port{Name: "web", Network: "blue", Match: PortMatch{MAC: mustMAC("02:00:00:00:00:01")}})
		}, "xen1/blue"},
		{"it begins to learn", func(m *Mesh) { m.SetNetwork(learning(network("blue", "xapi1"))) }, "xen1/blue xen3/blue"},
		{"a VIF of another network joins that", func(m *Mesh) {
			m.SetNetwork(learning(network("red", "xapi2")))
			v := vm(9)
			v.Network = "red"
			m.SetFacts("xen1", reported(1, vm(1), v))
		}, "xen1/red"},
		{"another network", func(m *Mesh) { m.SetNetwork(network("red", "xapi9")) }, ""},
		{"another network on the bridge", func(m *Mesh) { m.SetNetwork(network("red", "xapi1")) }, "-xen1/blue -xen3/blue"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := told()
			if got, want := heard(m.Flush()), "xen1/blue xen3/blue"; got != want {
				t.Fatalf("first flush tells %q, want %q", got, want)
			}
			tt.change(m)
			if got := heard(m.Flush()); got != tt.want {
				t.Errorf("tells %q, want %q", got, tt.want)
			}
		})
	}
}

// During a migration one ports entry is right for both hosts, and both have
// the address.
func TestMigration(t *testing.T) {
	m := told()
	m.SetPort(Port{Name: "web", Network: "blue", Match: PortMatch{IfaceID: "i1"}})
	v := vm(1)
	v.IfaceID, v.IfaceStatus = "i1", "active"
	m.SetFacts("xen1", reported(1, v))
	m.SetFacts("xen2", reported(2, v))
	m.Flush()
	for _, host := range []string{"xen1", "xen2"} {
		if on := m.View(host, "blue"); len(on.VIFs) != 1 || on.VIFs[0].Port != "web" || len(on.Problems) > 0 {
			t.Errorf("%s has VIFs %v and problems %q, want web alone", host, on.VIFs, on.Problems)
		}
	}
	table := MACTable(m.View("xen3", "blue"))
	if len(table) != 1 || strings.Join(table[0].Peers, " ") != "xen1 xen2" {
		t.Errorf("xen3 reaches %v, want one address at xen1 and xen2", table)
	}
}

func TestListedHost(t *testing.T) {
	tests := []struct {
		name    string
		net     NetworkRecord
		bridges []BridgeFacts
		want    string // bridge
		create  bool
		problem string
	}{
		{"nothing to go by", network("blue", "", "u1"), []BridgeFacts{bridge("xapi1")}, "", false, "no bridge of this host is known"},
		{"not there yet", network("blue", "xapi7"), []BridgeFacts{bridge("xapi1")}, "xapi7", true, ""},
		{"there", network("blue", "xapi1"), []BridgeFacts{bridge("xapi1")}, "xapi1", true, ""},
		{"by UUID", network("blue", "", "u1"), []BridgeFacts{{Name: "xapi2", XSNetworkUUIDs: []string{"u1"}}, {Name: "xapi3", XSNetworkUUIDs: []string{"u1"}}}, "xapi2", false, ""},
		{"by UUID where the name is not there", network("blue", "xapi7", "u1"), []BridgeFacts{{Name: "xapi2", XSNetworkUUIDs: []string{"u1"}}}, "xapi2", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := NewMesh()
			tt.net.Hosts, tt.net.CreateBridge = []string{"xen1"}, true
			m.SetNetwork(tt.net)
			m.SetHost(HostRecord{Host: Host{Name: "xen1", ID: 1}})
			m.SetFacts("xen1", HostFacts{SystemID: "s", Bridges: tt.bridges})
			m.Flush()
			on := m.View("xen1", "blue")
			if on == nil || on.Bridge != tt.want || on.CreateBridge != tt.create {
				t.Fatalf("got %+v, want bridge %q, to be made: %v", on, tt.want, tt.create)
			}
			if got := strings.Join(on.Problems, "; "); (got == "") != (tt.problem == "") || !strings.Contains(got, tt.problem) {
				t.Errorf("problems %q, want %q", got, tt.problem)
			}
		})
	}
}
