package topology

import (
	"net/netip"
	"slices"
)

// KnownAddress is an IP address of which it is known who has it.
type KnownAddress struct {
	IP  netip.Addr
	MAC MAC
}

// Stations returns the addresses of a network that exactly one MAC has, sorted
// by IP.
func Stations(on *OnHost) []KnownAddress {
	if on == nil {
		return nil
	}
	owner := map[netip.Addr]MAC{}
	several := map[netip.Addr]bool{}
	for i := range on.Net.Members {
		for _, s := range on.Net.Members[i].Stations {
			for _, ip := range s.IPs {
				if mac, ok := owner[ip]; ok && mac != s.MAC {
					several[ip] = true
				}
				owner[ip] = s.MAC
			}
		}
	}
	var list []KnownAddress
	for ip, mac := range owner {
		if !several[ip] {
			list = append(list, KnownAddress{IP: ip, MAC: mac})
		}
	}
	slices.SortFunc(list, func(a, b KnownAddress) int { return a.IP.Compare(b.IP) })
	return list
}
