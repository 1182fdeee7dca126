package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// everyOption has a network of each kind that leaves other traces on a host.
const everyOption = `
networks:
  - {name: host, encap: gre, key: 103, bridge: br-phy, takeBridge: true}
  - {name: shared, encap: gre, key: 104, tunnelPorts: shared, bfd: true}
  - {name: flow, encap: vxlan, key: 5004, tunnelPorts: flow, broadcast: drop}
  - {name: learns, encap: gre, key: 105, bridge: xapi1, profile: learning}
  - {name: red, tenant: globex, encap: vxlan, key: 5005, bridge: xapi2}
`

// released are the bridges of everyOption but that of network red.
var released = []string{phy, "br-int", "xapi1"}

// stateOf is all that an operator could see of bridges: their settings, ports with
// their VLANs, interfaces, and flows.
func (m *mesh) stateOf(h *ovstest.Host, bridges ...string) string {
	m.t.Helper()
	var b strings.Builder
	for _, bridge := range bridges {
		fmt.Fprintf(&b, "== %s of %s\n%s\n", bridge, h.Name, m.bridgeState(h, bridge))
		ports := append(strings.Fields(m.vsctl(h, "list-ports", bridge)), bridge)
		slices.Sort(ports)
		for _, name := range ports {
			fmt.Fprintf(&b, "%s\n%s\n",
				m.vsctl(h, "--if-exists", "--columns=name,vlan_mode,tag,trunks,cvlans,protected,external_ids,other_config", "list", "Port", name),
				m.vsctl(h, "--if-exists", "--columns=name,type,options,external_ids,other_config,bfd,bfd_status,ofport,ofport_request,mtu_request,mac_in_use", "list", "Interface", name))
		}
		fmt.Fprintln(&b, m.vsctl(h, "get", "Bridge", bridge, "datapath_id"))
	}
	return b.String()
}

// foreignFlows gives a bridge flows of its operator.
func (m *mesh) foreignFlows(h *ovstest.Host, bridge, port string) {
	m.t.Helper()
	m.ofctl(h, "add-flow", bridge, "cookie=0x1,priority=5000,in_port="+port+",dl_src="+mac(h.Index).String()+",dl_type=0x88cc,actions=NORMAL")
	m.ofctl(h, "add-flow", bridge, "cookie=0x77,table=99,priority=7,tcp,tp_dst=22,actions=learn(table=98,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),note:01.02.03.04.05.06")
}

// whole waits until networks have all their tunnels on all hosts.
func (m *mesh) whole(hosts ...string) {
	m.t.Helper()
	for _, network := range []string{"host", "shared", "flow", "learns", "red"} {
		m.meshed(network, hosts...)
	}
}

// asWas waits until bridges of a host are again what they were.
func (m *mesh) asWas(h *ovstest.Host, was string, bridges ...string) {
	m.t.Helper()
	m.eventually(h.Name+" as it was", func() error {
		if now := m.stateOf(h, bridges...); now != was {
			return fmt.Errorf("%s was\n%s\nand is\n%s\nwhich differs in\n%s", h.Name, was, now, linesApart(was, now))
		}
		return nil
	})
}

// linesApart prints the lines that only one of two texts has.
func linesApart(was, now string) string {
	var b strings.Builder
	before, after := strings.Split(was, "\n"), strings.Split(now, "\n")
	for _, l := range before {
		if !slices.Contains(after, l) {
			fmt.Fprintln(&b, "-", l)
		}
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			fmt.Fprintln(&b, "+", l)
		}
	}
	return b.String()
}

// A host with networks of every kind leaves, comes back, is deleted, comes back,
// and then the networks are: each time it has its bridges back exactly as they
// were, VMs' ports and flows of others included, and nobody else loses anything.
func TestReleaseOfEveryOption(t *testing.T) {
	t.Parallel()
	m := startInBand(t)
	m.bridges("br-int", "xapi1", "xapi2")
	h2 := m.Host("h2")
	m.vsctl(h2, "set", "Bridge", "br-int", "stp_enable=true", "other_config:stp-priority=100", "protocols=OpenFlow10,OpenFlow13,OpenFlow14")
	m.vsctl(h2, "set", "Bridge", phy, "external_ids:xs-network-uuids=abc", "other_config:forward-bpdu=true")
	m.vsctl(h2, "set", "Bridge", "xapi1", "fail_mode=secure", "other_config:mac-aging-time=120")
	vms := map[string][]*ovstest.VM{} // by network
	for i, h := range m.Hosts() {
		for network, bridge := range map[string]string{"host": phy, "shared": "br-int", "flow": "br-int", "learns": "xapi1", "red": "xapi2"} {
			named := ""
			if bridge == "br-int" {
				named = network
			}
			vms[network] = append(vms[network], m.knownVM(h.Name, fmt.Sprintf("%s-%d", network, i+1), bridge, i+1, named))
		}
		// One that the host's operator keeps in VLANs of its own.
		m.vm(h.Name, fmt.Sprintf("tagged-%d", i+1), phy, 100+i, "host")
	}
	tagged := m.VM("tagged-2").Interface
	m.vsctl(h2, "set", "Port", tagged, "tag=7", "vlan_mode=native-untagged", "trunks=8,9")
	before := map[string]string{}
	for _, h := range m.Hosts() {
		m.foreignFlows(h, phy, "eth0")
		m.foreignFlows(h, "br-int", "br-int")
		m.foreignFlows(h, "xapi1", "xapi1")
		before[h.Name] = m.stateOf(h, released...)
	}
	was := m.stateOf(h2, append(released, "xapi2")...)

	pings := m.hostPings(m.Hosts()...)
	m.apply(everyOption)
	m.whole("h1", "h2", "h3")
	for network, list := range vms {
		if network == "host" || network == "red" {
			m.pingAll(list...)
		} else {
			m.check(list[0].WaitPing(m.ctx, list[1].IPs[0].Addr()))
			m.check(list[1].WaitPing(m.ctx, list[2].IPs[0].Addr()))
		}
	}
	m.clean()
	red := vms["red"]
	others := func() {
		pings["tenant red"] = m.tracePing(red[0], red[2].IPs[0].Addr())
		pings["tenant red, IPv6"] = m.tracePing(red[2], red[0].IPs[1].Addr())
	}
	others()

	m.vsctl(h2, "set", "Open_vSwitch", ".", "external_ids:ovsmesh-leave=requested")
	m.asWas(h2, was, append(released, "xapi2")...)
	m.whole("h1", "h3")
	m.noPeer("h2")
	m.clean()
	m.undisturbed("a host leaves", pings)

	m.vsctl(h2, "remove", "Open_vSwitch", ".", "external_ids", "ovsmesh-leave")
	m.whole("h1", "h2", "h3")
	m.pingAll(vms["host"]...)
	pings = m.hostPings(m.Hosts()...)
	others()
	m.remove(api.KindHosts, "h2")
	m.asWas(h2, was, append(released, "xapi2")...)
	m.whole("h1", "h3")
	m.noPeer("h2")
	m.clean()
	m.undisturbed("a host is deleted", pings)

	m.apply("hosts: [{name: h2}]")
	m.whole("h1", "h2", "h3")
	m.pingAll(red...)
	pings = m.hostPings(m.Hosts()...)
	others()
	pings["tenant red, by h2"] = m.tracePing(red[0], red[1].IPs[0].Addr())
	for _, network := range []string{"shared", "host", "learns", "flow"} {
		m.remove(api.KindNetworks, network)
	}
	for _, h := range m.Hosts() {
		m.asWas(h, before[h.Name], released...)
	}
	m.meshed("red", "h1", "h2", "h3")
	m.clean()
	m.undisturbed("networks are deleted", pings)
	m.pingAll(red...)
}
