package controller_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// quietTunnels is a network whose tunnels carry next to nothing by themselves. The
// server's roles come first, then what is known of the guest.
const quietTunnels = `
networks:
  - {name: blue, tenant: acme, encap: vxlan, key: 5001, bridge: xapi1, broadcast: drop, unknownUnicast: drop}
ports:
  - {name: server, network: blue, match: {ifaceID: %s}, ips: [%s, "%s", "%s"], dhcpServer: %v, router: %v}
  - {name: guest, network: blue, match: {ifaceID: %s}, ips: [%s, "%s", "%s"]}
`

// Addresses that the server gives to the guest.
var (
	leased4    = ip4(100)
	leased6    = netip.MustParseAddr("fd00::1000")
	advertised = netip.MustParsePrefix("fd20::/64")

	routerAddress = advertised.Addr().Next()

	ruse = netip.MustParsePrefix("fd66::/64") // of the rogue
)

// quietMesh is three hosts in such a network: a server on h1, a guest that
// boots on h2, a rogue server on h3, and beside each of them a bystander.
type quietMesh struct {
	*mesh
	server, guest, rogue *ovstest.VM
	bystanders           []*ovstest.VM // of h1, h2 and h3
}

func startQuietMesh(t *testing.T) *quietMesh {
	m := &quietMesh{mesh: startMeshOf(t, bedKind{hosts: 3})}
	m.bridges("xapi1")
	m.server, m.rogue = m.vm("h1", "server", "xapi1", 1, ""), m.knownVM("h3", "rogue", "xapi1", 3, "")
	m.guest = m.vm("h2", "guest", "xapi1", 2, "")
	for i := range 3 {
		m.bystanders = append(m.bystanders, m.knownVM(fmt.Sprintf("h%d", i+1), fmt.Sprintf("by-%d", i+1), "xapi1", 11+i, ""))
	}
	_, err := m.server.Exec(m.ctx, "ip", "addr", "add", netip.PrefixFrom(routerAddress, 64).String(), "dev", "eth0")
	m.check(err)
	m.serve(false, false)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(append(m.bystanders, m.server, m.rogue)...)
	return m
}

// serve says which roles the server has.
func (m *quietMesh) serve(dhcp, router bool) {
	m.t.Helper()
	m.apply(fmt.Sprintf(quietTunnels, m.server.IfaceID, ip4(1), ip6(1), routerAddress, dhcp, router,
		m.guest.IfaceID, leased4, leased6, slaac(advertised, m.guest.MAC)))
}

// slaac returns the address that a VM gives itself in a prefix, RFC 4862 §5.5.3
// with the interface identifier of RFC 4291 appendix A.
func slaac(prefix netip.Prefix, mac topology.MAC) netip.Addr {
	a := prefix.Addr().As16()
	copy(a[8:], []byte{mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
	return netip.AddrFrom16(a)
}

// groupKind says of a frame to a group what it is, "" of one to a station.
func groupKind(f ovstest.Frame) string {
	if len(f.Data) < 14 || f.Data[0]&1 == 0 {
		return ""
	}
	ip := f.Data[14:]
	switch f.EtherType() {
	case 0x0800:
		if len(ip) < 24 || ip[9] != 17 {
			return "IPv4"
		}
		udp := ip[int(ip[0]&15)*4:]
		switch src, dst := binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:]); {
		case src == 68 && dst == 67:
			return "DHCP request"
		case src == 67 && dst == 68:
			return "DHCP answer"
		}
		return "IPv4"
	case 0x86dd:
		if len(ip) < 44 {
			return "IPv6"
		}
		switch ports := ip[40:44]; {
		case ip[6] == 17 && string(ports) == "\x02\x22\x02\x23":
			return "DHCPv6 request"
		case ip[6] == 58 && ports[0] == 133:
			return "router solicitation"
		case ip[6] == 58 && ports[0] == 134:
			return "router advertisement"
		}
		return "IPv6"
	}
	return fmt.Sprintf("%#04x", f.EtherType())
}

// kinds lists what was sent to groups, by who sent it to whom in a tunnel, each
// once and sorted.
func (m *quietMesh) kinds(list []inTunnel) string {
	names := map[netip.Addr]string{}
	for _, h := range m.Hosts() {
		names[h.Addr] = h.Name
	}
	var all []string
	for _, f := range list {
		if kind := groupKind(f.Frame); kind != "" {
			all = append(all, fmt.Sprintf("%s to %s: %s", f.host, names[f.Dst], kind))
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "\n")
}

// vms are all of them.
func (m *quietMesh) vms() []*ovstest.VM {
	return append([]*ovstest.VM{m.server, m.guest, m.rogue}, m.bystanders...)
}

// Tunnels that carry no broadcast bring a VM on another host its DHCP leases
// and its router advertisement, and carry nothing else for all to hear.
func TestServicesOverQuietTunnels(t *testing.T) {
	m := startQuietMesh(t)
	m.advertises()
	m.leases()
	m.serve(true, true)
	m.tellsAll()
	m.reachable()
	m.clean()
	m.roles()
}

// advertises has the guest boot where the server is a router, and the rogue
// advertises as well.
func (m *quietMesh) advertises() {
	m.t.Helper()
	m.serve(false, true)
	local, err := m.bystanders[2].StartCapture()
	m.check(err)
	crossed := m.watchUnderlay(func() {
		m.serveRA(m.server, advertised)
		m.serveRA(m.rogue, ruse)
		m.check(m.guest.Boot(m.ctx, false))
		m.configured()
		m.noise()
	})
	want := `h1 to h2: router advertisement
h1 to h3: router advertisement
h2 to h1: router solicitation`
	if got := m.kinds(crossed); got != want {
		m.t.Errorf("in tunnels:\n%s\nwant\n%s", got, want)
	}
	m.check(local.Stop())
	if local.Count(func(f ovstest.Frame) bool {
		return groupKind(f) == "router advertisement" && string(f.Data[6:12]) == string(m.rogue.MAC[:])
	}) == 0 {
		m.t.Errorf("the rogue advertised nothing, so that it proves nothing that it was not heard")
	}
}

// configured waits until the guest has given itself the address that follows
// from the router's advertisement, and demands that it has none of the rogue.
func (m *quietMesh) configured() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.ctx, 20*time.Second)
	defer cancel()
	if got, err := m.guest.WaitAddr(ctx, advertised); err != nil || got != slaac(advertised, m.guest.MAC) {
		m.t.Fatalf("router advertisement: address %v, %v", got, err)
	}
	addrs, err := m.guest.Addrs(ctx)
	m.check(err)
	for a := range addrs {
		if ruse.Contains(a) || a == ip4(200) {
			m.t.Errorf("the guest has %v from a server that is none", a)
		}
	}
}

// leases has the guest boot where the server serves DHCP and its
// advertisements stay home, so that it does not know the guest by a
// solicitation; the rogue serves as well.
func (m *quietMesh) leases() {
	m.t.Helper()
	m.serve(true, false)
	m.forgetNeighbours(m.server)
	crossed := m.watchUnderlay(func() {
		m.serveDHCP(m.server, leased4, leased6)
		m.serveDHCP(m.rogue, ip4(200), netip.MustParseAddr("fd00::2000"))
		ctx, cancel := context.WithTimeout(m.ctx, 20*time.Second)
		defer cancel()
		m.check(m.guest.Boot(ctx, false))
		if _, err := m.guest.WaitAddr(ctx, netip.MustParsePrefix("fe80::/64")); err != nil {
			m.t.Fatal(err)
		}
		for family, want := range map[int]netip.Addr{4: leased4, 6: leased6} {
			if got, err := m.guest.Lease(ctx, family); err != nil || got != want {
				m.t.Fatalf("DHCP of family %d: address %v, %v; want %v", family, got, err, want)
			}
		}
		m.noise()
	})
	// A server answers all or one, as it likes.
	got := strings.ReplaceAll(m.kinds(crossed), "h1 to h2: DHCP answer\nh1 to h3: DHCP answer\n", "")
	if want := "h2 to h1: DHCP request\nh2 to h1: DHCPv6 request"; got != want {
		m.t.Errorf("in tunnels:\n%s\nwant\n%s", got, want)
	}
}

func (m *quietMesh) serveDHCP(vm *ovstest.VM, addr4, addr6 netip.Addr) {
	m.t.Helper()
	d, err := vm.ServeDHCP(addr4, addr4, addr6, addr6)
	m.check(err)
	m.logOf(vm, d)
}

func (m *quietMesh) serveRA(vm *ovstest.VM, prefix netip.Prefix) {
	m.t.Helper()
	d, err := vm.ServeRA(prefix)
	m.check(err)
	m.logOf(vm, d)
}

// logOf prints what a daemon wrote if the test fails.
func (m *quietMesh) logOf(vm *ovstest.VM, d *ovstest.Daemon) {
	m.t.Cleanup(func() {
		if m.t.Failed() {
			m.t.Logf("%s:\n%s", vm.Name, d.Log())
		}
	})
}

// noise has everybody send to all.
func (m *quietMesh) noise() {
	m.t.Helper()
	for _, vm := range m.vms() {
		for kind, dst := range floodKinds {
			m.check(vm.SendFrame(testFrame(dst, vm.MAC, "noise of "+vm.Name+" "+kind)))
		}
		m.check(vm.SendFrame(arpRequest(vm.MAC, ip4(int(vm.MAC[5])).As4(), ip4(250).As4())))
	}
}

// tellsAll demands that an answer of the server to all arrives everywhere, once;
// but the rogue's, and what floods otherwise, at the neighbours on one host
// alone, and frames to unknown stations nowhere.
func (m *quietMesh) tellsAll() {
	m.t.Helper()
	vms := m.vms()
	var frames []expected
	for kind, dst := range floodKinds {
		e := expected{kind, testFrame(dst, m.server.MAC, "tells all "+kind), map[*ovstest.VM]int{m.bystanders[0]: 1}}
		if kind == "unknown unicast" {
			e.want = nil
		}
		frames = append(frames, e)
	}
	answer := func(from *ovstest.VM, n int) []byte {
		udp := append([]byte{0, 67, 0, 68, 0, 28, 0, 0}, fmt.Sprintf("an answer of %-7.7s", from.Name)...)
		return ipFrame(everybody, from.MAC, ip4(n), netip.AddrFrom4([4]byte{255, 255, 255, 255}), 17, udp)
	}
	served := expected{"answer of the server", answer(m.server, 1), map[*ovstest.VM]int{}}
	for _, vm := range vms[1:] {
		served.want[vm] = 1
	}
	forged := expected{"answer of the rogue", answer(m.rogue, 3), map[*ovstest.VM]int{m.bystanders[2]: 1}}
	m.arrive(vms, append(frames, served, forged), func() {
		for _, e := range append(frames, served) {
			m.check(m.server.SendFrame(e.frame))
		}
		m.check(m.rogue.SendFrame(forged.frame))
	})
}

// reachable has VMs of all hosts find each other by the addresses that are
// known, those that the guest has just been given too.
func (m *quietMesh) reachable() {
	m.t.Helper()
	m.guest.IPs = []netip.Prefix{netip.PrefixFrom(leased4, 24), netip.PrefixFrom(leased6, 64)}
	vms := m.vms()
	m.forgetNeighbours(vms...)
	crossed := m.watchUnderlay(func() { m.pingAll(vms...) })
	loud := having(crossed, func(f inTunnel) bool {
		kind := groupKind(f.Frame)
		return kind != "" && kind != "router advertisement"
	})
	if len(loud) > 0 {
		m.t.Errorf("%d frames to groups in tunnels:%s", len(loud), someFrames(loud))
	}
	m.configured()
	m.check(m.guest.WaitPing(m.ctx, routerAddress))
}

// roles takes the server's roles away: then nobody is asked across a tunnel,
// nor told.
func (m *quietMesh) roles() {
	m.t.Helper()
	m.serve(false, false)
	crossed := m.watchUnderlay(func() {
		short, cancel := context.WithTimeout(m.ctx, 4*time.Second) // advertisements come every 4 s
		defer cancel()
		m.check(m.guest.Boot(m.ctx, false))
		if got, err := m.guest.Lease(short, 4); err == nil {
			m.t.Errorf("lease %v of a server that is none any longer", got)
		}
		if got, err := m.guest.WaitAddr(short, advertised); err == nil {
			m.t.Errorf("address %v of a router that is none any longer", got)
		}
	})
	if got := m.kinds(crossed); got != "" {
		m.t.Errorf("in tunnels:\n%s\nwant none", got)
	}
}

// A VM whose MAC nobody knows can't be reached where frames to unknown stations
// are dropped, and the topology says so.
func TestUnknownMACIsWarnedOf(t *testing.T) {
	t.Parallel()
	m := startMeshOf(t, bedKind{hosts: 2})
	m.bridges("xapi1")
	m.apply(`networks: [{name: blue, tenant: acme, encap: vxlan, key: 5001, bridge: xapi1, unknownUnicast: drop}]`)
	known := m.knownVM("h1", "known", "xapi1", 1, "")
	stranger, err := m.Host("h2").AddVM(m.ctx, ovstest.VMSpec{
		Name: "stranger", Bridge: "xapi1", MAC: mac(2), Bare: true, IPs: []netip.Prefix{netip.PrefixFrom(ip4(2), 24)},
	})
	m.check(err)
	m.meshed("blue", "h1", "h2")
	m.warned("h2/"+stranger.Interface, "MAC", "can't be reached", "attached-mac")
	if r, err := known.Ping(m.ctx, ip4(2), 3); err != nil || r.Received > 0 {
		t.Errorf("ping %+v, %v: reached a VM of unknown address", r, err)
	}
	m.apply(fmt.Sprintf(`ports: [{name: stranger, network: blue, match: {host: h2, interface: %s}, mac: "%s"}]`, stranger.Interface, mac(2)))
	m.warned("")
	m.check(known.WaitPing(m.ctx, ip4(2)))

	// Where they are flooded, that is what it says.
	m.remove(api.KindPorts, "stranger")
	m.apply(`networks: [{name: blue, tenant: acme, encap: vxlan, key: 5001, bridge: xapi1}]`)
	m.warned("h2/"+stranger.Interface, "MAC", "flooded", "attached-mac")
	m.check(known.WaitPing(m.ctx, ip4(2)))
	m.clean()
}

// warned waits until blue has one warning in which all these words are, none
// for one empty word.
func (m *mesh) warned(words ...string) {
	m.t.Helper()
	m.eventually("a warning of "+strings.Join(words, ", "), func() error {
		got := m.topology(api.TopologyFilter{Network: "blue"}).Networks[0].Warnings
		if words[0] == "" && len(got) == 0 {
			return nil
		}
		if words[0] == "" || len(got) != 1 || slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(got[0], w) }) {
			return fmt.Errorf("warnings %q", got)
		}
		return nil
	})
}
