package topology

import (
	"errors"
	"strings"
	"testing"
)

// TestRefusedCombinations is every combination of options that can't work, with
// what is said about it: the field, the reason and the way out. What stands in
// before is applied first; nothing of a refused spec is.
func TestRefusedCombinations(t *testing.T) {
	const (
		net   = "networks: [{name: a, encap: gre, key: 1, "
		port  = "ports: [{name: p, network: a, match: {ifaceID: i}, "
		blue  = "networks: [{name: blue, encap: gre, key: 7, bridge: br0}]\n"
		learn = "networks: [{name: a, encap: gre, key: 1, profile: learning}]\n"
	)
	for _, tc := range []struct{ name, before, spec, want string }{
		{"learning with port security", "", net + "profile: learning, portSecurity: true}]",
			"networks[0].portSecurity: can't be with profile: learning, where any VM may speak with any address: leave it out, or use profile: programmed"},
		{"learning without broadcast", "", net + "profile: learning, broadcast: drop}]",
			"networks[0].broadcast: drop can't be with profile: learning, which finds addresses by broadcast: leave it out, or use profile: programmed"},
		{"learning without unknown unicast", "", net + "profile: learning, unknownUnicast: drop}]",
			"networks[0].unknownUnicast: drop can't be with profile: learning, which knows no address before it has heard it: leave it out, or use profile: programmed"},
		{"learning on shared ports", "", net + "profile: learning, tunnelPorts: shared}]",
			"networks[0].tunnelPorts: shared can't be with profile: learning, which can't tell the networks on one port apart: leave it out, or use profile: programmed"},
		{"learning on one port for all", "", net + "profile: learning, tunnelPorts: flow}]",
			"networks[0].tunnelPorts: flow can't be with profile: learning, which can't tell the networks on one port apart: leave it out, or use profile: programmed"},
		{"learning with the physical NIC", "", net + "profile: learning, takeBridge: true}]",
			"networks[0].takeBridge: can't be with profile: learning, which would join the network with the physical NIC: leave it out, or use profile: programmed, or name a bridge of its own"},
		{"BFD with one port for all", "", net + "tunnelPorts: flow, bfd: true}]",
			"networks[0].bfd: can't be with tunnelPorts: flow, as BFD watches one peer and that port leads to all: leave bfd out, or use tunnelPorts: shared"},

		{"shared ports on two bridges", "", "networks: [{name: a, encap: gre, key: 1, tunnelPorts: shared, bridge: br0}, {name: b, encap: gre, key: 2, tunnelPorts: shared, bridge: br1}]",
			"networks[1].bridge: all networks with tunnelPorts: shared and gre need one bridge of a host, and network a names br0: name that one here too, or use tunnelPorts: per-network"},
		{"and one of the two is there", "networks: [{name: z, encap: vxlan, key: 1, tunnelPorts: flow, bridge: br0, dstPort: 8472}]", "networks: [{name: b, encap: vxlan, key: 2, tunnelPorts: flow, bridge: br1, dstPort: 8472}]",
			"networks[0].bridge: all networks with tunnelPorts: flow and vxlan:8472 need one bridge of a host, and network z names br0: name that one here too, or use tunnelPorts: per-network"},
		{"and becomes so", "networks: [{name: y, encap: gre, key: 1, tunnelPorts: flow, bridge: br0}, {name: z, encap: gre, key: 2, bridge: br1}]", "networks: [{name: z, encap: gre, key: 2, tunnelPorts: flow, bridge: br1}]",
			"networks[0].bridge: all networks with tunnelPorts: flow and gre need one bridge of a host, and network y names br0"},
		{"a learning network on another's bridge", blue, net + "bridge: br0, profile: learning}]",
			"networks[0].bridge: profile: learning forwards by NORMAL, which would join this network with blue, as that names br0 too: name a bridge of its own, or use profile: programmed"},
		{"a network on a learning one's bridge", "networks: [{name: z, encap: gre, key: 2, bridge: br0, profile: learning}]", net + "bridge: br0}]",
			"networks[0].bridge: network z of profile: learning names br0 too, and NORMAL would join the two: name a bridge of its own, or use profile: programmed there"},
		{"two learning networks on one bridge", "", "networks: [{name: a, encap: gre, key: 1, profile: learning, bridge: br0}, {name: b, encap: gre, key: 2, profile: learning, bridge: br0}]",
			"networks[1].bridge: profile: learning forwards by NORMAL, which would join this network with a, as that names br0 too"},
		{"a network that begins to learn", blue + "---\n" + net + "bridge: br0}]", net + "bridge: br0, profile: learning}]",
			"networks[0].bridge: profile: learning forwards by NORMAL, which would join this network with blue, as that names br0 too"},
		{"a learning network on the bridge of the same UUID", "", "networks: [{name: a, encap: gre, key: 1, xsNetworkUUIDs: [11111111-2222-3333-4444-55555555555A]}, {name: b, encap: gre, key: 2, profile: learning, xsNetworkUUIDs: [11111111-2222-3333-4444-55555555555a]}]",
			"networks[1].xsNetworkUUIDs: profile: learning forwards by NORMAL, which would join this network with a, as that names the bridge of 11111111-2222-3333-4444-55555555555a too"},
		{"a bridge of two types", "hosts: [{name: h}]\nnetworks: [{name: z, encap: gre, key: 2, bridge: br0, createBridge: true, hosts: [h]}]", net + "bridge: br0, createBridge: true, hosts: [h], datapathType: netdev}]",
			"networks[0].datapathType: network z makes bridge br0 too, as the kernel's (datapathType left out): write the same in both, or name another bridge"},
		{"a bridge made nowhere", "", net + "bridge: br0, createBridge: true}]",
			"networks[0].createBridge: makes the bridge on the managed hosts that the network lists, and it lists none: add them to hosts, or leave createBridge out"},
		{"nor on external hosts", "hosts: [{name: x, kind: external, endpoint: 10.0.0.9}]", net + "bridge: br0, createBridge: true, hosts: [x]}]",
			"networks[0].createBridge: makes the bridge on the managed hosts that the network lists, and it lists none"},
		{"a bridge without a name", "", net + "createBridge: true}]",
			"networks[0].createBridge: needs a name for the bridge: add bridge"},
		{"hosts of which the bridge is not known", "hosts: [{name: h}]", net + "hosts: [h]}]",
			"networks[0].hosts: need to know which of their bridges is meant: add bridge or xsNetworkUUIDs"},
		{"an external host becomes managed", "hosts: [{name: x, kind: external, endpoint: 10.0.0.9}]\n" + net + "hosts: [x]}]", "hosts: [{name: x, endpoint: 10.0.0.9}]",
			"hosts[0].kind: network a lists this host, and its hosts need to know which of their bridges is meant: add bridge or xsNetworkUUIDs"},
		{"the last managed host becomes external", "hosts: [{name: h}]\n" + net + "bridge: br0, createBridge: true, hosts: [h]}]", "hosts: [{name: h, kind: external, endpoint: 10.0.0.9}]",
			"hosts[0].kind: network a lists this host, and its createBridge makes the bridge on the managed hosts that the network lists, and it lists none"},

		{"an external host without an address", "", "hosts: [{name: x, kind: external}]",
			"hosts[0].endpoint: is missing: an external host never dials in and can't say its address: add endpoint, or use kind: managed"},
		{"an external host that dials in", "", "hosts: [{name: x, kind: external, endpoint: 10.0.0.9, systemID: s}]",
			"hosts[0].systemID: can't be with kind: external, as such a host never dials in: leave it out, or use kind: managed"},
		{"a port behind an external host that no mesh reaches", "hosts: [{name: x, kind: external, endpoint: 10.0.0.9}]\n" + net + "bridge: br0}]",
			"ports: [{name: p, network: a, match: {host: x, interface: eth0}, mac: '02:00:00:00:00:01'}]",
			"ports[0].match.host: x is external and not in the mesh of network a: add it to the hosts of that"},
		{"a network leaves an external host with a port", "hosts: [{name: x, kind: external, endpoint: 10.0.0.9}]\n" + net + "hosts: [x]}]\nports: [{name: p, network: a, match: {host: x, interface: eth0}}]",
			net + "bridge: br0}]",
			"networks[0].hosts: port p is behind external host x, which has to be listed for it: list it, or delete the port"},
		{"a host with a port becomes external", "hosts: [{name: x}]\n" + net + "bridge: br0}]\nports: [{name: p, network: a, match: {host: x, interface: eth0}}]",
			"hosts: [{name: x, kind: external, endpoint: 10.0.0.9}]",
			"hosts[0].kind: port p is behind this host, and as an external one it would not be in the mesh of network a: add it to the hosts of that, or delete the port"},

		{"allowed addresses in a learning network", "", learn + port + "allowedAddresses: [{ip: 10.1.1.1}]}]",
			"ports[0].allowedAddresses: has no effect in network a, which is of profile: learning: leave it out, or use profile: programmed there"},
		{"a DHCP server in a learning network", learn, port + "dhcpServer: true}]",
			"ports[0].dhcpServer: has no effect in network a, which is of profile: learning"},
		{"a router in a learning network", learn, port + "router: true}]",
			"ports[0].router: has no effect in network a, which is of profile: learning"},
		{"a network with a router begins to learn", net + "bridge: br0}]\n" + port + "router: true}]", learn,
			"networks[0].profile: port p has router, which learning can't give: take it off the port, or use profile: programmed"},
		{"an address allowed twice", "", net + "bridge: b}]\n" + port + "allowedAddresses: [{ip: 10.1.1.1}, {ip: '::ffff:10.1.1.1'}]}]",
			"ports[0].allowedAddresses[1]: 10.1.1.1 is listed twice"},
		{"the same by its own MAC", "", net + "bridge: b}]\n" + port + "mac: '02:00:00:00:00:01', allowedAddresses: [{ip: 10.1.1.1}, {mac: '02:00:00:00:00:01', ip: 10.1.1.1}]}]",
			"ports[0].allowedAddresses[1]: 10.1.1.1 is listed twice"},
		{"its own address allowed", "", net + "bridge: b}]\n" + port + "ips: [10.1.1.1], allowedAddresses: [{ip: 10.1.1.1}]}]",
			"ports[0].allowedAddresses[0]: 10.1.1.1 is one of the port's own ips, which it may use anyway: leave it out here, or there if other ports may use it too"},
		{"an address of two ports", "", net + "bridge: b}]\n" + port + "ips: [10.1.1.1]}, {name: q, network: a, match: {ifaceID: j}, ips: ['::ffff:10.1.1.1']}]",
			"ports[1].ips[0]: ::ffff:10.1.1.1 is an address of port p of the same network: leave it to one of them, or list it in the allowedAddresses of both"},
		{"an address of a port that is there", net + "bridge: b}]\n" + port + "ips: [fd00::1]}]", "ports: [{name: q, network: a, match: {ifaceID: j}, ips: [fd00::2, fd00::1]}]",
			"ports[0].ips[1]: fd00::1 is an address of port p of the same network"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := newIntent(t)
			if tc.before != "" {
				apply(t, in, tc.before, false)
			}
			spec, src, err := parseText(tc.spec)
			if err == nil {
				_, err = in.Plan(spec, src, false)
			}
			var errs SpecErrors
			if !errors.As(err, &errs) {
				t.Fatalf("got error %v, want SpecErrors", err)
			}
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), tc.want) || errs[0].Line == 0 {
				t.Errorf("got\n%v\nwant %s", err, tc.want)
			}
		})
	}
}

// What comes near a refused combination and works.
func TestAllowedCombinations(t *testing.T) {
	const net = "networks: [{name: a, encap: gre, key: 1, "
	for _, tc := range []struct {
		name  string
		steps []string
	}{
		{"programmed with everything", []string{"hosts: [{name: h}]\n" + net + "bridge: br0, createBridge: true, takeBridge: true, hosts: [h], broadcast: drop, unknownUnicast: drop, tunnelPorts: shared, bfd: true, mtu: 1280}]"}},
		{"many networks on one bridge by one carrier", []string{net + "bridge: br0, tunnelPorts: flow}, {name: b, encap: gre, key: 2, bridge: br0, tunnelPorts: flow}, {name: c, encap: gre, key: 3, tunnelPorts: flow}]"}},
		{"carriers that have nothing in common", []string{net + "bridge: br0, tunnelPorts: flow}, {name: b, encap: gre, key: 2, bridge: br1, tunnelPorts: shared}, {name: c, encap: vxlan, key: 3, bridge: br2, tunnelPorts: shared}, {name: d, encap: vxlan, key: 4, bridge: br3, tunnelPorts: shared, dstPort: 8472}]"}},
		{"all networks of a carrier move to another bridge", []string{
			net + "bridge: br0, tunnelPorts: flow}, {name: b, encap: gre, key: 2, bridge: br0, tunnelPorts: flow}]",
			net + "bridge: br1, tunnelPorts: flow}, {name: b, encap: gre, key: 2, bridge: br1, tunnelPorts: flow}]",
		}},
		{"two learning networks swap bridges", []string{
			net + "bridge: br0, profile: learning}, {name: b, encap: gre, key: 2, bridge: br1, profile: learning}]",
			net + "bridge: br1, profile: learning}, {name: b, encap: gre, key: 2, bridge: br0, profile: learning}]",
		}},
		{"the bridge of a network that goes", []string{net + "bridge: br0, profile: learning}]", "!networks: [{name: b, encap: gre, key: 2, bridge: br0}]"}},
		{"a network that is there learns no more", []string{net + "bridge: br0, profile: learning}]", net + "bridge: br0}, {name: b, encap: gre, key: 2, bridge: br0}]"}},
		{"a type for a bridge that nobody makes", []string{net + "bridge: br0, datapathType: netdev}]"}},
		{"external hosts alone, without a bridge", []string{"hosts: [{name: x, kind: external, endpoint: 10.0.0.9}]\n" + net + "hosts: [x], bfd: true}]"}},
		{"a managed host becomes external, and managed again", []string{
			"hosts: [{name: h, systemID: s}]\n" + net + "bridge: br0, hosts: [h]}]",
			"hosts: [{name: h, kind: external, endpoint: 10.0.0.9}, {name: i, systemID: s}]",
			"hosts: [{name: i}, {name: h}]",
		}},
		{"an address that several may use, and one has", []string{net + "bridge: b}]\nports: [" +
			"{name: p, network: a, match: {ifaceID: i}, ips: [10.1.1.1], allowedAddresses: [{mac: '00:00:5e:00:01:01', ip: 10.1.1.1}]}, " +
			"{name: q, network: a, match: {ifaceID: j}, allowedAddresses: [{ip: 10.1.1.1}]}, " +
			"{name: r, network: a, match: {ifaceID: k}, allowedAddresses: [{ip: 10.1.1.1}, {mac: '00:00:5e:00:01:01', ip: 10.1.1.1}]}]"}},
		{"ports swap their addresses", []string{
			net + "bridge: b}]\nports: [{name: p, network: a, match: {ifaceID: i}, ips: [10.1.1.1]}, {name: q, network: a, match: {ifaceID: j}, ips: [10.1.1.2]}]",
			"ports: [{name: p, network: a, match: {ifaceID: i}, ips: [10.1.1.2]}, {name: q, network: a, match: {ifaceID: j}, ips: [10.1.1.1]}]",
		}},
		{"the same address in two networks", []string{net + "bridge: b}, {name: b, encap: gre, key: 2}]\nports: [{name: p, network: a, match: {ifaceID: i}, ips: [10.1.1.1]}, {name: q, network: b, match: {ifaceID: j}, ips: [10.1.1.1]}]"}},
		{"addresses in a learning network", []string{net + "profile: learning}]\nports: [{name: p, network: a, match: {ifaceID: i}, ips: [10.1.1.1]}]"}},
		{"a router goes, and its network learns", []string{
			net + "bridge: b}]\nports: [{name: p, network: a, match: {ifaceID: i}, router: true}]",
			net + "bridge: b, profile: learning}]\nports: [{name: p, network: a, match: {ifaceID: i}}]",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := newIntent(t)
			for _, text := range tc.steps {
				text, prune := strings.CutPrefix(text, "!")
				if c := apply(t, in, text, prune); c.Empty() {
					t.Errorf("%s changes nothing", text)
				}
				if c := apply(t, in, text, prune); !c.Empty() {
					t.Errorf("%s a second time: %v", text, said(c))
				}
			}
		})
	}
}
