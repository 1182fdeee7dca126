package main

import (
	"fmt"
	"net/netip"

	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// network is what "up --networks" makes VMs for: a bridge on each host, and
// addresses by which its VMs know each other.
type network struct {
	Name   string         `json:"name"`
	Tenant string         `json:"tenant"`
	Encap  topology.Encap `json:"encap"`
	Key    uint32         `json:"key"`
	Bridge string         `json:"bridge"`
	Number int            `json:"number"`
}

// labNetwork is the n-th network of a lab, counted from 1: GRE and VXLAN by
// turns.
func labNetwork(n int) network {
	net := network{
		Name: fmt.Sprintf("net%d", n), Tenant: fmt.Sprintf("tenant%d", n), Bridge: fmt.Sprintf("xapi%d", n),
		Encap: topology.GRE, Key: uint32(100 + n), Number: n,
	}
	if n%2 == 0 {
		net.Encap, net.Key = topology.VXLAN, uint32(5000+n)
	}
	return net
}

// vm is the k-th VM of the network on a host.
func (n network) vm(h *ovstest.Host, k int) ovstest.VMSpec {
	host := h.Index
	return ovstest.VMSpec{
		Name:   fmt.Sprintf("%s-%s-%d", n.Name, h.Name, k),
		Bridge: n.Bridge,
		MAC:    topology.MAC{0x02, 0, byte(n.Number >> 8), byte(n.Number), byte(host), byte(k)},
		IPs: []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n.Number), byte(host), byte(k)}), 16),
			netip.MustParsePrefix(fmt.Sprintf("fd10:%x::%x:%x/64", n.Number, host, k)),
		},
	}
}
