package ovstest

import (
	"net"
	"net/netip"
)

// ListenUDP opens a UDP socket in the VM, as net.ListenUDP does. It stays open
// while the VM migrates.
func (vm *VM) ListenUDP(at netip.AddrPort) (c *net.UDPConn, err error) {
	err = inNS(vm.Namespace(), func() error {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	return c, err
}
