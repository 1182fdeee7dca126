package vpc

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ovsmesh/topology"
)

const (
	placed = `{"vpc":{"cidr":"10.1.0.0/16","hosts":[{"hostid":1,"ipaddress":"192.0.2.1"},{"hostid":"2","ipaddress":"192.0.2.2"}],` +
		`"tiers":[{"grekey":103,"networkuuid":"n-1","gatewayip":"10.1.1.1","gatewaymac":"02:00:00:00:00:01","cidr":"10.1.1.0/24"},{"grekey":104,"networkuuid":"n-2","cidr":"10.1.2.7/24"}],` +
		`"vms":[{"hostid":1,"nics":[{"ipaddress":"10.1.1.5","macaddress":"02:00:00:00:00:05","networkuuid":"n-1"}]},{"hostid":2}],"later":{"more":[1]}},"new":true}`

	allowed = `{"vpc":{"id":7,"cidr":"10.1.0.0/16","tiers":[{"id":"t1","cidr":"10.1.1.0/24","aclid":"a1"},{"id":"t2","cidr":"10.1.2.0/24"}],` +
		`"acls":[{"id":"a1","aclitems":[{"number":1,"uuid":"u1","action":"allow","direction":"ingress","sourceportstart":"80","sourceportend":"90","protocol":"tcp","sourcecidrs":["0.0.0.0/0"]},` +
		`{"number":2,"uuid":"u2","action":"deny","direction":"egress","protocol":"all","sourcecidrs":[]},{"number":3,"action":"allow","direction":"ingress","protocol":"udp","sourceportstart":"53"}]},{"id":"a2"}]}}`
)

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, text, topology, policy string }{
		{"nothing", ``, "not the JSON", "not the JSON"},
		{"no JSON", `vpc`, "not the JSON", "not the JSON"},
		{"a list", `[]`, "not the JSON", "not the JSON"},
		{"half", placed[:100], "not the JSON", "not the JSON"},
		{"two values", placed + "{}", "more than one", "more than one"},
		{"no vpc", `{}`, "vpc is missing", "vpc is missing"},
		{"null", `{"vpc":null}`, "vpc is missing", "vpc is missing"},
		{"an empty one", `{"vpc":{}}`, "vpc.cidr is missing", "vpc.id is missing"},
		{"a number for an address", `{"vpc":{"cidr":7}}`, "cidr is a JSON number", "cidr is a JSON number"},
		{"a bad prefix", `{"vpc":{"id":"1","cidr":"10.0.0.0/33"}}`, `vpc.cidr "10.0.0.0/33" is not a prefix`, `vpc.cidr "10.0.0.0/33" is not a prefix`},
		{"depth", `{"vpc":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "not the JSON", "not the JSON"},
		{"depth where nobody looks", `{"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "not the JSON", "not the JSON"},
		{"a host without a number", `{"vpc":{"id":1,"cidr":"10.0.0.0/8","hosts":[{"ipaddress":"192.0.2.1"}],"tiers":[{}]}}`, "vpc.hosts[0].hostid is missing", "vpc.tiers[0].id is missing"},
		{"a true host", `{"vpc":{"cidr":"10.0.0.0/8","hosts":[{"hostid":true}]}}`, "neither text nor a number", "vpc.id is missing"},
		{"a host that is no number", `{"vpc":{"cidr":"10.0.0.0/8","hosts":[{"hostid":"x","ipaddress":"192.0.2.1"}]}}`, `vpc.hosts[0].hostid "x" is not a number`, "vpc.id is missing"},
		{"a host with a fraction", `{"vpc":{"cidr":"10.0.0.0/8","hosts":[{"hostid":1.5,"ipaddress":"192.0.2.1"}]}}`, `vpc.hosts[0].hostid "1.5" is not a number`, "vpc.id is missing"},
		{"a bad endpoint", `{"vpc":{"cidr":"10.0.0.0/8","hosts":[{"hostid":1,"ipaddress":"192.0.2"}]}}`, `vpc.hosts[0].ipaddress "192.0.2" is not an IP address`, "vpc.id is missing"},
		{"a zone", `{"vpc":{"cidr":"10.0.0.0/8","hosts":[{"hostid":1,"ipaddress":"fe80::1%eth0"}]}}`, `vpc.hosts[0].ipaddress "fe80::1%eth0" is not an IP address`, "vpc.id is missing"},
		{"a key of 0", `{"vpc":{"cidr":"10.0.0.0/8","tiers":[{"grekey":0,"networkuuid":"n","cidr":"10.1.0.0/16"}]}}`, `vpc.tiers[0].grekey "0" is not a number from 1`, "vpc.id is missing"},
		{"a bad gateway", `{"vpc":{"cidr":"10.0.0.0/8","tiers":[{"grekey":5,"networkuuid":"n","cidr":"10.1.0.0/16","gatewaymac":"02:00"}]}}`, `vpc.tiers[0].gatewaymac "02:00" is not a MAC`, "vpc.id is missing"},
		{"a NIC of no network", `{"vpc":{"cidr":"10.0.0.0/8","vms":[{"hostid":1,"nics":[{}]}]}}`, `vpc.vms[0].nics[0].networkuuid is missing`, "vpc.id is missing"},
	}
	for _, tt := range tests {
		if _, err := ParseTopology([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.topology) {
			t.Errorf("%s as a topology: %v, want %q", tt.name, err, tt.topology)
		}
		if _, err := ParsePolicy([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.policy) {
			t.Errorf("%s as a policy: %v, want %q", tt.name, err, tt.policy)
		}
	}
	for _, tt := range []struct{ from, to, want string }{
		{`"action":"deny"`, `"action":"drop"`, `vpc.acls[0].aclitems[1].action "drop" is neither allow nor deny`},
		{`"direction":"egress"`, `"direction":"both"`, `vpc.acls[0].aclitems[1].direction "both" is neither ingress nor egress`},
		{`"protocol":"udp"`, `"protocol":"sctp2"`, `vpc.acls[0].aclitems[2].protocol "sctp2" is not`},
		{`"protocol":"udp"`, `"protocol":256`, `vpc.acls[0].aclitems[2].protocol "256" is not`},
		{`"90"`, `"65536"`, `vpc.acls[0].aclitems[0].sourceportend "65536" is not a number`},
		{`"90"`, `"79"`, `vpc.acls[0].aclitems[0].sourceportend 79 is below sourceportstart, 80`},
		{`"0.0.0.0/0"`, `"0.0.0.0"`, `vpc.acls[0].aclitems[0].sourcecidrs[0] "0.0.0.0" is not a prefix`},
		{`"number":2`, `"number":-2`, `vpc.acls[0].aclitems[1].number "-2" is not a number`},
	} {
		if _, err := ParsePolicy([]byte(strings.Replace(allowed, tt.from, tt.to, 1))); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.to, err, tt.want)
		}
	}
}

func TestParseTopology(t *testing.T) {
	got, err := ParseTopology([]byte(placed))
	if err != nil {
		t.Fatal(err)
	}
	want := Topology{
		CIDR:  netip.MustParsePrefix("10.1.0.0/16"),
		Hosts: []Host{{1, netip.MustParseAddr("192.0.2.1")}, {2, netip.MustParseAddr("192.0.2.2")}},
		Tiers: []Tier{
			{103, "n-1", netip.MustParseAddr("10.1.1.1"), topology.MAC{2, 0, 0, 0, 0, 1}, netip.MustParsePrefix("10.1.1.0/24")},
			{Key: 104, NetworkUUID: "n-2", CIDR: netip.MustParsePrefix("10.1.2.0/24")},
		},
		VMs: []VM{{1, []NIC{{netip.MustParseAddr("10.1.1.5"), topology.MAC{2, 0, 0, 0, 0, 5}, "n-1"}}}, {HostID: 2}},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestParsePolicy(t *testing.T) {
	got, err := ParsePolicy([]byte(allowed))
	if err != nil {
		t.Fatal(err)
	}
	want := Policy{
		ID: "7", CIDR: netip.MustParsePrefix("10.1.0.0/16"),
		Tiers: []PolicyTier{{"t1", netip.MustParsePrefix("10.1.1.0/24"), "a1"}, {"t2", netip.MustParsePrefix("10.1.2.0/24"), ""}},
		ACLs: []ACL{{"a1", []Rule{
			{Number: 1, UUID: "u1", Allow: true, Ingress: true, Protocol: "tcp", Ports: &Ports{80, 90}, Sources: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
			{Number: 2, UUID: "u2", Protocol: "all"},
			{Number: 3, Allow: true, Ingress: true, Protocol: "udp", Ports: &Ports{53, 53}},
		}}, {ID: "a2"}},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// Whatever comes, it is read or refused.
func FuzzParse(f *testing.F) {
	f.Add([]byte(placed))
	f.Add([]byte(allowed))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := ParseTopology(text); err == nil && !p.CIDR.IsValid() {
			t.Errorf("a VPC without addresses: %q", text)
		}
		if p, err := ParsePolicy(text); err == nil && (p.ID == "" || !p.CIDR.IsValid()) {
			t.Errorf("a policy of nothing: %q", text)
		}
	})
}
