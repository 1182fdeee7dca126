package ovstest

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"ovsmesh/topology"
)

// ServeDHCP starts dnsmasq in the VM: DHCP for IPv4 from first to last, and
// DHCPv6 from first6 to last6 where they are valid. The VM's own eth0 must have
// an address in each of the networks.
func (vm *VM) ServeDHCP(first, last, first6, last6 netip.Addr) (*Daemon, error) {
	leases, err := vm.file("dnsmasq.leases", "", 0o644)
	if err != nil {
		return nil, err
	}
	argv := []string{"dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--group=root",
		"--interface=eth0", "--bind-interfaces", "--except-interface=lo", "--no-ping", "--log-dhcp", "--log-facility=-",
		"--pid-file=", "--dhcp-authoritative", "--dhcp-leasefile=" + leases,
		fmt.Sprintf("--dhcp-range=%s,%s,10m", first, last)}
	if first6.IsValid() {
		argv = append(argv, fmt.Sprintf("--dhcp-range=%s,%s,64,10m", first6, last6))
	}
	return vm.StartDaemon(argv...)
}

// dhcpScript is what dhclient calls with each event, dhclient-script(8): it
// gives eth0 the address, and changes nothing of the machine.
const dhcpScript = `#!/bin/sh
case "$reason" in
BOUND|RENEW|REBIND) ip addr replace "$new_ip_address/24" dev "$interface" ;;
BOUND6|RENEW6|REBIND6) ip addr replace "$new_ip6_address/64" dev "$interface" nodad ;;
esac
exit 0
`

// Lease runs dhclient in the VM until it has a lease of the family (4 or 6) or
// ctx ends. It returns the address, which eth0 then has.
func (vm *VM) Lease(ctx context.Context, family int) (netip.Addr, error) {
	script, err := vm.file("dhclient-script", dhcpScript, 0o755)
	if err != nil {
		return netip.Addr{}, err
	}
	leases, err := vm.file("dhclient.leases", "", 0o644)
	if err != nil {
		return netip.Addr{}, err
	}
	conf, err := vm.file("dhclient.conf", "timeout 60;\ninitial-interval 1;\nbackoff-cutoff 2;\n", 0o644)
	if err != nil {
		return netip.Addr{}, err
	}
	before, err := vm.Addrs(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	err = vm.runTool(ctx, "dhclient", fmt.Sprintf("-%d", family), "-1", "-v", "-sf", script,
		"-lf", leases, "-cf", conf, "-pf", vm.dir()+"/dhclient.pid", "eth0")
	if err != nil {
		return netip.Addr{}, err
	}
	after, err := vm.Addrs(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	for a := range after {
		if _, had := before[a]; !had && a.Is4() == (family == 4) && !a.IsLinkLocalUnicast() {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("VM %s: dhclient ended and eth0 has no new address: %v", vm.Name, after)
}

// ServeRA starts radvd in the VM: router advertisements for a prefix of 64
// bits, in answer to solicitations and every few seconds.
func (vm *VM) ServeRA(prefix netip.Prefix) (*Daemon, error) {
	conf, err := vm.file("radvd.conf", fmt.Sprintf(`interface eth0 {
	AdvSendAdvert on;
	MinRtrAdvInterval 3;
	MaxRtrAdvInterval 4;
	prefix %s { AdvOnLink on; AdvAutonomous on; };
};
`, prefix), 0o644)
	if err != nil {
		return nil, err
	}
	// A router; radvd demands it.
	if err := setSysctls(vm.Namespace(), "ipv6/conf/all/forwarding=1"); err != nil {
		return nil, err
	}
	return vm.StartDaemon("radvd", "--nodaemon", "--config", conf, "--pidfile", vm.dir()+"/radvd.pid", "--logmethod", "stderr", "--debug", "2")
}

// ServeVRRP starts keepalived in the VM: one of the routers that share an IPv4
// address, VRRP version 3 (RFC 5798) with five adverts a second. With ownMAC the
// address goes with the VM's MAC; else with that of the virtual router,
// 00:00:5e:00:01:ID.
func (vm *VM) ServeVRRP(id byte, priority int, address netip.Prefix, ownMAC bool) (*Daemon, error) {
	vmac := ""
	if !ownMAC {
		vmac = "use_vmac vrrp0"
	}
	conf, err := vm.file("keepalived.conf", fmt.Sprintf(`global_defs {
	router_id %s
	vrrp_garp_master_delay 1
}
vrrp_instance one {
	interface eth0
	state BACKUP
	version 3
	virtual_router_id %d
	priority %d
	advert_int 0.2
	%s
	virtual_ipaddress { %s }
}
`, vm.Name, id, priority, vmac, address), 0o644)
	if err != nil {
		return nil, err
	}
	if !ownMAC {
		// Neither an answer nor a question of ARP may tie the virtual router's
		// address to the VM's MAC.
		if err := setSysctls(vm.Namespace(), "ipv4/conf/all/arp_ignore=1", "ipv4/conf/all/arp_announce=2", "ipv4/conf/all/rp_filter=0", "ipv4/conf/eth0/rp_filter=0"); err != nil {
			return nil, err
		}
	}
	pid, vrrpPID := vm.dir()+"/keepalived.pid", vm.dir()+"/vrrp.pid"
	for _, path := range []string{pid, vrrpPID} { // of one that was killed
		if err := os.RemoveAll(path); err != nil {
			return nil, err
		}
	}
	return vm.StartDaemon("keepalived", "--dont-fork", "--vrrp", "--log-console", "--log-detail",
		"--use-file", conf, "--pid", pid, "--vrrp_pid", vrrpPID)
}

// VRRPMAC is the MAC of a virtual router, RFC 5798 §7.3.
func VRRPMAC(id byte) topology.MAC { return topology.MAC{0, 0, 0x5e, 0, 1, id} }

// Boot starts the VM's network anew as a guest does that boots: eth0 goes down,
// loses its addresses and comes up again with multicast listener reports,
// duplicate address detection and router solicitations of its own. With keep
// it is given the VM's addresses again, each under duplicate detection.
func (vm *VM) Boot(ctx context.Context, keep bool) error {
	for _, argv := range [][]string{
		{"ip", "link", "set", "eth0", "down"},
		{"ip", "addr", "flush", "dev", "eth0"},
	} {
		if _, err := vm.Exec(ctx, argv...); err != nil {
			return err
		}
	}
	err := setSysctls(vm.Namespace(),
		"ipv6/conf/eth0/accept_dad=1", "ipv6/conf/all/accept_dad=1", "ipv6/conf/eth0/dad_transmits=1",
		"ipv6/conf/eth0/accept_ra=1", "ipv6/conf/eth0/router_solicitations=3", "ipv6/conf/eth0/router_solicitation_delay=0")
	if err != nil {
		return err
	}
	if _, err := vm.Exec(ctx, "ip", "link", "set", "eth0", "up"); err != nil {
		return err
	}
	if !keep {
		return nil
	}
	for _, p := range vm.IPs {
		if _, err := vm.Exec(ctx, "ip", "addr", "add", p.String(), "dev", "eth0"); err != nil {
			return err
		}
	}
	return nil
}

// Addrs returns the addresses of the VM's eth0 and, of each, what ip-address(8)
// says of it: "scope global", with "tentative" or "dadfailed" where it is so.
func (vm *VM) Addrs(ctx context.Context) (map[netip.Addr]string, error) {
	out, err := vm.Exec(ctx, "ip", "-o", "addr", "show", "dev", "eth0")
	if err != nil {
		return nil, err
	}
	addrs := make(map[netip.Addr]string)
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		p, err := netip.ParsePrefix(fields[3])
		if err != nil {
			return nil, fmt.Errorf("ip addr of VM %s: %w", vm.Name, err)
		}
		addrs[p.Addr()] = strings.Join(fields[4:], " ")
	}
	return addrs, nil
}

// WaitAddr waits until eth0 has an address that is in prefix and no longer
// tentative, and returns it.
func (vm *VM) WaitAddr(ctx context.Context, prefix netip.Prefix) (netip.Addr, error) {
	for {
		addrs, err := vm.Addrs(ctx)
		if err != nil {
			return netip.Addr{}, err
		}
		for a, flags := range addrs {
			if prefix.Contains(a) && !strings.Contains(flags, "tentative") && !strings.Contains(flags, "dadfailed") {
				return a, nil
			}
		}
		select {
		case <-ctx.Done():
			return netip.Addr{}, fmt.Errorf("VM %s has no address in %s: %v: %w", vm.Name, prefix, addrs, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
