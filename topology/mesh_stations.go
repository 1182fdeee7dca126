package topology

import (
	"cmp"
	"net/netip"
	"slices"
)

// KnownAddress is an IP address with the MAC that has it.
type KnownAddress struct {
	IP  netip.Addr
	MAC MAC
}

// Stations returns the IP addresses of a network of which it is known who has
// them, on any host and this one too, sorted by IP. One that two MACs have is
// not in it, nor one that some VIF may use beside its own: who has that now
// can only be asked. It is the same list for all hosts and must not be
// changed.
func Stations(on *OnHost) []KnownAddress {
	if on == nil {
		return nil
	}
	return on.Net.Addresses
}

// knownAddresses works out NetworkView.Addresses, once for all hosts: a list of
// a thousand members with twenty addresses each takes some milliseconds. Where
// tunnels carry no multicast, the link-local addresses that follow from MACs
// count as well: otherwise nobody could find a DHCPv6 client or a router on
// another host, who are spoken to by these.
func knownAddresses(members []Member, linkLocals bool) []KnownAddress {
	var all []KnownAddress
	floating := map[netip.Addr]bool{}
	for i := range members {
		for _, s := range members[i].Stations {
			for _, ip := range s.IPs {
				all = append(all, KnownAddress{IP: ip, MAC: s.MAC})
			}
			if linkLocals {
				all = append(all, KnownAddress{IP: linkLocal(s.MAC), MAC: s.MAC})
			}
		}
		for _, ip := range members[i].Floating {
			floating[ip] = true
		}
	}
	slices.SortFunc(all, func(a, b KnownAddress) int { return cmp.Or(a.IP.Compare(b.IP), compareMAC(a.MAC, b.MAC)) })
	all = slices.Compact(all) // a VM that migrates is on two hosts
	var known []KnownAddress
	for i, a := range all {
		if i > 0 && all[i-1].IP == a.IP || i+1 < len(all) && all[i+1].IP == a.IP || floating[a.IP] {
			continue
		}
		known = append(known, a)
	}
	return known
}

// linkLocal is the address that follows from a MAC, RFC 4291 appendix A.
func linkLocal(m MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80,
		8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}
