package topology

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func parseText(text string) (*Spec, *Source, error) {
	return Parse(File{Name: "spec.yaml", Data: []byte(text)})
}

func TestParseRefuses(t *testing.T) {
	const blue = "networks:\n- {name: blue, encap: gre, "
	const port = "ports:\n- {name: p, network: blue, "
	for _, tc := range []struct{ name, text, want string }{
		{"not a mapping", "- 1", "spec.yaml:1:1: a spec is a mapping with the lists keyPools, networks, hosts and ports, not a list"},
		{"syntax", "networks: [", "spec.yaml:1:11: "},
		{"anchor", "networks: &a []", "anchors, aliases and merge keys are not allowed in a spec"},
		{"alias", "networks: *a", "anchors, aliases and merge keys are not allowed in a spec"},
		{"merge", "networks:\n- <<: {name: a}", "anchors, aliases and merge keys are not allowed in a spec"},
		{"tag", "networks: !!set {}", "tags and directives are not allowed in a spec"},
		{"complex key", "? a\n: b", "complex keys are not allowed in a spec"},
		{"deep flow", "networks: " + strings.Repeat("[", 1<<20), "nested deeper than 16"},
		{"deep block", strings.Repeat("- ", 1<<18), "nested deeper than 16"},
		{"deep by lines", deepLines(20), "nested deeper than 16"},
		{"documents", strings.Repeat("---\n", 300), "more than 256 documents"},
		{"unknown list", "network: []", "spec.yaml:1:1: network: unknown list (did you mean networks?)"},
		{"list is none", "networks: {}", "spec.yaml:1:1: networks: want a list, not a mapping"},
		{"object is none", "networks: [1]", "spec.yaml:1:12: networks[0]: want a mapping, not a number"},
		{"unknown field", blue + "brigde: x}", "spec.yaml:2:28: networks[0].brigde: unknown field (did you mean bridge?)"},
		{"unknown field far off", blue + "colour: x}", "networks[0].colour: unknown field"},
		{"twice in a mapping", blue + "encap: vxlan}", "spec.yaml:2:28: networks[0].encap: is given twice, first on line 2"},
		{"list twice", "hosts: []\nhosts: []", "spec.yaml:2:1: hosts: is given twice, first on line 1"},
		{"number as a name", "networks:\n- {name: 103, encap: gre}", "networks[0].name: want text, not a number: put 103 in quotes"},
		{"text as a number", blue + "key: abc}", "spec.yaml:2:28: networks[0].key: want a number, not text"},
		{"key of 0", blue + "key: 0}", "networks[0].key: 0 is out of range (1..4294967295)"},
		{"negative key", blue + "key: -5}", "networks[0].key: -5 is out of range (1..4294967295)"},
		{"hex key", blue + "key: 0x10}", "networks[0].key: 0x10 is not a decimal number in 1..4294967295"},
		{"key beyond GRE", blue + "key: 4294967296}", "networks[0].key: 4294967296 is out of range (1..4294967295)"},
		{"key beyond VXLAN", "networks:\n- name: red\n  encap: vxlan\n  key: 20000000", "spec.yaml:4:3: networks[0].key: 20000000 is out of range for vxlan (1..16777215)"},
		{"encap", "networks:\n- {name: a, encap: geneve}", `networks[0].encap: "geneve" is not known (want gre or vxlan)`},
		{"no encap", "networks:\n- {name: a}", "spec.yaml:2:4: networks[0].encap: is missing (want gre or vxlan)"},
		{"bool", blue + "portSecurity: 1}", "networks[0].portSecurity: want true or false, not a number"},
		{"name", "networks:\n- {name: Blue, encap: gre}", `networks[0].name: "Blue" is not a name`},
		{"dash at the end", "networks:\n- {name: blue-, encap: gre}", `networks[0].name: "blue-" is not a name`},
		{"long name", "networks:\n- {name: " + strings.Repeat("a", 64) + ", encap: gre}", "is longer than 63 characters"},
		{"dstPort with GRE", blue + "dstPort: 4789}", "networks[0].dstPort: is for vxlan only"},
		{"createBridge without bridge", blue + "createBridge: true}", "networks[0].createBridge: needs a name for the bridge: add bridge"},
		{"host listed twice", blue + "bridge: b, hosts: [a, a]}", "spec.yaml:2:50: networks[0].hosts[1]: a is listed twice"},
		{"bridge name", blue + "bridge: a/b}", `networks[0].bridge: "a/b" is not the name of a device`},
		{"UUID", blue + "xsNetworkUUIDs: [x]}", `networks[0].xsNetworkUUIDs[0]: "x" is not a UUID`},
		{"datapath", blue + "datapathType: dpdk}", `networks[0].datapathType: "dpdk" is not known`},
		{"network twice", "networks:\n- {name: a, encap: gre}\n- {name: a, encap: gre}", "spec.yaml:3:4: networks[1].name: a is at spec.yaml:2 already"},
		{"key twice", "networks:\n- {name: a, encap: gre, key: 7}\n- {name: b, encap: gre, key: 7}", "networks[1].key: gre key 7 is at spec.yaml:2 already"},
		{"host ID", "hosts:\n- {name: a, id: 0}", "hosts[0].id: 0 is out of range (1..2147483647)"},
		{"host ID twice", "hosts:\n- {name: a, id: 1}\n- {name: b, id: 1}", "hosts[1].id: 1 is at spec.yaml:2 already"},
		{"system-id twice", "hosts:\n- {name: a, systemID: x}\n- {name: b, systemID: x}", "hosts[1].systemID: x is at spec.yaml:2 already"},
		{"endpoint twice", "hosts:\n- {name: a, endpoint: 10.0.0.1}\n- {name: b, endpoint: '::ffff:10.0.0.1'}", "hosts[1].endpoint: 10.0.0.1 is at spec.yaml:2 already"},
		{"endpoint", "hosts:\n- {name: a, endpoint: 10.0.0.300}", `hosts[0].endpoint: "10.0.0.300" is not an IP address`},
		{"unspecified endpoint", "hosts:\n- {name: a, endpoint: 0.0.0.0}", "hosts[0].endpoint: 0.0.0.0 is the unspecified address"},
		{"multicast endpoint", "hosts:\n- {name: a, endpoint: 'ff02::1'}", "hosts[0].endpoint: ff02::1 is a multicast address"},
		{"loopback endpoint", "hosts:\n- {name: a, endpoint: 127.0.0.1}", "hosts[0].endpoint: 127.0.0.1 is a loopback address"},
		{"pool range", "keyPools:\n- {encap: gre, range: 110-100}", "keyPools[0].range: range 110-100 begins after its end"},
		{"pool of 0", "keyPools:\n- {encap: gre, range: 0-100}", "keyPools[0].range: 0 is out of range for gre (1..4294967295)"},
		{"pool beyond VXLAN", "keyPools:\n- {encap: vxlan, range: 1-16777216}", "keyPools[0].range: 16777216 is out of range for vxlan (1..16777215)"},
		{"pools overlap", "keyPools:\n- {encap: gre, range: 1-5}\n- {encap: gre, range: 5-9}", "keyPools[1].range: 5-9 overlaps 1-5 at spec.yaml:2"},
		{"no match", port + "mac: '02:00:00:00:00:01'}", "ports[0].match: is missing (want one of ifaceID, xsVifUUID, mac, or host and interface)"},
		{"several matches", port + "match: {ifaceID: a, xsVifUUID: b}}", "ports[0].match: names ifaceID and xsVifUUID at once"},
		{"half a match", port + "match: {host: a}}", "ports[0].match: names one of host and interface only"},
		{"match twice", port + "match: {ifaceID: a}}\n- {name: q, network: blue, match: {ifaceID: a}}", "ports[1].match: ifaceID a is at spec.yaml:2 already"},
		{"unknown match", port + "match: {ifaceId: a}}", "spec.yaml:2:36: ports[0].match.ifaceId: unknown field (did you mean ifaceID?)"},
		{"multicast MAC", port + "match: {ifaceID: a}, mac: '01:00:5e:00:00:01'}", "ports[0].mac: 01:00:5e:00:00:01 is a multicast address"},
		{"zero MAC", port + "match: {mac: '00:00:00:00:00:00'}}", "ports[0].match.mac: 00:00:00:00:00:00 is no address of a station"},
		{"multicast IP", port + "match: {ifaceID: a}, ips: [224.0.0.1]}", "ports[0].ips[0]: 224.0.0.1 is a multicast address"},

		{"no such profile", blue + "profile: fast}", `networks[0].profile: "fast" is not known (want programmed or learning)`},
		{"no such broadcast", blue + "broadcast: flood}", `networks[0].broadcast: "flood" is not known (want split-horizon or drop)`},
		{"no such unknownUnicast", blue + "unknownUnicast: split-horizon}", `networks[0].unknownUnicast: "split-horizon" is not known (want flood or drop)`},
		{"no such tunnelPorts", blue + "tunnelPorts: one}", `networks[0].tunnelPorts: "one" is not known (want per-network or shared or flow)`},
		{"no such kind", "hosts:\n- {name: a, kind: foreign}", `hosts[0].kind: "foreign" is not known (want managed or external)`},
		{"yes for true", blue + "bfd: yes}", "networks[0].bfd: want true or false, not text"},
		{"negative mtu", blue + "mtu: -1}", "networks[0].mtu: -1 is out of range (0..65535)"},
		{"small mtu", blue + "mtu: 67}", "networks[0].mtu: 67 is out of range (68..65535; 0 or nothing for the one that follows from the underlay)"},
		{"large mtu", blue + "mtu: 65536}", "networks[0].mtu: 65536 is out of range (0..65535)"},
		{"small underlayMTU", "hosts:\n- {name: a, underlayMTU: 575}", "hosts[0].underlayMTU: 575 is out of range (576..65535; 0 or nothing for the one that the host reports)"},
		{"large underlayMTU", "hosts:\n- {name: a, underlayMTU: 65536}", "hosts[0].underlayMTU: 65536 is out of range (0..65535)"},
		{"allowed without IP", port + "match: {ifaceID: a}, allowedAddresses: [{mac: '02:00:00:00:00:01'}]}", "ports[0].allowedAddresses[0].ip: is missing"},
		{"allowed IP", port + "match: {ifaceID: a}, allowedAddresses: [{ip: 10.0.0.300}]}", `ports[0].allowedAddresses[0].ip: "10.0.0.300" is not an IP address`},
		{"allowed multicast IP", port + "match: {ifaceID: a}, allowedAddresses: [{ip: 'ff02::1'}]}", "ports[0].allowedAddresses[0].ip: ff02::1 is a multicast address"},
		{"allowed MAC", port + "match: {ifaceID: a}, allowedAddresses: [{mac: x, ip: 10.0.0.1}]}", `ports[0].allowedAddresses[0].mac: "x" is not a MAC address`},
		{"allowed multicast MAC", port + "match: {ifaceID: a}, allowedAddresses: [{mac: '01:00:5e:00:00:01', ip: 10.0.0.1}]}", "ports[0].allowedAddresses[0].mac: 01:00:5e:00:00:01 is a multicast address"},
		{"allowed as text", port + "match: {ifaceID: a}, allowedAddresses: [10.0.0.1]}", "ports[0].allowedAddresses[0]: want a mapping, not text"},

		{"indented by a tab", "networks:\n\t- name: a", "spec.yaml:2:1: the line is indented by a tab: YAML wants spaces"},
		{"list that is not closed", "networks: [", "spec.yaml:1:11: this [ has no ] of its own"},
		{"mapping that is not closed", "{\"networks\": []", "spec.yaml:1:1: this { has no } of its own"},
		{"JSON closed in disorder", "{\"networks\": [}", "spec.yaml:1:15: there is no { that this } could close"},
		{"JSON without a comma", "{\"networks\": [{\"name\": \"a\" \"encap\": \"gre\"}]}", "spec.yaml:1:28: want a comma or a } before this"},
		{"JSON that goes on", "{\"networks\": []} x", "spec.yaml:1:18: this belongs to nothing: look at the indentation, and at what stands before it"},
		{"JSON without a colon", "{\"networks\" []}", "spec.yaml:1:2: want FIELD: VALUE here"},
		{"indentation", "networks:\n- name: a\n encap: gre", "spec.yaml:3:2: this belongs to nothing"},
		{"two colons", "networks:\n- name: a: b", "spec.yaml:2:9: a second field begins here: put text that holds a colon in quotes, or look at the indentation"},
		{"quote", "networks:\n- name: 'a", "spec.yaml:2:9: the quote ' is not closed"},
		{"reserved", "networks:\n- name: @a", "spec.yaml:2:9: text that begins with this character has to stand in quotes"},
		{"number of many digits", blue + "key: 99999999999999999999999}", "networks[0].key: 99999999999999999999999 is out of range (1..4294967295)"},
		{"as many below zero", blue + "key: -99999999999999999999999}", "networks[0].key: -99999999999999999999999 is out of range (1..4294967295)"},
		{"digits in quotes", blue + "key: '7'}", "networks[0].key: want a number, not text"},
		{"pool without range", "keyPools:\n- {encap: gre}", "spec.yaml:2:4: keyPools[0].range: is missing (want FIRST-LAST, like 100-110)"},
		{"range of nothing", "keyPools:\n- {encap: gre, range: 0}", "keyPools[0].range: 0 is out of range for gre (1..4294967295)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spec, _, err := parseText(tc.text)
			var errs SpecErrors
			if !errors.As(err, &errs) {
				t.Fatalf("got %v and error %v, want SpecErrors", spec, err)
			}
			if !slices.ContainsFunc(errs, func(e SpecError) bool { return strings.Contains(e.Error(), tc.want) }) {
				t.Errorf("got\n%v\nwant %s", err, tc.want)
			}
		})
	}
}

func deepLines(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// A colon within plain text ends no key, wherever the text stands.
func TestParseReadsAddressesWithoutQuotes(t *testing.T) {
	want := []netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("2001:db8::a:1"), netip.MustParseAddr("10.0.0.1")}
	for _, ips := range []string{
		"- {name: p, network: a, match: {ifaceID: i}, ips: [fd00::1, 2001:db8::a:1, 10.0.0.1]}",
		"- name: p\n  network: a\n  match: {ifaceID: i}\n  ips: [fd00::1, 2001:db8::a:1, 10.0.0.1]",
		"- name: p\n  network: a\n  match: {ifaceID: i}\n  ips:\n  - fd00::1\n  - 2001:db8::a:1\n  - 10.0.0.1",
	} {
		spec, _, err := parseText("ports:\n" + ips)
		if err != nil {
			t.Errorf("%s: %v", ips, err)
			continue
		}
		if d := cmp.Diff(want, spec.Ports[0].IPs, cmp.Comparer(sameAddr)); d != "" {
			t.Errorf("%s: want (-) and got (+):\n%s", ips, d)
		}
	}
	for _, ips := range []string{"[a: b]", "[{fd00::1}]", "['fd00'::1]", "[fd00: :1]"} {
		if _, _, err := parseText("ports:\n- {name: p, network: a, match: {ifaceID: i}, ips: " + ips + "}"); err == nil {
			t.Errorf("%s is taken for addresses", ips)
		}
	}
}

func TestParseSaysAllThatIsWrong(t *testing.T) {
	_, _, err := Parse(
		File{"a.yaml", []byte("networks:\n- name: Bad\n  encap: gre\n  key: x\n  nmae: y\n---\nnetworks:\n- {name: ok, encap: gre}\n")},
		File{"b.json", []byte("{\n\t\"networks\": [\n\t\t{\"name\": \"ok\", \"encap\": \"vxlan\"}\n\t]\n}")},
	)
	want := strings.Join([]string{
		`a.yaml:2:3: networks[0].name: "Bad" is not a name (want lower-case letters, digits and dashes, beginning and ending with a letter or digit, at most 63)`,
		`a.yaml:4:3: networks[0].key: want a number, not text`,
		`a.yaml:5:3: networks[0].nmae: unknown field (did you mean name?)`,
		`b.json:3:4: networks[0].name: ok is at a.yaml:8 already`,
	}, "\n")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestParseBoundsItsErrors(t *testing.T) {
	_, _, err := parseText("hosts:\n" + strings.Repeat("- {name: A}\n", 1000))
	var errs SpecErrors
	if !errors.As(err, &errs) || len(errs) != maxProblems {
		t.Fatalf("got %d errors, want %d", len(errs), maxProblems)
	}
	if !strings.Contains(errs[maxProblems-1].Reason, "more problems") {
		t.Errorf("the last error is %v", errs[maxProblems-1])
	}
}

func TestParseRefusesLargeSpecs(t *testing.T) {
	_, _, err := parseText(strings.Repeat("#", maxFile+1))
	if err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestParseEmpty(t *testing.T) {
	for _, text := range []string{"", "---\n", "# nothing\n", "networks:\nhosts: []\n", "null"} {
		spec, _, err := parseText(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(&Spec{}, spec); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// all is every field that there is, each with another value than its default.
const all = `
keyPools:
  - {encap: gre, range: 100-110}
  - {encap: vxlan, range: 7}
networks:
  - name: blue
    tenant: acme
    encap: vxlan
    key: 103
    bridge: xapi1
    xsNetworkUUIDs: [11111111-2222-3333-4444-555555555555]
    createBridge: true
    datapathType: netdev
    takeBridge: true
    hosts: [xen1]
    profile: programmed
    broadcast: drop
    unknownUnicast: drop
    portSecurity: false
    tunnelPorts: shared
    bfd: true
    mtu: 1400
    dstPort: 8472
  - {name: red, encap: gre, key: 7, profile: learning, tunnelPorts: per-network, bridge: xapi2, portSecurity: false}
---
hosts:
  - {name: xen1, id: 1, systemID: 8e9f, endpoint: 192.168.65.247, kind: managed, underlayMTU: 9000}
  - {name: switch7, endpoint: 'fd00::7', kind: external}
ports:
  - name: web-1
    network: blue
    match: {host: xen1, interface: vif1.0}
    mac: 02:00:00:00:01:01
    ips: [10.1.1.63, fd00::63]
    allowedAddresses: [{mac: '00:00:5e:00:01:07', ip: 10.1.1.1}, {ip: 'fd00::1'}]
    dhcpServer: true
    router: true
`

func TestParseReadsEveryField(t *testing.T) {
	spec, src, err := parseText(all)
	if err != nil {
		t.Fatal(err)
	}
	off, ip := false, netip.MustParseAddr
	want := &Spec{
		KeyPools: []KeyPool{{GRE, KeyRange{100, 110}}, {VXLAN, KeyRange{7, 7}}},
		Networks: []Network{
			{
				Name: "blue", Tenant: "acme", Encap: VXLAN, Key: 103, Bridge: "xapi1",
				XSNetworkUUIDs: []string{"11111111-2222-3333-4444-555555555555"},
				CreateBridge:   true, DatapathType: "netdev", TakeBridge: true, Hosts: []string{"xen1"},
				Profile: ProfileProgrammed, Broadcast: BroadcastDrop, UnknownUnicast: UnknownUnicastDrop,
				PortSecurity: &off, TunnelPorts: TunnelPortsShared, BFD: true, MTU: 1400, DstPort: 8472,
			},
			{Name: "red", Encap: GRE, Key: 7, Bridge: "xapi2", Profile: ProfileLearning, PortSecurity: &off, TunnelPorts: TunnelPortsPerNetwork},
		},
		Hosts: []Host{
			{Name: "xen1", ID: 1, SystemID: "8e9f", Endpoint: ip("192.168.65.247"), Kind: KindManaged, UnderlayMTU: 9000},
			{Name: "switch7", Endpoint: ip("fd00::7"), Kind: KindExternal},
		},
		Ports: []Port{{
			Name: "web-1", Network: "blue", Match: PortMatch{Host: "xen1", Interface: "vif1.0"},
			MAC: mustMAC("02:00:00:00:01:01"), IPs: []netip.Addr{ip("10.1.1.63"), ip("fd00::63")},
			AllowedAddresses: []Address{{mustMAC("00:00:5e:00:01:07"), ip("10.1.1.1")}, {IP: ip("fd00::1")}},
			DHCPServer:       true, Router: true,
		}},
	}
	if d := cmp.Diff(want, spec, specOptions, cmp.Comparer(sameAddr)); d != "" {
		t.Errorf("want (-) and got (+):\n%s", d)
	}
	if got := src.at(listPorts, 0, "web-1", "match.interface"); got != (SpecError{File: "spec.yaml", Line: 32, Column: 25, Field: "ports[0].match.interface"}) {
		t.Errorf("position is %+v", got)
	}
}

// A spec that is applied, exported and applied anew says nothing new the second
// time, whatever its options are.
func TestDefaultsAreWhatALeftOutFieldMeans(t *testing.T) {
	for _, tc := range []struct {
		given, short string
		secure       bool
	}{
		{"{name: a, encap: gre, key: 1}", "{name: a, encap: gre, key: 1}", true},
		{"{name: a, encap: gre, key: 1, portSecurity: true, profile: programmed}", "{name: a, encap: gre, key: 1}", true},
		{"{name: a, encap: gre, key: 1, portSecurity: false}", "{name: a, encap: gre, key: 1, portSecurity: false}", false},
		{"{name: a, encap: gre, key: 1, profile: learning}", "{name: a, encap: gre, key: 1, profile: learning}", false},
		{"{name: a, encap: gre, key: 1, profile: learning, portSecurity: false}", "{name: a, encap: gre, key: 1, profile: learning}", false},
	} {
		in := newIntent(t)
		apply(t, in, "networks: ["+tc.given+"]", false)
		if r, _ := in.Network("a"); *r.PortSecurity != tc.secure {
			t.Errorf("%s: portSecurity is %v, want %v", tc.given, *r.PortSecurity, tc.secure)
		}
		want, _, err := parseText("networks: [" + tc.short + "]")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want.Networks, in.Spec().Networks, specOptions); d != "" {
			t.Errorf("%s is exported as\n%s", tc.given, d)
		}
		y, err := in.Spec().YAML()
		if err != nil {
			t.Fatal(err)
		}
		if c := apply(t, in, string(y), true); !c.Empty() {
			t.Errorf("%s: applying what was exported says %v", tc.given, said(c))
		}
	}
}

func TestExamplesAreSpecs(t *testing.T) {
	for _, name := range []string{"gre-mesh.yaml", "two-tenants.yaml", "options.yaml", "demo/spec.yaml"} {
		b, err := os.ReadFile("../examples/" + name)
		if err != nil {
			t.Fatal(err)
		}
		spec, src, err := Parse(File{name, b})
		if err != nil {
			t.Fatal(err)
		}
		in, err := NewIntent(Saved{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Plan(spec, src, false); err != nil {
			t.Error(err)
		}
	}
}

var specOptions = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(MAC{}), cmp.Comparer(func(a, b KeyRange) bool { return a == b })}

func FuzzParse(f *testing.F) {
	f.Add(all)
	f.Add("networks: [{name: a, encap: gre, key: 1}]")
	f.Add("a: |\n x\n? y\n: [")
	f.Fuzz(func(t *testing.T, text string) {
		spec, _, err := parseText(text)
		if err != nil {
			var errs SpecErrors
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("error is %v", err)
			}
			return
		}
		y, err := spec.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := parseText(string(y))
		if err != nil {
			t.Fatalf("%v in\n%s", err, y)
		}
		if diff := cmp.Diff(shortened(spec), again, specOptions, cmp.Comparer(sameAddr)); diff != "" {
			t.Errorf("%s in\n%s", diff, y)
		}
	})
}
