package topology

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// noteOfHost and noteOfNetwork are the oracle's way to the notes.
func noteOfHost(r HostRecord) string {
	h := r.Host
	h.SystemID, h.UnderlayMTU = "", 0
	if h.Kind == "managed" {
		h.Kind = ""
	}
	b, _ := json.Marshal(map[string]any{"version": 1, "autoID": r.AutoID, "host": h})
	return reordered[HostNote](b)
}

func noteOfNetwork(r NetworkRecord, members []Member) string {
	n := r.Network
	n.Hosts, n.MTU = nil, 0
	for _, f := range []struct {
		field *string
		def   string
	}{{&n.Profile, "programmed"}, {&n.Broadcast, "split-horizon"}, {&n.UnknownUnicast, "flood"}, {&n.TunnelPorts, "per-network"}} {
		if *f.field == f.def {
			*f.field = ""
		}
	}
	if n.DstPort == 4789 {
		n.DstPort = 0
	}
	if n.PortSecurity != nil && *n.PortSecurity == (n.Profile != "learning") {
		n.PortSecurity = nil
	}
	var external []Host
	for _, m := range members {
		if m.External {
			external = append(external, Host{Name: m.Host, ID: m.HostID, Endpoint: m.Endpoint})
		}
	}
	b, _ := json.Marshal(map[string]any{"version": 1, "id": r.ID, "autoKey": r.AutoKey, "network": n, "external": external})
	return reordered[NetworkNote](b)
}

// reordered puts the fields of JSON in the order of a type's.
func reordered[T any](b []byte) string {
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		panic(err)
	}
	b, _ = json.Marshal(v)
	return string(b)
}

func TestParseNote(t *testing.T) {
	for _, text := range []string{
		"", "{", "null", "[]", "{}", `{"version":1}`, `{"version":2,"id":1,"network":{"name":"blue","encap":"gre","key":103}}`,
		`{"version":1,"id":1,"network":{"name":"red","encap":"gre","key":103}}`,
		`{"version":1,"network":{"name":"blue","encap":"gre","key":103}}`,
		`{"version":1,"id":1,"network":{"name":"blue","encap":"gre"}}`,
		`{"version":1,"id":-1,"network":{"name":"blue","encap":"gre","key":103}}`,
		`{"version":1,"id":1,"network":{"name":"blue","encap":"gre","key":"103"}}`,
		strings.Repeat(" ", maxNote) + `{}`,
	} {
		if n, err := ParseNetworkNote("blue", text); err == nil {
			t.Errorf("%.80q is taken for %+v", text, n)
		}
	}
	for _, text := range []string{
		"", "{", "null", "{}", `{"version":1}`, `{"version":1,"host":{"name":"xen1"}}`, `{"version":1,"host":{"name":"Xen 1","id":1}}`,
		`{"version":1,"host":{"name":"xen1","id":-1}}`, `{"version":1,"host":{"name":"xen1","id":1,"endpoint":"nowhere"}}`,
		`{"version":7,"host":{"name":"xen1","id":1}}`,
	} {
		if n, err := ParseHostNote(text); err == nil {
			t.Errorf("%.80q is taken for %+v", text, n)
		}
	}
}

// What a mesh notes is read back as it was.
func TestNotesReadBack(t *testing.T) {
	secure := false
	net := NetworkRecord{ID: 7, AutoKey: true, Network: Network{
		Name: "blue", Tenant: "acme", Encap: VXLAN, Key: 5003, XSNetworkUUIDs: []string{"a", "b"}, Hosts: []string{"far", "xen1"},
		Broadcast: BroadcastDrop, UnknownUnicast: UnknownUnicastDrop, PortSecurity: &secure, TunnelPorts: TunnelPortsShared, BFD: true, MTU: 1400, DstPort: 8472,
	}}
	m := NewMesh()
	m.SetNetwork(net)
	xen1 := HostRecord{AutoID: true, Registered: true, Host: Host{Name: "xen1", ID: 3, SystemID: "s1", Endpoint: netip.MustParseAddr("192.0.2.1"), UnderlayMTU: 9000, Kind: KindManaged}}
	far := HostRecord{Host: Host{Name: "far", ID: 4, Kind: KindExternal, Endpoint: netip.MustParseAddr("192.0.2.4")}}
	m.SetHost(xen1)
	m.SetHost(HostRecord{Host: Host{Name: "xen2", ID: 5, SystemID: "s2"}})
	m.SetHost(far)
	m.SetFacts("xen2", HostFacts{SystemID: "s2", PeerAddr: netip.MustParseAddr("192.0.2.2"), Bridges: []BridgeFacts{{
		Name: "br", XSNetworkUUIDs: []string{"b"}, Interfaces: []InterfaceFacts{{Name: "vif1.0"}}}}})
	m.Flush()

	want := NetworkNote{Version: 1, Listed: true, ID: 7, AutoKey: true, Network: net.Network, External: []Host{{Name: "far", ID: 4, Endpoint: far.Endpoint}}}
	want.Network.Hosts, want.Network.MTU = nil, 0
	for host, listed := range map[string]bool{"xen1": true, "xen2": false} {
		on := m.View(host, "blue")
		got, err := ParseNetworkNote("blue", on.Note())
		want.Listed = listed
		if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", host, err, d)
		}
	}
	wantHost := HostNote{Version: 1, AutoID: true, Host: xen1.Host.short()}
	wantHost.Host.SystemID, wantHost.Host.UnderlayMTU = "", 0
	got, err := ParseHostNote(m.View("xen1", "blue").HostNote)
	if d := cmp.Diff(wantHost, got, cmpopts.EquateComparable(netip.Addr{})); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}

	// A change that concerns nobody's tunnels is told all the same.
	net.Tenant, net.XSNetworkUUIDs = "beta", []string{"b", "c"}
	m.SetNetwork(net)
	m.Flush()
	if n, err := ParseNetworkNote("blue", m.View("xen2", "blue").Note()); err != nil || n.Network.Tenant != "beta" || len(n.Network.XSNetworkUUIDs) != 2 || n.Network.XSNetworkUUIDs[1] != "c" {
		t.Errorf("%+v, %v", n, err)
	}
}
