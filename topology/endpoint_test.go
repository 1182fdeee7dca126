package topology

import (
	"net/netip"
	"strings"
	"testing"
)

func TestClaimOfUnusable(t *testing.T) {
	addr := netip.MustParseAddr
	tests := []struct {
		name  string
		spec  netip.Addr
		facts *HostFacts
		want  string // in the error
	}{
		{"local_ip is no address", netip.Addr{}, &HostFacts{LocalIP: "10.0.0.300", PeerAddr: addr("10.0.0.1")}, `"10.0.0.300" (other_config:local_ip) is not an IP address`},
		{"local_ip is a list", netip.Addr{}, &HostFacts{LocalIP: "10.0.0.1,10.0.0.2"}, "(other_config:local_ip) is not an IP address"},
		{"endpoint-ip is unspecified", netip.Addr{}, &HostFacts{EndpointIP: "0.0.0.0"}, "0.0.0.0 (external_ids:ovsmesh-endpoint-ip) is the unspecified address"},
		{"IPv6 unspecified", netip.Addr{}, &HostFacts{EndpointIP: "::"}, "unspecified"},
		{"multicast", netip.Addr{}, &HostFacts{LocalIP: "224.0.0.5"}, "multicast"},
		{"IPv6 multicast", netip.Addr{}, &HostFacts{LocalIP: "ff02::1"}, "multicast"},
		{"broadcast", netip.Addr{}, &HostFacts{LocalIP: "255.255.255.255"}, "broadcast"},
		{"dialled in over loopback", netip.Addr{}, &HostFacts{PeerAddr: addr("127.0.0.1")}, "127.0.0.1 (where its OVSDB connection comes from) is a loopback address"},
		{"IPv6 loopback, mapped", netip.Addr{}, &HostFacts{PeerAddr: addr("::ffff:127.0.0.1")}, "127.0.0.1 (where"},
		{"link-local", netip.Addr{}, &HostFacts{LocalIP: "fe80::1"}, "link-local address without a zone"},
		{"loopback in the spec", addr("::1"), &HostFacts{PeerAddr: addr("10.0.0.1")}, "::1 (endpoint in the spec) is a loopback address"},
		{"nothing known", netip.Addr{}, nil, "has not dialled in yet"},
		{"nothing said", netip.Addr{}, &HostFacts{SystemID: "s"}, "no endpoint is known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := claimOf(&HostRecord{Host: Host{Endpoint: tt.spec}}, tt.facts)
			if got.addr.IsValid() || !strings.Contains(got.err, tt.want) {
				t.Errorf("claim of %v with error %q, want an error with %q", got.addr, got.err, tt.want)
			}
		})
	}
}

func TestClaimOfPrecedence(t *testing.T) {
	all := &HostFacts{LocalIP: "10.0.0.2", EndpointIP: "10.0.0.3", PeerAddr: netip.MustParseAddr("::ffff:10.0.0.4")}
	tests := []struct {
		name     string
		spec     string
		facts    HostFacts
		want     string
		explicit bool
	}{
		{"spec", "10.0.0.1", *all, "10.0.0.1", true},
		{"local_ip", "", *all, "10.0.0.2", false},
		{"endpoint-ip", "", HostFacts{EndpointIP: all.EndpointIP, PeerAddr: all.PeerAddr}, "10.0.0.3", false},
		{"connection, mapped", "", HostFacts{PeerAddr: all.PeerAddr}, "10.0.0.4", false},
		{"IPv6", "", HostFacts{LocalIP: "fd00::1"}, "fd00::1", false},
		{"link-local with zone", "", HostFacts{LocalIP: "fe80::1%eth0"}, "fe80::1%eth0", false},
		{"IPv4 link-local", "", HostFacts{LocalIP: "169.254.1.1"}, "169.254.1.1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var rec HostRecord
			if tt.spec != "" {
				rec.Endpoint = netip.MustParseAddr(tt.spec)
			}
			got := claimOf(&rec, &tt.facts)
			if got.err != "" || got.addr.String() != tt.want || got.explicit != tt.explicit {
				t.Errorf("claimOf = %v, explicit %v, error %q; want %s, explicit %v", got.addr, got.explicit, got.err, tt.want, tt.explicit)
			}
		})
	}
}

func TestSharedEndpoint(t *testing.T) {
	host := func(name string, id int, endpoint string) HostRecord {
		r := HostRecord{Host: Host{Name: name, ID: id}}
		if endpoint != "" {
			r.Endpoint = netip.MustParseAddr(endpoint)
		}
		return r
	}
	m := NewMesh()
	m.SetNetwork(NetworkRecord{ID: 1, Network: Network{Name: "blue", Encap: GRE, Key: 103, Bridge: "xapi1", Hosts: []string{"xen1", "xen2", "xen3"}}})
	for i, name := range []string{"xen1", "xen2", "xen3"} {
		m.SetHost(host(name, i+1, ""))
		m.SetFacts(name, HostFacts{SystemID: name, PeerAddr: netip.MustParseAddr("10.0.0.1")})
	}
	errors := func() string {
		m.Flush()
		var s []string
		for _, mb := range m.Network("blue").Members {
			s = append(s, mb.Error)
		}
		return strings.Join(s, "; ")
	}
	const taken = "endpoint 10.0.0.1 (where its OVSDB connection comes from) is that of host "
	if got, want := errors(), "; "+taken+"xen1 already; "+taken+"xen1 already"; got != want {
		t.Errorf("all derive it: %s\nwant %s", got, want)
	}
	m.SetHost(host("xen3", 3, "10.0.0.1"))
	if got, want := errors(), taken+"xen3 already; "+taken+"xen3 already; "; got != want {
		t.Errorf("xen3 names it: %s\nwant %s", got, want)
	}
	m.DeleteHost("xen3")
	if got, want := errors(), "; "+taken+"xen1 already"; got != want {
		t.Errorf("xen3 gone: %s\nwant %s", got, want)
	}
	m.SetHost(host("xen1", 1, "10.0.0.9"))
	if got, want := errors(), "; "; got != want {
		t.Errorf("xen1 moved: %s\nwant %s", got, want)
	}
}
